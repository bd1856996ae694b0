//! A reference -> the model's files. Each has the digest that the manifest gives before anything reads it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{Manifest, files};

use super::{Engine, Job, PredictError};
use crate::digest;
use crate::error::Error;
use crate::platform::{Folder, open_regular};
use crate::registry;
use crate::run::aside;
use crate::sandbox::source_of;
use crate::store::{self, LocalFile, Store, module_key};
use crate::workspace::Workspace;

/// A model whose files are at hand.
pub(super) struct Model {
    /// Its folder, or the folder of the ONNX file.
    pub folder: PathBuf,
    #[cfg_attr(
        not(feature = "score"),
        expect(dead_code, reason = "nothing scores it")
    )]
    pub onnx: PathBuf,
    /// None of an ONNX file alone.
    pub manifest: Option<Manifest>,
    /// The module that trained it, where its engine needs one.
    pub module: Option<PathBuf>,
}

impl Model {
    /// # Errors
    /// When it can't be found, or is not what its manifest says.
    pub async fn find(job: &Job, workspace: &Workspace) -> Result<Self, Error> {
        let path = Path::new(&job.reference);
        if job.is_file {
            return Ok(Self {
                folder: path.parent().unwrap_or(path).to_owned(),
                onnx: path.to_owned(),
                manifest: None,
                module: None,
            });
        }
        let store = match &job.store {
            Some(target) => Some(target.open()?),
            None => None,
        };
        let is_folder = path.join(files::MANIFEST_JSON).is_file();
        let (folder, manifest) = match &store {
            _ if is_folder => read(path).await?,
            Some(store) => {
                let manifest = registry::resolve(&**store, &job.reference).await?;
                let folder = workspace.model(&manifest.name)?.join("files");
                registry::pull(&**store, &manifest, &folder).await?;
                (folder, manifest)
            }
            None if path.is_dir() => {
                return Err(PredictError::BadModel {
                    path: path.to_owned(),
                    problem: format!("it holds no {}, so it is no model", files::MANIFEST_JSON),
                }
                .into());
            }
            None => {
                return Err(PredictError::NoStore {
                    reference: job.reference.clone(),
                }
                .into());
            }
        };
        let mut model = Self {
            onnx: folder.join(files::MODEL_ONNX),
            folder,
            manifest: None,
            module: None,
        };
        match job.engine {
            Engine::Onnx => model.needs_onnx(&manifest)?,
            Engine::Module(_) => {
                let module = module(job, store.as_deref(), &model, &manifest, workspace);
                model.module = Some(module.await?);
            }
        }
        model.manifest = Some(manifest);
        Ok(model)
    }

    fn needs_onnx(&self, manifest: &Manifest) -> Result<(), PredictError> {
        let is_there = |path: &str| manifest.files.iter().any(|file| file.path == path);
        if is_there(files::MODEL_ONNX) {
            return Ok(());
        }
        Err(PredictError::NoOnnx {
            name: manifest.name.clone(),
            reason: String::new(),
        })
    }
}

/// A model's folder on this machine, every file verified.
async fn read(folder: &Path) -> Result<(PathBuf, Manifest), Error> {
    let (manifest, _) = store::read_manifest(folder)?;
    let folder = folder.to_owned();
    aside(move || {
        let opened = Folder::open(&folder);
        let opened = Arc::new(opened.map_err(|error| PredictError::local("read", &folder, error))?);
        for file in &manifest.files {
            let there = LocalFile::beneath(&opened, &folder, &file.path);
            let path = there.path();
            let found = there.open().and_then(digest::sha256);
            let (_, found) = found.map_err(|error| PredictError::local("read", path, error))?;
            if found != file.sha256 {
                return Err(PredictError::BadModel {
                    path: path.to_owned(),
                    problem: "it was changed: its digest is not the one that the manifest gives"
                        .to_owned(),
                });
            }
        }
        Ok((folder, manifest))
    })
    .await
}

/// The module that trained the model: given, beside the model, or in the store.
async fn module(
    job: &Job,
    store: Option<&dyn Store>,
    model: &Model,
    manifest: &Manifest,
    workspace: &Workspace,
) -> Result<PathBuf, Error> {
    let expected = &manifest.module.sha256;
    if let Some(given) = &job.module {
        return is_that(given.clone(), manifest).await;
    }
    let key = module_key(expected);
    if let Some(beside) = model.folder.parent().map(|parent| parent.join(&key))
        && beside.is_file()
    {
        return is_that(beside, manifest).await;
    }
    let Some(store) = store else {
        let place = "beside it: name the store that it came from with --store".to_owned();
        return Err(no_module(manifest, place).into());
    };
    if store.stat(&key).await?.is_none() {
        return Err(no_module(manifest, format!("at {}", store.url(&key))).into());
    }
    let path = workspace.model("module")?.join("workload.wasm");
    registry::fetch(store, &key, manifest.module.bytes, expected, &path).await?;
    Ok(path)
}

/// Refuses another module before it is compiled. Compiled code stands for the module beside it.
async fn is_that(path: PathBuf, manifest: &Manifest) -> Result<PathBuf, Error> {
    let source = source_of(&path);
    let digest = aside(move || {
        let digest = open_regular(&source).and_then(digest::sha256);
        digest.map_err(|error| PredictError::local("read", &source, error))
    });
    let (_, found) = digest.await?;
    check_digest(&path, &found, manifest)?;
    Ok(path)
}

/// # Errors
/// When `found`, the digest of the module at `path`, is not that of the module that trained the model.
pub(super) fn check_digest(
    path: &Path,
    found: &str,
    manifest: &Manifest,
) -> Result<(), PredictError> {
    let expected = &manifest.module.sha256;
    if found == expected {
        return Ok(());
    }
    Err(PredictError::OtherModule {
        path: path.to_owned(),
        found: found.to_owned(),
        name: manifest.name.clone(),
        expected: expected.clone(),
    })
}

fn no_module(manifest: &Manifest, place: String) -> PredictError {
    PredictError::NoModule {
        name: manifest.name.clone(),
        sha256: manifest.module.sha256.clone(),
        place,
    }
}
