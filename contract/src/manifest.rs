use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Metrics, Parity};

/// `manifest.json`: what a published model is and what it was made from. Written last: without it there is no model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`Manifest::SCHEMA`].
    pub schema: u32,
    /// `<save_path>_v<model_version>_<id>`: the model's folder in a store. Nobody parses it; its parts follow.
    pub name: String,
    pub save_path: String,
    pub model_version: String,
    /// The Nomad allocation, else a unique id of the run.
    pub id: String,
    /// Every file of the model but this one, sorted by path.
    pub files: Vec<FileEntry>,
    pub module: ModuleOrigin,
    pub data: DataOrigin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub specification: Option<SpecificationOrigin>,
    pub runner: RunnerOrigin,
    /// All that the guest's randomness came from.
    pub seed: u64,
    pub parameters: RunParameters,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<GridPoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nomad: Option<NomadOrigin>,
    pub metrics: Metrics,
    /// Whether the model's ONNX form was proven equal; older manifests lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parity: Option<Parity>,
    pub times: Times,
}

impl Manifest {
    pub const SCHEMA: u32 = 1;

    /// Whether every gate was met, that of parity included. A version that missed one is recorded, not published.
    #[must_use]
    pub fn met_its_gates(&self) -> bool {
        self.metrics.gates.iter().all(|gate| gate.met)
            && self.parity.as_ref().is_none_or(Parity::met)
    }

    /// Whether both describe the same model: equal files from equal inputs. Times, origin in Nomad and the runner's
    /// build may differ.
    #[must_use]
    pub fn same_model(&self, other: &Self) -> bool {
        self.files == other.files
            && self.seed == other.seed
            && self.parameters == other.parameters
            && self.save_path == other.save_path
            && self.model_version == other.model_version
    }
}

/// A file of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative to the model's folder, parts joined by `/`.
    pub path: String,
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// The module that trained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleOrigin {
    pub file: String,
    pub bytes: u64,
    pub sha256: String,
}

/// The dataset that it was trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataOrigin {
    /// URL or path, without user, password or query.
    pub source: String,
    pub bytes: u64,
    pub sha256: String,
    /// The object's generation or ETag, where it came from a bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<String>,
}

/// The specification (`pipeline.toml`) that the guest was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecificationOrigin {
    pub bytes: u64,
    pub sha256: String,
}

/// The program that ran the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerOrigin {
    pub version: String,
    /// Target triple.
    pub target: String,
    pub engine: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// What the run was told besides its specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u32>,
    /// Variables that the user named for the guest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// The point of a grid that this version is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GridPoint {
    /// Digest of the specification that held the grid: one id for all its points.
    pub id: String,
    /// From 1.
    pub point: u32,
    pub points: u32,
    /// The dotted keys of the specification that the grid sets, with this point's values.
    pub values: BTreeMap<String, serde_json::Value>,
}

/// Where in Nomad the run took place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NomadOrigin {
    pub job_id: String,
    pub alloc_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alloc_index: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacenter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_class: Option<String>,
}

/// When it happened, and how long each stage took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// RFC 3339, UTC.
    pub started: String,
    pub finished: String,
    /// Milliseconds by stage.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stages_ms: BTreeMap<String, f64>,
}
