use std::path::{Path, PathBuf};

use url::Url;

use super::disguise::is_disguised;
use super::paths::{lies_in, real};

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
    /// `gs://bucket/prefix`, with no `/` at its end: names of objects are compared as they are, and nothing is decoded.
    Bucket(String),
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
            Some(("http" | "https", _)) => return url_prefix(text).map_err(bad),
            Some(("gs" | "s3" | "az", rest)) => {
                let prefix = text.trim_end_matches('/').to_owned();
                return bucket_prefix(rest)
                    .map(|()| Self::Bucket(prefix))
                    .map_err(bad);
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
        same_origin && begins_with(url.path(), prefix.path().trim_end_matches('/'))
    }

    /// `address`: of an object, with its name as it is read.
    pub fn holds_object(&self, address: &str) -> bool {
        matches!(self, Self::Bucket(prefix) if begins_with(address, prefix))
    }

    pub fn url(&self) -> Option<&Url> {
        match self {
            Self::Url(url) => Some(url),
            Self::Bucket(_) | Self::Folder(_) => None,
        }
    }
}

/// Whether a path begins with another one that has no `/` at its end.
fn begins_with(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn url_prefix(text: &str) -> Result<Prefix, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(
            "a prefix is a scheme, a host and perhaps a path, with no user and no query".to_owned(),
        );
    }
    if is_disguised(url.path()) {
        return Err(
            "its path holds `..` in some encoding, or is not UTF-8: write it plainly".to_owned(),
        );
    }
    Ok(Prefix::Url(url))
}

/// `rest`: bucket and beginning of the objects' names.
fn bucket_prefix(rest: &str) -> Result<(), String> {
    let mut parts = rest.strip_suffix('/').unwrap_or(rest).split('/');
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && part.trim() == part;
    if parts.all(is_plain)
        && !rest.contains(|each: char| each.is_control() || "?#@\\".contains(each))
    {
        return Ok(());
    }
    Err(
        "a prefix is a scheme, a bucket and perhaps the beginning of names as they are: gs://bucket/folder"
            .to_owned(),
    )
}
