//! The line: data -> sandbox -> outputs -> store.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use contract::{DataOrigin, Manifest, Parity, RunnerOrigin, Times, exit};
use jiff::Timestamp;

use crate::data::{self, Dataset};
use crate::digest;
use crate::error::{Error, GuestError};
use crate::json;
use crate::outputs::{self, Outputs};
use crate::plan::{Plan, PlanError, RunPlan};
use crate::platform::NamedFolder;
use crate::report::{Outcome, Status};
use crate::sandbox::{self, Engine, Grants, Guest, LimitHit, Mode, Module, SandboxError, Trust};
use crate::score::parity::Gate;
use crate::store::{self, FolderStore, LocalFile, REJECTED, Store, StoreError, UNPUBLISHED};
use crate::timings::{FETCH, TRAIN, Timings};
use crate::workspace::{self, Workspace};
use crate::{warnings, watchdog};

/// What tags, variables and a grid's values take in a manifest. Bytes.
pub(crate) const MAX_GIVEN: u64 = 1 << 20;

/// A version that was trained, and whose files hold to the contract.
pub struct Trained {
    /// The model's files, and nothing else.
    pub folder: NamedFolder,
    /// The working folder, in which that lies.
    pub above: NamedFolder,
    pub manifest: Manifest,
    /// The file that it was trained on.
    pub dataset: LocalFile,
}

/// What all runs of a process share.
pub struct Prepared {
    pub engine: Arc<Engine>,
    pub module: Module,
    pub dataset: Dataset,
    pub workspace: Workspace,
}

impl Prepared {
    /// Loads the module and fetches the data, side by side.
    ///
    /// # Errors
    /// The one that failed first.
    pub async fn new(plan: &Plan, timings: &Timings) -> Result<Self, Error> {
        let engine = Arc::new(Engine::new(&plan.engine)?);
        let workspace = Workspace::below(&plan.scratch)?;
        let (module, dataset) = tokio::try_join!(
            timings.time(
                "load module",
                load(&engine, &plan.module, &plan.trust, plan.limits.timeout)
            ),
            timings.time(FETCH, async {
                Ok::<_, Error>(data::fetch(&plan.data, workspace.data(), &plan.data_path).await?)
            }),
        )?;
        // Nobody waits for it here: it is known long before a model is trained. Not sooner, when cores are busy.
        tokio::task::spawn_blocking(own_digest);
        Ok(Self {
            engine,
            module,
            dataset,
            workspace,
        })
    }
}

/// Loads a module. Compiling keeps a core busy: it has a thread of its own, so that data arrives meanwhile, and is
/// left to itself after `limit`, for the process ends then.
///
/// # Errors
/// When it can't be run, must not, or takes too long to compile.
pub async fn load(
    engine: &Arc<Engine>,
    module: &Path,
    trust: &Trust,
    limit: Option<Duration>,
) -> Result<Module, Error> {
    let (engine, module, trust) = (engine.clone(), module.to_owned(), trust.clone());
    compiling(limit, aside(move || engine.load(&module, &trust))).await
}

/// Waits for compiling as long as it may take.
pub(crate) async fn compiling<T>(
    limit: Option<Duration>,
    done: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    within(limit, LimitHit::Compiling, done).await
}

/// Waits for something as long as it may take. It is left to itself then: the process ends.
pub(crate) async fn within<T>(
    limit: Option<Duration>,
    hit: impl FnOnce(Duration) -> LimitHit,
    done: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let Some(limit) = limit else {
        return done.await;
    };
    let hit = hit(limit);
    let _watched = watchdog::after(limit, &hit);
    match tokio::time::timeout(limit, done).await {
        Ok(done) => done,
        Err(_) => Err(SandboxError::from(hit).into()),
    }
}

/// Work that keeps a core or a disk busy, on a thread of its own: what else goes on, a signal above all, need not wait.
pub(crate) async fn aside<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Error>
where
    T: Send + 'static,
    E: Into<Error> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Into::into),
        Err(error) => Err(Error::local(
            "a thread of the runner ended early",
            std::io::Error::other(error),
        )),
    }
}

/// Fetches, trains, tests, and publishes or keeps the plan's one version.
///
/// # Errors
/// The stage that failed, and why. Nothing is left behind but what the message names.
pub async fn run(plan: &Plan, run: &RunPlan, timings: &Timings) -> Result<Outcome, Error> {
    let prepared = Prepared::new(plan, timings).await?;
    let trained = run_one(&prepared, plan, run, timings).await?;
    deliver(trained, plan, timings).await
}

