use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How to reach a store in a bucket. A folder needs none of it.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--credentials`.
    pub credentials: Option<PathBuf>,
    /// The job's metadata `gcp_creds`.
    pub job_credentials: Option<Secret>,
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
            endpoint: None,
            emulator: None,
            timeout: Duration::from_secs(300),
        }
    }
}

/// Text that is never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}
