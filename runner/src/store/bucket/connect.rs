//! From an address and options to an OpenDAL operator. The only file that knows one cloud from another.

#[cfg(any(feature = "s3", feature = "azblob"))]
use std::path::Path;
use std::sync::Arc;

use opendal::services::Gcs;
use opendal::{HttpTransporter, OperationContext, Operator};

use super::Revisions;
use super::google::Google;
use super::transport::Transport;
use super::uploads::Uploads;
#[cfg(any(feature = "s3", feature = "azblob"))]
use crate::platform::{is_foreign, open_regular};
use crate::store::location::Scheme;
use crate::store::{Location, Options, StoreError};

const GOOGLE: &str = "https://storage.googleapis.com";

/// What a store in a bucket is made of.
pub(super) struct Connected {
    pub operator: Operator,
    pub transport: Transport,
    pub revisions: Revisions,
    /// Whether each upload is compared on its way: with a checksum that goes along, or that comes back.
    pub compares: bool,
    /// Of Google alone: others upload through the operator.
    pub uploads: Option<Uploads>,
}

pub(super) fn connect(location: &Location, options: &Options) -> Result<Connected, StoreError> {
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
    let root = format!("/{prefix}/");
    let mut transport = Transport::new(options)?;
    let (operator, revisions, uploads) = match scheme {
        Scheme::Gs => {
            let endpoint = google_endpoint(options);
            transport.google = google_credentials(options, &transport)?.map(Arc::new);
            transport.as_stored = true;
            let uploads = Uploads {
                transport: transport.clone(),
                endpoint: endpoint.clone(),
                bucket: bucket.clone(),
                prefix: root[1..].trim_start_matches('/').to_owned(),
            };
            // We sign ourselves: the library would ask for a new token with each request of a service account.
            let builder = Gcs::default().bucket(bucket).root(&root).skip_signature();
            let builder = builder.endpoint(&endpoint);
            let operator = made(Operator::new(builder), "gs", bucket)?;
            (operator, Revisions::Generation, Some(uploads))
        }
        #[cfg(feature = "s3")]
        Scheme::S3 => (s3(bucket, &root, options)?, Revisions::ETag, None),
        #[cfg(feature = "azblob")]
        Scheme::Az => (azure(bucket, &root, options)?, Revisions::ETag, None),
        #[cfg(not(all(feature = "s3", feature = "azblob")))]
        _ => {
            return Err(StoreError::UnknownScheme {
                scheme: scheme.to_string(),
            });
        }
    };
    let over = HttpTransporter::new(transport.clone());
    let context = OperationContext::new().with_http_transport(over);
    Ok(Connected {
        operator: operator.with_context(context),
        transport,
        revisions,
        compares: *scheme != Scheme::Az,
        uploads,
    })
}

fn google_endpoint(options: &Options) -> String {
    let Some(endpoint) = options.endpoint.as_ref().or(options.emulator.as_ref()) else {
        return GOOGLE.to_owned();
    };
    let endpoint = if endpoint.contains("://") {
        endpoint.trim_end_matches('/').to_owned()
    } else {
        format!("http://{}", endpoint.trim_end_matches('/'))
    };
    // A user and a password may stand before the host.
    let shown = endpoint.rsplit('@').next().unwrap_or_default();
    tracing::debug!("Google Cloud Storage at {shown}");
    endpoint
}

fn google_credentials(
    options: &Options,
    transport: &Transport,
) -> Result<Option<Google>, StoreError> {
    let emulated = options.emulator.is_some() && options.endpoint.is_none();
    if emulated && options.credentials.is_none() {
        tracing::debug!("credentials: none, for STORAGE_EMULATOR_HOST is set");
        return Ok(None);
    }
    Google::find(options, transport).map(Some)
}

/// Files with credentials that the environment names.
#[cfg(any(feature = "s3", feature = "azblob"))]
const NAMED_FILES: [&str; 6] = [
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_CLIENT_CERTIFICATE_PATH",
];

/// The library would wait for a pipe without an end.
#[cfg(any(feature = "s3", feature = "azblob"))]
fn check_named_files() -> Result<(), StoreError> {
    for name in NAMED_FILES {
        if let Some(path) = variable(name) {
            check_file(Path::new(&path), &format!("{name}={path}"))?;
        }
    }
    Ok(())
}

