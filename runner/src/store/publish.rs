//! From a model's folder to a visible model: files, then the claim, then the manifest as the commit mark.
//!
//! Killed at any instant and run again, it goes on. Nothing is read unless something is there already, so the
//! right to create objects is enough for a first publication.

use bytes::Bytes;
use contract::Manifest;

use super::content::create_equal;
use super::manifest::{Damaged, in_its_place, parse, read_manifest};
use super::mark::{self, Mark, Tombstone};
use super::{ClaimKey, Content, Created, LocalFile, Store, StoreError, manifest_key, rejected_key};
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
    if let Err(error) = create_equal(store, &objects).await {
        // Beneath a tombstone files go as fast as they come.
        return Err(match tombstone_of(store, name).await? {
            Some(tombstone) => mark::is_gone(store, &tombstone),
            None => error,
        });
    }
    match claim {
        Some(claim) => publish_claimed(store, &claim, &model).await,
        None => match commit(store, &model.manifest, model.bytes.clone()).await? {
            Commit::Done(published) => Ok(*published),
            Commit::Buried(tombstone) => Err(mark::is_gone(store, &tombstone)),
        },
    }
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

/// How the creation of a commit mark ended.
enum Commit {
    Done(Box<Published>),
    /// The name is taken for good.
    Buried(Tombstone),
}

/// Creates the manifest, the commit mark. All files are there: nobody removes one while the name has no tombstone.
async fn commit(
    store: &dyn Store,
    manifest: &Manifest,
    bytes: Bytes,
) -> Result<Commit, StoreError> {
    let key = manifest_key(&manifest.name);
    let created = match create_same_model(store, &key, manifest, bytes).await? {
        Same::Tombstone(tombstone) => return Ok(Commit::Buried(tombstone)),
        Same::Created(created) => created,
    };
    Ok(Commit::Done(Box::new(Published {
        url: store.url(&manifest.name),
        manifest: manifest.clone(),
        already_there: created == Created::Exists,
    })))
}

async fn tombstone_of(store: &dyn Store, name: &str) -> Result<Option<Tombstone>, StoreError> {
    Ok(
        match mark::find(store, name).await?.map(|found| found.mark) {
            Some(Mark::Tombstone(tombstone)) => Some(tombstone),
            _ => None,
        },
    )
}

/// Commits a model whose files are there, unless the piece of work that it came from has one already: then that one is
/// finished and named. A claim whose model was deleted makes room for the next one.
async fn publish_claimed(
    store: &dyn Store,
    claim: &ClaimKey,
    model: &Model,
) -> Result<Published, StoreError> {
    let ours = &model.manifest;
    for number in 1..=MOST_CLAIMS {
        let key = claim.nth(number);
        let content = Content::of_bytes(model.bytes.clone());
        let (manifest, bytes) = match store.create(&key, &content).await? {
            Created::New => (ours.clone(), model.bytes.clone()),
            Created::Exists => read_claim(store, &key).await?,
        };
        let is_ours = manifest.name == ours.name;
        if is_ours && let Some(difference) = difference(ours, &manifest) {
            let url = store.url(&key);
            return Err(StoreError::Conflict { url, difference });
        }
        match finish(store, &manifest, bytes, is_ours).await? {
            Commit::Done(published) => {
                warn_of_other_inputs(&published, ours);
                return Ok(*published);
            }
            Commit::Buried(tombstone) if is_ours => return Err(mark::is_gone(store, &tombstone)),
            Commit::Buried(_) => {}
        }
    }
    Err(StoreError::Refused {
        url: store.url(claim.as_str()),
        problem: format!(
            "{MOST_CLAIMS} models of this piece of work were deleted: dispatch it anew"
        ),
    })
}

/// A job that is run again under its name is the same piece of work, whatever it reads by now.
fn warn_of_other_inputs(published: &Published, ours: &Manifest) {
    let theirs = &published.manifest;
    let differs = [
        ("data", theirs.data.sha256 != ours.data.sha256),
        ("module", theirs.module.sha256 != ours.module.sha256),
        ("specification", theirs.specification != ours.specification),
        ("parameters", theirs.parameters != ours.parameters),
    ];
    let differs: Vec<&str> = differs
        .into_iter()
        .filter_map(|(what, differs)| differs.then_some(what))
        .collect();
    if !differs.is_empty() {
        tracing::warn!(
            "{} is the model of this piece of Nomad's work already, made from other inputs ({}): what was trained now is not stored. Dispatch the job anew, or run it under another job id",
            published.url,
            differs.join(", ")
        );
    }
}

