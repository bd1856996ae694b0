//! What the guest left, checked before anything else reads it.
//!
//! The guest is not trusted: nothing it left is followed, only regular files with plain names are taken, and what
//! the contract asks for must be there and be valid.

mod tree;

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use contract::{Check, ErrorReport, FileEntry, Metrics, files};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::exit::Exit;
use crate::sandbox::Limits;
use tree::{Folder, Problem};

/// Larger reports are no reports. Bytes.
const MAX_REPORT: u64 = 64 << 20;
/// How much of either end of `model.json` tells whether it is whole. Bytes.
const END: u64 = 64;
/// Rows of `check.json`.
pub(crate) const MAX_CHECK_ROWS: usize = 1_000;

/// A model that keeps the contract.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    /// Every file of the model, sorted by path; `check.json` is none of them.
    pub files: Vec<FileEntry>,
    pub metrics: Metrics,
    /// What `check.json` held. The file itself is gone.
    pub check: Option<Check>,
}

/// What the guest left breaks the contract.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error(
        "the guest left {name}: {problem}; a model holds regular files with plain names, and nothing else"
    )]
    Refused { name: String, problem: Problem },
    #[error("the guest left no {0}, which the contract asks for (docs/contract.md)")]
    Missing(&'static str),
    #[error(
        "the guest left a {name} that is not as the contract has it: {reason} (docs/contract.md)"
    )]
    Invalid { name: &'static str, reason: String },
    #[error(
        "the guest left a manifest.json: the runner writes that one, and it alone; use another name"
    )]
    OwnManifest,
    #[error(
        "the guest ended with status 0, but its metrics.json says that the gate on {metric} was missed"
    )]
    GateContradiction { metric: String },
    #[error(
        "the guest ended with status 5, which says that a gate was missed, but its metrics.json names no such gate"
    )]
    NoMissedGate,
    #[error("the guest left more than {limit} {what}; raise {flag}, or let it leave less")]
    TooMuch {
        limit: u64,
        what: &'static str,
        flag: &'static str,
    },
    #[error("cannot read what the guest left: {0}")]
    Io(#[source] std::io::Error),
}

impl OutputError {
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Io(_) => Exit::Local,
            Self::TooMuch { .. } => Exit::LimitHit,
            _ => Exit::BadOutput,
        }
    }
}

/// Checks a model that the guest left with status 0 or 5, and takes `check.json` out of its folder.
///
/// # Errors
/// When a file is refused, missing or invalid, or when the folder can't be read.
pub fn check(model: &Path, status: i32, limits: &Limits) -> Result<Outputs, OutputError> {
    let folder = Folder::open(model)?;
    let mut files = folder.list(limits)?;
    if files.iter().any(|file| file.path == files::MANIFEST_JSON) {
        return Err(OutputError::OwnManifest);
    }
    let metrics = metrics(&folder, status)?;
    whole(&folder)?;
    let check = rows_in(&folder)?;
    if check.is_some() {
        folder.remove(files::CHECK_JSON)?;
        files.retain(|file| file.path != files::CHECK_JSON);
    }
    Ok(Outputs {
        files,
        metrics,
        check,
    })
}

/// Whether all of `model.json` is JSON: for `runner check`, since a large model takes longer to read than to publish.
///
/// # Errors
/// When it is not.
pub fn model_is_json(model: &Path) -> Result<(), OutputError> {
    let file = Folder::open(model)?
        .open_file(files::MODEL_JSON)?
        .ok_or(OutputError::Missing(files::MODEL_JSON))?;
    // As it comes: a model may be as large as the output limit lets it be.
    match serde_json::from_reader::<_, IgnoredAny>(BufReader::with_capacity(64 << 10, file)) {
        Ok(_) => Ok(()),
        Err(error) => Err(invalid(files::MODEL_JSON, &error)),
    }
}

