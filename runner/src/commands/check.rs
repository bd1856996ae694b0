//! `runner check`: a module against the contract, on a dataset of a few rows.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{FileEntry, exit, files};

use super::{limits, output};
use crate::error::Error;
use crate::exit::Exit;
use crate::foreign;
use crate::nomad::Nomad;
use crate::outputs;
use crate::platform::{NamedFolder, WorkFolder};
use crate::run::load;
use crate::sandbox::{Engine, Grants, Guest, Limits, Mode, Module, run_guest};
use crate::workspace::working_folder;

const DATA_FILE: &str = "rows.csv";
const PREDICTION_FILE: &str = "predictions.csv";
const SPECIFICATION: &str = "target = \"won\"\n";
/// Two classes and two numbers, no value missing.
const ROWS: usize = 60;

#[derive(clap::Args)]
pub struct Args {
    /// The training module
    #[arg(value_name = "WORKLOAD.WASM")]
    pub module: PathBuf,

    #[command(flatten)]
    pub sandbox: limits::Args,
}

/// One promise of the contract, and whether the module keeps it.
type Finding = (&'static str, Result<String, String>);

/// Prints each promise and whether it is kept; ends with 15 when one is broken.
///
/// # Errors
/// When the module is no WASI command, or this machine can't run it.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let nomad = Nomad::from_environment();
    let engine = Arc::new(Engine::new(&args.sandbox.engine.options(&nomad))?);
    let limits = args.sandbox.limits(&nomad, 1);
    let trust = args.sandbox.engine.trust();
    let trial = Trial {
        module: load(&engine, &args.module, &trust, limits.timeout).await?,
        engine,
        limits,
        folder: NamedFolder::open(&std::env::temp_dir())
            .and_then(|above| working_folder(&above))
            .map_err(|error| Error::local("cannot make a temporary folder", error))?,
    };
    let findings = trial.all().await?;
    let lines: Vec<String> = findings.iter().map(line).collect();
    output::print(lines.join("\n"))?;
    Ok(if findings.iter().all(|(_, finding)| finding.is_ok()) {
        Exit::Done
    } else {
        Exit::BadOutput
    })
}

/// Details and reasons quote the module.
fn line((promise, finding): &Finding) -> String {
    match finding {
        Ok(detail) if detail.is_empty() => format!("keeps   {promise}"),
        Ok(detail) => format!("keeps   {promise}: {}", foreign::line(detail)),
        Err(reason) => format!("BREAKS  {promise}: {}", foreign::line(reason)),
    }
}

struct Trial {
    engine: Arc<Engine>,
    module: Module,
    limits: Limits,
    folder: WorkFolder,
}

impl Trial {
    async fn all(&self) -> Result<Vec<Finding>, Error> {
        let mut findings: Vec<Finding> = vec![(
            "is a WASI preview 1 command",
            Ok(self.module.origin().file.clone()),
        )];
        let first = self.train("first", &rows(), SPECIFICATION).await?;
        let model = self.model(&first);
        let trained = model.is_ok();
        findings.push((
            "`train` leaves a model, its metrics and the predictions",
            model
                .as_ref()
                .map(|files| format!("{} files", files.len()))
                .map_err(Clone::clone),
        ));
        if trained {
            let again = self.train("again", &rows(), SPECIFICATION).await?;
            findings.push(("equal inputs give equal bytes", self.same(model, &again)));
            findings.push((
                "`predict` reads the model and leaves predictions",
                self.predict(&first.folder).await?,
            ));
        }
        let bad = self
            .train("bad-data", b"\xff\x00\xfe no table", SPECIFICATION)
            .await?;
        findings.push((
            "bad data ends with status 4 and error.json",
            bad.reports(exit::BAD_DATA),
        ));
        let bad = self
            .train("bad-specification", &rows(), "target = [unclosed\n")
            .await?;
        findings.push((
            "a bad specification ends with status 3 and error.json",
            bad.reports(exit::BAD_SPECIFICATION),
        ));
        Ok(findings)
    }

    /// Trains in folders of its own, below `name`.
    async fn train(&self, name: &str, data: &[u8], specification: &str) -> Result<Ended, Error> {
        let [data_folder, job, model] = [
            self.make(&format!("{name}/data"))?,
            self.make(&format!("{name}/job"))?,
            self.make(&format!("{name}/model"))?,
        ];
        write(&data_folder, DATA_FILE, data)?;
        write(&job, files::PIPELINE_TOML, specification.as_bytes())?;
        let guest = Guest {
            mode: Mode::Train,
            grants: Grants {
                data: &data_folder,
                job: Some(&job),
                model: &model,
                predictions: None,
                env: environment(files::MODEL),
                seed: 1,
            },
        };
        Ok(Ended {
            status: self.guest(&guest).await,
            folder: model,
        })
    }

