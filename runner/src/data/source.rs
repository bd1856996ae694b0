//! What a dataset is named by.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use super::{DataError, bucket};
use crate::policy::{redacted, without_dots};
use crate::store::Location;

/// One dataset, named on the command line or by a dispatch. [`fmt::Display`] shows neither user nor password nor
/// query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `http://…` or `https://…`.
    Http(Url),
    /// A path, or `file://` and a path as it is (nothing in it is percent-encoded).
    File(PathBuf),
    /// `gs://…`, `s3://…`, `az://…` and the name of an object as it is (nothing in it is percent-encoded).
    Bucket(Location),
    /// `-`
    Stdin,
}

impl Source {
    /// Reads `--data`.
    ///
    /// # Errors
    /// When it is empty, a URL of an unknown kind, or no URL though it looks like one.
    pub fn parse(text: &str) -> Result<Self, DataError> {
        let bad = |problem: &str| {
            Err(DataError::BadSource {
                name: redacted_text(text),
                problem: problem.to_owned(),
            })
        };
        if text.is_empty() {
            return bad("it is empty");
        }
        if text.contains('\0') {
            return bad("it holds a zero byte");
        }
        if text == "-" {
            return Ok(Self::Stdin);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::File(PathBuf::from(text)));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "file" if rest.is_empty() => bad("a path must follow"),
            "file" => Ok(Self::File(PathBuf::from(rest))),
            "http" | "https" => match Url::parse(text) {
                Ok(url) => Ok(Self::Http(url)),
                Err(error) => bad(&error.to_string()),
            },
            "gs" | "s3" | "az" => {
                let location = Location::parse(text)?;
                if bucket::split(&location).is_none() {
                    return bad("the name of an object must follow the bucket's");
                }
                Ok(Self::Bucket(location))
            }
            _ => bad("use http://, https://, file://, gs://, a path, or - for standard input"),
        }
    }
}

impl Source {
    /// The last part of its path. None for standard input, and where a path ends in `/` or `..`.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        match self {
            Self::Http(url) => url
                .path_segments()?
                .next_back()
                .filter(|last| !last.is_empty()),
            Self::Bucket(Location::Bucket { prefix, .. }) => prefix.rsplit('/').next(),
            Self::Bucket(Location::Folder(_)) => None,
            Self::File(path) => path.file_name()?.to_str(),
            Self::Stdin => None,
        }
    }

    /// The digest of a snapshot in the store, which its address there ends in: `<store>/_data/<sha256>`.
    #[must_use]
    pub fn snapshot_of(&self, store: &Location) -> Option<&str> {
        let inside = match (self, store) {
            (
                Self::Bucket(Location::Bucket {
                    scheme,
                    bucket,
                    prefix: key,
                }),
                Location::Bucket {
                    scheme: stores,
                    bucket: its_bucket,
                    prefix,
                },
            ) if (scheme, bucket) == (stores, its_bucket) => match prefix.as_str() {
                "" => Some(key.as_str()),
                prefix => key.strip_prefix(prefix)?.strip_prefix('/'),
            },
            (Self::File(path), Location::Folder(folder)) => {
                let data = path.parent()?;
                let is_there = data.file_name()? == "_data" && same_folder(data.parent()?, folder);
                return Some(path.file_name()?.to_str()?)
                    .filter(|name| is_there && is_digest(name));
            }
            _ => None,
        };
        inside?
            .strip_prefix("_data/")
            .filter(|name| is_digest(name))
    }

    /// The store that it would be a snapshot of, by its form.
    #[must_use]
    pub fn store_of_snapshot(&self) -> Option<Location> {
        let store = match self {
            Self::Bucket(location) => bucket::split(&bucket::split(location)?.0)?.0,
            Self::File(path) => {
                let store = path.parent()?.parent()?;
                // `_data/<digest>` lies in the working directory.
                let here = store.as_os_str().is_empty();
                Location::Folder(if here {
                    PathBuf::from(".")
                } else {
                    store.to_owned()
                })
            }
            Self::Http(_) | Self::Stdin => return None,
        };
        self.snapshot_of(&store).is_some().then_some(store)
    }
}

