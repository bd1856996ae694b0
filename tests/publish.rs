//! From a model's folder to a visible model: nothing is lost, nothing overwritten, nothing there twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gcs/mod.rs"]
mod gcs;
#[path = "support/model.rs"]
mod model;

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use contract::NomadOrigin;
use futures_util::TryStreamExt;
use model::{Model, Sketch};
use runner::store::{
    self, ClaimKey, Content, Depth, LocalFile, Location, Options, Published, Store, StoreError,
};

/// An empty store.
struct Room {
    location: Location,
    options: Options,
    _folder: tempfile::TempDir,
}

impl Room {
    /// One of each kind.
    fn each() -> [Self; 2] {
        let folder = || tempfile::tempdir().unwrap();
        let (first, second) = (folder(), folder());
        let gcs = gcs::Gcs::start();
        [
            Self {
                location: Location::parse(first.path().to_str().unwrap()).unwrap(),
                options: Options::default(),
                _folder: first,
            },
            Self {
                location: Location::parse("gs://models/sales").unwrap(),
                options: Options {
                    emulator: Some(gcs.address),
                    ..Options::default()
                },
                _folder: second,
            },
        ]
    }

    /// As each process does it for itself.
    fn open(&self) -> Arc<dyn Store> {
        store::open(&self.location, &self.options).unwrap()
    }
}

fn folder_store(folder: &Path) -> Arc<dyn Store> {
    let location = Location::parse(folder.to_str().unwrap()).unwrap();
    store::open(&location, &Options::default()).unwrap()
}

async fn publish(store: &dyn Store, model: &Model) -> Result<Published, StoreError> {
    store::publish(store, &model.opened()).await
}

async fn keys(store: &dyn Store) -> Vec<String> {
    let entries: Vec<_> = store.list("", Depth::All).try_collect().await.unwrap();
    entries.into_iter().map(|entry| entry.key).collect()
}

/// What Nomad tells an allocation of one piece of work.
fn work(alloc_id: &str) -> NomadOrigin {
    NomadOrigin {
        job_id: "sales-close-prediction/dispatch-1700000000-0a1b2c3d".to_owned(),
        alloc_id: alloc_id.to_owned(),
        alloc_index: Some(0),
        namespace: Some("default".to_owned()),
        region: Some("global".to_owned()),
        ..NomadOrigin::default()
    }
}

#[tokio::test]
async fn a_model_is_there_whole_and_its_manifest_is_copied_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder_store(folder.path());
    let model = Model::new("m", "1", "a").write();
    let published = publish(&*store, &model).await.unwrap();
    assert_eq!(published.manifest.name, "m_v1_a");
    assert!(!published.already_there);
    assert_eq!(
        published.url,
        format!("file://{}/m_v1_a", folder.path().display())
    );
    for file in [
        "manifest.json",
        "model.json",
        "metrics.json",
        "predictions.txt",
    ] {
        assert_eq!(
            std::fs::read(folder.path().join("m_v1_a").join(file)).unwrap(),
            std::fs::read(model.folder().join(file)).unwrap(),
            "{file}"
        );
    }
}

#[tokio::test]
async fn publishing_again_is_success_when_nothing_but_times_differ() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder_store(folder.path());
    publish(&*store, &Model::new("m", "1", "a").write())
        .await
        .unwrap();
    let later = Model::new("m", "1", "a")
        .with(|manifest| manifest.times.finished = "2030-01-01T00:00:00Z".to_owned())
        .write();
    assert!(publish(&*store, &later).await.unwrap().already_there);
}

#[tokio::test]
async fn another_model_under_the_same_name_is_refused_and_the_first_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder_store(folder.path());
    publish(&*store, &Model::new("m", "1", "a").write())
        .await
        .unwrap();
    let before = std::fs::read(folder.path().join("m_v1_a/model.json")).unwrap();
    for (other, said) in [
        (
            Model::new("m", "1", "a").file("model.json", "other"),
            "other bytes",
        ),
        (
            Model::new("m", "1", "a").with(|manifest| manifest.seed = 7),
            "seed 42",
        ),
        (
            Model::new("m", "1", "a").file("extra.json", "{}"),
            "differs in extra.json",
        ),
        (
            Model::new("m", "1", "a").with(|manifest| manifest.parameters.epochs = Some(9)),
            "other parameters",
        ),
    ] {
        let error = publish(&*store, &other.write()).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
    let after = std::fs::read(folder.path().join("m_v1_a/model.json")).unwrap();
    assert_eq!(before, after);
}

