//! From an address and options to an OpenDAL operator. The only file that knows one cloud from another.

use std::time::Duration;

use opendal::services::Gcs;
use opendal::{HttpTransporter, OperationContext, Operator};

use super::Revisions;
use super::google::Google;
use super::transport::Transport;
use crate::store::location::Scheme;
use crate::store::{Location, Options, StoreError};

/// How long a server may stay silent before a request counts as lost.
const SILENCE: Duration = Duration::from_secs(60);

pub(super) fn operator(
    location: &Location,
    options: &Options,
) -> Result<(Operator, Revisions), StoreError> {
    let Location::Bucket {
        scheme,
        bucket,
        prefix,
    } = location
    else {
        return Err(StoreError::UnknownScheme {
            scheme: "file".to_owned(),
        });
    };
    let client = crate::net::client(options.timeout.min(SILENCE))?;
    let root = format!("/{prefix}/");
    let (operator, google, revisions) = match scheme {
        Scheme::Gs => {
            let (operator, google) = google_storage(bucket, &root, options, &client)?;
            (operator, google, Revisions::Generation)
        }
        Scheme::S3 | Scheme::Az => {
            return Err(StoreError::UnknownScheme {
                scheme: scheme.to_string(),
            });
        }
    };
    let transport = Transport {
        client,
        patience: options.timeout,
        google,
    };
    let context = OperationContext::new().with_http_transport(HttpTransporter::new(transport));
    Ok((operator.with_context(context), revisions))
}

fn google_storage(
    bucket: &str,
    root: &str,
    options: &Options,
    client: &reqwest::Client,
) -> Result<(Operator, Option<Google>), StoreError> {
    // We sign ourselves: the library would ask for a new token with each request of a service account.
    let mut builder = Gcs::default().bucket(bucket).root(root).skip_signature();
    let emulated = options.emulator.is_some() && options.endpoint.is_none();
    if let Some(endpoint) = options.endpoint.clone().or(options.emulator.clone()) {
        let endpoint = if endpoint.contains("://") {
            endpoint
        } else {
            format!("http://{endpoint}")
        };
        tracing::debug!("Google Cloud Storage at {endpoint}");
        builder = builder.endpoint(endpoint.trim_end_matches('/'));
    }
    let google = if emulated && options.credentials.is_none() {
        tracing::debug!("credentials: none, for STORAGE_EMULATOR_HOST is set");
        None
    } else {
        Some(Google::find(options, client)?)
    };
    let operator = Operator::new(builder).map_err(|error| StoreError::BadLocation {
        text: format!("gs://{bucket}"),
        problem: error.to_string(),
    })?;
    Ok((operator, google))
}