fn is_digest(name: &str) -> bool {
    name.len() == 64
        && name
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether two paths name one folder, by their text or by where links lead.
fn same_folder(left: &Path, right: &Path) -> bool {
    let here = |path: &Path| match path.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => path.to_owned(),
    };
    let (left, right) = (here(left), here(right));
    let plain = |path: &Path| {
        std::path::absolute(path)
            .ok()
            .map(|path| without_dots(&path))
    };
    let real = |path: &Path| path.canonicalize().ok();
    plain(&left).is_some_and(|path| plain(&right) == Some(path))
        || real(&left).is_some_and(|path| real(&right) == Some(path))
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => formatter.write_str(&redacted(url)),
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Bucket(location) => location.fmt(formatter),
            Self::Stdin => formatter.write_str("standard input"),
        }
    }
}

/// [`redacted`] for what is no URL.
fn redacted_text(text: &str) -> String {
    let shown = text.split(['?', '#']).next().unwrap_or_default();
    match shown.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => shown.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn urls_and_paths_are_told_apart() {
        for (text, shown) in [
            ("./opportunityHistory.json", "./opportunityHistory.json"),
            ("/srv/a?b#c.csv", "/srv/a?b#c.csv"),
            ("file:///srv/a b.csv", "/srv/a b.csv"),
            ("file://./a.csv", "./a.csv"),
            ("HTTP://Example.com", "http://example.com/"),
            ("-", "standard input"),
        ] {
            assert_eq!(Source::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn user_password_query_and_fragment_are_not_shown() {
        let source = Source::parse("https://ann:hunter2@example.com/a/b.csv?sig=hunter3#hunter4");
        assert_eq!(source.unwrap().to_string(), "https://example.com/a/b.csv");
        for text in [
            "ftp://ann:hunter2@example.com/a?sig=hunter3",
            "https://ann:hunter2@exa mple.com/a?sig=hunter3#hunter4",
            "https://ann:hunter2@:99999/",
        ] {
            let error = Source::parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter"), "{error}");
        }
    }

    #[test]
    fn a_dataset_is_called_as_its_file_is() {
        for (text, name) in [
            (
                "https://ann:hunter2@example.com/a/b.csv?sig=/hunter3",
                Some("b.csv"),
            ),
            ("https://ann:hunter2@example.com", None),
            ("file://./a/b.csv", Some("b.csv")),
            ("..", None),
            ("-", None),
        ] {
            assert_eq!(Source::parse(text).unwrap().file_name(), name, "{text}");
        }
    }

    #[test]
    fn the_address_of_a_snapshot_in_a_store_says_its_digest() {
        let digest = "0123456789abcdef".repeat(4);
        let digest = digest.as_str();
        let source = |text: String| Source::parse(&text).unwrap();
        for (store, address) in [
            (
                "gs://models/sales",
                format!("gs://models/sales/_data/{digest}"),
            ),
            ("gs://models", format!("gs://models/_data/{digest}")),
            ("file:///srv/models", format!("/srv/models/_data/{digest}")),
            (
                "/srv/./models",
                format!("file:///srv/models/_data/{digest}"),
            ),
            ("models", format!("./models/_data/{digest}")),
            (".", format!("_data/{digest}")),
        ] {
            let store = Location::parse(store).unwrap();
            let source = source(address);
            assert_eq!(source.snapshot_of(&store), Some(digest), "{source}");
            assert!(source.store_of_snapshot().is_some(), "{source}");
        }
        for other in [
            format!("/srv/models/{digest}"),
            "/srv/models/_data/opportunities.csv".to_owned(),
            format!("/srv/_data/{digest}/rows.csv"),
            format!("/srv/models/my_data/{digest}"),
            format!("gs://models/sales_data/{digest}"),
            format!("https://example.com/_data/{digest}"),
        ] {
            let source = source(other);
            assert_eq!(source.store_of_snapshot(), None, "{source}");
        }
        for (store, address) in [
            ("gs://models", format!("gs://models/sales/_data/{digest}")),
            (
                "gs://models/sales",
                format!("gs://models/salesforce/_data/{digest}"),
            ),
            (
                "gs://models/sales",
                format!("gs://others/sales/_data/{digest}"),
            ),
            ("/srv/models", format!("/srv/others/_data/{digest}")),
            ("gs://srv/models", format!("/srv/models/_data/{digest}")),
        ] {
            let store = Location::parse(store).unwrap();
            assert_eq!(source(address).snapshot_of(&store), None);
        }
    }

    #[test]
    fn what_names_no_dataset_is_refused() {
        for (text, said) in [
            ("", "empty"),
            ("a\0b", "zero byte"),
            ("file://", "path must follow"),
            ("http://", "host"),
            ("ftp://example.com/a", "use http://"),
        ] {
            let error = Source::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }
}
