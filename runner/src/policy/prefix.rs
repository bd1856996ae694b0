use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use url::Url;

use super::{lies_in, real};

/// An entry of `--allow-data` that names nothing.
#[derive(Debug, thiserror::Error)]
#[error("--allow-data {text:?}: {problem}")]
pub struct BadPrefix {
    text: String,
    problem: String,
}

/// One entry of `--allow-data`: what begins with it may be read.
#[derive(Clone, Debug)]
pub(super) enum Prefix {
    /// Scheme, host and port as they are, and a path that ends at a `/` of what it is compared with.
    Url(Url),
    Folder(PathBuf),
}

impl Prefix {
    pub fn parse(text: &str) -> Result<Self, BadPrefix> {
        let bad = |problem: String| BadPrefix {
            text: text.to_owned(),
            problem,
        };
        let path = match text.split_once("://") {
            None => text,
            Some(("file", path)) => path,
            Some(("http" | "https" | "gs" | "s3" | "az", _)) => {
                let url = Url::parse(text).map_err(|error| bad(error.to_string()))?;
                if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
                    return Err(bad(
                        "a prefix is a scheme, a host and perhaps a path, with no user and no query".to_owned(),
                    ));
                }
                return Ok(Self::Url(url));
            }
            Some(_) => {
                return Err(bad(
                    "use a folder, or what a URL begins with: http://, https://, gs://, s3://, az://".to_owned(),
                ));
            }
        };
        if path.is_empty() {
            return Err(bad("it is empty".to_owned()));
        }
        let folder = std::path::absolute(path).map_err(|error| bad(error.to_string()))?;
        Ok(Self::Folder(folder))
    }

    pub fn holds_file(&self, file: &Path) -> bool {
        matches!(self, Self::Folder(folder) if lies_in(file, folder))
    }

    /// Whether this folder is `above` or lies in it.
    pub fn is_below(&self, above: &Path) -> bool {
        matches!(self, Self::Folder(folder) if real(folder).starts_with(above))
    }

    pub fn holds_url(&self, url: &Url) -> bool {
        let Self::Url(prefix) = self else {
            return false;
        };
        let same_origin = prefix.scheme() == url.scheme()
            && prefix.host() == url.host()
            && prefix.port_or_known_default() == url.port_or_known_default();
        if !same_origin || climbs(url.path()) {
            return false;
        }
        let folder = prefix.path().trim_end_matches('/');
        url.path()
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    pub fn url(&self) -> Option<&Url> {
        match self {
            Self::Url(url) => Some(url),
            Self::Folder(_) => None,
        }
    }
}

/// Whether a server that decodes twice, or takes `\` for `/`, could be led out of the prefix. Parsing the URL has
/// dealt with the plain `..`.
fn climbs(path: &str) -> bool {
    let mut path = path.to_owned();
    for _ in 0..3 {
        path = percent_decode_str(&path).decode_utf8_lossy().into_owned();
        if path.split(['/', '\\']).any(|part| part == "..") {
            return true;
        }
    }
    false
}
