//! `runner push`: publish what `runner run` left in a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{Manifest, Warning, files};
use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::output;
use crate::error::Error;
use crate::exit::Exit;
use crate::nomad::Nomad;
use crate::platform::{NamedFolder, is_foreign};
use crate::report;
use crate::store::{
    self, LocalFile, Location, REJECTED, Store, StoreError, Target, UNPUBLISHED, data_key,
    module_key,
};
use crate::warnings;

#[derive(clap::Args)]
pub struct Args {
    /// A model's folder, or one that holds many [default: $NOMAD_ALLOC_DIR/models]. Without --store it goes to
    /// gs://$NOMAD_META_gcp_bucket_path
    pub folder: Option<PathBuf>,

    /// Models published at a time
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: u16,

    /// Give each model a new name first: one whose model was deleted is not used again
    #[arg(long)]
    pub new_name: bool,

    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub store: super::store::Args,
}

/// A model's folder, and the folder in which modules and data are.
struct Found {
    folder: NamedFolder,
    beside: NamedFolder,
}

impl Found {
    fn new(folder: NamedFolder, beside: &NamedFolder) -> Self {
        let beside = beside.clone();
        Self { folder, beside }
    }

    fn has_module(&self, manifest: &Manifest) -> bool {
        let key = module_key(&manifest.module.sha256);
        LocalFile::beneath(&self.beside, key).open().is_ok()
    }

    /// What lies beside it under `key`, if it is a file and was not seen before.
    fn shared(&self, key: &str, seen: &mut BTreeSet<PathBuf>) -> Option<LocalFile> {
        let file = LocalFile::beneath(&self.beside, key);
        if !seen.insert(file.path().to_owned()) {
            return None;
        }
        match file.open() {
            Ok(_) => Some(file),
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    tracing::warn!("{} is left out: {error}", file.path().display());
                }
                None
            }
        }
    }
}

/// A model's folder, and what its manifest says.
type Read = (Found, Result<Manifest, StoreError>);

/// What became of one model.
#[derive(Serialize)]
struct Pushed {
    name: String,
    status: Status,
    url: String,
    /// Each gate that was missed, with what was wanted and what was there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missed: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Published,
    AlreadyPublished,
    /// Recorded, not published.
    GateNotMet,
}

/// Publishes every model in the folder; a version that missed a gate is recorded instead.
///
/// # Errors
/// When there is no model, or the first thing that kept one from the store. The others are published all the same.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let nomad = Nomad::from_environment();
    let folder = folder(&args, &nomad)?;
    let store = destination(&args, &nomad)?.open()?;
    let (mut models, mut results) = (Vec::new(), Vec::new());
    for (found, manifest) in find_models(&folder)? {
        match manifest {
            Ok(mut manifest) => {
                if args.new_name {
                    rename(&found.folder, &mut manifest)?;
                }
                models.push((found, manifest));
            }
            Err(error) => results.push((found.folder.path().display().to_string(), Err(error))),
        }
    }
    let models = store_shared(&*store, models, &mut results).await;
    let pushed: Vec<(String, Result<Pushed, StoreError>)> = stream::iter(models)
        .map(|(found, manifest)| {
            let store = Arc::clone(&store);
            async move {
                let mut pushed = push(&*store, &found.folder, &manifest).await;
                if let Ok(pushed) = &mut pushed
                    && pushed.status == Status::Published
                    && !found.has_module(&manifest)
                {
                    let warning = missing_module(&*store, &manifest).await;
                    pushed.warnings.extend(warning);
                }
                (manifest.name, pushed)
            }
        })
        .buffer_unordered(usize::from(args.jobs))
        .collect()
        .await;
    results.extend(pushed);
    results.sort_by(|(left, _), (right, _)| left.cmp(right));

    let (mut pushed, mut failures) = (Vec::new(), Vec::new());
    for (name, result) in results {
        match result {
            Ok(done) => pushed.push(done),
            Err(error) => failures.push((name, error)),
        }
    }
    for done in &pushed {
        warnings::log(&done.warnings);
    }
    print(&pushed, args.json)?;
    let missed = pushed.iter().any(|done| done.status == Status::GateNotMet);
    let mut failures = failures.into_iter();
    match failures.next() {
        Some((_, first)) => {
            for (name, error) in failures {
                tracing::error!("{name}: {error}");
            }
            Err(first.into())
        }
        None if missed => Ok(Exit::GateNotMet),
        None => Ok(Exit::Done),
    }
}

