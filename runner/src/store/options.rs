use std::path::PathBuf;
use std::time::Duration;

use crate::policy::CredentialPolicy;
use crate::secret::Secret;

/// How to reach a store in a bucket. A folder needs none of it.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--credentials`.
    pub credentials: Option<PathBuf>,
    /// The job's metadata `gcp_creds`.
    pub job_credentials: Option<Secret>,
    /// Which credentials may be used.
    pub policy: CredentialPolicy,
    /// Another address than the cloud's public one.
    pub endpoint: Option<String>,
    /// `STORAGE_EMULATOR_HOST`: as with Google's clients, it gets no token unless a file is named for it.
    pub emulator: Option<String>,
    /// For how long a store may fail or stand still.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            credentials: None,
            job_credentials: None,
            policy: CredentialPolicy::default(),
            endpoint: None,
            emulator: None,
            timeout: Duration::from_secs(300),
        }
    }
}
