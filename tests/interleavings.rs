//! Every order in which publishers, `delete`, `gc` and `promote` can meet, with any of them killed at any moment: no model is lost,
//! halved or doubled, and no alias stands for nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/model.rs"]
mod model;
#[path = "support/walk.rs"]
mod walk;

use std::sync::Arc;
use std::time::Duration;

use contract::NomadOrigin;
use model::Model;
use runner::registry;
use runner::store::{self, ClaimKey, Store, mark};
use walk::{Command, End, Objects, Walk, Walked};

/// One file stands for all: what is done to the others is done right behind it.
const FILES: [&str; 1] = ["model.json"];
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A model of one piece of Nomad's work, trained by an allocation.
fn trained(alloc: &str) -> Model {
    let nomad = NomadOrigin {
        job_id: "sales/dispatch-1-a".to_owned(),
        alloc_id: alloc.to_owned(),
        ..NomadOrigin::default()
    };
    let model = Model::new("m", "1", alloc).empty();
    model.file(FILES[0], "{}").nomad(nomad).write()
}

fn manifest(model: &Model) -> Vec<u8> {
    std::fs::read(model.folder().join("manifest.json")).unwrap()
}

/// A store in which the model is published, or its upload was left before one of the last steps.
struct Shelf(Objects);

impl Shelf {
    fn new() -> Self {
        Self(Objects::default())
    }

    fn files(mut self, model: &Model) -> Self {
        for file in FILES {
            let bytes = std::fs::read(model.folder().join(file)).unwrap();
            self.0
                .put(&format!("{}/{file}", model.manifest().name), bytes, false);
        }
        self
    }

    fn claim(mut self, model: &Model) -> Self {
        let claim = ClaimKey::of(model.manifest()).unwrap();
        self.0.put(claim.as_str(), manifest(model), false);
        self
    }

    fn published(self, model: &Model) -> Self {
        let mut shelf = self.files(model).claim(model);
        let key = format!("{}/manifest.json", model.manifest().name);
        shelf.0.put(&key, manifest(model), false);
        shelf
    }

    fn old(mut self) -> Self {
        self.0.age();
        self
    }
}

fn publish(model: &Model) -> Command {
    let folder = Arc::new(model.opened());
    Box::new(move |store: Arc<dyn Store>| {
        let folder = folder.clone();
        Box::pin(async move {
            match store::publish(&*store, &folder).await {
                Ok(published) => format!("published {}", published.manifest.name),
                Err(error) => format!("refused: {error}"),
            }
        })
    })
}

fn delete(name: &'static str) -> Command {
    Box::new(move |store: Arc<dyn Store>| {
        Box::pin(async move {
            match registry::delete(&*store, name).await {
                Ok(()) => format!("deleted {name}"),
                Err(error) => format!("refused: {error}"),
            }
        })
    })
}

fn gc() -> Command {
    Box::new(move |store: Arc<dyn Store>| {
        Box::pin(async move {
            let removed = async {
                let found = registry::find_garbage(&*store, DAY).await?;
                registry::remove(&*store, found).await
            };
            match removed.await {
                Ok(removed) => format!("removed {}", removed.len()),
                Err(error) => format!("refused: {error}"),
            }
        })
    })
}

fn promote(name: &'static str) -> Command {
    Box::new(move |store: Arc<dyn Store>| {
        Box::pin(async move {
            match registry::promote(&*store, "m", "production", name, DAY).await {
                Ok(alias) => format!("promoted {}", alias.current()),
                Err(error) => format!("refused: {error}"),
            }
        })
    })
}

/// Names of the models that can be seen.
fn visible(objects: &Objects) -> Vec<String> {
    let keys = objects.keys().filter_map(|key| {
        let name = key.strip_suffix("/manifest.json")?;
        mark::tombstone_in(objects.get(key)?)
            .is_none()
            .then_some(name)
    });
    keys.map(str::to_owned).collect()
}

/// What holds at every moment, also of a store whose users were all killed.
fn is_sound(objects: &Objects) -> Result<(), String> {
    let visible = visible(objects);
    for name in &visible {
        for file in FILES {
            if objects.get(&format!("{name}/{file}")).is_none() {
                return Err(format!("{name} can be seen without its {file}"));
            }
        }
    }
    if visible.len() > 1 {
        return Err(format!("two models of one piece of work: {visible:?}"));
    }
    if let Some(alias) = objects.get("_aliases/m/production.json") {
        let alias: registry::Alias = serde_json::from_slice(alias).unwrap();
        if !alias.current().is_empty() && !visible.iter().any(|name| name == alias.current()) {
            return Err(format!(
                "an alias stands for {}, which is not there",
                alias.current()
            ));
        }
    }
    Ok(())
}

