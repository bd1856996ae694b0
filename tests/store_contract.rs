//! What every kind of store promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gcs/mod.rs"]
mod gcs;
#[path = "support/server.rs"]
mod server;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use runner::store::{
    self, Content, Created, Depth, Location, Options, Replaced, Store, StoreError,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::parse(&format!("file://{}/models", folder.path().display())).unwrap();
    every_promise(store::open(&location, &Options::default()).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn google_cloud_storage_keeps_every_promise() {
    let gcs = gcs::Gcs::start();
    // Small pages, so that every listing has several.
    gcs.state().bucket.page = 3;
    let options = Options {
        emulator: Some(gcs.address.clone()),
        ..Options::default()
    };
    for store in ["gs://models", "gs://models/sales/close"] {
        let location = Location::parse(store).unwrap();
        let store = store::open(&location, &options).unwrap();
        every_promise(store.clone()).await;
        store.create("told", &text("x")).await.unwrap();
        let told: Vec<_> = store.list("told", Depth::All).try_collect().await.unwrap();
        assert!(told[0].revision.is_some(), "{told:?}");
    }
}

/// Runs [`the_store_that_is_named_keeps_every_promise`] in a process of its own: credentials come from the environment.
#[cfg(any(feature = "s3", feature = "azblob"))]
fn every_promise_of(store: &str, env: &[(&str, String)]) {
    let test = "the_store_that_is_named_keeps_every_promise";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("STORE", store)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "other tests run it: STORE names a store, the environment holds credentials"]
async fn the_store_that_is_named_keeps_every_promise() {
    let location = Location::parse(&std::env::var("STORE").unwrap()).unwrap();
    every_promise(store::open(&location, &Options::default()).unwrap()).await;
}

#[cfg(feature = "s3")]
#[test]
fn s3_keeps_every_promise() {
    if let Some((_server, env)) = server::moto() {
        every_promise_of("s3://models/sales", &env);
    }
}

#[cfg(feature = "azblob")]
#[test]
fn azure_keeps_every_promise() {
    if let Some((_server, env)) = server::azurite() {
        every_promise_of("az://models/sales", &env);
    }
}

async fn every_promise(store: Arc<dyn Store>) {
    an_empty_store_has_nothing(&*store).await;
    an_object_is_created_once(&*store).await;
    of_many_creators_one_wins(&store).await;
    a_file_is_stored_as_it_is(&*store).await;
    listings_know_prefixes_and_depth(&*store).await;
    an_alias_changes_by_compare_and_swap(&store).await;
    deleting_twice_is_deleting_once(&*store).await;
    deleting_what_was_listed_leaves_what_came_since(&*store).await;
    keys_stay_inside(&*store).await;
}

async fn an_empty_store_has_nothing(store: &dyn Store) {
    assert!(store.read("no/such").await.unwrap().is_none());
    assert!(store.stat("no/such").await.unwrap().is_none());
    assert!(store.download("no/such", 0).await.unwrap().is_none());
    assert_eq!(keys(store, "", Depth::One).await, [""; 0]);
    store.delete("no/such").await.unwrap();
}

async fn an_object_is_created_once(store: &dyn Store) {
    let (first, second) = (text("first"), text("second"));
    assert_eq!(store.create("once/a", &first).await.unwrap(), Created::New);
    assert_eq!(
        store.create("once/a", &second).await.unwrap(),
        Created::Exists
    );
    assert_eq!(store.read("once/a").await.unwrap().unwrap().bytes, "first");
    let stat = store.stat("once/a").await.unwrap().unwrap();
    assert_eq!(stat.bytes, 5);
    let md5 = first.md5().await.unwrap();
    assert!(stat.md5.is_none_or(|kept| kept == md5));
    assert!(stat.modified.is_some());
    assert_eq!(
        store.create("once/empty", &text("")).await.unwrap(),
        Created::New
    );
    assert_eq!(store.read("once/empty").await.unwrap().unwrap().bytes, "");
}

async fn of_many_creators_one_wins(store: &Arc<dyn Store>) {
    let racers = (0..20).map(|racer| {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .create("race/prize", &text(&racer.to_string()))
                .await
                .unwrap()
        })
    });
    let mut winners = Vec::new();
    for (racer, task) in racers.collect::<Vec<_>>().into_iter().enumerate() {
        if task.await.unwrap() == Created::New {
            winners.push(racer.to_string());
        }
    }
    let prize = store.read("race/prize").await.unwrap().unwrap().bytes;
    assert_eq!(winners, [String::from_utf8(prize.to_vec()).unwrap()]);
}

/// Above the size from which uploads go in several requests.
async fn a_file_is_stored_as_it_is(store: &dyn Store) {
    let bytes: Vec<u8> = (0..20_000_003_u32)
        .map(|at| (at.wrapping_mul(7919) >> 8) as u8)
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, &bytes).unwrap();
    let content = Content::of_file(file.path()).await.unwrap();
    assert_eq!(
        store.create("large/file", &content).await.unwrap(),
        Created::New
    );
    assert_eq!(
        store.create("large/file", &content).await.unwrap(),
        Created::Exists
    );
    let stat = store.stat("large/file").await.unwrap().unwrap();
    assert_eq!(stat.bytes, content.bytes);
    let md5 = content.md5().await.unwrap();
    assert!(stat.md5.is_none_or(|kept| kept == md5));
    for offset in [0, 1, 19_999_999, 20_000_003] {
        let download = store.download("large/file", offset).await.unwrap().unwrap();
        assert_eq!(download.bytes, bytes.len() as u64);
        let chunks: Vec<Bytes> = download.chunks.try_collect().await.unwrap();
        assert!(chunks.concat() == bytes[offset as usize..], "from {offset}");
    }
    let error = store.read("large/file").await.unwrap_err();
    assert!(error.to_string().contains("larger than"), "{error}");
}

