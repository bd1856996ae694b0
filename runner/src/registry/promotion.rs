//! Changing an alias: promoting a model, and taking that back.

use std::time::Duration;

use serde_json::Map;

use super::RegistryError;
use super::alias::{Alias, Change, alias_key, aliases, read_alias};
use super::contended::Pauses;
use crate::names::Name;
use crate::store::mark::{self, Mark};
use crate::store::{LARGEST_READ, Replaced, Revision, Store, StoreError};

/// Changes of one alias that are kept.
const MAX_HISTORY: usize = 1_000;

/// Makes `alias` stand for the model `name`. Nothing is written when it does already. Others may change it meanwhile for as
/// long as `patience` says.
///
/// # Errors
/// When the alias is no name or can't be read, or the store refuses or fails.
pub async fn promote(
    store: &dyn Store,
    save_path: &str,
    alias: &str,
    name: &str,
    patience: Duration,
) -> Result<Alias, RegistryError> {
    if alias == "latest" {
        return Err(RegistryError::no_model(
            alias,
            "latest is always the newest model: choose another alias",
        ));
    }
    alias
        .parse::<Name>()
        .map_err(|error| RegistryError::no_model(alias, error.to_string()))?;
    change(store, (save_path, alias), patience, |found| {
        Ok((found.is_none_or(|found| found.current() != name)).then(|| (name.to_owned(), false)))
    })
    .await
}

/// Makes `alias` stand for what it stood for before.
///
/// # Errors
/// When there is no such alias, it can't be read, or it never stood for another one.
pub async fn rollback(
    store: &dyn Store,
    save_path: &str,
    alias: &str,
    patience: Duration,
) -> Result<Alias, RegistryError> {
    let reference = format!("{save_path}@{alias}");
    change(store, (save_path, alias), patience, |found| {
        let found =
            found.ok_or_else(|| RegistryError::no_model(&reference, "there is no such alias"))?;
        let before = found.before().ok_or_else(|| {
            RegistryError::no_model(
                &reference,
                format!("it is {} and was nothing before", found.current()),
            )
        })?;
        Ok(Some((before.to_owned(), true)))
    })
    .await
}

/// Adds a change to an alias: announced first, then, when the model is still there, made. Over and over until nobody else did
/// in between, or it took too often or too long.
async fn change(
    store: &dyn Store,
    (save_path, alias): (&str, &str),
    patience: Duration,
    to: impl Fn(Option<&Alias>) -> Result<Option<(String, bool)>, RegistryError>,
) -> Result<Alias, RegistryError> {
    let mut pauses = Pauses::new(patience);
    let mut tried: Option<Change> = None;
    while pauses.next(store).await {
        let (found, revision) = match read_alias(store, save_path, alias).await? {
            Some((found, revision)) => (Some(found), Some(revision)),
            None => (None, None),
        };
        // A write whose answer got lost was a write: a rollback must not go back twice.
        if let (Some(tried), Some(found)) = (&tried, &found)
            && found.history.contains(tried)
        {
            return Ok(found.clone());
        }
        let standing = found.as_ref().filter(|found| !found.history.is_empty());
        let wanted = to(standing)?;
        let mut next = found.unwrap_or_else(|| Alias::new(save_path, alias));
        let Some((name, rollback)) = wanted else {
            return Ok(next);
        };
        if let Some(change) = tried.as_ref().filter(|_| next.pending == tried) {
            // Announced: who deletes the model sees that, and this sees who deletes it.
            let may_be = can_be_promoted(store, &change.name).await;
            next.pending = None;
            if may_be.is_ok() {
                add(&mut next, change.clone());
            }
            let written = write(store, &next, revision.as_ref()).await?;
            may_be?;
            if written == Replaced::Done {
                return Ok(next);
            }
        } else {
            if tried.is_some() {
                // Somebody cancelled it, perhaps to delete the model.
                can_be_promoted(store, &name).await?;
            }
            let change = Change {
                name,
                since: jiff::Timestamp::now().to_string(),
                rollback,
                other: Map::new(),
            };
            next.pending = Some(change.clone());
            tried = Some(change);
            if write(store, &next, revision.as_ref()).await? == Replaced::Done {
                pauses.skip();
            }
        }
    }
    Err(pauses
        .too_busy(store.url(&alias_key(save_path, alias)))
        .into())
}