    async fn predict(&self, model: &NamedFolder) -> Result<Result<String, String>, Error> {
        let data = self.make("first/data")?;
        let predictions = self.make("predictions")?;
        let guest = Guest {
            mode: Mode::Predict,
            grants: Grants {
                data: &data,
                job: None,
                model,
                predictions: Some(&predictions),
                env: environment(files::PREDICTIONS),
                seed: 1,
            },
        };
        Ok(match self.guest(&guest).await {
            Ok(exit::DONE) => outputs::list(&predictions, &self.limits)
                .map_err(|error| error.to_string())
                .and_then(|files| holds(&files)),
            Ok(status) => Err(format!("it ended with status {status}")),
            Err(reason) => Err(reason),
        })
    }

    /// A folder of the trial's own, made if it is missing.
    fn make(&self, relative: &str) -> Result<NamedFolder, Error> {
        self.folder
            .folder()
            .make_beneath(relative)
            .map_err(|error| {
                let folder = self.folder.path().join(relative);
                Error::local(format!("cannot make {}", folder.display()), error)
            })
    }

    async fn guest(&self, guest: &Guest<'_>) -> Result<i32, String> {
        run_guest(&self.engine, &self.module, guest, &self.limits)
            .await
            .map_err(|error| error.to_string())
    }

    /// The files of a model that keeps the contract.
    fn model(&self, ended: &Ended) -> Result<Vec<FileEntry>, String> {
        match ended.status.clone()? {
            status @ (exit::DONE | exit::GATE_NOT_MET) => {
                let predictions = Path::new(PREDICTION_FILE);
                outputs::check(&ended.folder, status, predictions, &self.limits)
                    .map(|outputs| outputs.files)
                    .map_err(|error| error.to_string())
            }
            status => Err(format!("it ended with status {status}")),
        }
    }

    fn same(&self, first: Result<Vec<FileEntry>, String>, again: &Ended) -> Result<String, String> {
        let (first, again) = (first?, self.model(again)?);
        match first.iter().zip(&again).find(|(one, other)| one != other) {
            Some((one, _)) => Err(format!("{} differs between two runs", one.path)),
            None if first.len() != again.len() => Err("the second run left other files".to_owned()),
            None => Ok(String::new()),
        }
    }
}

/// A training that has ended.
struct Ended {
    status: Result<i32, String>,
    folder: NamedFolder,
}

impl Ended {
    /// It failed as it should, and says why.
    fn reports(&self, expected: i32) -> Result<String, String> {
        let status = self.status.clone()?;
        if status != expected {
            return Err(format!("it ended with status {status}"));
        }
        match outputs::error_report(&self.folder) {
            Ok(Some(report)) if !report.message.is_empty() => Ok(report.message),
            Ok(_) => Err("it left no message in /model/error.json".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Whether the predictions are where `PREDICTION_PATH` says.
fn holds(found: &[FileEntry]) -> Result<String, String> {
    if found
        .iter()
        .any(|file| file.path == PREDICTION_FILE && file.bytes > 0)
    {
        return Ok(String::new());
    }
    Err(format!(
        "it left no predictions where PREDICTION_PATH says ({PREDICTION_FILE})"
    ))
}

fn environment(predictions: &str) -> BTreeMap<String, String> {
    [
        ("VERSION", "1_check".to_owned()),
        ("MODEL_VERSION", "1".to_owned()),
        ("SAVE_PATH", "check".to_owned()),
        ("DATA_PATH", format!("{}/{DATA_FILE}", files::DATA)),
        (
            "PREDICTION_PATH",
            format!("{predictions}/{PREDICTION_FILE}"),
        ),
        (
            "PIPELINE_SPEC",
            format!("{}/{}", files::JOB, files::PIPELINE_TOML),
        ),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn rows() -> Vec<u8> {
    let mut text = "amount,days,won\n".to_owned();
    for row in 0..ROWS {
        let (amount, days) = (row * 37 % 100, row * 17 % 30);
        let won = if amount + 2 * days > 80 { "yes" } else { "no" };
        text.push_str(&format!("{amount},{days},{won}\n"));
    }
    text.into_bytes()
}

fn write(folder: &NamedFolder, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let written = folder.create(name, 0o666);
    let written = written.and_then(|mut file| file.write_all(bytes));
    written.map_err(|error| {
        let file = folder.path().join(name);
        Error::local(format!("cannot write {}", file.display()), error)
    })
}
