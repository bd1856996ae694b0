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
        fn old(folder: &Path) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    old(&path);
                } else {
                    let file = File::options().write(true).open(path).unwrap();
                    file.set_modified(SystemTime::now() - 3 * DAY).unwrap();
                }
            }
        }
        old(self.folder.path());
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
    // A publisher that made all files itself looks for no mark, however long it took.
    shelf.put("m_v1_a/manifest.json", manifest(&model)).await;
    let removed = registry::remove(&*shelf.store, found).await.unwrap();
    assert!(removed.is_empty(), "{removed:?}");
    let keys = shelf.keys().await;
    assert_eq!(keys.len(), 4, "{keys:?}");
}

#[tokio::test]
async fn a_gc_that_is_slow_stops_before_its_mark_counts_as_dead() {
    let shelf = Shelf::new();
    shelf.upload(&Model::new("m", "1", "a").write()).await;
    shelf.age();
    let slow = Meddled::new(shelf.store.clone());
    let clock = slow.ahead.clone();
    let slow = slow.before(Call::Delete, "m_v1_a/metrics.json", async move {
        clock.store(301, Ordering::Relaxed);
    });
    let found = find_garbage(&slow, DAY).await.unwrap();
    let error = registry::remove(&slow, found).await.unwrap_err();
    assert!(error.to_string().contains("run this again"), "{error}");
    let keys = shelf.keys().await;
    for left in [
        "m_v1_a/model.json",
        "m_v1_a/predictions.txt",
        "_uses/m_v1_a/gc",
    ] {
        assert!(keys.iter().any(|key| key == left), "{keys:?}");
    }
}

#[tokio::test]
async fn of_those_who_find_a_dead_mark_one_takes_it_over() {
    let shelf = Shelf::new();
    shelf.upload(&Model::new("m", "1", "a").write()).await;
    shelf.put("_uses/m_v1_a/gc", "").await;
    shelf.age();
    let refused = Arc::new(AtomicBool::new(false));
    let (second, said) = (shelf.store.clone(), refused.clone());
    let first =
        Meddled::new(shelf.store.clone()).before(Call::Delete, "m_v1_a/metrics.json", async move {
            let removal = uses::condemn(&*second, "m_v1_a").await.unwrap();
            said.store(removal.is_none(), Ordering::Relaxed);
        });
    let found = find_garbage(&first, DAY).await.unwrap();
    assert_eq!(registry::remove(&first, found).await.unwrap().len(), 3);
    assert!(first.is_over() && refused.load(Ordering::Relaxed));
    assert_eq!(shelf.keys().await, [""; 0]);
}

#[tokio::test]
async fn a_publisher_does_not_wait_for_a_gc_that_was_killed() {
    let shelf = Shelf::new();
    let model = Model::new("m", "1", "a").write();
    shelf.upload(&model).await;
    shelf.put("_uses/m_v1_a/gc", "").await;
    shelf.age();
    store::publish(&*shelf.store, &model.opened())
        .await
        .unwrap();
    assert!(
        shelf
            .keys()
            .await
            .contains(&"m_v1_a/manifest.json".to_owned())
    );
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
async fn a_claim_that_is_being_finished_stays() {
    let shelf = Shelf::new();
    let model = Model::new("m", "1", "a").nomad(work("a")).write();
    let claim = shelf.claim(&model).await;
    shelf.age();
    let found = find_garbage(&*shelf.store, DAY).await.unwrap();
    assert_eq!(found.garbage.len(), 1);
    // Its files were lost, and the same push brings them again. Meanwhile `gc` removes what it found.
    let gc = shelf.store.clone();
    let store = Meddled::new(shelf.store.clone()).before(
        Call::Create,
        "m_v1_a/manifest.json",
        async move {
            registry::remove(&*gc, found).await.unwrap();
        },
    );
    store::publish(&store, &model.opened()).await.unwrap();
    assert!(store.is_over());
    let keys = shelf.keys().await;
    assert!(keys.contains(&claim), "{keys:?}");
    // So that a replacement allocation finds the work done.
    let second = Model::new("m", "1", "b").nomad(work("b")).write();
    let published = store::publish(&*shelf.store, &second.opened())
        .await
        .unwrap();
    assert_eq!(published.manifest.name, "m_v1_a");
}

#[tokio::test]
async fn a_model_that_is_deleted_and_published_at_once_is_whole_or_gone() {
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
            store::publish(&*other, &folder).await.unwrap();
        },
    );
    registry::delete(&store, model.manifest()).await.unwrap();
    assert!(store.is_over());
    let mut keys = shelf.keys().await;
    // Of an announced use, `gc` removes the mark when it is old.
    keys.retain(|key| !key.starts_with("_uses/"));
    assert_eq!(keys, [""; 0]);
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
