//! What `gc` and publishers could do to each other, moment by moment: nothing that is needed goes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/meddled.rs"]
mod meddled;
#[path = "support/model.rs"]
mod model;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use contract::NomadOrigin;
use futures_util::TryStreamExt;
use meddled::{Call, Meddled};
use model::Model;
use runner::registry::{self, find_garbage};
use runner::store::{self, ClaimKey, Content, Depth, FolderStore, LocalFile, Store, uses};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A folder store in which everything is as old as the test says.
struct Shelf {
    folder: tempfile::TempDir,
    store: Arc<dyn Store>,
}

impl Shelf {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(FolderStore::new(folder.path().to_owned()));
        Self { folder, store }
    }

    async fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        let content = Content::of_bytes(bytes.into());
        self.store.create(key, &content).await.unwrap();
    }

    /// The model's files, and no more.
    async fn upload(&self, model: &Model) {
        for file in &model.manifest().files {
            let bytes = std::fs::read(model.folder().join(&file.path)).unwrap();
            self.put(&format!("{}/{}", model.manifest().name, file.path), bytes)
                .await;
        }
    }

    async fn claim(&self, model: &Model) -> String {
        let claim = ClaimKey::of(model.manifest()).unwrap();
        self.put(claim.as_str(), manifest(model)).await;
        claim.as_str().to_owned()
    }

    /// Three days pass.
    fn age(&self) {
        self.age_by(3);
    }

    fn age_by(&self, days: u32) {
        fn old(folder: &Path, days: u32) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    old(&path, days);
                } else {
                    let file = File::options().write(true).open(path).unwrap();
                    file.set_modified(SystemTime::now() - days * DAY).unwrap();
                }
            }
        }
        old(self.folder.path(), days);
    }

    async fn keys(&self) -> Vec<String> {
        let entries: Vec<_> = self.store.list("", Depth::All).try_collect().await.unwrap();
        entries.into_iter().map(|entry| entry.key).collect()
    }

    async fn garbage(&self) -> Vec<String> {
        let found = find_garbage(&*self.store, DAY).await.unwrap();
        found.garbage.into_iter().map(|each| each.key).collect()
    }
}

fn manifest(model: &Model) -> Vec<u8> {
    std::fs::read(model.folder().join("manifest.json")).unwrap()
}

fn work(alloc_id: &str) -> NomadOrigin {
    NomadOrigin {
        job_id: "sales/dispatch-1-a".to_owned(),
        alloc_id: alloc_id.to_owned(),
        ..NomadOrigin::default()
    }
}

#[tokio::test]
async fn a_model_that_is_committed_while_gc_looks_keeps_its_files() {
    let shelf = Shelf::new();
    let model = Model::new("m", "1", "a").write();
    shelf.upload(&model).await;
    shelf.age();
    let found = find_garbage(&*shelf.store, DAY).await.unwrap();
    assert_eq!(found.garbage.len(), 3);
    shelf.put("m_v1_a/manifest.json", manifest(&model)).await;
    let removed = registry::remove(&*shelf.store, found).await.unwrap();
    assert!(removed.is_empty(), "{removed:?}");
    let mut keys = shelf.keys().await;
    // The entry by which what is left would be found: a later `gc` removes it.
    keys.retain(|key| key != "_deleted/m_v1_a");
    assert_eq!(keys.len(), 4, "{keys:?}");
}

/// A snapshot that no manifest names.
fn unnamed() -> String {
    format!("_data/{}", "0a".repeat(32))
}

#[tokio::test]
async fn a_gc_that_is_slow_stops_before_its_mark_counts_as_dead() {
    let shelf = Shelf::new();
    shelf.put(&unnamed(), "rows").await;
    shelf.age();
    let slow = Meddled::new(shelf.store.clone());
    let clock = slow.ahead.clone();
    let slow = slow.before(Call::Stat, &unnamed(), async move {
        clock.store(301, Ordering::Relaxed);
    });
    let found = find_garbage(&slow, DAY).await.unwrap();
    let error = registry::remove(&slow, found).await.unwrap_err();
    assert!(error.to_string().contains("run this again"), "{error}");
    let mark = format!("_uses/{}/gc", unnamed());
    assert_eq!(shelf.keys().await, [unnamed(), mark]);
}

