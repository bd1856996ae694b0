//! `runner push`: publish what `runner run` left in a folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{Manifest, files};
use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::output;
use crate::error::Error;
use crate::exit::Exit;
use crate::nomad::Nomad;
use crate::report;
use crate::store::{self, Location, REJECTED, Store, StoreError, Target, data_key, module_key};

#[derive(clap::Args)]
pub struct Args {
    /// A model's folder, or one that holds many [default: $NOMAD_ALLOC_DIR/models]. Without --store it goes to
    /// gs://$NOMAD_META_gcp_bucket_path
    pub folder: Option<PathBuf>,

    /// Models published at a time
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: u16,

    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub store: super::store::Args,
}

/// A model's folder, and what its manifest says.
type Read = (PathBuf, Result<Manifest, StoreError>);

/// What became of one model.
#[derive(Serialize)]
struct Pushed {
    name: String,
    status: Status,
    url: String,
    /// Each gate that was missed, with what was wanted and what was there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missed: Vec<String>,
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
    for (path, manifest) in find_models(&folder)? {
        match manifest {
            Ok(manifest) => models.push((path, manifest)),
            Err(error) => results.push((path.display().to_string(), Err(error))),
        }
    }
    store_shared(&*store, &models).await?;
    let pushed: Vec<(String, Result<Pushed, StoreError>)> = stream::iter(models)
        .map(|(path, manifest)| {
            let store = Arc::clone(&store);
            async move {
                let pushed = push(&*store, &path, &manifest).await;
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
/// can't be read, why.
fn find_models(folder: &Path) -> Result<Vec<Read>, StoreError> {
    // What is no file counts, too: it is said that it can't be read, and the others go on.
    let holds_model =
        |folder: &Path| std::fs::symlink_metadata(folder.join(files::MANIFEST_JSON)).is_ok();
    let mut found = Vec::new();
    if holds_model(folder) {
        found.push(folder.to_owned());
    } else {
        for parent in [folder.to_owned(), folder.join(REJECTED)] {
            let entries = match std::fs::read_dir(&parent) {
                Ok(entries) => entries,
                Err(_) if parent != folder => continue,
                Err(source) => return Err(StoreError::local("read", &parent, source)),
            };
            for entry in entries {
                let path = entry
                    .map_err(|source| StoreError::local("read", &parent, source))?
                    .path();
                if holds_model(&path) {
                    found.push(path);
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
    found.sort();
    let read = |path: PathBuf| {
        let manifest = store::read_manifest(&path).map(|(manifest, _)| manifest);
        (path, manifest)
    };
    Ok(found.into_iter().map(read).collect())
}

/// Modules and data that `runner run` left beside the models go by content, each once.
async fn store_shared(store: &dyn Store, models: &[(PathBuf, Manifest)]) -> Result<(), StoreError> {
    let mut seen = BTreeSet::new();
    for (path, manifest) in models.iter().filter(|(_, model)| model.met_its_gates()) {
        let Some(beside) = path.parent() else {
            continue;
        };
        let module = &manifest.module.sha256;
        let file = beside.join(module_key(module));
        if seen.insert(file.clone()) && file.is_file() {
            store::store_module(store, &file, module).await?;
        }
        let data = &manifest.data.sha256;
        let file = beside.join(data_key(data));
        if seen.insert(file.clone()) && file.is_file() {
            store::store_data(store, &file, data).await?;
        }
    }
    Ok(())
}

async fn push(store: &dyn Store, path: &Path, manifest: &Manifest) -> Result<Pushed, StoreError> {
    if !manifest.met_its_gates() {
        return Ok(Pushed {
            name: manifest.name.clone(),
            status: Status::GateNotMet,
            url: store::record_rejected(store, path).await?,
            missed: report::missed(manifest),
        });
    }
    let published = store::publish(store, path).await?;
    Ok(Pushed {
        name: published.manifest.name,
        status: if published.already_there {
            Status::AlreadyPublished
        } else {
            Status::Published
        },
        url: published.url,
        missed: Vec::new(),
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
