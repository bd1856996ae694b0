//! From a model's folder to a visible model: files, then the claim, then the manifest as the commit mark.
//!
//! Killed at any instant and run again, it goes on. Nothing is read unless something is there already, so the
//! right to create objects is enough for a first publication.

use bytes::Bytes;
use contract::Manifest;

use super::content::create_equal;
use super::manifest::{Damaged, parse, read_manifest};
use super::{
    ClaimKey, Content, Created, LocalFile, Store, StoreError, manifest_key, rejected_key, uses,
};
use crate::platform::NamedFolder;

/// A model that can be seen in a store.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// Its folder: `gs://bucket/prefix/<name>`.
    pub url: String,
    /// Not the one that was to be published when another allocation had done the same piece of work before.
    pub manifest: Manifest,
    /// It was there before this call.
    pub already_there: bool,
}

/// A model's folder that was read and checked: what its manifest names is there.
struct Model {
    /// Others may write where it lies: what was read is what is published.
    folder: NamedFolder,
    manifest: Manifest,
    /// As it stands in the folder: it is copied, not written anew.
    bytes: Bytes,
}

/// Publishes the model in `folder`, which holds its `manifest.json`.
///
/// Success as well when the same model is there already (equal files, seed and parameters), and when the piece
/// of Nomad's work that it came from has a model already: then that one is named.
///
/// # Errors
/// When the folder is no whole model, when another model has its name, or when the store refuses or fails.
pub async fn publish(store: &dyn Store, folder: &NamedFolder) -> Result<Published, StoreError> {
    let model = Model::read(folder)?;
    if !model.manifest.met_its_gates() {
        return Err(model.bad("it missed a gate: such a version is recorded, not published".into()));
    }
    let name = &model.manifest.name;
    // One after the other in the manifest's order: of two publishers of one name that differ, the one that
    // creates the first differing file goes on and the other stops there. Side by side, each could win one
    // file and neither the name.
    let mut objects = Vec::with_capacity(model.manifest.files.len());
    for file in &model.manifest.files {
        let content = Content::of(model.file(&file.path)).await?;
        if content.sha256 != file.sha256 || content.bytes != file.bytes {
            return Err(model.bad(format!("{} is not what the manifest says", file.path)));
        }
        objects.push((format!("{name}/{}", file.path), content));
    }
    let claim = ClaimKey::of(&model.manifest);
    if claim.is_none() {
        // Nothing stands between the files and the commit mark, which comes last: one wait for the disk does for all.
        let mark = (manifest_key(name), Content::of_bytes(model.bytes.clone()));
        let all = [&objects[..], &[mark]].concat();
        if store.create_in_order(&all).await? == all.len() {
            return Ok(Published {
                url: store.url(name),
                manifest: model.manifest,
                already_there: false,
            });
        }
    }
    if !create_equal(store, &objects).await? && store.stat(&manifest_key(name)).await?.is_none() {
        // Some were left by an earlier try, perhaps so long ago that `gc` is about to remove them.
        uses::announce(store, name).await?;
        create_equal(store, &objects).await?;
    }
    if let Some(claim) = claim {
        let content = Content::of_bytes(model.bytes.clone());
        if store.create(claim.as_str(), &content).await? == Created::Exists {
            return finish_claimed(store, &claim, &model.manifest).await;
        }
    }
    commit(store, &model.manifest, model.bytes.clone()).await
}

/// Records a version that missed a gate: its manifest with metrics and verdicts, and no model.
///
/// # Errors
/// When the folder is no whole model, when another record has its name, or when the store refuses or fails.
pub async fn record_rejected(
    store: &dyn Store,
    folder: &NamedFolder,
) -> Result<String, StoreError> {
    let model = Model::read(folder)?;
    let key = rejected_key(&model.manifest.name);
    create_same_model(store, &key, &model.manifest, model.bytes.clone()).await?;
    Ok(store.url(&key))
}

/// Creates the manifest, the commit mark. All files are there.
async fn commit(
    store: &dyn Store,
    manifest: &Manifest,
    bytes: Bytes,
) -> Result<Published, StoreError> {
    let key = manifest_key(&manifest.name);
    let created = create_same_model(store, &key, manifest, bytes).await?;
    Ok(Published {
        url: store.url(&manifest.name),
        manifest: manifest.clone(),
        already_there: created == Created::Exists,
    })
}

