use futures_util::stream::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::RegistryError;
use super::models::READERS;
use crate::json::Bounds;
use crate::names::Name;
use crate::store::{
    ALIASES, Damaged, Depth, Entry, LARGEST_READ, Revision, Store, StoreError, alias_at,
    may_be_model,
};

/// The version of an alias that this runner reads and writes.
const SCHEMA: u32 = 1;
/// What an alias may be. What a runner writes is less.
const BOUNDS: Bounds = Bounds {
    bytes: LARGEST_READ,
    depth: 32,
    values: 1_000_000,
};

/// `_aliases/<save_path>/<alias>.json`: which model bears a name such as `production`, and which ones did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    pub schema: u32,
    pub save_path: String,
    pub alias: String,
    /// Oldest first. Empty where the first promotion is on its way, or was cancelled: such an alias stands for nothing.
    pub history: Vec<Change>,
    /// A change that is on its way: it counts for nothing yet. It is written before the model is looked at, and becomes part of
    /// the history if nobody changed the alias since. So of a promotion and a deletion that meet, one sees the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Change>,
    /// What a newer runner added: it is kept.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// From `since` on the alias stood for `name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub name: String,
    /// RFC 3339, UTC.
    pub since: String,
    /// Whether this took the change before back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
    /// What a newer runner added: it is kept.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Alias {
    /// One that stands for nothing yet.
    pub(super) fn new(save_path: &str, alias: &str) -> Self {
        Self {
            schema: SCHEMA,
            save_path: save_path.to_owned(),
            alias: alias.to_owned(),
            history: Vec::new(),
            pending: None,
            other: Map::new(),
        }
    }

    #[must_use]
    pub fn current(&self) -> &str {
        self.history.last().map_or("", |change| &change.name)
    }

    /// What a rollback goes back to: promotions that were rolled back do not count.
    pub(super) fn before(&self) -> Option<&str> {
        let mut standing: Vec<&str> = Vec::new();
        for change in &self.history {
            if change.rollback {
                standing.pop();
            }
            // A rollback tells what stood before it, also where that promotion is no longer kept.
            if !change.rollback || standing.is_empty() {
                standing.push(&change.name);
            }
        }
        standing.pop();
        standing.last().copied()
    }
}

pub(super) fn alias_key(save_path: &str, alias: &str) -> String {
    format!("{ALIASES}{save_path}/{alias}.json")
}

/// Reads an alias and the state that a change must be based on.
///
/// # Errors
/// When the store refuses or fails, and when what is there is damaged or of a newer runner.
pub(super) async fn read_alias(
    store: &dyn Store,
    save_path: &str,
    alias: &str,
) -> Result<Option<(Alias, Revision)>, StoreError> {
    let found = find_alias(store, save_path, alias).await?;
    found.transpose().map_err(|damaged| {
        let (url, problem) = (store.url(&alias_key(save_path, alias)), damaged.problem);
        match damaged.newer {
            true => StoreError::Refused { url, problem },
            false => StoreError::Damaged { url, problem },
        }
    })
}

/// The same, but that one that can't be read is no failure of the store: others can be.
async fn find_alias(
    store: &dyn Store,
    save_path: &str,
    alias: &str,
) -> Result<Option<Result<(Alias, Revision), Damaged>>, StoreError> {
    match store.read(&alias_key(save_path, alias)).await {
        Ok(object) => Ok(object.map(|object| {
            let found = parse(&object.bytes, save_path, alias);
            found.map(|found| (found, object.revision))
        })),
        Err(error) => Damaged::of(error).map(|damaged| Some(Err(damaged))),
    }
}

/// What anybody may have written: what comes out is the alias that its place says, of models that may be of its save path.
fn parse(bytes: &[u8], save_path: &str, alias: &str) -> Result<Alias, Damaged> {
    #[derive(Deserialize)]
    struct Schema {
        schema: u32,
    }

    let Schema { schema } = BOUNDS.parse(bytes)?;
    if schema != SCHEMA {
        return Err(Damaged::of_schema(schema, SCHEMA));
    }
    let found: Alias = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if found.save_path != save_path || found.alias != alias {
        return Err(format!(
            "it says that it is {:?} of {:?}, and its place says {alias:?} of {save_path:?}",
            found.alias, found.save_path
        )
        .into());
    }
    let start = format!("{save_path}_v");
    let foreign =
        |change: &&Change| !change.name.starts_with(&start) || !may_be_model(&change.name);
    let mut changes = found.history.iter().chain(&found.pending);
    if let Some(change) = changes.find(foreign) {
        return Err(format!("{:?} is not a model of {save_path}", change.name).into());
    }
    Ok(found)
}

/// The aliases of a store, or of one save path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    pub readable: Vec<Alias>,
    pub unreadable: Vec<Unreadable>,
}

/// An alias that can't be read: one model is promoted, and nobody knows which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// `None`: of any.
    pub save_path: Option<String>,
    pub url: String,
    pub problem: Damaged,
    /// As it was listed. `None` where something lies in the place of the folders that aliases lie in.
    pub entry: Option<Entry>,
}

