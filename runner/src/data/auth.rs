//! Credentials for a data source. They are read from a file, go to the first host alone, are never shown, and the
//! guest never sees them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::DataError;
use crate::secret::read_small;
use oauth::OAuth;

mod oauth;
mod sign;

/// Headers that the runner sets itself, or that would change what a request is.
const RESERVED: [HeaderName; 9] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::RANGE,
    header::IF_RANGE,
    header::ACCEPT_ENCODING,
    header::TE,
];

/// What opens a data source. [`fmt::Debug`] shows none of it.
#[derive(Clone)]
pub(super) enum Auth {
    Headers(HeaderMap),
    OAuth(Arc<OAuth>),
}

impl fmt::Debug for Auth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

impl Auth {
    /// A file that holds a bearer token and nothing else.
    pub fn token(path: &Path) -> Result<Self, DataError> {
        let file = CredentialFile::new("--data-token-file", path);
        let text = file.read()?;
        let token = text.trim();
        if token.is_empty() {
            return Err(file.bad("it is empty: it must hold a token"));
        }
        let value = bearer(token).ok_or_else(|| {
            file.bad("it must hold one token, with no space and no line break in it")
        })?;
        Ok(Self::Headers(HeaderMap::from_iter([(
            header::AUTHORIZATION,
            value,
        )])))
    }

    /// A file of `Name: value` lines; empty ones, and those that begin with `#`, say nothing.
    pub fn headers(path: &Path) -> Result<Self, DataError> {
        let file = CredentialFile::new("--data-header-file", path);
        let text = file.read()?;
        let mut headers = HeaderMap::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            // The message never quotes a line: it holds a secret.
            let bad = || {
                file.bad(&format!(
                    "line {} is no header such as `X-Api-Key: …`",
                    index + 1
                ))
            };
            let (name, value) = line.split_once(':').ok_or_else(bad)?;
            let name: HeaderName = name.trim().parse().map_err(|_| bad())?;
            if RESERVED.contains(&name) {
                return Err(file.bad(&format!(
                    "line {}: the runner sets {name} itself",
                    index + 1
                )));
            }
            let mut value = HeaderValue::from_str(value.trim()).map_err(|_| bad())?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        if headers.is_empty() {
            return Err(file.bad("it holds no header"));
        }
        Ok(Self::Headers(headers))
    }

    /// A file that says how to get a token (docs/data-sources.md).
    pub fn oauth(path: &Path) -> Result<Self, DataError> {
        Ok(Self::OAuth(Arc::new(OAuth::read(path)?)))
    }
}

/// `Bearer <token>`, marked as not to be shown.
fn bearer(token: &str) -> Option<HeaderValue> {
    if token.contains(char::is_whitespace) {
        return None;
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A file with a secret in it, and the flag that named it.
struct CredentialFile {
    flag: &'static str,
    path: PathBuf,
}

impl CredentialFile {
    fn new(flag: &'static str, path: &Path) -> Self {
        Self {
            flag,
            path: path.to_owned(),
        }
    }

    fn read(&self) -> Result<String, DataError> {
        let text = read_small(&self.path).map_err(|error| self.bad(&error.to_string()))?;
        text.ok_or_else(|| self.bad("it is too large to hold credentials"))
    }

    fn bad(&self, problem: &str) -> DataError {
        DataError::Credentials {
            flag: self.flag,
            path: self.path.clone(),
            problem: problem.to_owned(),
        }
    }
}
