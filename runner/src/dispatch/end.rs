//! How a version ended.

use contract::Manifest;
use serde::Serialize;

use crate::{foreign, report};

/// One model that was to be.
#[derive(Clone, Debug, Serialize)]
pub struct Ended {
    pub model_version: String,
    /// Which of the allocations of one dispatch.
    pub index: u32,
    /// The dispatched job.
    pub job: String,
    #[serde(flatten)]
    pub end: End,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum End {
    Stored {
        /// The model's name in the store; absent where only Nomad was asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(flatten)]
        score: Option<Score>,
    },
    GateNotMet {
        #[serde(flatten)]
        score: Option<Score>,
        /// Each gate that was missed, with what was wanted and what was there; empty where only Nomad was asked.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        missed: Vec<String>,
    },
    /// It was ended before it was done.
    Stopped { by: StoppedBy, reason: String },
    Failed {
        task: String,
        /// The status of the task's process, where one ran.
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        reason: String,
    },
    /// No client had a place for it for as long as it was waited for.
    NotPlaced { reason: String },
    /// Nomad has no allocation of it (any more), and the store no model.
    Unknown { reason: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    NodeDrain,
    Operator,
    Preemption,
    /// Its client was lost, and Nomad started it on no other.
    ClientLost,
}

impl End {
    /// What a manifest in the store says: of a model, or of a version that missed a gate.
    #[must_use]
    pub fn in_store(manifest: &Manifest, published: bool) -> Self {
        let score = Some(Score::of(manifest));
        if published {
            Self::Stored {
                name: Some(foreign::line(&manifest.name)),
                score,
            }
        } else {
            Self::GateNotMet {
                score,
                missed: report::missed(manifest),
            }
        }
    }

    /// Whether there is a model or a verdict: nothing is left to do for this version.
    #[must_use]
    pub fn is_result(&self) -> bool {
        matches!(self, Self::Stored { .. } | Self::GateNotMet { .. })
    }

    /// Of what was not waited for.
    #[must_use]
    pub fn not_followed() -> Self {
        Self::Unknown {
            reason: "it was not dispatched again: other allocations of the same dispatch have a model or a verdict, which \
                     would be made twice"
                .to_owned(),
        }
    }
}

/// How good a model is, by its primary score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    pub metric: String,
    pub higher_is_better: bool,
    pub held_out: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
}

impl Score {
    fn of(manifest: &Manifest) -> Self {
        let primary = &manifest.metrics.primary;
        Self {
            metric: foreign::line(&primary.name),
            higher_is_better: primary.higher_is_better,
            held_out: primary.held_out,
            validation: primary.validation,
        }
    }
}
