//! Raw arguments and Nomad's environment -> a validated plan. The rest of the code never sees a flag.
//!
//! A flag beats the specification, which beats Nomad's variable, which beats the default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contract::{GridPoint, NomadOrigin, RunParameters, files};

use crate::commands::run::Args;
use crate::data;
use crate::nomad::Nomad;
use crate::sandbox::{EngineOptions, Limits, Trust};
use crate::store::Target;

mod error;
mod grid;
mod paths;
mod specification;
mod version;

pub use error::PlanError;
pub use grid::{Grid, MOST_POINTS, Point, points_text};
pub use paths::held_out;
pub use specification::{Specification, read_file};
pub use version::{Version, derived_seed, range_of};

/// What a process is to do, complete and checked.
pub struct Plan {
    pub module: PathBuf,
    pub data: data::Request,
    /// Relative to `/data`.
    pub data_path: PathBuf,
    /// Relative to `/model`.
    pub prediction_path: PathBuf,
    pub parameters: RunParameters,
    /// The contract's variables that came from a flag, and so beat the specification.
    pub flags: Vec<&'static str>,
    pub tags: BTreeMap<String, String>,
    /// Where in Nomad this takes place.
    pub nomad: Option<NomadOrigin>,
    /// Which modules may run.
    pub trust: Trust,
    pub engine: EngineOptions,
    /// Of each guest.
    pub limits: Limits,
    /// Where models are published; without one they are kept in `out`.
    pub store: Option<Target>,
    pub out: PathBuf,
    /// Where the working folders are made.
    pub scratch: PathBuf,
    /// A missed gate is left for `runner push` to judge.
    pub defer_gate: bool,
    /// Models are published only when their ONNX form is proven equal.
    pub parity: bool,
    /// The data is stored with the models.
    pub keep_data: bool,
    /// One, or the points of a grid, or a range of versions.
    pub runs: Vec<RunPlan>,
    /// Guests at a time.
    pub jobs: usize,
}

/// What tells one version from the others of a process.
#[derive(Clone, Debug)]
pub struct RunPlan {
    pub version: Version,
    pub seed: u64,
    pub specification: Option<Specification>,
    pub grid: Option<GridPoint>,
}

/// Variables that the contract sets: `--env` may not name them.
pub const CONTRACT_VARIABLES: [&str; 11] = [
    "CONTRACT",
    "VERSION",
    "MODEL_VERSION",
    "SAVE_PATH",
    "DATA_PATH",
    "PREDICTION_PATH",
    "SEED",
    "BATCH_SIZE",
    "EPOCHS",
    "PIPELINE_SPEC",
    "FLAGS",
];

impl Plan {
    /// Resolves every default.
    ///
    /// # Errors
    /// The first argument or variable that is wrong, by the name under which it was given.
    pub fn new(args: &Args, nomad: &Nomad) -> Result<Self, PlanError> {
        let batch_size = count(
            args.batch_size,
            "NOMAD_META_batch_size",
            nomad.meta.batch_size.as_deref(),
        )?;
        let epochs = count(
            args.epochs,
            "NOMAD_META_epochs",
            nomad.meta.epochs.as_deref(),
        )?;
        let flags = [
            ("SEED", args.seed.is_some()),
            ("BATCH_SIZE", args.batch_size.is_some()),
            ("EPOCHS", args.epochs.is_some()),
        ];
        let env = pairs("--env", &args.env)?;
        if let Some(name) = env
            .keys()
            .find(|name| CONTRACT_VARIABLES.contains(&name.as_str()))
        {
            return Err(PlanError::ReservedVariable(name.clone()));
        }
        let store = args.store.target()?;
        // Only a plain path is looked for.
        let data_path = paths::data_path(args, nomad)?;
        let out = out(args, nomad);
        let runs = runs(args, nomad)?;
        let jobs = jobs(args, nomad, runs.len());
        Ok(Self {
            module: args.module.clone(),
            data: request(args, nomad, store.as_ref())?,
            data_path,
            prediction_path: paths::prediction_path(args, nomad)?,
            parameters: RunParameters {
                batch_size,
                epochs,
                env,
            },
            flags: flags
                .into_iter()
                .filter_map(|(name, given)| given.then_some(name))
                .collect(),
            tags: pairs("--tag", &args.tag)?,
            nomad: nomad.origin(),
            trust: args.sandbox.engine.trust(),
            engine: args.sandbox.engine.options(nomad),
            limits: args.sandbox.limits(nomad, jobs),
            scratch: scratch(args, nomad, store.is_some(), &out),
            store,
            out,
            defer_gate: args.defer_gate,
            parity: !args.no_parity,
            keep_data: args.keep_data,
            runs,
            jobs,
        })
    }

    /// The variables that the guest of `run` sees, and no others.
    #[must_use]
    pub fn guest_environment(&self, run: &RunPlan) -> BTreeMap<String, String> {
        let version = &run.version;
        let mut env = self.parameters.env.clone();
        let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
        set("CONTRACT", contract::CONTRACT.to_string());
        set(
            "VERSION",
            format!("{}_{}", version.model_version, version.id),
        );
        set("MODEL_VERSION", version.model_version.to_string());
        set("SAVE_PATH", version.save_path.to_string());
        set("DATA_PATH", below(files::DATA, &self.data_path));
        set(
            "PREDICTION_PATH",
            below(files::MODEL, &self.prediction_path),
        );
        set("SEED", run.seed.to_string());
        if let Some(batch_size) = self.parameters.batch_size {
            set("BATCH_SIZE", batch_size.to_string());
        }
        if let Some(epochs) = self.parameters.epochs {
            set("EPOCHS", epochs.to_string());
        }
        if run.specification.is_some() {
            set(
                "PIPELINE_SPEC",
                below(files::JOB, Path::new(files::PIPELINE_TOML)),
            );
        }
        if !self.flags.is_empty() {
            set("FLAGS", self.flags.join(","));
        }
        env
    }
}