fn invalid(name: &'static str, error: &serde_json::Error) -> OutputError {
    OutputError::Invalid {
        name,
        reason: error.to_string(),
    }
}

/// `model.json` is there, and is an object that was written to its end.
fn whole(folder: &Folder) -> Result<(), OutputError> {
    let mut file = folder
        .open_file(files::MODEL_JSON)?
        .ok_or(OutputError::Missing(files::MODEL_JSON))?;
    let mut ends = Vec::new();
    file.by_ref()
        .take(END)
        .read_to_end(&mut ends)
        .map_err(OutputError::Io)?;
    let object = ends.trim_ascii_start().starts_with(b"{");
    let length = file.metadata().map_err(OutputError::Io)?.len();
    ends.clear();
    file.seek(SeekFrom::Start(length.saturating_sub(END)))
        .map_err(OutputError::Io)?;
    file.read_to_end(&mut ends).map_err(OutputError::Io)?;
    if object && ends.trim_ascii_end().ends_with(b"}") {
        return Ok(());
    }
    Err(OutputError::Invalid {
        name: files::MODEL_JSON,
        reason: "it is no JSON object, or was cut short".to_owned(),
    })
}

/// The files in a folder that the guest left in mode `predict`, sorted by path.
///
/// # Errors
/// When a file is refused, or when the folder can't be read.
pub fn list(predictions: &Path, limits: &Limits) -> Result<Vec<FileEntry>, OutputError> {
    Folder::open(predictions)?.list(limits)
}

/// What the guest says of its failure, beside the statuses 3, 4 and 5. `None` when it left no `error.json`.
///
/// # Errors
/// When that file is not as the contract has it.
pub fn error_report(model: &Path) -> Result<Option<ErrorReport>, OutputError> {
    read(&Folder::open(model)?, files::ERROR_JSON, MAX_REPORT)
}

fn metrics(folder: &Folder, status: i32) -> Result<Metrics, OutputError> {
    let metrics: Metrics = read(folder, files::METRICS_JSON, MAX_REPORT)?
        .ok_or(OutputError::Missing(files::METRICS_JSON))?;
    let invalid = |reason: String| {
        Err(OutputError::Invalid {
            name: files::METRICS_JSON,
            reason,
        })
    };
    if metrics.contract != contract::CONTRACT {
        return invalid(format!(
            "it is of version {} of the contract, and this runner knows version {}",
            metrics.contract,
            contract::CONTRACT
        ));
    }
    if metrics.primary.name.is_empty() {
        return invalid("`primary` has no name".into());
    }
    // Whoever publishes goes by the gates in the manifest: the status must not say otherwise.
    match (metrics.gates.iter().find(|gate| !gate.met), status) {
        (Some(missed), contract::exit::DONE) => Err(OutputError::GateContradiction {
            metric: missed.metric.clone(),
        }),
        (None, contract::exit::GATE_NOT_MET) => Err(OutputError::NoMissedGate),
        _ => Ok(metrics),
    }
}

/// The rows of `check.json` in a folder that a guest may still be filling. `None` when it is not there.
///
/// # Errors
/// When it is refused or invalid, or can't be read.
#[cfg(feature = "score")]
pub(crate) fn check_rows(model: &Path) -> Result<Option<Check>, OutputError> {
    rows_in(&Folder::open(model)?)
}

fn rows_in(folder: &Folder) -> Result<Option<Check>, OutputError> {
    let check = read(folder, files::CHECK_JSON, MAX_REPORT)?;
    check.as_ref().map(of_one_length).transpose()?;
    Ok(check)
}

