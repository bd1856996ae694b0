//! What the operator lets run.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::compiled::Digest;
use crate::exit::Exit;

/// A SHA-256, as the command line gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sha256Digest(pub Digest);

impl FromStr for Sha256Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix("sha256:").unwrap_or(text);
        let wrong = || {
            format!(
                "a SHA-256 is 64 hexadecimal digits, and this is {} characters; `sha256sum FILE` prints it",
                text.chars().count()
            )
        };
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut digest = [0; 32];
        for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                .ok_or_else(wrong)?;
        }
        Ok(Self(digest))
    }
}

/// Which modules and which compiled code may run.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Digests of modules (`.wasm`). Empty: any module.
    pub modules: Vec<Sha256Digest>,
    /// Digests of compiled code (`.cwasm`).
    pub compiled: Vec<Sha256Digest>,
    /// Any compiled code may run.
    pub any_compiled: bool,
}

/// The operator does not let it run.
#[derive(Debug, thiserror::Error)]
pub enum NotTrusted {
    #[error(
        "{path} (sha256 {digest}) is none of the modules that --module-sha256 allows; add its digest there to allow it"
    )]
    Module { path: PathBuf, digest: String },
    #[error(
        "{path} (sha256 {digest}) is compiled code, which no sandbox holds: allow it with --compiled-sha256 {digest} or --trust-compiled, or give its .wasm"
    )]
    Compiled { path: PathBuf, digest: String },
}

impl NotTrusted {
    #[must_use]
    pub fn exit(&self) -> Exit {
        Exit::NotAllowed
    }
}

impl Trust {
    /// # Errors
    /// When modules are pinned, and this is none of them.
    pub fn module(&self, path: &Path, digest: &Digest) -> Result<(), NotTrusted> {
        if self.modules.is_empty() || self.modules.contains(&Sha256Digest(*digest)) {
            return Ok(());
        }
        Err(NotTrusted::Module {
            path: path.to_owned(),
            digest: crate::hex(digest),
        })
    }

    /// # Errors
    /// When neither this compiled code nor any is trusted.
    pub fn compiled(&self, path: &Path, digest: &Digest) -> Result<(), NotTrusted> {
        if self.any_compiled || self.compiled.contains(&Sha256Digest(*digest)) {
            return Ok(());
        }
        Err(NotTrusted::Compiled {
            path: path.to_owned(),
            digest: crate::hex(digest),
        })
    }
}
