//! The JSON files that a guest leaves, from their bytes. Each is bounded before it is parsed, and what is taken from it can
//! be stored, listed and read again.

use contract::{Check, CheckValues, ErrorReport, Evaluation, Metrics, PredictionWarnings, files};

use super::OutputError;
use crate::foreign;
use crate::json::{self, Bounds};
use crate::size::Size;

/// Of `metrics.json`.
pub const METRICS: Bounds = Bounds {
    bytes: 16 << 20,
    depth: 32,
    values: 1_000_000,
};
/// What `metrics.json` takes in a manifest: without blanks, and without fields that nobody knows. Bytes.
pub const METRICS_IN_MANIFEST: u64 = 8 << 20;
/// Scores of an evaluation, gates, and parameters of a learner: each is a line of some table.
pub const MAX_LINES: usize = 10_000;

/// Of `check.json`: a thousand rows of ten thousand columns.
pub const CHECK: Bounds = Bounds {
    bytes: 64 << 20,
    depth: 8,
    values: 10_000_000,
};
/// Of a `check.json` that is read while the guest still has its memory.
#[cfg(feature = "score")]
pub const CHECK_EARLY: Bounds = Bounds {
    bytes: 4 << 20,
    ..CHECK
};
/// Rows of `check.json`.
pub const MAX_CHECK_ROWS: usize = 1_000;

/// Of `error.json`.
pub const ERROR: Bounds = Bounds {
    bytes: 1 << 20,
    depth: 32,
    values: 10_000,
};
/// Of `warnings.json`.
pub const WARNINGS: Bounds = Bounds {
    bytes: 4 << 20,
    depth: 8,
    values: 100_000,
};
/// Characters of a column's name in a message.
const MAX_COLUMN: usize = 200;

/// Of `model.json`, which is as large as the limit on output lets it be. Only the module itself reads it.
pub const MODEL: Bounds = Bounds {
    bytes: u64::MAX,
    depth: 10_000,
    values: u64::MAX,
};

/// Reads `metrics.json`.
///
/// # Errors
/// When it is not as the contract has it, or larger than a manifest can hold.
pub fn metrics(text: &[u8]) -> Result<Metrics, OutputError> {
    let name = files::METRICS_JSON;
    let metrics: Metrics = METRICS
        .parse(text)
        .map_err(|reason| OutputError::Invalid { name, reason })?;
    let invalid = |reason: String| Err(OutputError::Invalid { name, reason });
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
    let evaluations = [Some(&metrics.held_out), Some(&metrics.baseline)]
        .into_iter()
        .chain([
            metrics.validation.as_ref(),
            metrics.cross_validation.as_ref(),
        ])
        .flatten();
    let scores = evaluations.map(|evaluation: &Evaluation| evaluation.scores.len());
    let parameters = metrics
        .learner
        .iter()
        .map(|learner| learner.parameters.len());
    let lines = scores.chain(parameters).chain([metrics.gates.len()]);
    if lines.max() > Some(MAX_LINES) {
        return invalid(format!(
            "it has more than {MAX_LINES} gates, scores of one evaluation, or parameters"
        ));
    }
    if json::length(&metrics) > METRICS_IN_MANIFEST {
        return invalid(format!(
            "without blanks it is larger than {}",
            Size(METRICS_IN_MANIFEST)
        ));
    }
    Ok(metrics)
}

/// Reads `check.json`.
///
/// # Errors
/// When it is not as the contract has it, or passes `bounds`.
pub fn check(text: &[u8], bounds: &Bounds) -> Result<Check, OutputError> {
    let name = files::CHECK_JSON;
    let invalid = |reason| OutputError::Invalid { name, reason };
    let check: Check = bounds.parse(text).map_err(invalid)?;
    of_one_length(&check).map_err(invalid)?;
    Ok(check)
}

fn of_one_length(check: &Check) -> Result<(), String> {
    let columns = check.columns.iter().map(|column| match &column.values {
        CheckValues::Number(values) => values.len(),
        CheckValues::Text(values) => values.len(),
    });
    let results = [
        check.labels.len(),
        check.probabilities.len(),
        check.predictions.len(),
    ];
    let lengths = columns.chain(results.into_iter().filter(|length| *length > 0));
    let (mut least, mut most) = (usize::MAX, 0);
    for length in lengths {
        least = least.min(length);
        most = most.max(length);
    }
    if most > MAX_CHECK_ROWS || least < most {
        return Err(format!(
            "its columns must be of one length, at most {MAX_CHECK_ROWS}; they are of {least} to {most}"
        ));
    }
    Ok(())
}

/// Reads `error.json`. Its texts are shown to people, each as one line with an end.
///
/// # Errors
/// When it is not as the contract has it.
pub fn error_report(text: &[u8]) -> Result<ErrorReport, OutputError> {
    let report: ErrorReport = ERROR.parse(text).map_err(|reason| OutputError::Invalid {
        name: files::ERROR_JSON,
        reason,
    })?;
    Ok(ErrorReport {
        message: foreign::line(&report.message),
        row: report.row,
        column: report
            .column
            .map(|column| foreign::shortened(&column, MAX_COLUMN)),
        remedy: report.remedy.map(|remedy| foreign::line(&remedy)),
        warnings: report.warnings,
    })
}

/// Reads `warnings.json`.
///
/// # Errors
/// When it is not as the contract has it.
pub fn prediction_warnings(text: &[u8]) -> Result<PredictionWarnings, OutputError> {
    WARNINGS.parse(text).map_err(|reason| OutputError::Invalid {
        name: files::WARNINGS_JSON,
        reason,
    })
}
