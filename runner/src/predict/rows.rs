//! The dataset's rows, block by block, and how far one has come.

use std::io::{self, IsTerminal, Read};

use indicatif::{ProgressBar, ProgressStyle};
use records::{Blocks, Options, Problem, ReadSeek, Rules, Source};

use super::PredictError;
use crate::size::Size;
use crate::store::LocalFile;

/// A dataset that was fetched.
pub(super) struct Rows {
    file: LocalFile,
    /// Bytes that a file may take that is read as a whole.
    memory: u64,
    bar: Option<ProgressBar>,
}

impl Rows {
    /// `bytes` long. Progress is shown where somebody watches and `quiet` is not asked for.
    pub fn new(file: LocalFile, bytes: u64, memory: u64, shown: bool) -> Self {
        let watched =
            shown && io::stderr().is_terminal() && tracing::enabled!(tracing::Level::INFO);
        let bar = watched.then(|| {
            let bar = ProgressBar::new(bytes);
            let style = "{bar:30} {msg} rows, {eta} left";
            // The template is ours and valid; were it not, the default one would show.
            bar.set_style(
                ProgressStyle::with_template(style)
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        Self { file, memory, bar }
    }

    pub fn open(&self, rules: Rules) -> Result<Blocks<'_>, PredictError> {
        // The fetch has limited its length.
        let options = Options {
            max_bytes: u64::MAX,
            rules,
            ..Options::default()
        };
        Blocks::open(&self.file, &options, self.memory).map_err(|error| self.error(error))
    }

    /// Whatever is wrong with the data. Its file is the runner's own and has no name for a person.
    pub fn error(&self, error: records::ReadError) -> PredictError {
        match error.problem() {
            // What comes in blocks has no limit.
            Problem::TooManyBytes { limit } => PredictError::Memory(Size(*limit)),
            _ => PredictError::Data {
                data: "the data cannot be used".to_owned(),
                error: Box::new(error),
            },
        }
    }

    pub fn at(&self, offset: u64, rows: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(offset);
            bar.set_message(rows.to_string());
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Source for LocalFile {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(LocalFile::open(self)?))
    }

    fn open_seekable(&self) -> io::Result<Option<Box<dyn ReadSeek + '_>>> {
        Ok(Some(Box::new(LocalFile::open(self)?)))
    }

    fn size(&self) -> Option<u64> {
        let size = LocalFile::open(self).ok()?.metadata().ok()?.len();
        (size > 0).then_some(size)
    }
}
