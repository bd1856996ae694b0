//! Where a dataset arrives: a file beside its final place, hashed as it grows.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::DataError;
use crate::platform::{NamedFolder, random_name};

/// How much of the beginning is kept, to tell what the content is.
const HEAD: usize = 1024;

/// Where a dataset is to be.
#[derive(Clone)]
pub(super) struct Place {
    folder: NamedFolder,
    name: OsString,
    /// For messages.
    path: PathBuf,
}

impl Place {
    /// At `relative` in `folder`. Nothing is there yet; the folders above it are made.
    pub fn make(folder: &NamedFolder, relative: &Path) -> Result<Self, DataError> {
        let path = folder.path().join(relative);
        let failed = |error| DataError::write(&path, error);
        let name = relative
            .file_name()
            .ok_or_else(|| failed(ErrorKind::InvalidInput.into()))?;
        let above = Path::new(".").join(relative.parent().unwrap_or(Path::new("")));
        Ok(Self {
            folder: folder.make_beneath(above).map_err(failed)?,
            name: name.to_owned(),
            path,
        })
    }

    pub fn failed(&self, error: io::Error) -> DataError {
        DataError::write(&self.path, error)
    }
}

/// A dataset that is arriving. Dropped before [`Sink::finish`], it leaves no file.
pub(super) struct Sink {
    into: Place,
    file: File,
    /// What the file is called until it is whole.
    arriving: String,
    hasher: Sha256,
    bytes: u64,
    head: Vec<u8>,
    /// For messages.
    name: String,
    limit: u64,
}

impl Sink {
    /// `limit` is in bytes.
    pub fn create(into: &Place, name: String, limit: u64) -> Result<Self, DataError> {
        let arriving = random_name(".arriving-");
        let file = into.folder.create(&arriving, 0o600);
        Ok(Self {
            file: file.map_err(|error| into.failed(error))?,
            into: into.clone(),
            arriving,
            hasher: Sha256::new(),
            bytes: 0,
            head: Vec::new(),
            name,
            limit,
        })
    }

    /// What has arrived so far, to be read from the start.
    pub fn reopen(&self) -> io::Result<File> {
        self.into.folder.read(&self.arriving)
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
        written.map_err(|error| self.into.failed(error))
    }

    /// Forgets all that has arrived.
    pub fn restart(&mut self) -> Result<(), DataError> {
        self.hasher = Sha256::new();
        self.bytes = 0;
        self.head.clear();
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(|error| self.into.failed(error))
    }

    /// Puts the dataset in its place, if it is the one that was asked for. Gives its length and SHA-256.
    pub fn finish(mut self, expected: Option<&str>) -> Result<(u64, String), DataError> {
        let found = crate::hex(&std::mem::take(&mut self.hasher).finalize());
        if let Some(expected) = expected
            && expected != found
        {
            return Err(DataError::WrongDigest {
                name: self.name.clone(),
                expected: expected.to_owned(),
                found,
            });
        }
        let Place { folder, name, .. } = &self.into;
        let named = match folder.rename_new(&self.arriving, folder, name) {
            // The folder is this process's own: nobody takes the name between the two.
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                match folder.metadata(name).is_ok() {
                    true => Err(ErrorKind::AlreadyExists.into()),
                    false => folder.rename_over(&self.arriving, folder, name),
                }
            }
            named => named,
        };
        named.map_err(|error| self.into.failed(error))?;
        Ok((self.bytes, found))
    }

    fn too_large(&self, announced: Option<u64>) -> DataError {
        DataError::TooLarge {
            name: self.name.clone(),
            limit: self.limit,
            announced,
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Gone already where the dataset has its name; what cannot be removed goes with its folder.
        let _ = self.into.folder.remove_file(&self.arriving);
    }
}
