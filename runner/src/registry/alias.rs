use futures_util::stream::StreamExt;
use serde::{Deserialize, Serialize};

use super::RegistryError;
use super::models::READERS;
use super::shelf::left_out;
use crate::names::Name;
use crate::store::mark::{self, Mark};
use crate::store::{Depth, Replaced, Revision, Store, StoreError, may_be_model};

/// `_aliases/<save_path>/<alias>.json`: which model bears a name such as `production`, and which ones did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    pub schema: u32,
    pub save_path: String,
    pub alias: String,
    /// Oldest first; nothing is taken out of it. Empty where the first promotion is on its way, or was cancelled: such an
    /// alias stands for nothing.
    pub history: Vec<Change>,
    /// A change that is on its way: it counts for nothing yet. It is written before the model is looked at, and becomes part of
    /// the history if nobody changed the alias since. So of a promotion and a deletion that meet, one sees the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Change>,
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
}

impl Alias {
    #[must_use]
    pub fn current(&self) -> &str {
        self.history.last().map_or("", |change| &change.name)
    }

    /// What a rollback goes back to: promotions that were rolled back do not count.
    fn before(&self) -> Option<&str> {
        let mut standing: Vec<&str> = Vec::new();
        for change in &self.history {
            if change.rollback {
                standing.pop();
            } else {
                standing.push(&change.name);
            }
        }
        standing.pop();
        standing.last().copied()
    }
}

fn alias_key(save_path: &str, alias: &str) -> String {
    format!("_aliases/{save_path}/{alias}.json")
}

/// Reads an alias and the state that a change must be based on.
pub(super) async fn read_alias(
    store: &dyn Store,
    save_path: &str,
    alias: &str,
) -> Result<Option<(Alias, Revision)>, StoreError> {
    let key = alias_key(save_path, alias);
    let Some(object) = store.read(&key).await? else {
        return Ok(None);
    };
    let found = parse(&object.bytes, save_path, alias);
    let found = found.map_err(|problem| StoreError::Damaged {
        url: store.url(&key),
        problem,
    })?;
    Ok(Some((found, object.revision)))
}

/// What anybody may have written: what comes out is the alias that its place says, of models that may be of its save path.
fn parse(bytes: &[u8], save_path: &str, alias: &str) -> Result<Alias, String> {
    let found: Alias = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if found.save_path != save_path || found.alias != alias {
        return Err(format!(
            "it says that it is {:?} of {:?}, and its place says {alias:?} of {save_path:?}",
            found.alias, found.save_path
        ));
    }
    let start = format!("{save_path}_v");
    let foreign =
        |change: &&Change| !change.name.starts_with(&start) || !may_be_model(&change.name);
    let mut changes = found.history.iter().chain(&found.pending);
    if let Some(change) = changes.find(foreign) {
        return Err(format!("{:?} is not a model of {save_path}", change.name));
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
            name: name.to_owned(),
        })
    }
}

/// All aliases, or those of one save path. One that can't be read is warned of.
///
/// # Errors
/// When the store can't be listed or read.
pub async fn aliases(store: &dyn Store, save_path: Option<&str>) -> Result<Aliases, StoreError> {
    let prefix = save_path.map_or("_aliases/".to_owned(), |path| format!("_aliases/{path}/"));
    let read = store.list(&prefix, Depth::All).map(|entry| async move {
        let key = match entry {
            Ok(entry) => entry.key,
            Err(error) => return Some((None, Err(error))),
        };
        let (save_path, alias) = place(&key)?;
        let found = read_alias(store, save_path, alias).await;
        Some((Some(save_path.to_owned()), found))
    });
    let mut read = read.buffered(READERS);
    let mut aliases = Aliases::default();
    while let Some(found) = read.next().await {
        match found {
            None | Some((_, Ok(None))) => {}
            Some((_, Ok(Some((alias, _))))) => aliases.readable.push(alias),
            Some((save_path, Err(error))) => {
                let url = error
                    .url()
                    .map_or_else(|| store.url(&prefix), str::to_owned);
                left_out(store, &prefix, error)?;
                aliases.unreadable.push(Unreadable { save_path, url });
            }
        }
    }
    Ok(aliases)
}

