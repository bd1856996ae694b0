use std::fmt;
use std::path::PathBuf;

use super::StoreError;

/// Where a store is: a folder of this machine, or a prefix in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// `file://./models`, `file:///srv/models` or a plain path. Relative to the working directory.
    Folder(PathBuf),
    /// `gs://bucket/prefix`, `s3://…`, `az://container/prefix`.
    Bucket {
        scheme: Scheme,
        bucket: String,
        /// Parts joined by `/`, without one at either end; empty for the whole bucket.
        prefix: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Google Cloud Storage.
    Gs,
    /// Amazon S3 and what speaks its protocol.
    S3,
    /// Azure Blob Storage.
    Az,
}

impl Location {
    /// Reads `--store`.
    ///
    /// # Errors
    /// When it is neither a path nor a URL of a known kind, or its bucket or prefix can't be one.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let bad = |problem: String| StoreError::BadLocation {
            text: text.to_owned(),
            problem,
        };
        if text.is_empty() {
            return Err(bad("it is empty".to_owned()));
        }
        if text.contains('\0') {
            return Err(bad("it holds a zero byte".to_owned()));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::Folder(PathBuf::from(text)));
        };
        let scheme = match scheme {
            "file" if rest.is_empty() => return Err(bad("a folder must follow".to_owned())),
            "file" => return Ok(Self::Folder(PathBuf::from(rest))),
            "gs" => Scheme::Gs,
            "s3" => Scheme::S3,
            "az" => Scheme::Az,
            _ => {
                return Err(bad(
                    "use file://FOLDER, gs://BUCKET/PREFIX, s3://BUCKET/PREFIX or az://CONTAINER/PREFIX"
                        .to_owned(),
                ));
            }
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        check_bucket(scheme, bucket).map_err(bad)?;
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        check_prefix(prefix).map_err(bad)?;
        Ok(Self::Bucket {
            scheme,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

impl Location {
    /// Reads the job's metadata `gcp_bucket_path`: `BUCKET/PREFIX`, with or without `gs://`.
    ///
    /// # Errors
    /// When it is no bucket, or its prefix can't be one.
    pub fn of_bucket_path(path: &str) -> Result<Self, StoreError> {
        Self::parse(&format!("gs://{}", path.trim_start_matches("gs://")))
    }
}

/// The rules that all three clouds share, and the lengths of each.
fn check_bucket(scheme: Scheme, bucket: &str) -> Result<(), String> {
    let (what, longest, marks) = match scheme {
        Scheme::Gs => ("bucket", 222, "-_."),
        Scheme::S3 => ("bucket", 63, "-."),
        Scheme::Az => ("container", 63, "-"),
    };
    if bucket.is_empty() {
        return Err(format!("the {what}'s name is missing"));
    }
    let ends =
        |at: Option<char>| at.is_some_and(|end| end.is_ascii_lowercase() || end.is_ascii_digit());
    let valid = (3..=longest).contains(&bucket.len())
        && ends(bucket.chars().next())
        && ends(bucket.chars().next_back())
        && bucket.split('.').all(|part| (1..=63).contains(&part.len()))
        && bucket
            .chars()
            .all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || marks.contains(each));
    if valid {
        Ok(())
    } else {
        Err(format!(
            "{bucket:?} can't be the name of a {what}: 3 to 63 lower-case letters, digits and {}, with a letter or digit at both ends",
            marks
                .chars()
                .map(String::from)
                .collect::<Vec<_>>()
                .join(" ")
        ))
    }
}

fn check_prefix(prefix: &str) -> Result<(), String> {
    if prefix.is_empty() {
        return Ok(());
    }
    for part in prefix.split('/') {
        if matches!(part, "" | "." | "..") {
            return Err(format!(
                "the prefix {prefix:?} holds {}: write the path that it stands for",
                if part.is_empty() {
                    "an empty part"
                } else {
                    part
                }
            ));
        }
        // The library that asks for objects trims them away, and would ask for another one.
        if part.trim() != part {
            return Err(format!(
                "the prefix {prefix:?} holds a part that begins or ends with white space"
            ));
        }
    }
    if let Some(odd) = prefix
        .chars()
        .find(|each| each.is_control() || "?#*[]\\".contains(*each))
    {
        return Err(format!(
            "the prefix holds {odd:?}: use letters, digits and . _ - / (a query is no part of a store's address)"
        ));
    }
    Ok(())
}

impl fmt::Display for Scheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Gs => "gs",
            Self::S3 => "s3",
            Self::Az => "az",
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(formatter, "file://{}", path.display()),
            Self::Bucket {
                scheme,
                bucket,
                prefix,
            } if prefix.is_empty() => write!(formatter, "{scheme}://{bucket}"),
            Self::Bucket {
                scheme,
                bucket,
                prefix,
            } => write!(formatter, "{scheme}://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn folders_are_named_by_url_or_path() {
        for (text, path) in [
            ("file://./models", "./models"),
            ("file:///srv/models", "/srv/models"),
            ("./models", "./models"),
            ("/srv/models", "/srv/models"),
        ] {
            assert_eq!(
                Location::parse(text).unwrap(),
                Location::Folder(path.into())
            );
        }
    }

    #[test]
    fn a_bucket_has_a_name_and_perhaps_a_prefix() {
        for (text, shown) in [
            ("gs://models", "gs://models"),
            ("gs://models/", "gs://models"),
            ("gs://models/sales/close/", "gs://models/sales/close"),
            ("s3://models/a", "s3://models/a"),
            ("az://models/a", "az://models/a"),
        ] {
            assert_eq!(Location::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_store_is_refused_and_why_is_said() {
        for (text, said) in [
            ("", "empty"),
            ("file://", "folder must follow"),
            ("http://x/y", "use file://"),
            ("gs://", "name is missing"),
            ("gs:///prefix", "name is missing"),
            ("gs://UPPER/x", "can't be the name of a bucket"),
            ("gs://a", "can't be the name of a bucket"),
            ("gs://-ab/x", "can't be the name of a bucket"),
            ("gs://user:secret@bucket/x", "can't be the name of a bucket"),
            ("az://a_b", "can't be the name of a container"),
            ("gs://models/../other", "holds .."),
            ("gs://models/a//b", "an empty part"),
            ("gs://models/./b", "holds ."),
            ("gs://models/a?versions=true", "'?'"),
            ("gs://models/a/ b", "white space"),
            ("gs://models/a/b\u{a0}", "white space"),
        ] {
            let error = Location::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