/// One version: a guest run on a dataset, and its files checked.
///
/// # Errors
/// When the guest fails, or what it leaves breaks the contract.
pub async fn run_one(
    prepared: &Prepared,
    plan: &Plan,
    run: &RunPlan,
    timings: &Timings,
) -> Result<Trained, Error> {
    let started = Timestamp::now();
    check_given(plan, run)?;
    let Prepared {
        engine,
        module,
        workspace,
        ..
    } = prepared;
    let name = run.version.name();
    let model = workspace.model(&name)?;
    let job = match &run.specification {
        Some(specification) => Some(workspace.job(&name, &specification.bytes)?),
        None => None,
    };
    let guest = Guest {
        mode: Mode::Train,
        grants: Grants {
            data: workspace.data(),
            job: job.as_ref(),
            model: &model,
            predictions: None,
            env: plan.guest_environment(run),
            seed: run.seed,
        },
    };
    let gate = plan.parity.then(|| Gate::ready(&plan.limits, &model));
    let status = timings
        .time(
            TRAIN,
            sandbox::run_guest(engine, module, &guest, &plan.limits),
        )
        .await?;
    if !matches!(status, exit::DONE | exit::GATE_NOT_MET) {
        let report = outputs::error_report(&model)?;
        warnings::log(report.iter().flat_map(|report| &report.warnings));
        return Err(GuestError { status, report }.into());
    }
    let (left, limits, predictions) = (model.clone(), plan.limits, plan.prediction_path.clone());
    let outputs = timings
        .time(
            "check model",
            aside(move || outputs::check(&left, status, &predictions, &limits)),
        )
        .await?;
    let parity = match gate {
        Some(gate) => {
            let checked = gate.check(&model, &outputs, &plan.limits);
            timings.time("parity", checked).await
        }
        None => Parity::NotChecked {
            reason: "--no-parity was given".to_owned(),
        },
    };
    let manifest = manifest(plan, run, prepared, (outputs, parity), started, timings);
    Ok(Trained {
        dataset: LocalFile::beneath(workspace.data(), &plan.data_path),
        above: workspace.root().clone(),
        folder: model,
        manifest,
    })
}

/// What the user says of a version must fit its manifest beside what the guest may leave: that is seen before it trains.
fn check_given(plan: &Plan, run: &RunPlan) -> Result<(), PlanError> {
    let given = json::length(&(&plan.tags, &plan.parameters, &run.grid));
    if given > MAX_GIVEN {
        return Err(PlanError::LongNotes { most: MAX_GIVEN });
    }
    Ok(())
}

fn manifest(
    plan: &Plan,
    run: &RunPlan,
    prepared: &Prepared,
    (outputs, parity): (Outputs, Parity),
    started: Timestamp,
    timings: &Timings,
) -> Manifest {
    let Prepared {
        engine,
        module,
        dataset,
        ..
    } = prepared;
    Manifest {
        schema: Manifest::SCHEMA,
        name: run.version.name(),
        save_path: run.version.save_path.to_string(),
        model_version: run.version.model_version.to_string(),
        id: run.version.id.to_string(),
        files: outputs.files,
        module: module.origin().clone(),
        data: DataOrigin {
            source: dataset.source.clone(),
            bytes: dataset.bytes,
            sha256: dataset.sha256.clone(),
            generation: dataset.generation.clone(),
        },
        specification: run
            .specification
            .as_ref()
            .map(|specification| specification.origin.clone()),
        runner: RunnerOrigin {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            engine: engine.describe().to_owned(),
            sha256: own_digest(),
        },
        seed: run.seed,
        parameters: plan.parameters.clone(),
        tags: plan.tags.clone(),
        grid: run.grid.clone(),
        nomad: plan.nomad.clone(),
        metrics: outputs.metrics,
        parity: Some(parity),
        times: Times {
            started: started.to_string(),
            finished: Timestamp::now().to_string(),
            stages_ms: timings.milliseconds(),
        },
    }
}

/// SHA-256 of this program, where it can be read.
fn own_digest() -> Option<String> {
    static DIGEST: OnceLock<Option<String>> = OnceLock::new();
    let digest = DIGEST.get_or_init(|| {
        let program = std::fs::File::open(std::env::current_exe().ok()?).ok()?;
        Some(digest::sha256(program).ok()?.1)
    });
    digest.clone()
}

/// Publishes a version, or keeps it in a local folder.
///
/// # Errors
/// When neither the store nor the folder takes it.
pub async fn deliver(trained: Trained, plan: &Plan, timings: &Timings) -> Result<Outcome, Error> {
    let warnings = trained.manifest.metrics.warnings();
    let delivered = place(trained, plan, timings).await;
    // There is no result that shows them.
    if delivered.is_err() {
        warnings::log(&warnings);
    }
    delivered
}