/// Four publishers of one name at once, in stores of each kind, round after round.
async fn race(
    sketch: fn(usize) -> Sketch,
    check: fn(&dyn Display, Vec<Result<Published, StoreError>>),
) {
    for round in 0..20 {
        for room in Room::each() {
            let racers = (0..4).map(|racer| {
                let (store, model) = (room.open(), sketch(racer).write());
                tokio::spawn(async move { publish(&*store, &model).await })
            });
            let mut ends = Vec::new();
            for racer in racers.collect::<Vec<_>>() {
                ends.push(racer.await.unwrap());
            }
            check(&format!("{} in round {round}", room.location), ends);
            // What is visible is whole: each file has the digest that the manifest gives.
            let store = room.open();
            let manifest = store.read("m_v1_a/manifest.json").await.unwrap().unwrap();
            let manifest = store::parse_manifest(&manifest.bytes).unwrap();
            for file in &manifest.files {
                let key = format!("m_v1_a/{}", file.path);
                let bytes = store.read(&key).await.unwrap().unwrap().bytes;
                assert_eq!(Content::of_bytes(bytes).sha256, file.sha256);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_that_differ_one_wins_whole() {
    // They differ in all files, so that each could win some.
    let sketch = |racer: usize| {
        ["metrics.json", "model.json", "predictions.txt"]
            .into_iter()
            .fold(Model::new("m", "1", "a"), |model, file| {
                model.file(file, &format!("{racer}"))
            })
    };
    race(sketch, |place, ends| {
        let won = ends.iter().filter(|end| end.is_ok()).count();
        assert_eq!(won, 1, "{place}");
        for error in ends.into_iter().filter_map(Result::err) {
            assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_that_are_equal_all_succeed_and_one_made_it() {
    let sketch = |racer: usize| {
        Model::new("m", "1", "a").with(move |manifest| {
            manifest.times.finished = format!("2025-06-0{}T08:00:00Z", racer + 1);
        })
    };
    race(sketch, |place, ends| {
        let made = ends.iter().filter(|end| {
            let published = end
                .as_ref()
                .unwrap_or_else(|error| panic!("{place}: {error}"));
            !published.already_there
        });
        assert_eq!(made.count(), 1, "{place}");
    })
    .await;
}

#[tokio::test]
async fn a_replacement_allocation_finds_the_work_done() {
    for room in Room::each() {
        let store = room.open();
        let first = Model::new("m", "1", "alloc-1")
            .nomad(work("alloc-1"))
            .write();
        let second = Model::new("m", "1", "alloc-2")
            .nomad(work("alloc-2"))
            .file("model.json", "the data moved on")
            .write();
        publish(&*store, &first).await.unwrap();
        let published = publish(&*store, &second).await.unwrap();
        assert_eq!(published.manifest.name, "m_v1_alloc-1");
        assert!(published.already_there);
        let keys = keys(&*store).await;
        assert!(
            !keys.contains(&"m_v1_alloc-2/manifest.json".to_owned()),
            "{keys:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_allocations_for_one_piece_of_work_one_model_comes() {
    for room in Room::each() {
        let racers = (0..4).map(|racer| {
            let store = room.open();
            tokio::spawn(async move {
                let id = format!("alloc-{racer}");
                let model = Model::new("m", "1", &id).nomad(work(&id)).write();
                publish(&*store, &model).await.unwrap().manifest.name
            })
        });
        let mut names = Vec::new();
        for racer in racers.collect::<Vec<_>>() {
            names.push(racer.await.unwrap());
        }
        let keys = keys(&*room.open()).await;
        let visible = keys
            .iter()
            .filter_map(|key| key.strip_suffix("/manifest.json"));
        assert_eq!(visible.collect::<Vec<_>>(), [&names[0]]);
        assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    }
}

#[tokio::test]
async fn a_replacement_allocation_finishes_what_was_claimed() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder_store(folder.path());
    // Killed between claim and manifest: files and claim are there.
    let first = Model::new("m", "1", "alloc-1")
        .nomad(work("alloc-1"))
        .write();
    for file in &first.manifest().files {
        let content = Content::of_file(&first.folder().join(&file.path))
            .await
            .unwrap();
        let key = format!("m_v1_alloc-1/{}", file.path);
        store.create(&key, &content).await.unwrap();
    }
    let manifest = Content::of_file(&first.folder().join("manifest.json"))
        .await
        .unwrap();
    let claim = ClaimKey::of(first.manifest()).unwrap();
    store.create(claim.as_str(), &manifest).await.unwrap();

    let second = Model::new("m", "1", "alloc-2")
        .nomad(work("alloc-2"))
        .write();
    let published = publish(&*store, &second).await.unwrap();
    assert_eq!(published.manifest.name, "m_v1_alloc-1");
    assert!(!published.already_there);
    assert_eq!(
        std::fs::read(folder.path().join("m_v1_alloc-1/manifest.json")).unwrap(),
        std::fs::read(first.folder().join("manifest.json")).unwrap()
    );
    let keys = keys(&*store).await;
    assert!(
        !keys.contains(&"m_v1_alloc-2/manifest.json".to_owned()),
        "{keys:?}"
    );
}

#[tokio::test]
async fn each_index_of_a_job_and_each_version_is_work_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder_store(folder.path());
    for (version, index, id) in [("1", 0, "a"), ("1", 1, "b"), ("2", 0, "c")] {
        let model = Model::new("m", version, id)
            .nomad(NomadOrigin {
                alloc_index: Some(index),
                ..work(id)
            })
            .write();
        let published = publish(&*store, &model).await.unwrap();
        assert_eq!(published.manifest.name, format!("m_v{version}_{id}"));
    }
}

#[tokio::test]
async fn module_and_data_are_stored_by_content() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder_store(folder.path());
    for version in ["1", "2"] {
        let model = Model::new("m", version, "a").write();
        let [module, data] = [model.module(), model.data()].map(|path| LocalFile::named(&path));
        let manifest = model.manifest();
        store::store_module(&*store, &module, &manifest.module.sha256)
            .await
            .unwrap();
        store::store_data(&*store, &data, &manifest.data.sha256)
            .await
            .unwrap();
    }
    let manifest = Model::new("m", "1", "a").write().manifest().clone();
    let keys = keys(&*store).await;
    let shared: Vec<&String> = keys.iter().filter(|key| key.starts_with('_')).collect();
    assert_eq!(
        shared,
        [
            &format!("_data/{}", manifest.data.sha256),
            &format!("_modules/{}.wasm", manifest.module.sha256)
        ]
    );
    // Something else than the manifest names is not stored under its digest.
    let model = Model::new("m", "3", "a").write();
    let other = "0".repeat(64);
    let error = store::store_module(&*store, &LocalFile::named(&model.data()), &other)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("SHA-256"), "{error}");
}

#[tokio::test]
async fn a_rejected_version_leaves_its_record_and_no_model() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder_store(folder.path());
    let model = Model::new("m", "1", "a").write();
    for _ in 0..2 {
        store::record_rejected(&*store, &model.opened())
            .await
            .unwrap();
    }
    assert_eq!(keys(&*store).await, ["_rejected/m_v1_a.json"]);
}

#[tokio::test]
async fn what_is_no_whole_model_is_not_published() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder_store(&folder.path().join("store"));
    let changed = Model::new("m", "1", "a").write();
    std::fs::write(changed.folder().join("model.json"), "changed since").unwrap();
    let gone = Model::new("m", "1", "a").write();
    std::fs::remove_file(gone.folder().join("model.json")).unwrap();
    let escaping = Model::new("m", "1", "a")
        .with(|manifest| manifest.files[0].path = "../../etc/passwd".to_owned())
        .write();
    let renamed = Model::new("m", "1", "a")
        .with(|manifest| manifest.name = "other".to_owned())
        .write();
    let newer = Model::new("m", "1", "a")
        .with(|manifest| manifest.schema = 9)
        .write();
    let none = Model::new("m", "1", "a").write();
    std::fs::remove_file(none.folder().join("manifest.json")).unwrap();
    for (model, said) in [
        (changed, "model.json is not what the manifest says"),
        (gone, "model.json"),
        (escaping, "`..`"),
        (renamed, "\"other\""),
        (newer, "newer runner"),
        (none, "manifest.json"),
    ] {
        let error = publish(&*store, &model).await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        let keys = keys(&*store).await;
        assert!(
            keys.iter().all(|key| !key.ends_with("manifest.json")),
            "{keys:?}"
        );
    }
}
