use crate::exit::Exit;
use crate::foreign::short;
use crate::net::NetError;
use crate::store::StoreError;

/// Why versions could not be dispatched, or not be followed.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    #[error("--address {address}: {problem}")]
    Address { address: String, problem: String },
    #[error("cannot set up TLS for Nomad: {0}")]
    Tls(String),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Usage(String),
    #[error("cannot reach Nomad at {address}: {problem}; is NOMAD_ADDR right?")]
    Unreachable { address: String, problem: String },
    #[error("Nomad failed to {what}: {status} {text}")]
    Failed {
        what: String,
        status: u16,
        text: String,
    },
    #[error(
        "Nomad does not allow to {what}: set NOMAD_TOKEN to a token with {capability} in namespace {}", short(.namespace)
    )]
    Denied {
        what: String,
        capability: &'static str,
        namespace: String,
    },
    #[error("Nomad answered something else than was asked for when asked to {what}: {problem}")]
    Unexpected { what: String, problem: String },
    #[error(
        "there is no job {} in namespace {} of {}: register it with `nomad job run`, or name another namespace with --namespace",
        short(.job), short(.namespace), short(.region)
    )]
    NoJob {
        job: String,
        namespace: String,
        region: String,
    },
    #[error("job {} {problem}", short(.job))]
    UnfitJob { job: String, problem: String },
    #[error(
        "job {job} was registered again in {region} (version {now}, not {pinned}) after {dispatched} of these versions were \
         dispatched: look at what changed (`nomad job history -p {job}`), then go on with --job-version {now}, \
         or begin anew under another --campaign",
        job = short(.job), region = short(.region)
    )]
    RegisteredAgain {
        job: String,
        region: String,
        pinned: u64,
        now: u64,
        dispatched: usize,
    },
    #[error(
        "job {job} has version {now} in {region}, not {asked}, which --job-version asks for: look at what version {now} is \
         (`nomad job history -p {job}`), then ask for that one, or register the other one again",
        job = short(.job), region = short(.region)
    )]
    OtherVersion {
        job: String,
        region: String,
        asked: u64,
        now: u64,
    },
    #[error(
        "version {version} was dispatched of another version of job {job} in {region} than the one that is registered now \
         ({now}): go on with --job-version {now}, or begin anew under another --campaign",
        job = short(.job), region = short(.region)
    )]
    EarlierVersion {
        job: String,
        region: String,
        now: u64,
        version: String,
    },
    #[error("cannot read the specification {path}: {source}; --spec names another file")]
    Specification {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

impl DispatchError {
    /// Whether the same command would be refused again, whatever is set right elsewhere.
    #[must_use]
    pub fn refuses_the_same_command(&self) -> bool {
        matches!(
            self,
            Self::UnfitJob { .. }
                | Self::RegisteredAgain { .. }
                | Self::OtherVersion { .. }
                | Self::EarlierVersion { .. }
        )
    }

    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Address { .. } | Self::Usage(_) => Exit::Usage,
            Self::Specification { .. } => Exit::BadSpecification,
            Self::Store(error) => error.exit(),
            Self::Tls(_) | Self::Net(_) => Exit::Local,
            Self::Unreachable { .. } | Self::Failed { .. } => Exit::NomadUnreachable,
            Self::Denied { .. }
            | Self::Unexpected { .. }
            | Self::NoJob { .. }
            | Self::UnfitJob { .. }
            | Self::RegisteredAgain { .. }
            | Self::OtherVersion { .. }
            | Self::EarlierVersion { .. } => Exit::NomadRefused,
        }
    }
}