fn folder(args: &Args, nomad: &Nomad) -> Result<PathBuf, StoreError> {
    let default = || nomad.alloc_dir.as_ref().map(|dir| dir.join("models"));
    args.folder
        .clone()
        .or_else(default)
        .ok_or_else(|| StoreError::BadModel {
            folder: PathBuf::from("."),
            problem: "name the folder of a model, or one that holds many".to_owned(),
        })
}

/// `--store`, else what the job's metadata names, with or without its scheme.
fn destination(args: &Args, nomad: &Nomad) -> Result<Target, StoreError> {
    match (&args.store.store, &nomad.meta.gcp_bucket_path) {
        (None, Some(path)) => Ok(Target {
            location: Location::of_bucket_path(path)?,
            options: args.store.access.options(),
        }),
        _ => args.store.required(),
    }
}

/// The model in `folder`, or those in the folders right below it, those that missed a gate included; of one whose manifest
/// can't be read, why. The path of `folder` comes from the operator; others may write in it, and no link there is followed.
fn find_models(folder: &Path) -> Result<Vec<Read>, StoreError> {
    let unread = |path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::local("read", &path, source)
    };
    let top = NamedFolder::open(folder).map_err(unread(folder))?;
    let mut found = Vec::new();
    if holds_model(&top) {
        let above = folder.parent().unwrap_or(folder);
        // `runner run` keeps a model there whose place is taken; modules and data lie one folder above.
        let beside = match above.file_name() == Some(OsStr::new(UNPUBLISHED)) {
            true => above.parent().unwrap_or(above),
            false => above,
        };
        let beside = NamedFolder::open(beside).map_err(unread(beside))?;
        found.push(Found::new(top, &beside));
    } else {
        // What is wrong with one is said when its name is come to.
        let beneath = [
            REJECTED.to_owned(),
            UNPUBLISHED.to_owned(),
            format!("{REJECTED}/{UNPUBLISHED}"),
        ];
        let beneath = beneath.map(|name| top.beneath(name).ok());
        for parent in std::iter::once(top.clone()).chain(beneath.into_iter().flatten()) {
            for name in parent.names().map_err(unread(parent.path()))? {
                match parent.beneath(&name) {
                    Ok(model) if holds_model(&model) => found.push(Found::new(model, &top)),
                    Err(error) if is_foreign(&error) => {
                        let path = parent.path().join(name);
                        tracing::warn!("{} is left out: {error}", path.display());
                    }
                    _ => {}
                }
            }
        }
    }
    if found.is_empty() {
        return Err(StoreError::BadModel {
            folder: folder.to_owned(),
            problem: format!(
                "neither it nor a folder in it holds a {}: has `runner run` ended well?",
                files::MANIFEST_JSON
            ),
        });
    }
    found.sort_by(|left, right| left.folder.path().cmp(right.folder.path()));
    let read = |found: Found| {
        let manifest = store::read_manifest(&found.folder).map(|(manifest, _)| manifest);
        (found, manifest)
    };
    Ok(found.into_iter().map(read).collect())
}

/// Whether there is a manifest. What is no file counts, too: it is said that it can't be read, and the others go on.
fn holds_model(folder: &NamedFolder) -> bool {
    folder.metadata(files::MANIFEST_JSON).is_ok()
}