impl Aliases {
    /// Why the model `name` must not go: an alias stands for it, or may do so.
    #[must_use]
    pub fn keep(&self, name: &str) -> Option<RegistryError> {
        if let Some(alias) = self.readable.iter().rfind(|alias| alias.current() == name) {
            return Some(RegistryError::Promoted {
                alias: format!("{}@{}", alias.save_path, alias.alias),
                name: name.to_owned(),
            });
        }
        let may_be_of = |alias: &&Unreadable| {
            let save_path = alias.save_path.as_ref();
            save_path.is_none_or(|save_path| name.starts_with(&format!("{save_path}_v")))
        };
        let unreadable = self.unreadable.iter().find(may_be_of)?;
        Some(RegistryError::PerhapsPromoted {
            url: unreadable.url.clone(),
            problem: unreadable.problem.clone(),
            name: name.to_owned(),
        })
    }
}

/// All aliases, or those of one save path. One that can't be read is warned of.
///
/// # Errors
/// When the store can't be listed or read.
pub async fn aliases(store: &dyn Store, save_path: Option<&str>) -> Result<Aliases, StoreError> {
    let prefix = save_path.map_or(ALIASES.to_owned(), |path| format!("{ALIASES}{path}/"));
    let read = store.list(&prefix, Depth::All).map(|entry| async {
        match entry {
            Ok(entry) => look_at(store, entry).await,
            Err(error) => {
                let url = error.url().map(str::to_owned);
                Ok(Some(Err(Unreadable {
                    save_path: save_path.map(str::to_owned),
                    url: url.unwrap_or_else(|| store.url(&prefix)),
                    problem: Damaged::of(error)?.mended_by_hand(),
                    entry: None,
                })))
            }
        }
    });
    let mut read = read.buffered(READERS);
    let mut aliases = Aliases::default();
    while let Some(found) = read.next().await {
        match found? {
            None => {}
            Some(Ok(alias)) => aliases.readable.push(alias),
            Some(Err(unreadable)) => {
                tracing::warn!("{} is left out: {}", unreadable.url, unreadable.problem);
                aliases.unreadable.push(unreadable);
            }
        }
    }
    Ok(aliases)
}

/// What was listed, if it is an alias. What is named otherwise is none of ours, but for what lies in the place of a save path's
/// folder.
async fn look_at(
    store: &dyn Store,
    entry: Entry,
) -> Result<Option<Result<Alias, Unreadable>>, StoreError> {
    let (save_path, problem, is_alias) = match alias_at(&entry.key) {
        Some((save_path, alias)) => match find_alias(store, save_path, alias).await? {
            // Gone since it was listed.
            None => return Ok(None),
            Some(Ok((alias, _))) => return Ok(Some(Ok(alias))),
            Some(Err(problem)) => (save_path, problem, true),
        },
        None => {
            let save_path = entry.key.strip_prefix(ALIASES).unwrap_or_default();
            if save_path.parse::<Name>().is_err() {
                return Ok(None);
            }
            // A bucket may have both. In a folder whatever lies there, a file too, hides the aliases.
            let beneath = format!("{}/", entry.key);
            let first = store.list(&beneath, Depth::One).next().await;
            match first {
                Some(Err(error)) => (save_path, Damaged::of(error)?.mended_by_hand(), false),
                _ => return Ok(None),
            }
        }
    };
    Ok(Some(Err(Unreadable {
        save_path: Some(save_path.to_owned()),
        url: store.url(&entry.key),
        problem,
        entry: is_alias.then_some(entry),
    })))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn alias(history: &[(&str, bool)]) -> Alias {
        let history = history.iter().map(|(name, rollback)| Change {
            name: (*name).to_owned(),
            since: "2025-06-01T08:00:00Z".to_owned(),
            rollback: *rollback,
            other: Map::new(),
        });
        Alias {
            schema: SCHEMA,
            other: Map::new(),
            save_path: "m".to_owned(),
            alias: "production".to_owned(),
            history: history.collect(),
            pending: None,
        }
    }

    #[test]
    fn a_rollback_goes_back_past_what_was_rolled_back() {
        assert_eq!(alias(&[("a", false)]).before(), None);
        let two = [("a", false), ("b", false)];
        assert_eq!(alias(&two).before(), Some("a"));
        let three = [("a", false), ("b", false), ("c", false), ("b", true)];
        assert_eq!(alias(&three).before(), Some("a"));
        let back = [("a", false), ("b", false), ("a", true)];
        assert_eq!(alias(&back).before(), None);
        let cut = [("b", true), ("c", false), ("d", false), ("c", true)];
        assert_eq!(alias(&cut).before(), Some("b"));
        assert_eq!(alias(&cut[3..]).before(), None);
        let again = [("a", false), ("b", false), ("a", true), ("c", false)];
        assert_eq!(alias(&again).before(), Some("a"));
    }

    #[test]
    fn what_a_newer_runner_wrote_is_kept_or_refused() {
        let text = |schema: u32| {
            serde_json::json!({
                "schema": schema, "save_path": "m", "alias": "production", "reason": "best",
                "history": [{"name": "m_v1_a", "since": "2025-06-01T08:00:00Z", "by": "me"}],
            })
        };
        let known = parse(text(1).to_string().as_bytes(), "m", "production").unwrap();
        assert_eq!(serde_json::to_value(&known).unwrap(), text(1));
        let newer = parse(text(2).to_string().as_bytes(), "m", "production").unwrap_err();
        assert!(newer.newer, "{newer}");
        for damaged in ["", "{}", "{\"schema\":0}", "{\"schema\":1}"] {
            assert!(
                !parse(damaged.as_bytes(), "m", "production")
                    .unwrap_err()
                    .newer
            );
        }
    }
}