async fn listings_know_prefixes_and_depth(store: &dyn Store) {
    for key in ["list/b/2", "list/b/1", "list/a", "list/b/c/3", "list/bb"] {
        store.create(key, &text("x")).await.unwrap();
    }
    assert_eq!(
        keys(store, "list/", Depth::One).await,
        ["list/a", "list/b/", "list/bb"]
    );
    assert_eq!(
        keys(store, "list/b", Depth::One).await,
        ["list/b/", "list/bb"]
    );
    assert_eq!(
        keys(store, "list/b", Depth::All).await,
        ["list/b/1", "list/b/2", "list/b/c/3", "list/bb"]
    );
    assert_eq!(
        keys(store, "list/b/", Depth::All).await,
        ["list/b/1", "list/b/2", "list/b/c/3"]
    );
    assert_eq!(keys(store, "li", Depth::One).await, ["list/"]);
}

async fn an_alias_changes_by_compare_and_swap(store: &Arc<dyn Store>) {
    let key = "_aliases/m/production.json";
    let write = async |expected, value: &str| {
        let value = Bytes::from(value.to_owned());
        store.replace(key, expected, value).await.unwrap()
    };
    assert_eq!(write(None, "one").await, Replaced::Done);
    assert_eq!(write(None, "two").await, Replaced::Changed);
    let one = store.read(key).await.unwrap().unwrap();
    assert_eq!(one.bytes, "one");
    assert_eq!(write(Some(&one.revision), "two").await, Replaced::Done);
    assert_eq!(write(Some(&one.revision), "three").await, Replaced::Changed);
    assert_eq!(store.read(key).await.unwrap().unwrap().bytes, "two");

    // Everybody adds one, at once: none is lost.
    store.create("_aliases/m/count", &text("0")).await.unwrap();
    let adders = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            loop {
                let found = store.read("_aliases/m/count").await.unwrap().unwrap();
                let count: u32 = std::str::from_utf8(&found.bytes).unwrap().parse().unwrap();
                let next = Bytes::from((count + 1).to_string());
                let replaced = store
                    .replace("_aliases/m/count", Some(&found.revision), next)
                    .await
                    .unwrap();
                if replaced == Replaced::Done {
                    return;
                }
            }
        })
    });
    for adder in adders.collect::<Vec<_>>() {
        adder.await.unwrap();
    }
    let count = store.read("_aliases/m/count").await.unwrap().unwrap().bytes;
    assert_eq!(count, "8");
}

async fn deleting_twice_is_deleting_once(store: &dyn Store) {
    store.create("gone/a/b", &text("x")).await.unwrap();
    store.delete("gone/a/b").await.unwrap();
    store.delete("gone/a/b").await.unwrap();
    assert!(store.read("gone/a/b").await.unwrap().is_none());
    assert_eq!(keys(store, "gone", Depth::One).await, [""; 0]);
    // Its name is free again.
    assert_eq!(
        store.create("gone/a/b", &text("y")).await.unwrap(),
        Created::New
    );
}

/// Where a listing tells states apart.
async fn deleting_what_was_listed_leaves_what_came_since(store: &dyn Store) {
    let listed = async || -> Vec<store::Entry> {
        let list = store.list("listed/", Depth::All);
        list.try_collect().await.unwrap()
    };
    store.create("listed/a", &text("x")).await.unwrap();
    let before = listed().await;
    store.delete("listed/a").await.unwrap();
    store.delete_listed(&before[0]).await.unwrap();
    store.create("listed/a", &text("y")).await.unwrap();
    if before[0].revision.is_some() {
        store.delete_listed(&before[0]).await.unwrap();
        assert_eq!(store.read("listed/a").await.unwrap().unwrap().bytes, "y");
    }
    store.delete_listed(&listed().await[0]).await.unwrap();
    assert!(listed().await.is_empty());
}

async fn keys_stay_inside(store: &dyn Store) {
    for key in ["", "..", "../x", "a/../b", "/etc/passwd", "a//b", "a\nb"] {
        let error = store.create(key, &text("x")).await.unwrap_err();
        assert!(
            matches!(error, StoreError::BadKey { .. }),
            "{key:?}: {error}"
        );
        assert!(store.read(key).await.is_err(), "{key:?}");
        assert!(store.delete(key).await.is_err(), "{key:?}");
    }
}

fn text(text: &str) -> Content {
    Content::of_bytes(Bytes::from(text.to_owned()))
}

async fn keys(store: &dyn Store, prefix: &str, depth: Depth) -> Vec<String> {
    let entries: Vec<_> = store.list(prefix, depth).try_collect().await.unwrap();
    let mut keys: Vec<String> = entries.into_iter().map(|entry| entry.key).collect();
    // Whether `b/` comes before `bb` differs between stores.
    keys.sort();
    keys
}
