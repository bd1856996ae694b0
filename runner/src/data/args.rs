use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use super::auth::Auth;
use super::{DataError, Request, Source};
use crate::nomad::Nomad;
use crate::policy::{Policy, Step, redacted};
use crate::size::{self, Size};
use crate::store::{Location, Options};

/// Where the dataset comes from, and what may be read at all: the same flags for every verb that reads data.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "Data")]
pub struct Args {
    /// The dataset: http://, https://, file://, gs://, a path, or - for standard input
    /// [default: $NOMAD_META_data_url]
    #[arg(long = "data", value_name = "URL|PATH", allow_hyphen_values = true)]
    pub source: Option<String>,

    /// Refuse data with another SHA-256 than this
    #[arg(long, value_name = "HEX", value_parser = digest)]
    pub data_sha256: Option<String>,

    /// Refuse data with more bytes than this
    #[arg(long, value_name = "SIZE", default_value = "16GiB")]
    pub max_data_bytes: Size,

    /// How long a data server may stay silent before the request is tried again
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = patience)]
    pub data_timeout: Duration,

    /// How long the whole fetch may take: all tries, pages and tokens
    #[arg(long, value_name = "TIME", default_value = "6h", value_parser = patience)]
    pub data_deadline: Duration,

    /// How often a request is tried again after a connection error, 408, 429 or 5xx
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub data_retries: u32,

    /// Send the bearer token in this file to the data's own server, and to no other
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data_header_file", "data_oauth_file"])]
    pub data_token_file: Option<PathBuf>,

    /// Send the headers in this file (`Name: value` lines) to the data's own server, and to no other
    #[arg(long, value_name = "FILE", conflicts_with = "data_oauth_file")]
    pub data_header_file: Option<PathBuf>,

    /// Get a token as this file says (docs/data-sources.md): client credentials, refresh token, JWT bearer
    #[arg(long, value_name = "FILE")]
    pub data_oauth_file: Option<PathBuf>,

    /// The only servers that get these credentials, such as https://data.example.com (repeatable)
    /// [default: the data's own; of what a dispatch names, the one server that --allow-data lists]
    #[arg(long, value_name = "URL", value_parser = server)]
    pub data_credentials_for: Vec<Url>,

    /// The store whose snapshots --data may name: what is fetched from one must have the digest that it is named after
    /// [default: --store, $NOMAD_META_gcp_bucket_path]
    #[arg(long, value_name = "URL")]
    pub snapshots: Option<String>,

    /// The only data that may be read: what a URL begins with, or a folder (repeatable)
    /// [default: all; what a dispatch names: the task's and allocation's folders, and public addresses]
    #[arg(long, value_name = "PREFIX")]
    pub allow_data: Vec<String>,
}

impl Args {
    /// The request for a dataset that these flags, or a dispatch, name. `store` is the command's own.
    ///
    /// # Errors
    /// When a flag is wrong, or the data may not be read as far as its name tells.
    pub fn request(
        &self,
        source: &str,
        nomad: &Nomad,
        store: Option<&Location>,
    ) -> Result<Request, DataError> {
        let policy = self.policy(nomad)?;
        let source = Source::parse(source)?;
        let mut auth = self.auth()?;
        match &source {
            Source::Http(url) => {
                policy.check_url(url, Step::Named)?;
                if auth.is_some() && !policy.sends_credentials(url)? {
                    tracing::warn!(
                        "{}: the credentials are not sent there, for --data-credentials-for names another server",
                        redacted(url)
                    );
                    auth = None;
                }
                if auth.is_some() {
                    check_one_credential(url)?;
                }
            }
            Source::Bucket(location) => policy.check_object(&location.to_string())?,
            Source::Stdin => policy.check_stdin()?,
            // Links are followed when it is opened.
            Source::File(path) => policy.check_named(path)?,
        }
        // A snapshot is what its address says, or it is nothing.
        let snapshot = self.snapshot(&source, nomad, store)?;
        Ok(Request {
            source,
            sha256: self.data_sha256.clone().or(snapshot),
            max_bytes: self.max_data_bytes.0,
            silence: self.data_timeout,
            deadline: self.data_deadline,
            retries: self.data_retries,
            policy,
            auth,
            store: Options::default(),
        })
    }

