//! A model's `manifest.json`: written, read and not trusted.

use std::fmt;
use std::io::{Read, Write};
use std::path::Path;

use bytes::Bytes;
use contract::{Manifest, files};
use serde::Deserialize;

use super::{
    CLAIMS, ClaimKey, LARGEST_READ, REJECTED, Store, StoreError, check_key, manifest_key, mark,
};
use crate::foreign;
use crate::json::Bounds;
use crate::names::Name;
use crate::platform::{NamedFolder, random_name};

/// What a manifest may be. What the parts that a module, its user and the runner fill take together is less.
pub const BOUNDS: Bounds = Bounds {
    bytes: LARGEST_READ,
    depth: 64,
    values: 2_000_000,
};

/// What lies where a manifest should be, and can't be read as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// What is wrong with it, in one line.
    pub problem: String,
    /// It is of a later version of the schema: a newer runner reads it.
    pub newer: bool,
    /// This user may not read it: another one may.
    pub forbidden: bool,
}

impl Damaged {
    /// Whether it may be whole, though it can't be read here.
    #[must_use]
    pub fn may_be_whole(&self) -> bool {
        self.newer || self.forbidden
    }

    /// A manifest that lies where another model's belongs.
    #[must_use]
    pub fn in_the_place_of_another(manifest: &Manifest) -> Self {
        format!(
            "it is the manifest of {}, in another model's place",
            manifest.name
        )
        .into()
    }

    /// It is of version `found` of its schema, and this runner knows version `known`.
    #[must_use]
    pub fn of_schema(found: u32, known: u32) -> Self {
        Self {
            problem: format!("schema version {found} is not {known}: use a newer runner"),
            newer: found > known,
            forbidden: false,
        }
    }

    /// It lies where only folders of the store belong, and no command can tell what it hides.
    #[must_use]
    pub(crate) fn mended_by_hand(mut self) -> Self {
        self.problem.push_str(
            "; no command does so, since it may hide what is needed: put the folder back, or remove it by hand",
        );
        self
    }

    /// What is wrong with one object.
    ///
    /// # Errors
    /// The error, when it is about the store.
    pub fn of(error: StoreError) -> Result<Self, StoreError> {
        let forbidden = matches!(error, StoreError::Unreadable { .. });
        Ok(Self {
            forbidden,
            ..error.of_one_object()?.into()
        })
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.problem)
    }
}

impl From<String> for Damaged {
    fn from(problem: String) -> Self {
        Self {
            problem: foreign::line(&problem),
            newer: false,
            forbidden: false,
        }
    }
}

/// Writes `manifest.json` into a model's folder, whole or not at all. [`super::publish`] reads it from there.
///
/// # Errors
/// When the folder can't be written, or the manifest is one that no runner could read again.
pub fn write_manifest(folder: &NamedFolder, manifest: &Manifest) -> Result<(), StoreError> {
    let text = to_bytes(manifest).map_err(|problem| bad_model(folder.path(), &problem))?;
    let temporary = random_name(".manifest-");
    // Not forced to the disk, as the files beside it are not: a store does that to its own copies.
    let written = folder
        .create(&temporary, 0o666)
        .and_then(|mut file| file.write_all(&text))
        .and_then(|()| folder.rename_over(&temporary, folder, files::MANIFEST_JSON));
    written.map_err(|source| {
        // What is not there need not be removed; what stays is what the error is about.
        let _ = folder.remove_file(&temporary);
        StoreError::local("write", &folder.path().join(files::MANIFEST_JSON), source)
    })
}

/// Without blanks: indented, nested lists grow a hundredfold.
fn to_bytes(manifest: &Manifest) -> Result<Vec<u8>, Damaged> {
    let mut text = serde_json::to_vec(manifest).map_err(|error| error.to_string())?;
    text.push(b'\n');
    // What is stored is read by every verb, also while it is being deleted: it is tried before it is.
    parse(&text)?;
    if text.len() as u64 > LARGEST_READ - mark::DELETING_BYTES {
        return Err(format!("it is larger than {} MiB", LARGEST_READ >> 20).into());
    }
    Ok(text)
}

