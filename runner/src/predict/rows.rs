//! The dataset's rows, block by block, and how far one has come.

use std::io::IsTerminal;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use records::{Blocks, Options, Problem, Rules};

use super::PredictError;
use crate::size::Size;

/// A dataset that was fetched.
pub(super) struct Rows {
    pub path: PathBuf,
    /// Bytes that a file may take that is read as a whole.
    memory: u64,
    bar: Option<ProgressBar>,
}

impl Rows {
    /// `bytes` long. Progress is shown where somebody watches and `quiet` is not asked for.
    pub fn new(path: PathBuf, bytes: u64, memory: u64, shown: bool) -> Self {
        let watched =
            shown && std::io::stderr().is_terminal() && tracing::enabled!(tracing::Level::INFO);
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
        Self { path, memory, bar }
    }

    pub fn open(&self, rules: Rules) -> Result<Blocks<'_>, PredictError> {
        // The fetch has limited its length.
        let options = Options {
            max_bytes: u64::MAX,
            rules,
            ..Options::default()
        };
        Blocks::open(&self.path, &options, self.memory).map_err(|error| self.error(error))
    }

    /// Whatever is wrong with the data. Its file is the runner's own and has no name for a person.
    pub fn error(&self, error: records::ReadError) -> PredictError {
        match error.problem() {
            // What comes in blocks has no limit.
            Problem::TooManyBytes { limit } => PredictError::Memory(Size(*limit)),
            _ => PredictError::Data {
                data: "the data cannot be used".to_owned(),
                error,
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
