//! Where a dataset arrives: a file beside its final place, hashed as it grows.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::DataError;

/// How much of the beginning is kept, to tell what the content is.
const HEAD: usize = 1024;

/// A dataset that is arriving. Dropped before [`Sink::finish`], it leaves no file.
pub(super) struct Sink {
    file: NamedTempFile,
    hasher: Sha256,
    bytes: u64,
    head: Vec<u8>,
    /// For messages.
    name: String,
    limit: u64,
}

impl Sink {
    /// `into` does not exist yet; the folders above it are made. `limit` is in bytes.
    pub fn create(into: &Path, name: String, limit: u64) -> Result<Self, DataError> {
        let folder = match into.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let failed = |error| DataError::write(into, error);
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let file = tempfile::Builder::new()
            .prefix(".arriving-")
            .tempfile_in(&folder)
            .map_err(failed)?;
        Ok(Self {
            file,
            hasher: Sha256::new(),
            bytes: 0,
            head: Vec::new(),
            name,
            limit,
        })
    }

    /// What has arrived so far, to be read from the start.
    pub fn reopen(&self) -> io::Result<File> {
        self.file.reopen()
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The first bytes, as far as they have arrived.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Refuses a dataset whose length is known to be too much.
    pub fn announce(&self, bytes: u64) -> Result<(), DataError> {
        if bytes > self.limit {
            return Err(self.too_large(Some(bytes)));
        }
        Ok(())
    }

    pub fn write(&mut self, chunk: &[u8]) -> Result<(), DataError> {
        self.bytes += chunk.len() as u64;
        if self.bytes > self.limit {
            return Err(self.too_large(None));
        }
        let wanted = HEAD.saturating_sub(self.head.len()).min(chunk.len());
        self.head.extend_from_slice(&chunk[..wanted]);
        self.hasher.update(chunk);
        let written = self.file.write_all(chunk);
        written.map_err(|error| DataError::write(self.file.path(), error))
    }

    /// Forgets all that has arrived.
    pub fn restart(&mut self) -> Result<(), DataError> {
        self.hasher = Sha256::new();
        self.bytes = 0;
        self.head.clear();
        let file = self.file.as_file_mut();
        let emptied = file.set_len(0).and_then(|()| file.rewind());
        emptied.map_err(|error| DataError::write(self.file.path(), error))
    }

    /// Puts the dataset in its place, if it is the one that was asked for. Gives its length and SHA-256.
    pub fn finish(self, into: &Path, expected: Option<&str>) -> Result<(u64, String), DataError> {
        let found = crate::hex(&self.hasher.finalize());
        if let Some(expected) = expected
            && expected != found
        {
            return Err(DataError::WrongDigest {
                name: self.name,
                expected: expected.to_owned(),
                found,
            });
        }
        match self.file.persist_noclobber(into) {
            Ok(_) => Ok((self.bytes, found)),
            Err(error) => Err(DataError::write(into, error.error)),
        }
    }

    fn too_large(&self, announced: Option<u64>) -> DataError {
        DataError::TooLarge {
            name: self.name.clone(),
            limit: self.limit,
            announced,
        }
    }
}
