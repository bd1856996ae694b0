//! A small model in a folder of its own, as `runner run` leaves one.

use std::path::{Path, PathBuf};

use contract::{FileEntry, Manifest, NomadOrigin};
use serde_json::json;
use sha2::{Digest, Sha256};

type Change = Box<dyn FnOnce(&mut Manifest)>;

/// A model that is being described.
pub struct Sketch {
    manifest: Manifest,
    contents: Vec<(String, String)>,
    changes: Vec<Change>,
}

/// A model in a folder that goes with this value.
pub struct Model {
    manifest: Manifest,
    home: tempfile::TempDir,
}

pub const MODULE: &str = "the module";
const DATA: &str = "the data";

impl Model {
    #[allow(clippy::new_ret_no_self)]
    pub fn new(save_path: &str, version: &str, id: &str) -> Sketch {
        Sketch {
            manifest: manifest(save_path, version, id),
            contents: Vec::new(),
            changes: Vec::new(),
        }
        .file("metrics.json", "{}")
        .file("model.json", &format!("{{\"version\":\"{version}\"}}"))
        .file("predictions.txt", "row,actual,predicted\n")
    }

    #[allow(dead_code)]
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    #[allow(dead_code)]
    pub fn opened(&self) -> runner::platform::NamedFolder {
        runner::platform::NamedFolder::open(self.home.path()).unwrap()
    }

    #[allow(dead_code)]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The file that [`Manifest::module`] describes.
    #[allow(dead_code)]
    pub fn module(&self) -> PathBuf {
        let path = self.home.path().join(".module");
        std::fs::write(&path, MODULE).unwrap();
        path
    }

    /// The file that [`Manifest::data`] describes.
    #[allow(dead_code)]
    pub fn data(&self) -> PathBuf {
        let path = self.home.path().join(".data");
        std::fs::write(&path, DATA).unwrap();
        path
    }
}

impl Sketch {
    /// Adds or replaces a file.
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.contents.retain(|(other, _)| other != path);
        self.contents.push((path.to_owned(), text.to_owned()));
        self.contents.sort();
        self
    }

    /// Without any file so far.
    #[allow(dead_code)]
    pub fn empty(mut self) -> Self {
        self.contents.clear();
        self
    }

    #[allow(dead_code)]
    pub fn nomad(self, nomad: NomadOrigin) -> Self {
        self.with(|manifest| manifest.nomad = Some(nomad))
    }

    /// Changes the manifest once its files are listed.
    #[allow(dead_code)]
    pub fn with(mut self, change: impl FnOnce(&mut Manifest) + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    pub fn write(self) -> Model {
        let home = tempfile::tempdir().unwrap();
        let mut manifest = self.manifest;
        for (path, text) in self.contents {
            let file = home.path().join(&path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, &text).unwrap();
            manifest.files.push(FileEntry {
                path,
                bytes: text.len() as u64,
                sha256: sha256(&text),
            });
        }
        for change in self.changes {
            change(&mut manifest);
        }
        // As it is, even where no runner would have written it.
        let text = serde_json::to_vec(&manifest).unwrap();
        std::fs::write(home.path().join("manifest.json"), text).unwrap();
        Model { manifest, home }
    }
}

pub fn sha256(text: &str) -> String {
    runner::hex(&Sha256::digest(text))
}

/// The least that a manifest says. From JSON, as one that is read is.
fn manifest(save_path: &str, version: &str, id: &str) -> Manifest {
    serde_json::from_value(json!({
        "schema": Manifest::SCHEMA,
        "name": format!("{save_path}_v{version}_{id}"),
        "save_path": save_path,
        "model_version": version,
        "id": id,
        "files": [],
        "module": {"file": "workload.wasm", "bytes": MODULE.len(), "sha256": sha256(MODULE)},
        "data": {
            "source": "file:///srv/opportunityHistory.json",
            "bytes": DATA.len(),
            "sha256": sha256(DATA),
        },
        "runner": {"version": "0.1.0", "target": "x86_64-unknown-linux-gnu", "engine": "wasmtime 48"},
        "seed": 42,
        "parameters": {},
        "tags": {"team": "sales"},
        "metrics": {
            "contract": 1,
            "task": "binary",
            "rows": {"read": 5000, "kept": 4000, "train": 3200, "held_out": 800},
            "held_out": {"roc_auc": 0.75, "log_loss": 0.5},
            "primary": {"name": "roc_auc", "higher_is_better": true, "held_out": 0.75},
        },
        "times": {"started": "2025-06-01T08:00:00Z", "finished": "2025-06-01T08:00:03Z"},
    }))
    .unwrap()
}
