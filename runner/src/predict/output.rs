//! The predictions: a file that is there whole or not at all, or standard output.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::PredictError;
use crate::foreign::Gate;
use crate::platform::NewFile;

/// Written at a time.
const BUFFER: usize = 1 << 18;

pub(super) struct Output {
    writer: Writer,
    file: Option<(NewFile, PathBuf)>,
}

/// Shared with the thread that writes, whose end nobody waits for when a signal comes: the file is removed without it.
#[derive(Clone)]
pub(super) struct Writer(Arc<Mutex<Option<Buffer>>>);

type Buffer = BufWriter<Box<dyn Write + Send>>;

impl Output {
    /// # Errors
    /// When no file can be made beside `out`.
    pub fn create(out: Option<&Path>) -> Result<Self, PredictError> {
        let Some(out) = out else {
            // Not through Rust's own buffer, which is written once more as the process ends, whoever reads it.
            let stdout = io::stdout().as_fd().try_clone_to_owned();
            let stdout = stdout.map_err(|error| PredictError::local("write", "-", error))?;
            return Ok(Self {
                // Standard output may be a terminal, or end on one.
                writer: Writer::new(Gate::new(File::from(stdout))),
                file: None,
            });
        };
        let failed = |error| PredictError::local("write", out, error);
        let new = NewFile::beside(out, ".predictions-").map_err(failed)?;
        Ok(Self {
            writer: Writer::new(new.file().try_clone().map_err(failed)?),
            file: Some((new, out.to_owned())),
        })
    }

    pub fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// Whether progress can be shown without getting between the predictions.
    pub fn is_watched(&self) -> bool {
        self.file.is_some() || !io::IsTerminal::is_terminal(&io::stdout())
    }

    /// Gives the file its name, once its bytes are on the disk: it is whole after a loss of power, too.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(mut self) -> Result<(), PredictError> {
        self.writer.with(Write::flush)?;
        match self.file.take() {
            None => Ok(()),
            Some((new, out)) => new
                .finish()
                .map_err(|error| PredictError::local("write", out, error)),
        }
    }
}

impl Drop for Output {
    /// What still waits to be written after an error or a signal is not: that could take as long as nobody reads it.
    fn drop(&mut self) {
        // Whoever writes at this moment ends with the process.
        if let Ok(mut writer) = self.writer.0.try_lock()
            && let Some(buffer) = writer.take()
        {
            let _ = buffer.into_parts();
        }
    }
}

impl Writer {
    fn new<W: Write + Send + 'static>(writer: W) -> Self {
        let writer: Box<dyn Write + Send> = Box::new(writer);
        let buffer = BufWriter::with_capacity(BUFFER, writer);
        Self(Arc::new(Mutex::new(Some(buffer))))
    }

    /// # Errors
    /// When it can't be written, or nobody reads it any more.
    pub fn with(
        &self,
        write: impl FnOnce(&mut Buffer) -> io::Result<()>,
    ) -> Result<(), PredictError> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(writer) = writer.as_mut() else {
            return Err(PredictError::Stopped);
        };
        write(writer).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => PredictError::NobodyReads,
            _ => PredictError::local("write", "the predictions", error),
        })
    }
}
