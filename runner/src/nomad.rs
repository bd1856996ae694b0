//! What the environment of a Nomad task says, typed. The only place that knows its variables.

use std::path::PathBuf;

use contract::NomadOrigin;

use crate::secret::Secret;

/// The variables of a task and the metadata of its dispatch. All absent on a laptop.
///
/// An optional metadata key that was not given is there and empty: empty means not given.
#[derive(Clone, Default)]
pub struct Nomad {
    pub alloc_id: Option<String>,
    pub alloc_index: Option<u32>,
    /// For a dispatched job `<parent>/dispatch-<time>-<id>`.
    pub job_id: Option<String>,
    pub namespace: Option<String>,
    pub region: Option<String>,
    pub datacenter: Option<String>,
    /// Not a variable of Nomad's own: the job sets it from `${node.class}`.
    pub node_class: Option<String>,
    pub alloc_dir: Option<PathBuf>,
    pub task_dir: Option<PathBuf>,
    pub secrets_dir: Option<PathBuf>,
    /// Bytes.
    pub memory_limit: Option<u64>,
    pub meta: Meta,
}

/// `NOMAD_META_*`, with the names of the pipeline that this one replaces.
#[derive(Clone, Default)]
pub struct Meta {
    pub save_path: Option<String>,
    pub model_version: Option<String>,
    pub data_url: Option<String>,
    pub data_path: Option<String>,
    pub prediction_path: Option<String>,
    pub batch_size: Option<String>,
    pub epochs: Option<String>,
    /// `BUCKET` or `BUCKET/PREFIX`.
    pub gcp_bucket_path: Option<String>,
    /// Credentials that whoever dispatches brings along.
    pub gcp_creds: Option<Secret>,
    /// Of a grid: `1..50`. What `runner dispatch` hands to one allocation.
    pub points: Option<String>,
}

impl Nomad {
    /// Reads this process's environment.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let meta = |key: &str| given(&format!("NOMAD_META_{key}"));
        Self {
            alloc_id: given("NOMAD_ALLOC_ID"),
            alloc_index: given("NOMAD_ALLOC_INDEX").and_then(|index| index.parse().ok()),
            job_id: given("NOMAD_JOB_ID"),
            namespace: given("NOMAD_NAMESPACE"),
            region: given("NOMAD_REGION"),
            datacenter: given("NOMAD_DC"),
            node_class: given("NOMAD_NODE_CLASS"),
            alloc_dir: given("NOMAD_ALLOC_DIR").map(PathBuf::from),
            task_dir: given("NOMAD_TASK_DIR").map(PathBuf::from),
            secrets_dir: given("NOMAD_SECRETS_DIR").map(PathBuf::from),
            memory_limit: given("NOMAD_MEMORY_LIMIT")
                .and_then(|mebibytes| mebibytes.parse::<u64>().ok())
                .and_then(|mebibytes| mebibytes.checked_mul(1 << 20)),
            meta: Meta {
                save_path: meta("save_path"),
                model_version: meta("model_version"),
                data_url: meta("data_url"),
                data_path: meta("data_path"),
                prediction_path: meta("prediction_path"),
                batch_size: meta("batch_size"),
                epochs: meta("epochs"),
                gcp_bucket_path: meta("gcp_bucket_path"),
                gcp_creds: meta("gcp_creds").map(Secret::new),
                points: meta("points"),
            },
        }
    }

    /// Whether this process is a task of Nomad's.
    #[must_use]
    pub fn is_task(&self) -> bool {
        self.alloc_id.is_some()
    }

    /// Whether a dispatch names what is read: what a job file's own arguments name is the operator's choice, what metadata
    /// names is anybody's. An argument may repeat the metadata.
    #[must_use]
    pub fn names_data(&self, argument: Option<&str>) -> bool {
        argument.is_none() || argument == self.meta.data_url.as_deref()
    }

    /// What the manifest says of where the run took place.
    #[must_use]
    pub fn origin(&self) -> Option<NomadOrigin> {
        Some(NomadOrigin {
            alloc_id: self.alloc_id.clone()?,
            job_id: self.job_id.clone().unwrap_or_default(),
            alloc_index: self.alloc_index,
            namespace: self.namespace.clone(),
            region: self.region.clone(),
            datacenter: self.datacenter.clone(),
            node_class: self.node_class.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_not_given() {
        let nomad = Nomad::from_variables(|name| match name {
            "NOMAD_META_epochs" => Some(String::new()),
            "NOMAD_META_batch_size" => Some("32".to_owned()),
            "NOMAD_MEMORY_LIMIT" => Some("512".to_owned()),
            _ => None,
        });
        assert_eq!(nomad.meta.epochs, None);
        assert_eq!(nomad.meta.batch_size.as_deref(), Some("32"));
        assert_eq!(nomad.memory_limit, Some(512 << 20));
        assert!(!nomad.is_task());
        assert_eq!(nomad.origin(), None);
    }
}
