//! The other end of [`super::aside`]: starts the process, hands it the model, and asks it block by block.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};

use sha2::{Digest, Sha256};

use super::aside::{VERB, read_answer};
use super::signature::{MAX_COLUMNS, Signature, Values, read_text};
use super::standby::Leash;
use super::{MAX_MODEL, ScoreError};
use crate::foreign;
use crate::platform::is_foreign;
use crate::size::Size;
use crate::store::LocalFile;

/// This program, even when its file was replaced meanwhile.
const SELF: &str = "/proc/self/exe";
/// The process has this much memory, however little the module had: tract and a small model take some of it. Bytes.
const LEAST_MEMORY: u64 = 256 << 20;
/// Larger models are not loaded early: the guest still has its memory, and the process takes ten times as much. Bytes.
const MAX_EARLY: u64 = 4 << 20;
/// How much of what the process says at its end is told. Bytes.
const LAST_WORDS: u64 = 1_000;

/// A process, and the model that it has been given.
pub struct Scorer {
    leash: Leash,
    process: u32,
    stdin: BufWriter<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
    signature: Signature,
    rows: usize,
    memory: u64,
    /// Whether it was handed a model, or some of one.
    used: bool,
}

impl Scorer {
    pub(super) fn start(leash: &Leash, memory: u64) -> Result<Self, ScoreError> {
        let memory = memory.max(LEAST_MEMORY);
        let mut child = Command::new(SELF)
            .args([VERB, &memory.to_string()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(ScoreError::Start)?;
        let process = child.id();
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        leash.hold(child);
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(ScoreError::Start(io::Error::other("it has no pipes")));
        };
        Ok(Self {
            leash: leash.clone(),
            process,
            stdin: BufWriter::with_capacity(1 << 16, stdin),
            stdout: BufReader::with_capacity(1 << 16, stdout),
            stderr,
            signature: Signature::default(),
            rows: 0,
            memory,
            used: false,
        })
    }

    /// Another process in place of one that was handed a model already: it takes no second one.
    ///
    /// # Errors
    /// When it can't be started.
    pub(super) fn renew(&mut self) -> Result<(), ScoreError> {
        if self.used {
            self.leash.end(self.process);
            *self = Self::start(&self.leash, self.memory)?;
        }
        Ok(())
    }

    /// Hands over a model, and makes ready for blocks of `rows` rows.
    ///
    /// # Errors
    /// When the file can't be read, or the model can't be run.
    pub fn load(&mut self, model: &LocalFile, rows: usize) -> Result<(), ScoreError> {
        self.give(model, MAX_MODEL, rows, |_| ())
    }

    /// The same while the guest that wrote the model goes on. Returns the SHA-256 of what was loaded, since there may be
    /// another model in the end.
    ///
    /// # Errors
    /// As [`Scorer::load`], and when the model is too large to be loaded while the guest has its memory.
    pub(super) fn load_early(
        &mut self,
        model: &LocalFile,
        rows: usize,
    ) -> Result<String, ScoreError> {
        let mut sha256 = Sha256::new();
        self.give(model, MAX_EARLY, rows, |bytes| {
            sha256.update(bytes);
        })?;
        Ok(crate::hex(&sha256.finalize()))
    }

    fn give(
        &mut self,
        model: &LocalFile,
        most: u64,
        rows: usize,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), ScoreError> {
        let unread = |source| ScoreError::Read {
            path: model.path().to_owned(),
            source,
        };
        let (file, length) = open(model).map_err(unread)?;
        if length > most {
            return Err(ScoreError::Model(format!(
                "it is larger than {}",
                Size(most)
            )));
        }
        self.used = true;
        self.ready()?;
        let head = [length, rows as u64].map(u64::to_le_bytes);
        let written = self.stdin.write_all(head.as_flattened());
        self.written(written)?;
        // By hand, to know which end failed: the other process says nothing before it has the whole model.
        let mut file = BufReader::with_capacity(1 << 16, file);
        let mut left = length;
        while left > 0 {
            let bytes = file.fill_buf().map_err(unread)?;
            let some = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if some == 0 {
                return Err(unread(io::Error::other("it became shorter meanwhile")));
            }
            each(&bytes[..some]);
            let written = self.stdin.write_all(&bytes[..some]);
            self.written(written)?;
            file.consume(some);
            left -= some as u64;
        }
        let written = self.stdin.flush();
        self.written(written)?;
        self.answer()?;
        let text = read_text(&mut self.stdout);
        let text = text.map_err(|_| self.died())?;
        let signature: Signature =
            serde_json::from_str(&text).map_err(|error| ScoreError::Model(error.to_string()))?;
        let mut ports = signature.inputs.iter().chain(&signature.outputs);
        if !ports.all(|port| (1..=MAX_COLUMNS).contains(&port.columns)) {
            return Err(ScoreError::Model(
                "it names ports that no table has".to_owned(),
            ));
        }
        self.signature = signature;
        self.rows = rows;
        Ok(())
    }

    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Rows of a block.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Hands over a block: values of each input in the signature's order, at most [`Scorer::rows`] rows.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn send(&mut self, mut block: Vec<Values>) -> Result<(), ScoreError> {
        let ports = block.iter_mut().zip(&self.signature.inputs);
        for (values, port) in ports {
            values.pad(self.rows * port.columns);
        }
        let written = block
            .iter()
            .try_for_each(|values| values.write(&mut self.stdin))
            .and_then(|()| self.stdin.flush());
        self.written(written)
    }

