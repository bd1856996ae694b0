use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use super::auth::Auth;
use super::policy::Policy;
use super::source::redacted;
use super::{DataError, Request, Source};
use crate::nomad::Nomad;
use crate::size::{self, Size};
use crate::store::Options;

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

    /// How often a request is tried again after a connection error, 408, 429 or 5xx
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub data_retries: u32,

    /// Send the bearer token in this file, to the data's own host alone
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data_header_file", "data_oauth_file"])]
    pub data_token_file: Option<PathBuf>,

    /// Send the headers in this file (`Name: value` lines), to the data's own host alone
    #[arg(long, value_name = "FILE", conflicts_with = "data_oauth_file")]
    pub data_header_file: Option<PathBuf>,

    /// Get a token as this file says (docs/data-sources.md): client credentials, refresh token, JWT bearer
    #[arg(long, value_name = "FILE")]
    pub data_oauth_file: Option<PathBuf>,

    /// The only data that may be read: what a URL begins with, or a folder (repeatable)
    /// [default: all; under Nomad the task's and allocation's folders, and no metadata servers]
    #[arg(long, value_name = "PREFIX")]
    pub allow_data: Vec<String>,
}

impl Args {
    /// The request for a dataset that these flags, or a dispatch, name.
    ///
    /// # Errors
    /// When a flag is wrong, or the data may not be read as far as its name tells.
    pub fn request(&self, source: &str, nomad: &Nomad) -> Result<Request, DataError> {
        // What a job file's own arguments name is the operator's choice; what metadata names is anybody's.
        let by_dispatch = self.source.is_none() || self.source == nomad.meta.data_url;
        let policy = Policy::new(&self.allow_data, nomad)?;
        let source = Source::parse(source)?;
        let auth = self.auth()?;
        match &source {
            Source::Http(url) => {
                policy.check_url(url, false)?;
                if auth.is_some() {
                    policy.check_credentials(url, by_dispatch)?;
                    check_one_credential(url)?;
                }
            }
            Source::Bucket(_, url) => policy.check_url(url, false)?,
            Source::File(_) | Source::Stdin => {}
        }
        // A snapshot is what its address says, or it is nothing.
        let snapshot = source.snapshot().map(str::to_owned);
        Ok(Request {
            source,
            sha256: self.data_sha256.clone().or(snapshot),
            max_bytes: self.max_data_bytes.0,
            silence: self.data_timeout,
            retries: self.data_retries,
            policy,
            auth,
            store: Options::default(),
        })
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