/// Versions trained at a time: what is asked for, or a core each, as far as the task's memory goes.
fn jobs(args: &Args, nomad: &Nomad, runs: usize) -> usize {
    let engine = &args.sandbox.engine;
    let most = engine.most_guests(nomad, args.jobs.is_some()).min(runs);
    let asked = args.jobs.map_or_else(cores, usize::from);
    if most < asked.min(runs) {
        tracing::warn!(
            "the task's memory is enough for {most} at a time, not {asked}: give it more, or each version less (--memory)"
        );
    }
    asked.min(most)
}

/// Cores that this task may use: Nomad's share of them counts.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn below(folder: &str, path: &Path) -> String {
    format!("{folder}/{}", path.display())
}

/// One run, or one for each version asked for, or one for each point of the specification's grid.
fn runs(args: &Args, nomad: &Nomad) -> Result<Vec<RunPlan>, PlanError> {
    let specification = specification::read(args.spec.as_deref(), nomad.task_dir.as_deref())?;
    let grid = match &specification {
        Some(specification) => Grid::of(specification)?,
        None => None,
    };
    let asked = args.points.as_ref().or(nomad.meta.points.as_ref());
    let points = match (&grid, asked) {
        (Some(grid), Some(text)) => Some(grid.named(text)?),
        (Some(grid), None) => Some((1..=grid.points()).collect()),
        (None, Some(text)) => Some(grid::points(text, 0)?),
        (None, None) => None,
    };
    let alloc_index = nomad.alloc_index.unwrap_or(0);
    let run =
        |version: Version, specification: Option<Specification>, grid: Option<GridPoint>| RunPlan {
            seed: args
                .seed
                .unwrap_or_else(|| derived_seed(version.model_version.as_str(), alloc_index)),
            version,
            specification,
            grid,
        };
    let versions = version::versions(args, nomad)?;
    let (Some(grid), Some(points)) = (grid, points) else {
        let of_each = |version| run(version, specification.clone(), None);
        return Ok(versions.into_iter().map(of_each).collect());
    };
    check_size(&grid, versions.len(), points.len())?;
    let points: Vec<Point> = points
        .into_iter()
        .map(|number| grid.point(number))
        .collect::<Result<_, _>>()?;
    let mut runs = Vec::with_capacity(versions.len() * points.len());
    for version in versions {
        for point in &points {
            let version = version.point(point.place.point)?;
            let specification = Some(point.specification.clone());
            runs.push(run(version, specification, Some(point.place.clone())));
        }
    }
    Ok(runs)
}

/// Refuses more models than a process holds the plan of.
fn check_size(grid: &Grid, versions: usize, points: usize) -> Result<(), PlanError> {
    let runs = versions.saturating_mul(points);
    if runs > MOST_POINTS {
        return Err(PlanError::TooMany { versions, points });
    }
    let point_bytes = grid.point_bytes();
    if runs.saturating_mul(point_bytes) > grid::MOST_BYTES {
        return Err(PlanError::TooLong { runs, point_bytes });
    }
    Ok(())
}

/// Where the data comes from: a flag, Nomad's `data_url`, or the file that the data path names.
fn request(args: &Args, nomad: &Nomad, store: Option<&Target>) -> Result<data::Request, PlanError> {
    let source = args
        .data
        .source
        .as_deref()
        .or(nomad.meta.data_url.as_deref());
    let path = args
        .data_path
        .as_deref()
        .or(nomad.meta.data_path.as_deref());
    let source = match (source, path) {
        (Some(source), _) => source.to_owned(),
        (None, Some(path)) => {
            let existing = args.data.existing(path, nomad)?;
            existing.ok_or(PlanError::NoData)?
        }
        (None, None) => return Err(PlanError::NoData),
    };
    let store = store.map(|target| &target.location);
    let request = args.data.request(&source, nomad, store)?;
    Ok(request.with_store(args.store.access.options()))
}

fn out(args: &Args, nomad: &Nomad) -> PathBuf {
    match (&args.out, &nomad.alloc_dir) {
        (Some(out), _) => out.clone(),
        (None, Some(alloc_dir)) => alloc_dir.join("models"),
        (None, None) => PathBuf::from("runs"),
    }
}

/// Beside the models that stay, so that they are moved and not copied; else where temporary files belong.
fn scratch(args: &Args, nomad: &Nomad, published: bool, out: &Path) -> PathBuf {
    if !published || args.out.is_some() {
        return out.to_owned();
    }
    nomad.task_dir.clone().unwrap_or_else(std::env::temp_dir)
}

fn count(
    flag: Option<u32>,
    variable: &'static str,
    value: Option<&str>,
) -> Result<Option<u32>, PlanError> {
    let Some(value) = value.filter(|_| flag.is_none()) else {
        return Ok(flag);
    };
    match value.parse() {
        Ok(count) if count > 0 => Ok(Some(count)),
        _ => Err(PlanError::Number {
            flag: variable,
            value: value.to_owned(),
            least: 1,
            most: u64::from(u32::MAX),
        }),
    }
}

fn pairs(flag: &'static str, texts: &[String]) -> Result<BTreeMap<String, String>, PlanError> {
    texts
        .iter()
        .map(|text| match text.split_once('=') {
            Some((key, value)) if !key.is_empty() && !text.contains('\0') => {
                Ok((key.to_owned(), value.to_owned()))
            }
            _ => Err(PlanError::Pair {
                flag,
                text: text.clone(),
            }),
        })
        .collect()
}
