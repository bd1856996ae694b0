//! What is to be dispatched: versions, slices of a grid, and the token that keeps each from being dispatched twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::SpecificationOrigin;
use sha2::{Digest, Sha256};

use super::answers::{Job, Parameterized};
use super::error::DispatchError;
use crate::commands::dispatch::Args;
use crate::names::Name;
use crate::plan::{self, Grid, MOST_POINTS, Specification};

/// Nomad takes no larger payload.
pub const LARGEST_PAYLOAD: usize = 16 * 1024;

/// All dispatches of one command.
pub struct Campaign {
    pub job: String,
    /// `None`: the region of the server that is asked.
    pub regions: Vec<Option<String>>,
    /// Most unfinished dispatches in each region.
    pub window: usize,
    /// The version of the job that must be registered; the one that is, where none is named.
    pub job_version: Option<u64>,
    pub save_path: String,
    pub work: Vec<Work>,
    /// The specification: the same for all.
    pub payload: Arc<[u8]>,
    /// Of the dispatched jobs, in place of the job's own.
    pub priority: Option<u16>,
    grid: Option<Grid>,
    specification: Option<SpecificationOrigin>,
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The model versions that it makes: one, or those of the points of a slice.
    pub versions: Vec<String>,
    /// Of a grid, the points that the versions are: as many.
    pub points: Vec<u32>,
    /// An index into [`Campaign::regions`].
    pub region: usize,
    pub meta: BTreeMap<String, String>,
    /// Nomad makes no second dispatch with a token that it knows.
    pub token: String,
}

impl Work {
    /// `7`, or `1.1 to 1.50`.
    #[must_use]
    pub fn label(&self) -> String {
        label(&self.versions.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The keys of a dispatch that makes those of the versions that stand at `positions`.
    #[must_use]
    pub fn meta_of(&self, positions: &[usize]) -> BTreeMap<String, String> {
        let mut meta = self.meta.clone();
        if !self.points.is_empty() {
            let points = positions.iter().filter_map(|at| self.points.get(*at));
            let points: Vec<u32> = points.copied().collect();
            meta.insert("points".to_owned(), plan::points_text(&points));
        }
        meta
    }
}

/// Versions in a few words: `7`, or `1.1 to 1.50`.
#[must_use]
pub fn label(versions: &[&str]) -> String {
    match versions {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first, .., last] => format!("{first} to {last}"),
    }
}

impl Campaign {
    /// # Errors
    /// The first argument that is wrong.
    pub fn new(args: &Args, data_url: Option<&str>) -> Result<Self, DispatchError> {
        let specification = specification(args)?;
        let grid = match &specification {
            Some(specification) => Grid::of(specification).map_err(usage)?,
            None => None,
        };
        let keys = keys(args, data_url)?;
        let save_path = keys["save_path"].clone();
        let origin = specification.as_ref().map(|whole| whole.origin.clone());
        let payload = specification.map_or_else(|| Arc::from([]), |whole| whole.bytes);
        if payload.len() > LARGEST_PAYLOAD {
            return Err(DispatchError::Usage(format!(
                "the specification has {} bytes, and Nomad takes at most {LARGEST_PAYLOAD}: shorten it, or split its grid",
                payload.len()
            )));
        }
        let regions: Vec<Option<String>> = if args.nomad.region.is_empty() {
            vec![None]
        } else {
            args.nomad.region.iter().cloned().map(Some).collect()
        };
        let mut work = Vec::new();
        for slice in slices(args, grid.as_ref().map(Grid::points), &keys)? {
            work.push(Work {
                token: token(args, &slice.keys, &payload),
                region: work.len() % regions.len(),
                versions: slice.versions,
                points: slice.points,
                meta: slice.keys,
            });
        }
        Ok(Self {
            job: args.job.clone(),
            regions,
            window: usize::from(args.window),
            job_version: args.job_version,
            save_path,
            work,
            payload,
            priority: args.priority,
            grid,
            specification: origin,
        })
    }

    /// The specification that a version is made by: the grid's point's own, else the one that was given.
    ///
    /// # Errors
    /// When that of the point cannot be made.
    pub fn specification_of(
        &self,
        point: Option<u32>,
    ) -> Result<Option<SpecificationOrigin>, DispatchError> {
        match (&self.grid, point) {
            (Some(grid), Some(point)) => {
                let point = grid.point(point).map_err(usage)?;
                Ok(Some(point.specification.origin))
            }
            _ => Ok(self.specification.clone()),
        }
    }

