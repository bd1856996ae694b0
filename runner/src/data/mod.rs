//! Where datasets come from: one source of them a file. Every dataset ends as one local file, hashed on its way.

use std::path::Path;
use std::time::Duration;

use auth::Auth;
use http::Http;
use progress::Progress;
use sink::{Place, Sink};

use crate::platform::NamedFolder;
use crate::policy::Policy;
use crate::store::Options;

mod args;
mod auth;
mod bucket;
mod error;
mod http;
mod local;
mod paged;
mod progress;
mod sink;
mod source;

pub use args::Args;
pub use error::DataError;
pub use source::Source;

/// One dataset that is wanted, and how far to go for it.
#[derive(Clone, Debug)]
pub struct Request {
    pub source: Source,
    /// Lower-case hexadecimal.
    pub sha256: Option<String>,
    pub max_bytes: u64,
    /// How long a server may say nothing.
    pub silence: Duration,
    /// How long the whole may take.
    pub deadline: Duration,
    /// Tries after the first.
    pub retries: u32,
    pub policy: Policy,
    auth: Option<Auth>,
    /// How to reach a bucket.
    store: Options,
}

impl Request {
    /// Reaches buckets as `--credentials` and its like say.
    #[must_use]
    pub fn with_store(mut self, options: Options) -> Self {
        self.store = options;
        self
    }
}

/// A dataset that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// URL or path, without user, password or query.
    pub source: String,
    /// The object's generation or ETag, where it came from a bucket.
    pub generation: Option<String>,
}

/// Fetches a dataset to the place `name` in `folder`, where nothing is yet, and makes the folders in between.
///
/// Dropping the future stops the fetch. Whether dropped or failed, it leaves no file.
///
/// # Errors
/// When the data may not be read, can't be had, or is not what was asked for; or when it can't be written.
pub async fn fetch(
    request: &Request,
    folder: &NamedFolder,
    name: &Path,
) -> Result<Dataset, DataError> {
    let into = Place::make(folder, name)?;
    match tokio::time::timeout(request.deadline, fetch_patiently(request, &into)).await {
        Ok(fetched) => fetched,
        Err(_) => Err(DataError::TooSlow {
            name: request.source.to_string(),
            after: request.deadline,
        }),
    }
}

async fn fetch_patiently(request: &Request, into: &Place) -> Result<Dataset, DataError> {
    let source = request.source.to_string();
    let mut sink = Sink::create(into, source.clone(), request.max_bytes)?;
    let mut progress = Progress::start(&source);
    let mut generation = None;
    match &request.source {
        Source::Bucket(location) => {
            generation =
                Some(bucket::copy(location, &request.store, &mut sink, &mut progress).await?);
        }
        Source::File(path) => local::copy(path, &request.policy, &mut sink, &mut progress).await?,
        Source::Stdin => local::copy_stdin(&mut sink, &mut progress).await?,
        Source::Http(url) => {
            let http = Http::new(request, url)?;
            http.download(url, &mut sink, &mut progress).await?;
            sink = paged::follow(&http, request, url, sink, into, &mut progress).await?;
        }
    }
    let (bytes, sha256) = sink.finish(request.sha256.as_deref())?;
    progress.done(bytes);
    Ok(Dataset {
        bytes,
        sha256,
        source,
        generation,
    })
}