pub(super) async fn write(
    store: &dyn Store,
    alias: &Alias,
    revision: Option<&Revision>,
) -> Result<Replaced, StoreError> {
    let key = alias_key(&alias.save_path, &alias.alias);
    let bytes = to_bytes(alias).map_err(|problem| StoreError::Damaged {
        url: store.url(&key),
        problem,
    })?;
    store.replace(&key, revision, bytes.into()).await
}

/// A model that is there, and that nobody is deleting.
async fn can_be_promoted(store: &dyn Store, name: &str) -> Result<(), RegistryError> {
    let problem = match mark::find(store, name).await?.map(|found| found.mark) {
        Some(Mark::Model(model)) => match model.deleting {
            None => return Ok(()),
            Some(_) => format!(
                "it is being deleted. If nobody is at it any more, `runner delete {name}` finishes that"
            ),
        },
        Some(Mark::Tombstone(_)) | None => "it was deleted".to_owned(),
        Some(Mark::Damaged(problem)) => format!("its manifest is damaged: {problem}"),
    };
    Err(RegistryError::no_model(name, problem))
}

/// What stands between a model and its deletion.
pub(super) enum Release {
    /// No alias stands for it, and none begins to once it is marked.
    Free,
    /// Somebody changed an alias: look again.
    Changed,
    Kept(RegistryError),
}

/// Looks for aliases of a model that is marked for deletion, and cancels promotions of it that are on their way.
pub(super) async fn release(
    store: &dyn Store,
    save_path: Option<&str>,
    name: &str,
) -> Result<Release, StoreError> {
    let aliases = aliases(store, save_path).await?;
    if let Some(refusal) = aliases.keep(name) {
        return Ok(Release::Kept(refusal));
    }
    let announced = |alias: &&Alias| alias.pending.as_ref().is_some_and(|next| next.name == name);
    for alias in aliases.readable.iter().filter(announced) {
        let found = read_alias(store, &alias.save_path, &alias.alias).await?;
        let Some((mut found, revision)) = found.filter(|(found, _)| found == alias) else {
            return Ok(Release::Changed);
        };
        found.pending = None;
        if write(store, &found, Some(&revision)).await? == Replaced::Changed {
            return Ok(Release::Changed);
        }
    }
    Ok(Release::Free)
}

/// The oldest changes go when there are too many.
fn add(alias: &mut Alias, change: Change) {
    alias.history.push(change);
    let beyond = alias.history.len().saturating_sub(MAX_HISTORY);
    alias.history.drain(..beyond);
}

fn to_bytes(alias: &Alias) -> Result<Vec<u8>, String> {
    let bytes = serde_json::to_vec(alias).map_err(|error| error.to_string())?;
    match bytes.len() as u64 > LARGEST_READ {
        true => Err("with this change no runner could read it any more".to_owned()),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_has_an_end() {
        let mut alias = Alias::new("m", "production");
        for number in 0..3 * MAX_HISTORY {
            let change = Change {
                // As long as names get.
                name: format!("m_v{number}_{}", "a".repeat(290)),
                since: "2025-06-01T08:00:00.123456789Z".to_owned(),
                rollback: true,
                other: Map::new(),
            };
            add(&mut alias, change);
        }
        assert_eq!(alias.history.len(), MAX_HISTORY);
        assert!(
            alias
                .current()
                .starts_with(&format!("m_v{}_", 3 * MAX_HISTORY - 1))
        );
        assert!(to_bytes(&alias).is_ok_and(|bytes| bytes.len() < 1 << 20));
    }
}