async fn place(trained: Trained, plan: &Plan, timings: &Timings) -> Result<Outcome, Error> {
    store::write_manifest(&trained.folder, &trained.manifest)?;
    if !trained.manifest.met_its_gates() && !plan.defer_gate {
        return timings.time("reject", reject(trained, plan)).await;
    }
    let Some(target) = &plan.store else {
        let kept = timings.time("keep", keep_for_push(&trained, plan)).await?;
        return Ok(outcome(
            Status::Kept,
            kept.path().display().to_string(),
            trained.manifest,
        ));
    };
    let publish = async {
        let store = target.open()?;
        share(&*store, &trained, plan).await?;
        store::publish(&*store, &trained.folder).await
    };
    match timings.time("publish", publish).await {
        Ok(published) => {
            let status = if published.already_there {
                Status::AlreadyPublished
            } else {
                Status::Published
            };
            Ok(outcome(status, published.url, published.manifest))
        }
        // An hour of training is not thrown away because a bucket was out of reach.
        Err(source) => match keep_for_push(&trained, plan).await {
            Ok(kept) => {
                let kept = kept.path().to_owned();
                Err(Error::NotPublished { source, kept })
            }
            Err(Error::NotPublished { kept, .. }) => Err(Error::NotPublished { source, kept }),
            Err(error) => {
                tracing::error!("{source}");
                Err(error)
            }
        },
    }
}

/// Keeps a version below `--out`, which is laid out as a store is: `runner push` finds module and data there.
async fn keep_for_push(trained: &Trained, plan: &Plan) -> Result<NamedFolder, Error> {
    // The model first: whatever happens next, it is safe.
    let kept = keep(trained, &plan.out, Path::new(""))?;
    let beside = FolderStore::new(plan.out.clone());
    match share(&beside, trained, plan).await {
        Ok(()) => Ok(kept),
        Err(source) => {
            let kept = kept.path().to_owned();
            Err(Error::NotPublished { source, kept })
        }
    }
}

/// Stores by content what all versions have in common: the module, and the data where that is wanted.
async fn share(store: &dyn Store, trained: &Trained, plan: &Plan) -> Result<(), StoreError> {
    // Compiled code never stands for its module: the `.wasm` lies beside it.
    let module = LocalFile::named(&sandbox::source_of(&plan.module));
    store::store_module(store, &module, &trained.manifest.module.sha256).await?;
    if plan.keep_data {
        store::store_data(store, &trained.dataset, &trained.manifest.data.sha256).await?;
    }
    Ok(())
}

/// Keeps a version that missed a gate for its author to look at, and lets the store know the verdict.
async fn reject(trained: Trained, plan: &Plan) -> Result<Outcome, Error> {
    let kept = keep(&trained, &plan.out, Path::new(REJECTED))?;
    if let Some(target) = &plan.store {
        let recorded = async { store::record_rejected(&*target.open()?, &kept).await };
        if let Err(source) = recorded.await {
            let kept = kept.path().to_owned();
            return Err(Error::NotPublished { source, kept });
        }
    }
    Ok(outcome(
        Status::GateNotMet,
        kept.path().display().to_string(),
        trained.manifest,
    ))
}

/// Moves a model into the folder `below` of `out` and tells where it is. That very model may be there already: a task that
/// was started again in its allocation.
fn keep(trained: &Trained, out: &Path, below: &Path) -> Result<NamedFolder, Error> {
    let relative = below.join(&trained.manifest.name);
    let cannot = |error| {
        let what = format!(
            "cannot keep the model as {}: choose another folder with --out",
            out.join(&relative).display()
        );
        Error::local(what, error)
    };
    let opened = NamedFolder::open_or_make(out).map_err(cannot)?;
    match workspace::move_folder(&trained.above, &trained.folder, &opened, &relative) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        moved => return moved.map_err(cannot),
    }
    let other = || Err(Error::OtherModelKept(out.join(&relative)));
    let there = opened.beneath(&relative).ok();
    let manifest = there.as_ref().map(store::read_manifest);
    match (there, manifest) {
        (Some(there), Some(Ok((manifest, _)))) if manifest.same_model(&trained.manifest) => {
            Ok(there)
        }
        (_, Some(Ok(_))) => other(),
        // No model is there: a publication into this very folder that ended half-way.
        _ if !below.ends_with(UNPUBLISHED) => keep(trained, out, &below.join(UNPUBLISHED)),
        _ => other(),
    }
}

fn outcome(status: Status, location: String, manifest: Manifest) -> Outcome {
    Outcome {
        status,
        location,
        manifest,
    }
}
