//! A store may hold objects of any names and any bytes: no listing fails for one of them, and nothing is taken for garbage
//! that is not named like something of ours.
#![no_main]

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use runner::registry::{self, Filter};
use runner::store::{
    Content, Created, Depth, Download, Entry, LARGEST_READ, Object, Replaced, Revision, Stat,
    Store, StoreError, is_shared, may_be_model,
};

#[derive(Arbitrary, Debug)]
struct Found {
    objects: Vec<(Key, Value)>,
    reference: String,
}

/// Names like ours are tried more often than chance would have it.
#[derive(Arbitrary, Debug)]
enum Key {
    Any(String),
    Model(u8, String),
    Manifest(u8),
    Rejected(u8),
    Alias(String),
    Claim(u8),
    Data(u8),
    Module(u8),
    Use(String),
    Temporary(String),
}

#[derive(Arbitrary, Debug)]
enum Value {
    Any(Vec<u8>),
    /// A manifest whose parts are these.
    Manifest { name: u8, files: Vec<String>, note: String },
    Alias { name: u8, history: Vec<u8> },
}

fn name(number: u8) -> String {
    format!("m_v{}_{}", number % 4, number / 4 % 4)
}

fn digest(number: u8) -> String {
    format!("{number:02x}").repeat(32)
}

impl Key {
    fn text(&self) -> String {
        match self {
            Self::Any(text) => text.clone(),
            Self::Model(number, file) => format!("{}/{file}", name(*number)),
            Self::Manifest(number) => format!("{}/manifest.json", name(*number)),
            Self::Rejected(number) => format!("_rejected/{}.json", name(*number)),
            Self::Alias(alias) => format!("_aliases/m/{alias}.json"),
            Self::Claim(number) => format!("_claims/global/default/job-{number}/0/1.json"),
            Self::Data(number) => format!("_data/{}", digest(*number)),
            Self::Module(number) => format!("_modules/{}.wasm", digest(*number)),
            Self::Use(what) => format!("_uses/{what}"),
            Self::Temporary(file) => format!("_tmp/{file}"),
        }
    }
}

impl Value {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Any(bytes) => bytes.clone(),
            Self::Manifest { name: number, files, note } => manifest(*number, files, note),
            Self::Alias { name: number, history } => {
                let history: Vec<_> = history
                    .iter()
                    .map(|model| serde_json::json!({"name": name(*model), "since": "2025-06-01T08:00:00Z", "rollback": model % 3 == 0}))
                    .collect();
                serde_json::json!({"schema": 1, "save_path": "m", "alias": name(*number), "history": history})
                    .to_string()
                    .into_bytes()
            }
        }
    }
}

fn manifest(number: u8, files: &[String], note: &str) -> Vec<u8> {
    let files: Vec<_> = files
        .iter()
        .map(|path| serde_json::json!({"path": path, "bytes": 1, "sha256": digest(number)}))
        .collect();
    serde_json::json!({
        "schema": 1, "name": name(number), "save_path": "m",
        "model_version": (number % 4).to_string(), "id": (number / 4 % 4).to_string(), "files": files,
        "module": {"file": note, "bytes": 1, "sha256": digest(number)},
        "data": {"source": note, "bytes": 1, "sha256": digest(number)},
        "runner": {"version": note, "target": note, "engine": note},
        "seed": 1, "parameters": {}, "tags": {note: note},
        "nomad": {"job_id": format!("job-{number}"), "alloc_id": note},
        "metrics": {
            "contract": 1, "task": "regression", "rows": {"read": 3, "kept": 3, "train": 2, "held_out": 1},
            "held_out": {note: 0.5}, "primary": {"name": note, "higher_is_better": false, "held_out": 0.5},
        },
        "times": {"started": note, "finished": "2025-06-01T08:00:03Z"},
    })
    .to_string()
    .into_bytes()
}

/// Objects of long ago, in memory.
struct Shelf(BTreeMap<String, Bytes>);

#[async_trait]
impl Store for Shelf {
    fn url(&self, key: &str) -> String {
        format!("fuzz://{key}")
    }

    async fn create(&self, _: &str, _: &Content) -> Result<Created, StoreError> {
        Ok(Created::Exists)
    }

    async fn read(&self, key: &str) -> Result<Option<Object>, StoreError> {
        Ok(self.0.get(key).map(|bytes| {
            assert!(bytes.len() as u64 <= LARGEST_READ);
            Object {
                bytes: bytes.clone(),
                revision: Revision::default(),
            }
        }))
    }

    async fn download(&self, _: &str, _: u64) -> Result<Option<Download>, StoreError> {
        Ok(None)
    }

    async fn stat(&self, key: &str) -> Result<Option<Stat>, StoreError> {
        Ok(self.0.get(key).map(|bytes| Stat {
            bytes: bytes.len() as u64,
            md5: None,
            modified: Some(0),
            revision: Revision::default(),
        }))
    }

    fn list<'a>(&'a self, prefix: &str, depth: Depth) -> BoxStream<'a, Result<Entry, StoreError>> {
        let mut entries: Vec<Entry> = Vec::new();
        for (key, bytes) in self.0.iter().filter(|(key, _)| key.starts_with(prefix)) {
            let folder = key[prefix.len()..].find('/').filter(|_| depth == Depth::One);
            let entry = match folder {
                Some(at) => (key[..=prefix.len() + at].to_owned(), 0),
                None => (key.clone(), bytes.len() as u64),
            };
            if entries.last().is_none_or(|last| last.key != entry.0) {
                entries.push(Entry {
                    key: entry.0,
                    bytes: entry.1,
                    modified: Some(0),
                    revision: None,
                });
            }
        }
        stream::iter(entries.into_iter().map(Ok)).boxed()
    }

    async fn delete(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn replace(
        &self,
        _: &str,
        _: Option<&Revision>,
        _: Bytes,
    ) -> Result<Replaced, StoreError> {
        Ok(Replaced::Changed)
    }
}

/// Whether a key is named like something that `gc` may remove.
fn is_ours(key: &str) -> bool {
    let first = key.split('/').next().unwrap_or_default();
    matches!(first, "_tmp" | "_uses" | "_claims" | "_rejected") || is_shared(key) || may_be_model(first)
}

fuzz_target!(|found: Found| {
    let objects = found.objects.iter();
    let shelf = Shelf(
        objects
            .map(|(key, value)| (key.text(), value.bytes().into()))
            .collect(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for rejected in [false, true] {
            let filter = Filter {
                rejected,
                ..Filter::default()
            };
            let models = registry::list(&shelf, &filter, None).await;
            for model in models.expect("no object fails a listing") {
                assert!(may_be_model(&model.name), "{}", model.name);
            }
        }
        // Found or not: what it names is a model of the store.
        if let Ok(model) = registry::resolve(&shelf, &found.reference).await {
            assert!(may_be_model(&model.name));
        }
        registry::is_damaged(&shelf, &found.reference).await.ok();
        let mut garbage = registry::find_garbage(&shelf, Duration::from_secs(60))
            .await
            .expect("no object fails gc");
        // An alias that can't be read may stand for anything.
        registry::add_damaged(&shelf, &mut garbage).await.ok();
        for each in &garbage.garbage {
            assert!(is_ours(&each.key), "{}", each.key);
            assert!(shelf.0.contains_key(&each.key), "{}", each.key);
        }
    });
});