    /// The file that a data path names, where nothing else names the data: below the task's folder, else below ours. None
    /// if there is none that may be read.
    ///
    /// # Errors
    /// When a flag is wrong.
    pub fn existing(&self, path: &str, nomad: &Nomad) -> Result<Option<String>, DataError> {
        let policy = self.policy(nomad)?;
        let below_task = nomad.task_dir.as_ref().map(|folder| folder.join(path));
        let mut candidates = below_task.into_iter().chain([PathBuf::from(path)]);
        let found = candidates.find(|file| policy.allows_existing(file));
        Ok(found.and_then(|file| file.to_str().map(str::to_owned)))
    }

    fn policy(&self, nomad: &Nomad) -> Result<Policy, DataError> {
        let by_dispatch = nomad.names_data(self.source.as_deref());
        let policy = Policy::new(&self.allow_data, nomad, by_dispatch)?;
        Ok(policy.with_credentials_for(&self.data_credentials_for))
    }

    /// The digest that the source must have, if it is a snapshot in a store that is known here. Where the operator names
    /// none, the address of a snapshot is believed to be one, whatever bucket a dispatch names.
    fn snapshot(
        &self,
        source: &Source,
        nomad: &Nomad,
        store: Option<&Location>,
    ) -> Result<Option<String>, DataError> {
        let named = self.snapshots.as_deref().map(Location::parse).transpose()?;
        let bucket = nomad.meta.gcp_bucket_path.as_deref();
        let bucket = bucket.and_then(|path| Location::of_bucket_path(path).ok());
        let mut known: Vec<&Location> = [store, named.as_ref()].into_iter().flatten().collect();
        let by_form = source.store_of_snapshot();
        if known.is_empty() {
            known.extend(&by_form);
        }
        known.extend(&bucket);
        let digest = known.iter().find_map(|store| source.snapshot_of(store));
        if let (None, Some(store)) = (digest, &by_form) {
            tracing::warn!(
                "{source} has the name of a snapshot, and {store} is no store that is known here: its digest is not checked (--snapshots names the store)"
            );
        }
        Ok(digest.map(str::to_owned))
    }

    fn auth(&self) -> Result<Option<Auth>, DataError> {
        match (
            &self.data_token_file,
            &self.data_header_file,
            &self.data_oauth_file,
        ) {
            (Some(file), ..) => Auth::token(file).map(Some),
            (None, Some(file), _) => Auth::headers(file).map(Some),
            (None, None, Some(file)) => Auth::oauth(file).map(Some),
            (None, None, None) => Ok(None),
        }
    }
}

fn check_one_credential(url: &Url) -> Result<(), DataError> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(DataError::BadSource {
            name: redacted(url),
            problem:
                "it holds a user, and a file with credentials is given as well: give one of the two"
                    .to_owned(),
        });
    }
    let on_this_machine = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "http" && !on_this_machine {
        tracing::warn!(
            "{}: credentials are sent unencrypted: use https://",
            redacted(url)
        );
    }
    Ok(())
}

fn server(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if is_bare && url.username().is_empty() && matches!(url.scheme(), "http" | "https") {
        Ok(url)
    } else {
        Err("a server is https:// and a host, perhaps with a port".to_owned())
    }
}

fn digest(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("a SHA-256 has 64 hexadecimal digits (`sha256sum FILE` prints it)".to_owned())
    }
}

fn patience(text: &str) -> Result<Duration, String> {
    match size::duration(text)? {
        Duration::ZERO => Err("it must be more than nothing".to_owned()),
        time => Ok(time),
    }
}
