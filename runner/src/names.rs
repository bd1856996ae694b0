//! Names that become paths in a store: save paths, versions, aliases, ids.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Letters, digits and `. _ -`, starting with a letter or digit, at most 100 long.
///
/// So a name is one part of a path on every store, is never `..`, and never begins with the `_` that is ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    pub const LONGEST: usize = 100;

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no valid name: use letters, digits and . _ -, start with a letter or digit, at most {longest} long",
    longest = Name::LONGEST
)]
pub struct InvalidName(String);

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let valid = text.len() <= Self::LONGEST
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text
                .chars()
                .all(|each| each.is_ascii_alphanumeric() || matches!(each, '.' | '_' | '-'));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName(text.chars().take(Self::LONGEST + 20).collect()))
        }
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_safe_part_of_a_path() {
        for good in [
            "3",
            "trainedWinPrediction",
            "v1.2-rc_3",
            "0198f3c2-0000-7000-8000-000000000000",
        ] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        let long = "a".repeat(Name::LONGEST + 1);
        for bad in [
            "",
            ".",
            "..",
            "_aliases",
            "-x",
            "a/b",
            "a b",
            "é",
            "a\n",
            "a\0",
            long.as_str(),
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }
}
