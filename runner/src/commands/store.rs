//! Flags for a store, shared by the verbs that reach one.

use std::path::PathBuf;
use std::time::Duration;

use crate::nomad::Nomad;
use crate::policy::CredentialPolicy;
use crate::size;
use crate::store::{Location, Options, StoreError, Target};

#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "Store")]
pub struct Args {
    /// The store: a folder (`file://…` or a path) or a bucket (`gs://bucket/prefix`)
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,

    #[command(flatten)]
    pub access: Access,
}

/// How to reach a bucket. A folder needs none of it.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "Store")]
pub struct Access {
    /// Google credentials: service account, authorized user, impersonation or external account
    /// [default: $GOOGLE_APPLICATION_CREDENTIALS, gcloud's own, the metadata server; under Nomad the last two only with
    /// --allow-node-identity]
    #[arg(long, value_name = "FILE")]
    pub credentials: Option<PathBuf>,

    /// Under Nomad, let every dispatch act with the rights of the node (its cloud's metadata server, keys in the
    /// home folder)
    #[arg(long)]
    pub allow_node_identity: bool,

    /// Take a service account's or user's key from the dispatch ($NOMAD_META_gcp_creds), for Google alone
    #[arg(long)]
    pub allow_gcp_creds: bool,

    /// For how long the store may fail or stand still, such as 90s or 10m
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = size::duration)]
    pub store_timeout: Duration,

    /// Another address of the object store than the cloud's own
    #[arg(long, value_name = "URL")]
    pub store_endpoint: Option<String>,
}

impl Args {
    /// The store that `--store` names, if it does.
    ///
    /// # Errors
    /// When that is no place for a store.
    pub fn target(&self) -> Result<Option<Target>, StoreError> {
        let Some(url) = &self.store else {
            return Ok(None);
        };
        Ok(Some(Target {
            location: Location::parse(url)?,
            options: self.access.options(),
        }))
    }
}

impl Args {
    /// The store that `--store` names, for verbs that can't do without.
    ///
    /// # Errors
    /// When there is none, or it is no place for a store.
    pub fn required(&self) -> Result<Target, StoreError> {
        self.target()?.ok_or_else(|| StoreError::BadLocation {
            text: String::new(),
            problem: "name one with --store, such as ./models or gs://bucket/prefix".to_owned(),
        })
    }
}

impl Access {
    /// The flags, and what the environment says beside them.
    #[must_use]
    pub fn options(&self) -> Options {
        let nomad = Nomad::from_environment();
        let emulator = std::env::var("STORAGE_EMULATOR_HOST");
        Options {
            credentials: self.credentials.clone(),
            policy: CredentialPolicy::new(&nomad, self.allow_node_identity, self.allow_gcp_creds),
            job_credentials: nomad.meta.gcp_creds,
            endpoint: self.store_endpoint.clone(),
            emulator: emulator.ok().filter(|value| !value.is_empty()),
            timeout: self.store_timeout,
        }
    }
}