    /// Whether `job` can be dispatched with what this campaign gives.
    ///
    /// # Errors
    /// What the job is not, needs or does not know.
    pub fn check(&self, job: &Job) -> Result<(), DispatchError> {
        let unfit = |problem: String| DispatchError::UnfitJob {
            job: self.job.clone(),
            problem,
        };
        let Some(parameterized) = &job.parameterized_job else {
            return Err(unfit(
                "is not parameterized: nothing can be dispatched of it".to_owned(),
            ));
        };
        if job.stop {
            return Err(unfit(
                "is stopped: register it again with `nomad job run`".to_owned(),
            ));
        }
        match parameterized.payload.as_str() {
            "required" if self.payload.is_empty() => {
                return Err(unfit(
                    "needs a specification: name it with --spec".to_owned(),
                ));
            }
            "forbidden" if !self.payload.is_empty() => {
                return Err(unfit(
                    "takes no specification (its `payload` is `forbidden`)".to_owned(),
                ));
            }
            _ => {}
        }
        self.work.first().map_or(Ok(()), |work| {
            check_keys(work, parameterized).map_err(unfit)
        })
    }

    /// The dataset's name for the module.
    #[must_use]
    pub fn data_path(&self) -> &str {
        let meta = self.work.first().map(|work| &work.meta);
        meta.and_then(|meta| meta.get("data_path"))
            .map_or("", String::as_str)
    }

    /// Models that will be there in the end, when each dispatch trains one of each version.
    #[must_use]
    pub fn versions(&self) -> usize {
        self.work.iter().map(|work| work.versions.len()).sum()
    }
}

fn usage(error: impl std::fmt::Display) -> DispatchError {
    DispatchError::Usage(error.to_string())
}

fn specification(args: &Args) -> Result<Option<Specification>, DispatchError> {
    let Some(path) = &args.spec else {
        return Ok(None);
    };
    match plan::read_file(path) {
        Ok(bytes) => Ok(Some(Specification::new(bytes))),
        Err(source) => Err(DispatchError::Specification {
            path: path.display().to_string(),
            source,
        }),
    }
}

/// What every dispatch is given; the version is each one's own.
fn keys(args: &Args, data_url: Option<&str>) -> Result<BTreeMap<String, String>, DispatchError> {
    let mut keys = BTreeMap::new();
    for text in &args.meta {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => keys.insert(key.to_owned(), value.to_owned()),
            _ => {
                return Err(DispatchError::Usage(format!(
                    "--meta {text:?}: write it as KEY=VALUE"
                )));
            }
        };
    }
    let bucket = args
        .store
        .store
        .as_deref()
        .and_then(|store| store.strip_prefix("gs://"));
    // A snapshot keeps the name of what it was made of.
    let file_name = args.data.source.as_deref().map(|source| {
        let path = source.split(['?', '#']).next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default().to_owned()
    });
    let given = [
        (
            "save_path",
            args.save_path.clone().or(Some("model".to_owned())),
        ),
        ("data_url", data_url.map(str::to_owned)),
        (
            "data_path",
            args.data_path
                .clone()
                .or(file_name.filter(|name| !name.is_empty())),
        ),
        (
            "prediction_path",
            args.prediction_path
                .clone()
                .or(Some("predictions.csv".to_owned())),
        ),
        (
            "gcp_bucket_path",
            args.gcp_bucket_path.clone().or(bucket.map(str::to_owned)),
        ),
        (
            "batch_size",
            args.batch_size.map(|number| number.to_string()),
        ),
        ("epochs", args.epochs.map(|number| number.to_string())),
    ];
    for (key, value) in given {
        if let Some(value) = value {
            keys.entry(key.to_owned()).or_insert(value);
        }
    }
    let name = |flag: &str, text: &str| {
        text.parse::<Name>()
            .map_err(|error| DispatchError::Usage(format!("{flag}: {error}")))
    };
    name("--save-path", &keys["save_path"])?;
    name("--model-version", &args.model_version)?;
    plan::held_out(&keys["prediction_path"])
        .map_err(|error| DispatchError::Usage(error.to_string()))?;
    Ok(keys)
}

