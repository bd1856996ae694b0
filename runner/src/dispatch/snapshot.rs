//! The dataset, fetched once for all allocations.

use super::error::DispatchError;
use crate::commands::dispatch::Args;
use crate::commands::snapshot;
use crate::error::Error;
use crate::nomad::Nomad;
use crate::store::{Store, data_key};

/// # Errors
/// When a flag says how to fetch, and nothing is to be fetched here; or there is no place for what is fetched.
pub fn check_flags(args: &Args) -> Result<(), DispatchError> {
    if args.snapshot && args.store.store.is_none() {
        return Err(needs_a_store());
    }
    let data = &args.data;
    let given = [
        ("--data-sha256", data.data_sha256.is_some()),
        ("--data-token-file", data.data_token_file.is_some()),
        ("--data-header-file", data.data_header_file.is_some()),
        ("--data-oauth-file", data.data_oauth_file.is_some()),
        ("--allow-data", !data.allow_data.is_empty()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) if !args.snapshot => Err(DispatchError::Usage(format!(
            "{flag} is for data that is fetched here: add --snapshot, or set it in the job, where allocations fetch"
        ))),
        _ => Ok(()),
    }
}

pub fn needs_a_store() -> DispatchError {
    DispatchError::Usage(
        "--snapshot puts the dataset into a store, from which allocations take it: name it with --store, such as gs://bucket/prefix, the job's own"
            .to_owned(),
    )
}

/// The address from which allocations take the dataset, which the module knows as `data_path`. With `--plan` nothing is stored:
/// it is where it would be.
///
/// # Errors
/// When the data can't be had, or the store refuses or fails.
pub async fn take(args: &Args, store: &dyn Store, data_path: &str) -> Result<String, Error> {
    let source = args.data.source.as_deref().unwrap_or_default();
    let request = args.data.request(source, &Nomad::default(), None)?;
    let request = request.with_store(args.store.access.options());
    let keep = (!args.plan).then_some(store);
    let dataset = snapshot::take(&request, keep, &std::env::temp_dir()).await?;
    let url = store.url(&data_key(&dataset.sha256));
    // The name is a key of the dispatch: under another one it would be other work.
    tracing::info!(
        "snapshot: {} bytes as {url}; where the source changes, --data {url} --data-path {data_path} goes on with these",
        dataset.bytes
    );
    Ok(url)
}