/// Reads a model's manifest from its folder, with its bytes as they stand there.
///
/// # Errors
/// When there is none, it is not a regular file, or it is none that a runner could have written.
pub fn read_manifest(folder: &NamedFolder) -> Result<(Manifest, Bytes), StoreError> {
    let path = folder.path().join(files::MANIFEST_JSON);
    let failed = |source| StoreError::local("read", &path, source);
    let file = folder.read(files::MANIFEST_JSON).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(LARGEST_READ + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let manifest = parse(&bytes).map_err(|problem| bad_model(folder.path(), &problem))?;
    Ok((manifest, bytes.into()))
}

fn bad_model(folder: &Path, problem: &Damaged) -> StoreError {
    StoreError::BadModel {
        folder: folder.to_owned(),
        problem: format!("its {}: {problem}", files::MANIFEST_JSON),
    }
}

/// Reads the manifest at `key` of a store: that of a model, of a rejected version, or a claim. `None` when nothing is there,
/// or a tombstone of what was. What is there and can't be read as one is no failure of the store: others can be.
///
/// # Errors
/// When the store refuses or fails.
pub async fn find_manifest(
    store: &dyn Store,
    key: &str,
) -> Result<Option<Result<Manifest, Damaged>>, StoreError> {
    match store.read(key).await {
        Ok(object) => Ok(object
            .filter(|object| mark::tombstone_in(&object.bytes).is_none())
            .map(|object| parse(&object.bytes).and_then(|manifest| in_its_place(key, manifest)))),
        Err(error) => Damaged::of(error).map(|damaged| Some(Err(damaged))),
    }
}

/// A model is what lies under its own name, and a claim is about the work that its place tells: who reads one must not be
/// led to another.
pub(super) fn in_its_place(key: &str, manifest: Manifest) -> Result<Manifest, Damaged> {
    if key.starts_with(CLAIMS) {
        return match ClaimKey::of(&manifest) {
            Some(claim) if claim.is_at(key) => Ok(manifest),
            _ => Err("it claims other work than its place says".to_owned().into()),
        };
    }
    let name = &manifest.name;
    let place = key
        .strip_prefix(REJECTED)
        .and_then(|key| key.strip_prefix('/'));
    let place = place.unwrap_or(key);
    if place == manifest_key(name) || place == format!("{name}.json") {
        return Ok(manifest);
    }
    Err(Damaged::in_the_place_of_another(&manifest))
}

/// Reads a manifest that anybody may have written: what comes out names objects of its own model only.
///
/// # Errors
/// What is wrong with it.
pub fn parse(bytes: &[u8]) -> Result<Manifest, Damaged> {
    #[derive(Deserialize)]
    struct Schema {
        schema: u32,
    }

    let Schema { schema } = BOUNDS.parse(bytes)?;
    if schema != Manifest::SCHEMA {
        return Err(Damaged::of_schema(schema, Manifest::SCHEMA));
    }
    let manifest = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    check(&manifest)?;
    Ok(manifest)
}

fn check(manifest: &Manifest) -> Result<(), String> {
    for part in [&manifest.save_path, &manifest.model_version, &manifest.id] {
        part.parse::<Name>().map_err(|error| error.to_string())?;
    }
    let name = format!(
        "{}_v{}_{}",
        manifest.save_path, manifest.model_version, manifest.id
    );
    if manifest.name != name {
        return Err(format!(
            "name is {:?} and its parts give {name}",
            foreign::line(&manifest.name)
        ));
    }
    let digest = |text: &str| text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit());
    for file in &manifest.files {
        check_key(&file.path).map_err(|error| error.to_string())?;
        let (first, _) = file.path.split_once('/').unwrap_or((&file.path, ""));
        if first == files::MANIFEST_JSON || !digest(&file.sha256) {
            return Err(format!("files can't hold {:?} so", file.path));
        }
    }
    if !digest(&manifest.module.sha256) || !digest(&manifest.data.sha256) {
        return Err("module and data need SHA-256 digests".to_owned());
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{json, outputs};

    fn smallest() -> Manifest {
        let digest = "0".repeat(64);
        serde_json::from_value(serde_json::json!({
            "schema": 1, "name": "m_v1_a", "save_path": "m", "model_version": "1", "id": "a", "files": [],
            "module": {"file": "workload.wasm", "bytes": 1, "sha256": digest},
            "data": {"source": "rows.csv", "bytes": 1, "sha256": digest},
            "runner": {"version": "0.1.0", "target": "x86_64-linux", "engine": "wasmtime 48"},
            "seed": 1, "parameters": {},
            "metrics": {
                "contract": 1, "task": "regression", "rows": {"read": 3, "kept": 3, "train": 2, "held_out": 1},
                "held_out": {"rmse": 0.5}, "primary": {"name": "rmse", "higher_is_better": false, "held_out": 0.5},
            },
            "times": {"started": "2025-06-01T08:00:00Z", "finished": "2025-06-01T08:00:03Z"},
        }))
        .unwrap()
    }

    #[test]
    fn the_largest_that_a_version_may_give_can_be_stored_and_read() {
        let mut manifest = smallest();
        // As much as what the guest left may take, and as much as the user may say of it.
        let quotes = |bytes: u64| "\"".repeat(usize::try_from(bytes).unwrap() / 2);
        manifest.metrics.warnings.push(String::new());
        let taken = json::length(&manifest.metrics);
        manifest.metrics.warnings = vec![quotes(outputs::read::METRICS_IN_MANIFEST - taken)];
        assert!(json::length(&manifest.metrics) >= outputs::read::METRICS_IN_MANIFEST - 1);
        let file = contract::FileEntry {
            path: "\"".repeat(200),
            bytes: u64::MAX,
            sha256: "0".repeat(64),
        };
        let count = outputs::FILES_IN_MANIFEST / (json::length(&file) + 1);
        manifest.files = vec![file; usize::try_from(count).unwrap()];
        assert!(json::length(&manifest.files) > outputs::FILES_IN_MANIFEST - 1_000);
        manifest.tags = [("t".to_owned(), quotes(crate::run::MAX_GIVEN))].into();
        let text = to_bytes(&manifest).unwrap();
        assert!(text.len() as u64 > LARGEST_READ - (2 << 20));
        assert_eq!(parse(&text).unwrap(), manifest);
    }

    #[test]
    fn what_no_runner_could_read_is_not_written() {
        let home = tempfile::tempdir().unwrap();
        let folder = NamedFolder::open(home.path()).unwrap();
        let mut manifest = smallest();
        manifest.tags = [("t".to_owned(), "x".repeat(17 << 20))].into();
        let error = write_manifest(&folder, &manifest).unwrap_err();
        assert!(error.to_string().contains("larger than 16 MiB"), "{error}");
        manifest = smallest();
        manifest.save_path = "../m".to_owned();
        assert!(write_manifest(&folder, &manifest).is_err());
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_later_schema_is_told_from_damage() {
        let newer = parse(br#"{"schema": 2, "all": "else is new"}"#).unwrap_err();
        assert!(newer.newer && newer.problem.contains("newer runner"));
        let deep = format!("{{\"schema\": 1, \"x\": {}", "[".repeat(1 << 20));
        for damaged in [
            "",
            "{}",
            "no JSON",
            "{\"schema\": 0}",
            "{\"schema\": 1}",
            &deep,
        ] {
            let problem = parse(damaged.as_bytes()).unwrap_err();
            assert!(!problem.newer, "{problem}");
            assert!(problem.to_string().len() < 3_000);
        }
    }
}