/// Gives a model another id, in its folder, so that the same command may be run again.
fn rename(folder: &NamedFolder, manifest: &mut Manifest) -> Result<(), StoreError> {
    manifest.id = uuid::Uuid::now_v7().to_string();
    manifest.name = format!(
        "{}_v{}_{}",
        manifest.save_path, manifest.model_version, manifest.id
    );
    store::write_manifest(folder, manifest)
}

/// Modules and data that `runner run` left beside the models go by content, each once. Models of which one can't be stored are
/// not published: they go to `failed`, and the others are returned.
async fn store_shared(
    store: &dyn Store,
    models: Vec<(Found, Manifest)>,
    failed: &mut Vec<(String, Result<Pushed, StoreError>)>,
) -> Vec<(Found, Manifest)> {
    let mut seen = BTreeSet::new();
    // The first model of each tells why, the others that it is so.
    let mut damaged: BTreeMap<String, Option<StoreError>> = BTreeMap::new();
    for (found, manifest) in models.iter().filter(|(_, model)| model.met_its_gates()) {
        let module = &manifest.module.sha256;
        let key = module_key(module);
        if let Some(file) = found.shared(&key, &mut seen)
            && let Err(error) = store::store_module(store, &file, module).await
        {
            damaged.insert(key, Some(error));
        }
        let data = &manifest.data.sha256;
        let key = data_key(data);
        if let Some(file) = found.shared(&key, &mut seen)
            && let Err(error) = store::store_data(store, &file, data).await
        {
            damaged.insert(key, Some(error));
        }
    }
    let mut whole = Vec::with_capacity(models.len());
    for (found, manifest) in models {
        let keys = [
            module_key(&manifest.module.sha256),
            data_key(&manifest.data.sha256),
        ];
        let broken = keys.into_iter().find(|key| damaged.contains_key(key));
        match broken.filter(|_| manifest.met_its_gates()) {
            None => whole.push((found, manifest)),
            Some(key) => {
                let first = damaged.get_mut(&key).and_then(Option::take);
                let error = first.unwrap_or_else(|| StoreError::BadModel {
                    folder: found.folder.path().to_owned(),
                    problem: format!("{key}, which it names, could not be stored"),
                });
                failed.push((manifest.name, Err(error)));
            }
        }
    }
    whole
}

/// What to say of a model that was published without its module: to predict with it takes the module, which then is nowhere.
async fn missing_module(store: &dyn Store, manifest: &Manifest) -> Option<Warning> {
    let module = &manifest.module.sha256;
    // Who may not look can't be told.
    if !matches!(store.stat(&module_key(module)).await, Ok(None)) {
        return None;
    }
    let message = format!(
        "{} was published, and its module {module} is neither beside it nor in the store: `runner predict` then needs the module's file",
        manifest.name
    );
    Some(Warning::new("module_missing", message))
}

async fn push(
    store: &dyn Store,
    folder: &NamedFolder,
    manifest: &Manifest,
) -> Result<Pushed, StoreError> {
    if !manifest.met_its_gates() {
        return Ok(Pushed {
            name: manifest.name.clone(),
            status: Status::GateNotMet,
            url: store::record_rejected(store, folder).await?,
            missed: report::missed(manifest),
            warnings: Vec::new(),
        });
    }
    let published = store::publish(store, folder).await?;
    Ok(Pushed {
        name: published.manifest.name,
        status: if published.already_there {
            Status::AlreadyPublished
        } else {
            Status::Published
        },
        url: published.url,
        missed: Vec::new(),
        warnings: Vec::new(),
    })
}

fn print(pushed: &[Pushed], json: bool) -> Result<(), Error> {
    if json {
        return output::print_json(&serde_json::json!({ "models": pushed }));
    }
    let mut table = output::table(&[]);
    for done in pushed {
        let status = match done.status {
            Status::Published => "published".to_owned(),
            Status::AlreadyPublished => "was there already".to_owned(),
            Status::GateNotMet => {
                let missed = done.missed.join("; ");
                format!("missed a gate: recorded, not published ({missed})")
            }
        };
        table.add_row([status.as_str(), done.url.as_str()]);
    }
    output::print(table)
}
