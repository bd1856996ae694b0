//! A reference -> the model's files. Each has the digest that the manifest gives before anything reads it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use contract::{Manifest, files};

use super::{Engine, Job, PredictError};
use crate::digest;
use crate::error::Error;
use crate::platform::{NamedFolder, open_regular};
use crate::registry;
use crate::run::aside;
use crate::sandbox::source_of;
use crate::store::{self, LocalFile, Store, module_key};
use crate::workspace::Workspace;

/// A model whose files are at hand.
pub(super) struct Model {
    /// Its folder; none of an ONNX file alone.
    pub folder: Option<NamedFolder>,
    #[cfg_attr(
        not(feature = "score"),
        expect(dead_code, reason = "nothing scores it")
    )]
    pub onnx: LocalFile,
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
                folder: None,
                onnx: LocalFile::named(path),
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
                let above = workspace.model(&manifest.name)?;
                let name = OsStr::new("files");
                let folder = registry::pull(&**store, &manifest, &above, name).await?;
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
            onnx: LocalFile::beneath(&folder, files::MODEL_ONNX),
            folder: Some(folder),
            manifest: None,
            module: None,
        };
        match job.engine {
            Engine::Onnx => model.needs_onnx(&manifest)?,
            Engine::Module(_) => {
                let beside = is_folder.then(|| path.parent()).flatten();
                let module = module(job, store.as_deref(), beside, &manifest, workspace);
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
async fn read(folder: &Path) -> Result<(NamedFolder, Manifest), Error> {
    let opened = NamedFolder::open(folder);
    let folder = opened.map_err(|error| PredictError::local("read", folder, error))?;
    let (manifest, _) = store::read_manifest(&folder)?;
    aside(move || {
        for file in &manifest.files {
            let there = LocalFile::beneath(&folder, &file.path);
            let path = there.path();
            let found = there.open().and_then(digest::sha256);
            let found = found.map_err(|error| PredictError::local("read", path, error))?;
            if found != (file.bytes, file.sha256.clone()) {
                return Err(PredictError::BadModel {
                    path: path.to_owned(),
                    problem: "it was changed: its length or digest is not the one that the manifest gives"
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
    beside: Option<&Path>,
    manifest: &Manifest,
    workspace: &Workspace,
) -> Result<PathBuf, Error> {
    let expected = &manifest.module.sha256;
    if let Some(given) = &job.module {
        return is_that(given.clone(), manifest).await;
    }
    let key = module_key(expected);
    if let Some(beside) = beside.map(|beside| beside.join(&key))
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
    let (folder, name) = (workspace.model("module")?, "workload.wasm");
    registry::fetch(store, &key, manifest.module.bytes, expected, &folder, name).await?;
    let root = workspace.root().reach();
    let root = root.map_err(|error| PredictError::local("reach", folder.path(), error))?;
    Ok(root.join("module").join(name))
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