/// Of `_aliases/<save_path>/<alias>.json`; nothing of what is named otherwise, which is none of ours.
fn place(key: &str) -> Option<(&str, &str)> {
    let (save_path, file) = key.strip_prefix("_aliases/")?.split_once('/')?;
    let alias = file.strip_suffix(".json")?;
    let names = [save_path, alias];
    names
        .iter()
        .all(|name| name.parse::<Name>().is_ok())
        .then_some((save_path, alias))
}

/// Makes `alias` stand for the model `name`. Nothing is written when it does already.
///
/// # Errors
/// When the alias is no name, or the store refuses or fails.
pub async fn promote(
    store: &dyn Store,
    save_path: &str,
    alias: &str,
    name: &str,
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
    change(store, save_path, alias, |found| {
        Ok((found.is_none_or(|found| found.current() != name)).then(|| (name.to_owned(), false)))
    })
    .await
}

/// Makes `alias` stand for what it stood for before.
///
/// # Errors
/// When there is no such alias, or it never stood for another one.
pub async fn rollback(
    store: &dyn Store,
    save_path: &str,
    alias: &str,
) -> Result<Alias, RegistryError> {
    let reference = format!("{save_path}@{alias}");
    change(store, save_path, alias, |found| {
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

/// How often a change is tried that somebody else was faster with.
const ROUNDS: u32 = 100;

/// Adds a change to an alias: announced first, then, when the model is still there, made.
async fn change(
    store: &dyn Store,
    save_path: &str,
    alias: &str,
    to: impl Fn(Option<&Alias>) -> Result<Option<(String, bool)>, RegistryError>,
) -> Result<Alias, RegistryError> {
    let mut tried: Option<Change> = None;
    for _ in 0..ROUNDS {
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
        let mut next = found.clone().unwrap_or_else(|| Alias {
            schema: 1,
            save_path: save_path.to_owned(),
            alias: alias.to_owned(),
            history: Vec::new(),
            pending: None,
        });
        let Some((name, rollback)) = wanted else {
            return Ok(next);
        };
        let announced = found.is_some().then_some(&next.pending) == Some(&tried) && tried.is_some();
        if let (Some(change), true) = (&tried, announced) {
            if let Err(gone) = can_be_promoted(store, &change.name).await {
                next.pending = None;
                write(store, &next, revision.as_ref()).await?;
                return Err(gone);
            }
            next.pending = None;
            next.history.push(change.clone());
            if write(store, &next, revision.as_ref()).await? == Replaced::Done {
                return Ok(next);
            }
            continue;
        }
        if tried.is_some() {
            // Somebody cancelled it, perhaps to delete the model.
            can_be_promoted(store, &name).await?;
        }
        let change = Change {
            name,
            since: jiff::Timestamp::now().to_string(),
            rollback,
        };
        next.pending = Some(change.clone());
        tried = Some(change);
        write(store, &next, revision.as_ref()).await?;
    }
    Err(StoreError::Refused {
        url: store.url(&alias_key(save_path, alias)),
        problem: format!("others changed it {ROUNDS} times before this could: run this again"),
    }
    .into())
}

async fn write(
    store: &dyn Store,
    alias: &Alias,
    revision: Option<&Revision>,
) -> Result<Replaced, StoreError> {
    let key = alias_key(&alias.save_path, &alias.alias);
    let bytes = serde_json::to_vec(alias).map_err(|error| StoreError::Damaged {
        url: store.url(&key),
        problem: error.to_string(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(history: &[(&str, bool)]) -> Alias {
        let history = history.iter().map(|(name, rollback)| Change {
            name: (*name).to_owned(),
            since: "2025-06-01T08:00:00Z".to_owned(),
            rollback: *rollback,
        });
        Alias {
            schema: 1,
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
        let again = [("a", false), ("b", false), ("a", true), ("c", false)];
        assert_eq!(alias(&again).before(), Some("a"));
    }
}
