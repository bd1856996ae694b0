//! What a dataset is named by.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use super::{DataError, bucket};
use crate::store::Location;

/// One dataset, named on the command line or by a dispatch. [`fmt::Display`] shows neither user nor password nor
/// query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `http://…` or `https://…`.
    Http(Url),
    /// A path, or `file://` and a path as it is (nothing in it is percent-encoded).
    File(PathBuf),
    /// `gs://…`, `s3://…`, `az://…` and the name of an object. The URL is for [`Policy`](super::policy::Policy).
    Bucket(Location, Url),
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
                match Url::parse(text) {
                    Ok(url) if bucket::split(&location).is_some() => {
                        Ok(Self::Bucket(location, url))
                    }
                    _ => bad("the name of an object must follow the bucket's"),
                }
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
            Self::Bucket(_, url) => url
                .path_segments()?
                .next_back()
                .filter(|last| !last.is_empty()),
            Self::File(path) => path.file_name()?.to_str(),
            Self::Stdin => None,
        }
    }

    /// The digest of a snapshot, which its address ends in: `…/_data/<sha256>`.
    #[must_use]
    pub fn snapshot(&self) -> Option<&str> {
        let path = match self {
            Self::Http(url) | Self::Bucket(_, url) => url.path(),
            Self::File(path) => path.to_str()?,
            Self::Stdin => return None,
        };
        let (_, digest) = path.rsplit_once("_data/")?;
        let is_digest = digest.len() == 64
            && digest
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_digest.then_some(digest)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => formatter.write_str(&redacted(url)),
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Bucket(location, _) => location.fmt(formatter),
            Self::Stdin => formatter.write_str("standard input"),
        }
    }
}

/// A URL without what may be secret: user, password, query, fragment.
pub(super) fn redacted(url: &Url) -> String {
    let mut shown = url.clone();
    // Both fail only for URLs that cannot have a user.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

/// The same for what is no URL.
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
    fn the_address_of_a_snapshot_says_its_digest() {
        let digest = "0123456789abcdef".repeat(4);
        for store in [
            "gs://models/sales",
            "file:///srv/models",
            "/srv/models",
            "https://example.com",
        ] {
            let source = Source::parse(&format!("{store}/_data/{digest}")).unwrap();
            assert_eq!(source.snapshot(), Some(digest.as_str()), "{store}");
        }
        for other in [
            format!("/srv/models/{digest}"),
            "/srv/models/_data/opportunities.csv".to_owned(),
            format!("/srv/_data/{digest}/rows.csv"),
        ] {
            assert_eq!(Source::parse(&other).unwrap().snapshot(), None, "{other}");
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