/// Finishes the publication of whoever claimed this piece of work first.
async fn finish_claimed(
    store: &dyn Store,
    claim: &ClaimKey,
    ours: &Manifest,
) -> Result<Published, StoreError> {
    let (mut manifest, mut bytes) = read_claim(store, claim).await?;
    if store.stat(&manifest_key(&manifest.name)).await?.is_none() {
        // It was left half-way, perhaps so long ago that `gc` is about to remove it.
        uses::announce(store, &manifest.name).await?;
        (manifest, bytes) = read_claim(store, claim).await?;
    }
    if manifest.name == ours.name
        && let Some(difference) = difference(ours, &manifest)
    {
        let url = store.url(claim.as_str());
        return Err(StoreError::Conflict { url, difference });
    }
    // A claim is made after the files. They can only be missing when somebody deleted them.
    for file in &manifest.files {
        let key = format!("{}/{}", manifest.name, file.path);
        if store.stat(&key).await?.is_none() {
            return Err(StoreError::Damaged {
                url: store.url(&key),
                problem: format!(
                    "it is missing, though {} names it: run `runner gc` on the store, then this again",
                    claim.as_str()
                ),
            });
        }
    }
    commit(store, &manifest, bytes).await
}

/// The model that a claim names, and the claim's bytes, which are that model's manifest.
async fn read_claim(store: &dyn Store, claim: &ClaimKey) -> Result<(Manifest, Bytes), StoreError> {
    let url = store.url(claim.as_str());
    // Claims go only with their model: one that has just gone means that the model was just deleted.
    let object = store
        .read(claim.as_str())
        .await?
        .ok_or_else(|| StoreError::Refused {
            url: url.clone(),
            problem: "the model of this piece of work was deleted just now: run this again"
                .to_owned(),
        })?;
    let manifest = parse(&object.bytes)
        .map_err(|Damaged { problem, .. }| StoreError::Damaged { url, problem })?;
    Ok((manifest, object.bytes))
}

/// Creates an object that holds a manifest; one that is there already must be of the same model.
async fn create_same_model(
    store: &dyn Store,
    key: &str,
    manifest: &Manifest,
    bytes: Bytes,
) -> Result<Created, StoreError> {
    let created = store.create(key, &Content::of_bytes(bytes)).await?;
    if created == Created::Exists {
        let url = store.url(key);
        let Some(object) = store.read(key).await? else {
            return Err(StoreError::Refused {
                url,
                problem: "it was deleted just now: run this again".to_owned(),
            });
        };
        let other = parse(&object.bytes).map_err(|damaged| StoreError::Damaged {
            url: url.clone(),
            problem: format!(
                "{damaged}; to publish this model, remove that one first: runner delete {}",
                manifest.name
            ),
        })?;
        if let Some(difference) = difference(manifest, &other) {
            return Err(StoreError::Conflict { url, difference });
        }
    }
    Ok(created)
}

/// What keeps two manifests from being of the same model. Times and places may differ.
fn difference(ours: &Manifest, theirs: &Manifest) -> Option<String> {
    if ours.same_model(theirs) {
        return None;
    }
    if let Some(file) = ours.files.iter().find(|file| !theirs.files.contains(file)) {
        return Some(format!("differs in {}", file.path));
    }
    if let Some(file) = theirs.files.iter().find(|file| !ours.files.contains(file)) {
        return Some(format!("has {} besides", file.path));
    }
    Some(if ours.seed == theirs.seed {
        "was trained with other parameters".to_owned()
    } else {
        format!("was trained with seed {}", theirs.seed)
    })
}

impl Model {
    fn read(folder: &NamedFolder) -> Result<Self, StoreError> {
        let (manifest, bytes) = read_manifest(folder)?;
        Ok(Self {
            folder: folder.clone(),
            manifest,
            bytes,
        })
    }

    fn file(&self, path: &str) -> LocalFile {
        LocalFile::beneath(&self.folder, path)
    }

    fn bad(&self, problem: String) -> StoreError {
        StoreError::BadModel {
            folder: self.folder.path().to_owned(),
            problem,
        }
    }
}
