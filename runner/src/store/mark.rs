//! The commit mark of a model, `<name>/manifest.json`: the one object that decides whether there is a model of that name.
//!
//! ```text
//! nothing -> manifest               a publisher created it: the model is visible
//! nothing -> tombstone              `gc` created it first: nothing is ever published under this name
//! manifest <-> marked for deletion  visible still, but no alias may begin to stand for it
//! marked -> tombstone               no alias stands for it: the model is gone, its files may be removed
//! ```
//!
//! Every step is one "create if nothing is there" or one compare-and-swap on this object, so that of two commands that meet one
//! wins and the other sees it. Files are removed beneath a tombstone only, and a name that has one is not used again: a request
//! that was taken for lost and arrives late removes nothing that anybody needs.
//! `docs/adr/tombstones.md` has the whole protocol, and `tests/interleavings.rs` walks it.

use bytes::Bytes;
use contract::Manifest;
use serde::{Deserialize, Serialize};

use super::manifest::{Damaged, parse};
use super::{Content, Created, Replaced, Revision, Store, StoreError, manifest_key};

/// The place of a tombstone says what schema it is of. A runner that knows no tombstones then takes it for a manifest of a
/// newer one, and leaves it alone.
const SCHEMA: u32 = Manifest::SCHEMA + 1;

/// What a mark for deletion adds to a manifest, at its very beginning, so that it can be taken away to the byte.
const DELETING: &str = "{\"deleting\":\"";

/// Bytes that the mark for deletion adds to a manifest at most.
pub const DELETING_BYTES: u64 = 64;

/// A model that was deleted, or an upload that `gc` took away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    pub name: String,
    pub why: Removed,
    /// RFC 3339, UTC, by the clock of whoever removed it.
    pub at: String,
}

/// Who removed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removed {
    /// `runner delete`.
    Deleted,
    /// `runner gc`: the upload was never committed.
    Unfinished,
}

#[derive(Serialize, Deserialize)]
struct OnDisk {
    schema: u32,
    tombstone: Tombstone,
}

/// What the commit mark is.
#[derive(Clone, Debug)]
pub enum Mark {
    Model(Box<Committed>),
    Tombstone(Tombstone),
    Damaged(Damaged),
}

/// A model that can be seen.
#[derive(Clone, Debug)]
pub struct Committed {
    pub manifest: Manifest,
    /// As it was published.
    pub bytes: Bytes,
    /// Since when it is marked for deletion, where it is.
    pub deleting: Option<String>,
}

/// A commit mark as it was found, and the state that a change must be based on.
#[derive(Clone, Debug)]
pub struct Found {
    pub mark: Mark,
    pub revision: Revision,
}

/// What the commit mark of `name` is now; `None` when there is none.
///
/// # Errors
/// When the store refuses or fails, or something else than an object lies there.
pub async fn find(store: &dyn Store, name: &str) -> Result<Option<Found>, StoreError> {
    let object = store.read(&manifest_key(name)).await?;
    Ok(object.map(|object| Found {
        mark: read(name, &object.bytes),
        revision: object.revision,
    }))
}

fn read(name: &str, bytes: &Bytes) -> Mark {
    if let Some(tombstone) = tombstone_in(bytes) {
        return Mark::Tombstone(tombstone);
    }
    let (deleting, bytes) = unmarked(bytes);
    match parse(&bytes) {
        Ok(manifest) if manifest.name == name => Mark::Model(Box::new(Committed {
            manifest,
            bytes,
            deleting,
        })),
        Ok(manifest) => Mark::Damaged(Damaged::in_the_place_of_another(&manifest)),
        Err(damaged) => Mark::Damaged(damaged),
    }
}

/// The tombstone that an object's bytes are, if they are one.
#[must_use]
pub fn tombstone_in(bytes: &[u8]) -> Option<Tombstone> {
    // Small ones: nothing else is parsed twice.
    if bytes.len() > 4096 {
        return None;
    }
    let on_disk: OnDisk = serde_json::from_slice(bytes).ok()?;
    (on_disk.schema == SCHEMA).then_some(on_disk.tombstone)
}