#[tokio::test]
async fn of_those_who_find_a_dead_mark_one_takes_it_over() {
    let shelf = Shelf::new();
    shelf.put(&unnamed(), "rows").await;
    shelf.put(&format!("_uses/{}/gc", unnamed()), "").await;
    shelf.age();
    let refused = Arc::new(AtomicBool::new(false));
    let (second, said) = (shelf.store.clone(), refused.clone());
    let first = Meddled::new(shelf.store.clone()).before(Call::Delete, &unnamed(), async move {
        let removal = uses::condemn(&*second, &unnamed()).await.unwrap();
        said.store(removal.is_none(), Ordering::Relaxed);
    });
    let found = find_garbage(&first, DAY).await.unwrap();
    assert_eq!(registry::remove(&first, found).await.unwrap().len(), 1);
    assert!(first.is_over() && refused.load(Ordering::Relaxed));
    assert_eq!(shelf.keys().await, [""; 0]);
}

#[tokio::test]
async fn a_snapshot_that_is_made_again_after_one_gc_is_left_by_the_other() {
    let shelf = Shelf::new();
    shelf.put(&unnamed(), "rows").await;
    shelf.age();
    let [first, second] = [
        find_garbage(&*shelf.store, DAY).await.unwrap(),
        find_garbage(&*shelf.store, DAY).await.unwrap(),
    ];
    assert_eq!(
        registry::remove(&*shelf.store, first).await.unwrap().len(),
        1
    );
    shelf.put(&unnamed(), "rows").await;
    assert!(
        registry::remove(&*shelf.store, second)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(shelf.keys().await, [unnamed()]);
}

#[tokio::test]
async fn what_only_a_claim_names_is_no_garbage() {
    let shelf = Shelf::new();
    let model = Model::new("m", "1", "a").nomad(work("a")).write();
    let named = model.manifest();
    for (path, sha256) in [
        (model.module(), &named.module.sha256),
        (model.data(), &named.data.sha256),
    ] {
        let file = LocalFile::named(&path);
        let stored = if path.ends_with(".module") {
            store::store_module(&*shelf.store, &file, sha256).await
        } else {
            store::store_data(&*shelf.store, &file, sha256).await
        };
        stored.unwrap();
    }
    shelf.upload(&model).await;
    shelf.age();
    assert_eq!(shelf.garbage().await.len(), 5);
    shelf.claim(&model).await;
    shelf.age();
    assert_eq!(shelf.garbage().await, [""; 0]);
}

#[tokio::test]
async fn an_object_that_goes_while_it_is_looked_at_is_made_again() {
    let shelf = Shelf::new();
    let model = Model::new("m", "1", "a").write();
    shelf.upload(&model).await;
    let gc = shelf.store.clone();
    let key = "m_v1_a/model.json";
    let store = Meddled::new(shelf.store.clone()).before(Call::Stat, key, async move {
        gc.delete(key).await.unwrap();
    });
    store::publish(&store, &model.opened()).await.unwrap();
    assert!(store.is_over());
    let bytes = shelf.store.read(key).await.unwrap().unwrap().bytes;
    assert_eq!(
        bytes,
        std::fs::read(model.folder().join("model.json")).unwrap()
    );
}

#[tokio::test]
async fn a_claim_whose_files_are_gone_makes_room_for_the_next_allocation() {
    let shelf = Shelf::new();
    let model = Model::new("m", "1", "a").nomad(work("a")).write();
    let claim = shelf.claim(&model).await;
    shelf.age();
    let found = find_garbage(&*shelf.store, DAY).await.unwrap();
    assert_eq!(found.garbage.len(), 1);
    // The same push brings its files again. Meanwhile `gc` takes the name away for good.
    let gc = shelf.store.clone();
    let store = Meddled::new(shelf.store.clone()).before(
        Call::Create,
        "m_v1_a/manifest.json",
        async move {
            registry::remove(&*gc, found).await.unwrap();
        },
    );
    let refused = store::publish(&store, &model.opened()).await.unwrap_err();
    assert!(store.is_over());
    assert!(refused.to_string().contains("--new-name"), "{refused}");
    let second = Model::new("m", "1", "b").nomad(work("b")).write();
    let published = store::publish(&*shelf.store, &second.opened())
        .await
        .unwrap();
    assert_eq!(published.manifest.name, "m_v1_b");
    let third = Model::new("m", "1", "c").nomad(work("c")).write();
    let published = store::publish(&*shelf.store, &third.opened())
        .await
        .unwrap();
    assert_eq!(published.manifest.name, "m_v1_b");
    // The first claim stays as long as the second one: else the next allocation would take its place.
    let claims: Vec<String> = shelf.keys().await;
    assert!(claims.contains(&claim), "{claims:?}");
}

#[tokio::test]
async fn a_model_that_is_deleted_and_published_at_once_is_gone_and_says_so() {
    let shelf = Shelf::new();
    let model = Model::new("m", "1", "a").nomad(work("a")).write();
    store::publish(&*shelf.store, &model.opened())
        .await
        .unwrap();
    let (other, folder) = (shelf.store.clone(), model.opened());
    let store = Meddled::new(shelf.store.clone()).before(
        Call::Delete,
        "m_v1_a/predictions.txt",
        async move {
            let refused = store::publish(&*other, &folder).await.unwrap_err();
            assert!(refused.to_string().contains("it was deleted"), "{refused}");
        },
    );
    registry::delete(&store, "m_v1_a").await.unwrap();
    assert!(store.is_over());
    // What the publisher made again is left.
    let garbage = shelf.garbage().await;
    assert_eq!(garbage, ["m_v1_a/metrics.json", "m_v1_a/model.json"]);
    let found = find_garbage(&*shelf.store, DAY).await.unwrap();
    registry::remove(&*shelf.store, found).await.unwrap();
    let claim = ClaimKey::of(model.manifest()).unwrap();
    let kept = [claim.as_str(), "_deleted/m_v1_a", "m_v1_a/manifest.json"];
    assert_eq!(shelf.keys().await, kept);
    // A name is free again when nobody can be publishing it any more, and its work may be done anew.
    for days in [29, 31] {
        shelf.age_by(days);
        let found = find_garbage(&*shelf.store, DAY).await.unwrap();
        registry::remove(&*shelf.store, found).await.unwrap();
        assert_eq!(shelf.keys().await.is_empty(), days > 30);
    }
}

#[tokio::test]
async fn a_deletion_that_was_killed_is_finished_by_gc() {
    let shelf = Shelf::new();
    let model = Model::new("m", "1", "a").write();
    store::publish(&*shelf.store, &model.opened())
        .await
        .unwrap();
    // Killed once the model is marked, and once it has its tombstone.
    for (call, key, left) in [
        (Call::List, "_aliases/m/", 4),
        (Call::Delete, "m_v1_a/metrics.json", 4),
    ] {
        let (begun, killed) = (
            Arc::new(tokio::sync::Notify::new()),
            Arc::new(tokio::sync::Notify::new()),
        );
        let (there, never) = (begun.clone(), killed.clone());
        let store = Meddled::new(shelf.store.clone()).before(call, key, async move {
            there.notify_one();
            never.notified().await;
        });
        tokio::select! {
            _ = registry::delete(&store, "m_v1_a") => panic!("it was not killed"),
            () = begun.notified() => {}
        }
        let model = shelf.keys().await;
        assert_eq!(
            model
                .iter()
                .filter(|key| key.starts_with("m_v1_a/"))
                .count(),
            left
        );
    }
    shelf.age();
    let found = find_garbage(&*shelf.store, DAY).await.unwrap();
    registry::remove(&*shelf.store, found).await.unwrap();
    assert_eq!(
        shelf.keys().await,
        ["_deleted/m_v1_a", "m_v1_a/manifest.json"]
    );
}

#[tokio::test]
async fn what_is_not_ours_or_not_understood_is_left_alone() {
    let shelf = Shelf::new();
    let unnamed = format!("_data/{}", "0a".repeat(32));
    for theirs in ["datasets/2019.csv", "_data/rows.csv", "_modules/notes/a"] {
        shelf.put(theirs, "theirs").await;
    }
    shelf.put(&unnamed, "ours").await;
    shelf.age();
    assert_eq!(shelf.garbage().await, [unnamed]);
    // What it names is not known to this runner.
    let newer = Model::new("m", "1", "a")
        .with(|manifest| manifest.schema = 9)
        .write();
    shelf.put("m_v1_a/manifest.json", manifest(&newer)).await;
    shelf.age();
    assert_eq!(shelf.garbage().await, [""; 0]);
    // Nor is which upload such a claim is about.
    shelf.put("m_v2_a/model.json", "{}").await;
    shelf.age();
    assert_eq!(shelf.garbage().await, ["m_v2_a/model.json"]);
    shelf.put("_claims/r/n/j/0/2.json", manifest(&newer)).await;
    shelf.age();
    assert_eq!(shelf.garbage().await, [""; 0]);
}
