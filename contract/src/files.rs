//! Names of the files and folders of the contract.

/// Where the guest finds the dataset: one file in it.
pub const DATA: &str = "/data";
/// Where the guest finds `pipeline.toml`, when a specification was given.
pub const JOB: &str = "/job";
/// What the guest fills in mode `train` and reads in mode `predict`.
pub const MODEL: &str = "/model";
/// What the guest fills in mode `predict`.
pub const PREDICTIONS: &str = "/predictions";

/// Features and parameters: all that mode `predict` needs.
pub const MODEL_JSON: &str = "model.json";
/// Task, rows, features, metrics and gates: [`crate::Metrics`].
pub const METRICS_JSON: &str = "metrics.json";
/// The commit mark that the runner writes last: [`crate::Manifest`]. A guest must not leave one.
pub const MANIFEST_JSON: &str = "manifest.json";
/// What went wrong, beside the exit statuses 3, 4 and 5: [`crate::ErrorReport`].
pub const ERROR_JSON: &str = "error.json";
/// Held-out rows and what the model says of them: [`crate::Check`]. Never part of the model.
pub const CHECK_JSON: &str = "check.json";
/// What there is to say of rows that were predicted, in [`PREDICTIONS`]: [`crate::PredictionWarnings`].
pub const WARNINGS_JSON: &str = "warnings.json";
/// The whole pipeline as an ONNX graph.
pub const MODEL_ONNX: &str = "model.onnx";
/// The specification, in [`JOB`] and in `NOMAD_TASK_DIR`.
pub const PIPELINE_TOML: &str = "pipeline.toml";