/// A manifest without its mark for deletion, to the byte as it was published, and since when it is marked.
#[must_use]
pub fn unmarked(bytes: &Bytes) -> (Option<String>, Bytes) {
    let found = bytes
        .strip_prefix(DELETING.as_bytes())
        .and_then(|rest| rest.iter().position(|byte| *byte == b'"'))
        .filter(|length| *length as u64 <= DELETING_BYTES);
    let Some(length) = found else {
        return (None, bytes.clone());
    };
    let at = String::from_utf8_lossy(&bytes[DELETING.len()..][..length]).into_owned();
    let Some(rest) = bytes[DELETING.len() + length..].strip_prefix(b"\",") else {
        return (None, bytes.clone());
    };
    (Some(at), [b"{", rest].concat().into())
}

/// A manifest with the mark for deletion.
fn marked(bytes: &[u8], at: &str) -> Option<Bytes> {
    let rest = bytes.strip_prefix(b"{")?;
    Some(
        [DELETING.as_bytes(), at.as_bytes(), b"\",", rest]
            .concat()
            .into(),
    )
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

fn tombstone(name: &str, why: Removed) -> Result<Bytes, StoreError> {
    let on_disk = OnDisk {
        schema: SCHEMA,
        tombstone: Tombstone {
            name: name.to_owned(),
            why,
            at: now(),
        },
    };
    let text = serde_json::to_vec(&on_disk);
    text.map(Bytes::from).map_err(|error| StoreError::Refused {
        url: name.to_owned(),
        problem: error.to_string(),
    })
}

/// Takes a name that has no commit mark, so that nobody ever publishes under it. Whether that came off: a publisher may have
/// been faster.
///
/// # Errors
/// When the store refuses or fails.
pub async fn take(store: &dyn Store, name: &str, why: Removed) -> Result<bool, StoreError> {
    let content = Content::of_bytes(tombstone(name, why)?);
    Ok(store.create(&manifest_key(name), &content).await? == Created::New)
}

/// Puts a tombstone in the place of what was `found`.
///
/// # Errors
/// When the store refuses or fails.
pub async fn bury(store: &dyn Store, name: &str, found: &Revision) -> Result<Replaced, StoreError> {
    let bytes = tombstone(name, Removed::Deleted)?;
    store.replace(&manifest_key(name), Some(found), bytes).await
}

/// Marks a model for deletion: from then on no alias begins to stand for it.
///
/// # Errors
/// When the store refuses or fails.
pub async fn mark(
    store: &dyn Store,
    committed: &Committed,
    found: &Revision,
) -> Result<Replaced, StoreError> {
    let key = manifest_key(&committed.manifest.name);
    let bytes = marked(&committed.bytes, &now()).ok_or_else(|| StoreError::Damaged {
        url: store.url(&key),
        problem: "it does not begin with `{`".to_owned(),
    })?;
    store.replace(&key, Some(found), bytes).await
}

/// Takes the mark for deletion away: the manifest is what it was, to the byte.
///
/// # Errors
/// When the store refuses or fails.
pub async fn unmark(
    store: &dyn Store,
    committed: &Committed,
    found: &Revision,
) -> Result<Replaced, StoreError> {
    let key = manifest_key(&committed.manifest.name);
    store
        .replace(&key, Some(found), committed.bytes.clone())
        .await
}

/// What somebody hears who wants to publish under a name that is taken for good.
#[must_use]
pub fn is_gone(store: &dyn Store, tombstone: &Tombstone) -> StoreError {
    let by = match tombstone.why {
        Removed::Deleted => "it was deleted",
        Removed::Unfinished => {
            "`runner gc` removed its upload, which had been unfinished for too long,"
        }
    };
    StoreError::Refused {
        url: store.url(&tombstone.name),
        problem: format!(
            "{by} at {}, and a name is not used twice: publish the model under a new one (`runner push FOLDER --new-name`)",
            crate::foreign::line(&tombstone.at)
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_taken_away_to_the_byte() {
        for text in [
            "{\"schema\":1, \"x\" : [1]}\n",
            "{ }",
            "{\"deleting\":\"never\"}",
        ] {
            let at = now();
            let with = marked(text.as_bytes(), &at).unwrap();
            assert_eq!(unmarked(&with), (Some(at), Bytes::from(text)));
        }
        for plain in ["", "{}", "{\"deleting\":1}", "{\"deleting\":\"x"] {
            assert_eq!(unmarked(&Bytes::from(plain)), (None, Bytes::from(plain)));
        }
    }

    #[test]
    fn a_tombstone_is_a_newer_manifest_to_those_who_know_none() {
        let bytes = tombstone("m_v1_a", Removed::Unfinished).unwrap();
        assert_eq!(tombstone_in(&bytes).unwrap().why, Removed::Unfinished);
        assert!(parse(&bytes).unwrap_err().newer);
    }
}