fn of_one_length(check: &Check) -> Result<(), OutputError> {
    let lengths = check
        .columns
        .iter()
        .map(|column| match &column.values {
            contract::CheckValues::Number(values) => values.len(),
            contract::CheckValues::Text(values) => values.len(),
        })
        .chain(
            [
                check.labels.len(),
                check.probabilities.len(),
                check.predictions.len(),
            ]
            .into_iter()
            .filter(|length| *length > 0),
        );
    let (mut least, mut most) = (usize::MAX, 0);
    for length in lengths {
        least = least.min(length);
        most = most.max(length);
    }
    if most > MAX_CHECK_ROWS || least < most {
        return Err(OutputError::Invalid {
            name: files::CHECK_JSON,
            reason: format!(
                "its columns must be of one length, at most {MAX_CHECK_ROWS}; they are of {least} to {most}"
            ),
        });
    }
    Ok(())
}

/// Reads a JSON file of the folder's top. `None` when it is not there.
fn read<T: DeserializeOwned>(
    folder: &Folder,
    name: &'static str,
    limit: u64,
) -> Result<Option<T>, OutputError> {
    let Some(file) = folder.open_file(name)? else {
        return Ok(None);
    };
    // Read whole: serde_json takes several times as long byte by byte.
    let mut text = Vec::new();
    file.take(limit)
        .read_to_end(&mut text)
        .map_err(OutputError::Io)?;
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| invalid(name, &error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    const METRICS: &str = r#"{"contract":1,"task":"regression","rows":{"read":9,"kept":9,"train":6,"held_out":3},
        "held_out":{"rmse":0.5},"primary":{"name":"rmse","higher_is_better":false,"held_out":0.5}}"#;

    fn model() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.json"), "{}").unwrap();
        fs::write(folder.path().join("metrics.json"), METRICS).unwrap();
        folder
    }

    fn refused(folder: &tempfile::TempDir) -> String {
        let error = check(folder.path(), 0, &Limits::default()).unwrap_err();
        assert_eq!(error.exit(), Exit::BadOutput, "{error}");
        error.to_string()
    }

    #[test]
    fn a_model_is_listed_with_sizes_and_digests_in_order() {
        let folder = model();
        fs::create_dir_all(folder.path().join("parts/empty")).unwrap();
        fs::write(folder.path().join("parts/a.bin"), "abc").unwrap();
        let outputs = check(folder.path(), 0, &Limits::default()).unwrap();
        let paths: Vec<&str> = outputs
            .files
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        assert_eq!(paths, ["metrics.json", "model.json", "parts/a.bin"]);
        assert_eq!(outputs.files[2].bytes, 3);
        assert_eq!(
            outputs.files[2].sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(outputs.metrics.primary.held_out, 0.5);
        assert_eq!(outputs.check, None);
    }

    #[test]
    fn check_json_is_read_and_is_no_part_of_the_model() {
        let folder = model();
        let rows =
            r#"{"columns":[{"name":"x","values":{"number":[1.0,null]}}],"predictions":[1.0,2.0]}"#;
        fs::write(folder.path().join("check.json"), rows).unwrap();
        let outputs = check(folder.path(), 0, &Limits::default()).unwrap();
        assert_eq!(outputs.check.unwrap().predictions, [1.0, 2.0]);
        assert_eq!(outputs.files.len(), 2);
        assert!(!folder.path().join("check.json").exists());

        let uneven = rows.replace("[1.0,2.0]", "[1.0]");
        fs::write(folder.path().join("check.json"), uneven).unwrap();
        assert!(refused(&folder).contains("of one length"));
    }

    #[test]
    fn links_and_pipes_are_refused_and_never_followed() {
        let secret = tempfile::tempdir().unwrap();
        fs::write(secret.path().join("token"), "secret").unwrap();

        let folder = model();
        symlink(secret.path().join("token"), folder.path().join("weights")).unwrap();
        assert!(refused(&folder).contains("weights: it is a symbolic link"));

        let folder = model();
        symlink(secret.path(), folder.path().join("more")).unwrap();
        assert!(refused(&folder).contains("more: it is a symbolic link"));

        let folder = model();
        fs::remove_file(folder.path().join("model.json")).unwrap();
        symlink(
            secret.path().join("token"),
            folder.path().join("model.json"),
        )
        .unwrap();
        assert!(refused(&folder).contains("model.json: it is a symbolic link"));

        let folder = model();
        fs::hard_link(folder.path().join("model.json"), folder.path().join("twin")).unwrap();
        assert!(refused(&folder).contains("it is a hard link"));

        let folder = model();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(refused(&folder).contains("pipe: it is no regular file"));
    }

    #[test]
    fn odd_names_are_refused_and_shown_harmlessly() {
        for name in [&b"two\nlines"[..], b"\x1b[2J", b"\xff\xfe", b"back\\slash"] {
            let folder = model();
            fs::write(folder.path().join(OsStr::from_bytes(name)), "").unwrap();
            let message = refused(&folder);
            assert!(message.contains("its name"), "{message}");
            assert!(!message.chars().any(char::is_control), "{message:?}");
        }
    }

    #[test]
    fn a_deep_tree_is_refused_without_walking_it() {
        let folder = model();
        fs::create_dir_all(folder.path().join("d/".repeat(100))).unwrap();
        assert!(refused(&folder).contains("deeper than"));
    }

    #[test]
    fn what_the_contract_asks_for_must_be_there_and_valid() {
        let folder = model();
        fs::remove_file(folder.path().join("model.json")).unwrap();
        assert!(refused(&folder).contains("no model.json"));

        let folder = model();
        fs::write(folder.path().join("model.json"), "{\"weights\": NaN}").unwrap();
        assert!(model_is_json(folder.path()).is_err());
        for broken in ["", "{\"weights\": [1, 2", "12}"] {
            fs::write(folder.path().join("model.json"), broken).unwrap();
            assert!(refused(&folder).contains("cut short"), "{broken}");
        }

        let folder = model();
        fs::write(folder.path().join("metrics.json"), "{}").unwrap();
        assert!(refused(&folder).contains("missing field"));

        let folder = model();
        let later = METRICS.replace("\"contract\":1", "\"contract\":7");
        fs::write(folder.path().join("metrics.json"), later).unwrap();
        assert!(refused(&folder).contains("version 7"));

        let folder = model();
        fs::write(folder.path().join("manifest.json"), "{}").unwrap();
        assert!(refused(&folder).contains("manifest.json"));
    }

    #[test]
    fn status_and_gates_must_agree() {
        let folder = model();
        let gate = r#""gates":[{"metric":"rmse","threshold":0.1,"higher_is_better":false,"value":0.5,"met":false}],"held_out""#;
        let missed = METRICS.replacen("\"held_out\":{", &format!("{gate}:{{"), 1);
        fs::write(folder.path().join("metrics.json"), missed).unwrap();
        assert!(refused(&folder).contains("gate on rmse"));
        let outputs = check(folder.path(), 5, &Limits::default()).unwrap();
        assert!(!outputs.metrics.gates[0].met);

        let error = check(model().path(), 5, &Limits::default()).unwrap_err();
        assert_eq!(error.exit(), Exit::BadOutput);
        assert!(error.to_string().contains("no such gate"), "{error}");
    }

    #[test]
    fn limits_hold_for_what_lies_there() {
        let folder = model();
        let limits = Limits {
            output_files: 1,
            ..Limits::default()
        };
        let error = check(folder.path(), 0, &limits).unwrap_err();
        assert_eq!(error.exit(), Exit::LimitHit, "{error}");

        fs::File::create(folder.path().join("sparse"))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        let error = check(folder.path(), 0, &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("--max-output-bytes"), "{error}");
    }

    #[test]
    fn error_json_is_read_when_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(error_report(folder.path()).unwrap(), None);
        let text = r#"{"message":"no target","column":"IsWon"}"#;
        fs::write(folder.path().join("error.json"), text).unwrap();
        let report = error_report(folder.path()).unwrap().unwrap();
        assert_eq!(report.column.as_deref(), Some("IsWon"));
    }
}