/// What one dispatch makes, with its keys.
struct Slice {
    versions: Vec<String>,
    /// None without a grid.
    points: Vec<u32>,
    keys: BTreeMap<String, String>,
}

/// What each dispatch makes.
fn slices(
    args: &Args,
    points: Option<u32>,
    keys: &BTreeMap<String, String>,
) -> Result<Vec<Slice>, DispatchError> {
    let versions: Vec<String> = match &args.versions {
        Some(range) => plan::range_of("--versions", range)
            .map_err(usage)?
            .map(|number| number.to_string())
            .collect(),
        None => vec![args.model_version.clone()],
    };
    let per_allocation = args.per_allocation.map_or(1, usize::from).max(1);
    let last_of_slice = u32::try_from(per_allocation - 1).unwrap_or(u32::MAX);
    if points.is_none() && args.per_allocation.is_some() {
        return Err(DispatchError::Usage(
            "--per-allocation deals out the points of a grid, and there is none: give --spec a file with [grid]".to_owned(),
        ));
    }
    let with_version = |version: &String| {
        let mut keys = keys.clone();
        keys.insert("model_version".to_owned(), version.clone());
        keys
    };
    let Some(points) = points else {
        return Ok(versions
            .iter()
            .map(|version| Slice {
                versions: vec![version.clone()],
                points: Vec::new(),
                keys: with_version(version),
            })
            .collect());
    };
    if versions.len().saturating_mul(points as usize) > MOST_POINTS {
        return Err(DispatchError::Usage(format!(
            "{} versions of a grid of {points} points are more than {MOST_POINTS} models: dispatch them in parts, by --versions",
            versions.len()
        )));
    }
    let mut slices = Vec::new();
    for version in &versions {
        for first in (1..=points).step_by(per_allocation) {
            let last = first.saturating_add(last_of_slice).min(points);
            let points: Vec<u32> = (first..=last).collect();
            let mut keys = with_version(version);
            keys.insert("points".to_owned(), plan::points_text(&points));
            slices.push(Slice {
                versions: points
                    .iter()
                    .map(|point| format!("{version}.{point}"))
                    .collect(),
                points,
                keys,
            });
        }
    }
    Ok(slices)
}

/// The same for the same work, so that a command that was interrupted dispatches nothing twice when it is given again.
fn token(args: &Args, keys: &BTreeMap<String, String>, payload: &[u8]) -> String {
    let fields = [args.job.as_bytes(), args.campaign.as_bytes()].into_iter();
    let keys = keys
        .iter()
        .flat_map(|(key, value)| [key.as_bytes(), value.as_bytes()]);
    token_of(fields.chain(keys).chain([payload]))
}

/// The token of the dispatch that takes the place of `job`, which a dispatch with `token` began. Whoever asks for it gets the same
/// dispatch, so that no two of them take one place.
#[must_use]
pub fn next_token(token: &str, job: &str) -> String {
    token_of([token.as_bytes(), job.as_bytes()].into_iter())
}

fn token_of<'a>(fields: impl Iterator<Item = &'a [u8]>) -> String {
    let mut digest = Sha256::new();
    for field in fields {
        digest.update((field.len() as u64).to_be_bytes());
        digest.update(field);
    }
    format!("runner-{}", crate::hex(&digest.finalize()))
}

fn check_keys(work: &Work, job: &Parameterized) -> Result<(), String> {
    let required = job.meta_required.as_deref().unwrap_or_default();
    let optional = job.meta_optional.as_deref().unwrap_or_default();
    let missing: Vec<String> = required
        .iter()
        .filter(|key| !work.meta.contains_key(*key))
        .map(|key| format!("{key} ({})", flag(key)))
        .collect();
    if !missing.is_empty() {
        return Err(format!("needs {}", missing.join(", ")));
    }
    let unknown: Vec<&str> = work
        .meta
        .keys()
        .filter(|key| !required.contains(key) && !optional.contains(key))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(format!(
            "does not know {}: leave it out, or add it to the job's `parameterized` block",
            unknown.join(", ")
        ));
    }
    Ok(())
}

fn flag(key: &str) -> String {
    match key {
        "data_url" => "--data".to_owned(),
        "save_path" | "data_path" | "prediction_path" | "gcp_bucket_path" | "model_version"
        | "batch_size" | "epochs" => {
            format!("--{}", key.replace('_', "-"))
        }
        _ => format!("--meta {key}=…"),
    }
}
