//! Changing an alias: promoting a model, and taking that back.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::Map;

use super::RegistryError;
use super::alias::{Alias, Change, SCHEMA, alias_key, read_alias};
use crate::names::Name;
use crate::store::{LARGEST_READ, Replaced, Store, StoreError};

/// Changes of one alias that are kept.
const MAX_HISTORY: usize = 1_000;
/// How often a change is tried.
const TRIES: usize = 100;
/// Between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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

/// Adds a change to an alias, over and over until nobody else did in between, or it took too often or too long.
async fn change(
    store: &dyn Store,
    (save_path, alias): (&str, &str),
    patience: Duration,
    to: impl Fn(Option<&Alias>) -> Result<Option<(String, bool)>, RegistryError>,
) -> Result<Alias, RegistryError> {
    let key = alias_key(save_path, alias);
    let begin = Instant::now();
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_max_times(TRIES - 1)
        // So that those who met do not meet again.
        .with_jitter()
        .build();
    let mut tried: Option<Change> = None;
    loop {
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
        let wanted = to(found.as_ref())?;
        let mut next = found.unwrap_or_else(|| Alias {
            schema: SCHEMA,
            save_path: save_path.to_owned(),
            alias: alias.to_owned(),
            history: Vec::new(),
            other: Map::new(),
        });
        let Some((name, rollback)) = wanted else {
            return Ok(next);
        };
        let change = Change {
            name,
            since: jiff::Timestamp::now().to_string(),
            rollback,
            other: Map::new(),
        };
        add(&mut next, change.clone());
        tried = Some(change);
        let bytes = to_bytes(&next).map_err(|problem| {
            let url = store.url(&key);
            StoreError::Damaged { url, problem }
        })?;
        if store.replace(&key, revision.as_ref(), bytes.into()).await? == Replaced::Done {
            return Ok(next);
        }
        let left = patience.saturating_sub(begin.elapsed());
        match pauses.next().filter(|pause| *pause < left) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(too_busy(store.url(&key), begin.elapsed()).into()),
        }
    }
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

fn too_busy(url: String, after: Duration) -> StoreError {
    StoreError::Unreachable {
        url,
        problem: format!(
            "each time that it was to be changed, the store said that somebody else had changed it first, for {} seconds: run this again, or wait longer with --store-timeout",
            after.as_secs()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_has_an_end() {
        let mut alias = Alias {
            schema: SCHEMA,
            save_path: "m".to_owned(),
            alias: "production".to_owned(),
            history: Vec::new(),
            other: Map::new(),
        };
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
