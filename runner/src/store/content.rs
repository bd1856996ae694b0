use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::StoreError;

/// What an object is to be made of, with checksums that are known before the first byte is sent.
#[derive(Clone, Debug)]
pub struct Content {
    pub source: Source,
    pub bytes: u64,
    /// What stores check uploads by.
    pub md5: [u8; 16],
    /// What manifests name files by. Lower-case hexadecimal.
    pub sha256: String,
}

#[derive(Clone, Debug)]
pub enum Source {
    Bytes(Bytes),
    File(PathBuf),
}

/// How much of a file is in memory at a time.
pub(super) const CHUNK: usize = 1 << 20;

impl Content {
    #[must_use]
    pub fn of_bytes(bytes: Bytes) -> Self {
        Self {
            bytes: bytes.len() as u64,
            md5: Md5::digest(&bytes).into(),
            sha256: crate::hex(&Sha256::digest(&bytes)),
            source: Source::Bytes(bytes),
        }
    }

    /// Reads the file once, for its checksums.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn of_file(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        super::blocking::blocking(move |stopped| {
            let failed = |source| StoreError::local("read", &path, source);
            let mut file = File::open(&path).map_err(failed)?;
            let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
            let mut chunk = vec![0; CHUNK];
            let mut bytes = 0;
            loop {
                stopped.check().map_err(failed)?;
                let read = file.read(&mut chunk).map_err(failed)?;
                if read == 0 {
                    break;
                }
                md5.update(&chunk[..read]);
                sha256.update(&chunk[..read]);
                bytes += read as u64;
            }
            Ok(Self {
                bytes,
                md5: md5.finalize().into(),
                sha256: crate::hex(&sha256.finalize()),
                source: Source::File(path),
            })
        })
        .await
    }
}