/// What was published stays, unless somebody deleted it.
fn nothing_is_lost(end: &End) -> Result<(), String> {
    let results: Vec<&str> = end.results.iter().flatten().map(String::as_str).collect();
    let there = visible(&end.objects);
    for name in results
        .iter()
        .filter_map(|result| result.strip_prefix("published "))
    {
        let deleted = results.contains(&format!("deleted {name}").as_str());
        // One that crashed may have come so far.
        let crashed = end.results.iter().any(Option::is_none);
        if !there.iter().any(|other| other == name) && !deleted && !crashed {
            return Err(format!("{name} was published, and is gone"));
        }
    }
    for name in results
        .iter()
        .filter_map(|result| result.strip_prefix("deleted "))
    {
        if there.iter().any(|other| other == name) {
            return Err(format!("{name} was deleted, and is there"));
        }
    }
    Ok(())
}

fn walk(shelf: Shelf, commands: Vec<(&'static str, Command)>) -> Walked {
    walk_with(shelf, commands, usize::MAX)
}

/// The same of more commands than every order of can be walked: each order in which running commands are interrupted at most
/// so often.
fn walk_with(shelf: Shelf, commands: Vec<(&'static str, Command)>, switches: usize) -> Walked {
    let mut walk = Walk::new(shelf.0).switches(switches);
    for (name, command) in commands {
        walk = walk.command(name, command);
    }
    let walked = walk.check(|end| is_sound(&end.objects).and_then(|()| nothing_is_lost(end)));
    println!("{walked:?}");
    walked
}

#[test]
fn publish_beside_delete() {
    let a = trained("a");
    let both = || vec![("publish", publish(&a)), ("delete", delete("m_v1_a"))];
    walk(Shelf::new(), both());
    walk(Shelf::new().files(&a), both());
    walk(Shelf::new().files(&a).claim(&a), both());
    walk(Shelf::new().published(&a), both());
}

#[test]
fn two_publishers_of_one_work_beside_delete() {
    let (a, b) = (trained("a"), trained("b"));
    let all = || {
        vec![
            ("publish a", publish(&a)),
            ("publish b", publish(&b)),
            ("delete a", delete("m_v1_a")),
        ]
    };
    walk(Shelf::new(), all());
    walk(Shelf::new().published(&a), all());
}

#[test]
fn two_gc_beside_publish() {
    let a = trained("a");
    let all = || vec![("publish", publish(&a)), ("gc 1", gc()), ("gc 2", gc())];
    walk(Shelf::new().files(&a).old(), all());
    walk(Shelf::new().files(&a).claim(&a).old(), all());
}

#[test]
fn promote_beside_delete_and_gc() {
    let a = trained("a");
    let all = || {
        vec![
            ("promote", promote("m_v1_a")),
            ("delete", delete("m_v1_a")),
            ("gc", gc()),
        ]
    };
    walk(Shelf::new().published(&a).old(), all());
}

#[test]
fn two_deletions_beside_promote() {
    let a = trained("a");
    let all = || {
        vec![
            ("promote", promote("m_v1_a")),
            ("delete 1", delete("m_v1_a")),
            ("delete 2", delete("m_v1_a")),
        ]
    };
    walk_with(Shelf::new().published(&a), all(), 3);
}

/// Two publishers, `delete`, two `gc` and `promote`.
fn all_at_once(switches: usize) {
    let (a, b) = (trained("a"), trained("b"));
    let all = || {
        vec![
            ("publish a", publish(&a)),
            ("publish b", publish(&b)),
            ("delete a", delete("m_v1_a")),
            ("gc 1", gc()),
            ("gc 2", gc()),
            ("promote a", promote("m_v1_a")),
        ]
    };
    walk_with(Shelf::new().files(&a).claim(&a).old(), all(), switches);
    walk_with(Shelf::new().published(&a).old(), all(), switches);
}

/// One after the other in every order, each of them killed before each call: the next one goes on with what that left.
#[test]
fn all_after_each_other() {
    all_at_once(0);
}

/// The same with one of them interrupted once while it could go on.
#[test]
#[ignore = "`just interleavings` runs it: minutes"]
fn all_beside_each_other() {
    all_at_once(1);
}