/// How many models of one piece of work may be deleted and made again.
const MOST_CLAIMS: usize = 1000;

/// Finishes the publication of a model that was claimed, by whichever publisher.
async fn finish(
    store: &dyn Store,
    manifest: &Manifest,
    bytes: Bytes,
    is_ours: bool,
) -> Result<Commit, StoreError> {
    if !is_ours {
        match mark::find(store, &manifest.name)
            .await?
            .map(|found| found.mark)
        {
            Some(Mark::Tombstone(tombstone)) => return Ok(Commit::Buried(tombstone)),
            Some(_) => {}
            // Left half-way. A claim is made after the files, so that they are there, or are going.
            None => {
                if let Some(missing) = missing_file(store, manifest).await? {
                    return match tombstone_of(store, &manifest.name).await? {
                        Some(tombstone) => Ok(Commit::Buried(tombstone)),
                        None => Err(StoreError::Damaged {
                            url: store.url(&missing),
                            problem: "it is missing, though a claim names it: run `runner gc` on the store, then this again"
                                .to_owned(),
                        }),
                    };
                }
            }
        }
    }
    commit(store, manifest, bytes).await
}

/// The first file of a model that is not in the store.
async fn missing_file(
    store: &dyn Store,
    manifest: &Manifest,
) -> Result<Option<String>, StoreError> {
    for file in &manifest.files {
        let key = format!("{}/{}", manifest.name, file.path);
        if store.stat(&key).await?.is_none() {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// The model that a claim names, and the claim's bytes, which are that model's manifest.
async fn read_claim(store: &dyn Store, key: &str) -> Result<(Manifest, Bytes), StoreError> {
    let url = store.url(key);
    // Claims go long after their model.
    let object = store
        .read(key)
        .await?
        .ok_or_else(|| StoreError::Unreachable {
            url: url.clone(),
            problem: "it was removed just now: run this again".to_owned(),
        })?;
    let manifest = parse(&object.bytes)
        .and_then(|manifest| in_its_place(key, manifest))
        .map_err(|Damaged { problem, .. }| StoreError::Damaged { url, problem })?;
    Ok((manifest, object.bytes))
}

/// The model that a piece of work has in the store; `None` when it has none that can be seen.
///
/// # Errors
/// When the store refuses or fails, or a claim can't be read.
pub async fn claimed_model(
    store: &dyn Store,
    claim: &ClaimKey,
) -> Result<Option<Manifest>, StoreError> {
    for number in 1..=MOST_CLAIMS {
        let key = claim.nth(number);
        if store.stat(&key).await?.is_none() {
            return Ok(None);
        }
        let (claimed, _) = read_claim(store, &key).await?;
        match mark::find(store, &claimed.name)
            .await?
            .map(|found| found.mark)
        {
            Some(Mark::Tombstone(_)) => {}
            Some(Mark::Model(model)) => return Ok(Some(model.manifest)),
            Some(Mark::Damaged(_)) | None => return Ok(None),
        }
    }
    Ok(None)
}

/// What [`create_same_model`] found.
enum Same {
    Created(Created),
    Tombstone(Tombstone),
}

/// Creates an object that holds a manifest; one that is there already must be of the same model.
async fn create_same_model(
    store: &dyn Store,
    key: &str,
    manifest: &Manifest,
    bytes: Bytes,
) -> Result<Same, StoreError> {
    let created = store.create(key, &Content::of_bytes(bytes)).await?;
    if created == Created::Exists {
        let url = store.url(key);
        let Some(object) = store.read(key).await? else {
            return Err(StoreError::Unreachable {
                url,
                problem: "it was deleted just now: run this again".to_owned(),
            });
        };
        if let Some(tombstone) = mark::tombstone_in(&object.bytes) {
            return Ok(Same::Tombstone(tombstone));
        }
        let other = parse(&object.bytes).map_err(|damaged| StoreError::Damaged {
            url: url.clone(),
            problem: format!(
                "{damaged}; to publish this model, give it a new name (`runner push FOLDER --new-name`), and remove the other one: runner delete {}",
                manifest.name
            ),
        })?;
        if let Some(difference) = difference(manifest, &other) {
            return Err(StoreError::Conflict { url, difference });
        }
    }
    Ok(Same::Created(created))
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