    /// Values of each output for the block that was sent, rows beyond its own included.
    ///
    /// # Errors
    /// When the model fails on them, or the process ends.
    pub fn receive(&mut self) -> Result<Vec<Values>, ScoreError> {
        self.answer()?;
        let stdout = &mut self.stdout;
        let outputs = self.signature.outputs.iter();
        let values = outputs
            .map(|port| Values::read(port.kind, self.rows * port.columns, stdout))
            .collect::<io::Result<_>>();
        values.map_err(|_| self.died())
    }

    /// The process says so before it is handed anything: one that does not come so far tells of the machine alone.
    fn ready(&mut self) -> Result<(), ScoreError> {
        match read_answer(&mut self.stdout) {
            Ok(answer) => answer,
            Err(_) => Err(ScoreError::Start(io::Error::other(self.last_words()))),
        }
    }

    /// A pipe that is closed tells nothing: whatever was said before does.
    fn written(&mut self, written: io::Result<()>) -> Result<(), ScoreError> {
        match written {
            Ok(()) => Ok(()),
            Err(_) => Err(self.answer().err().unwrap_or_else(|| self.died())),
        }
    }

    fn answer(&mut self) -> Result<(), ScoreError> {
        match read_answer(&mut self.stdout) {
            Ok(answer) => answer,
            Err(_) => Err(self.died()),
        }
    }

    fn died(&mut self) -> ScoreError {
        ScoreError::Died(self.last_words())
    }

    /// How the process ended, and what it said of it.
    fn last_words(&mut self) -> String {
        let how = self.leash.end(self.process);
        let mut words = Vec::new();
        // Whatever can be read of it.
        let _ = self
            .stderr
            .by_ref()
            .take(LAST_WORDS)
            .read_to_end(&mut words);
        let words = foreign::line(String::from_utf8_lossy(&words).trim());
        if words.is_empty() {
            how
        } else {
            format!("{how}: {words}")
        }
    }
}

/// A model's file and its length.
fn open(model: &LocalFile) -> io::Result<(File, u64)> {
    let not_regular =
        |error: &io::Error| is_foreign(error) || error.kind() == io::ErrorKind::IsADirectory;
    let file = model.open().map_err(|error| match not_regular(&error) {
        true => io::Error::other("it is no regular file"),
        false => error,
    })?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

impl Drop for Scorer {
    fn drop(&mut self) {
        self.leash.end(self.process);
    }
}
