use std::time::Duration;

use super::policy::Policy;
use super::{DataError, Request, Source};
use crate::nomad::Nomad;
use crate::size::{self, Size};

/// Where the dataset comes from, and what may be read at all: the same flags for every verb that reads data.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "Data")]
pub struct Args {
    /// The dataset: http://, https://, file://, a path, or - for standard input
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
        let policy = Policy::new(&self.allow_data, nomad)?;
        let source = Source::parse(source)?;
        if let Source::Http(url) = &source {
            policy.check_url(url, false)?;
        }
        Ok(Request {
            source,
            sha256: self.data_sha256.clone(),
            max_bytes: self.max_data_bytes.0,
            silence: self.data_timeout,
            retries: self.data_retries,
            policy,
        })
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