#[cfg(any(feature = "s3", feature = "azblob"))]
fn check_file(path: &Path, named: &str) -> Result<(), StoreError> {
    match open_regular(path) {
        Err(error) if is_foreign(&error) => Err(StoreError::Credentials {
            problem: format!("{named}: {error}"),
        }),
        _ => Ok(()),
    }
}

/// The same of AWS's files in the home folder.
#[cfg(feature = "s3")]
fn check_home_files() -> Result<(), StoreError> {
    let Some(home) = std::env::home_dir() else {
        return Ok(());
    };
    for (name, file) in [
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        ("AWS_CONFIG_FILE", "config"),
    ] {
        let path = home.join(".aws").join(file);
        if variable(name).is_none() {
            check_file(&path, &path.display().to_string())?;
        }
    }
    Ok(())
}

/// Credentials as the AWS tools find them: environment, shared files, web identity, instance metadata. Under Nomad the files
/// in the home folder are the node's, like its metadata.
#[cfg(feature = "s3")]
fn s3(bucket: &str, root: &str, options: &Options) -> Result<Operator, StoreError> {
    check_named_files()?;
    let region = variable("AWS_REGION")
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .unwrap_or_else(|| "us-east-1".to_owned());
    let endpoint = options
        .endpoint
        .clone()
        .or_else(|| variable("AWS_ENDPOINT_URL_S3"))
        .or_else(|| variable("AWS_ENDPOINT_URL"));
    // The store compares each upload, and each part of one, with its CRC32C and refuses what differs.
    let builder = opendal::services::S3::default()
        .bucket(bucket)
        .root(root)
        .region(&region)
        .checksum_algorithm("crc32c");
    let builder = match endpoint {
        Some(endpoint) => builder.endpoint(&endpoint),
        None => builder.enable_virtual_host_style(),
    };
    let builder = match options.policy.allows_node_identity() {
        true => {
            check_home_files()?;
            builder
        }
        false => builder.credential_provider_chain(super::homeless::providers()),
    };
    made(Operator::new(builder), "s3", bucket)
}

/// Account and key, signature or identity as the Azure tools find them.
#[cfg(feature = "azblob")]
fn azure(container: &str, root: &str, options: &Options) -> Result<Operator, StoreError> {
    check_named_files()?;
    let account = variable("AZURE_STORAGE_ACCOUNT");
    let builder = match variable("AZURE_STORAGE_CONNECTION_STRING") {
        Some(text) => opendal::services::Azblob::from_connection_string(&text).map_err(|_| {
            StoreError::Credentials {
                problem: "AZURE_STORAGE_CONNECTION_STRING is no connection string".to_owned(),
            }
        })?,
        None => opendal::services::Azblob::default(),
    };
    let mut builder = builder.container(container).root(root);
    if let Some(endpoint) = &options.endpoint {
        builder = builder.endpoint(endpoint);
    } else if let Some(account) = &account {
        builder = builder.endpoint(&format!("https://{account}.blob.core.windows.net"));
    } else if variable("AZURE_STORAGE_CONNECTION_STRING").is_none() {
        return Err(StoreError::Credentials {
            problem: "name the storage account: AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or AZURE_STORAGE_CONNECTION_STRING".to_owned(),
        });
    }
    if let Some(account) = &account {
        builder = builder.account_name(account);
    }
    if let Some(key) = variable("AZURE_STORAGE_KEY") {
        builder = builder.account_key(&key);
    }
    if let Some(token) = variable("AZURE_STORAGE_SAS_TOKEN") {
        builder = builder.sas_token(&token);
    }
    made(Operator::new(builder), "az", container)
}

#[cfg(any(feature = "s3", feature = "azblob"))]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn made(
    operator: opendal::Result<Operator>,
    scheme: &str,
    bucket: &str,
) -> Result<Operator, StoreError> {
    operator.map_err(|error| StoreError::BadLocation {
        text: format!("{scheme}://{bucket}"),
        problem: error.to_string(),
    })
}
