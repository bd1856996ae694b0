//! Whose rights a request to Google Cloud Storage has.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use opendal::Buffer;
use reqsign_core::{Context, FileRead, HttpSend, OsEnv, ProvideCredentialDyn};
use reqsign_google::{
    Credential, ServiceAccountTokenCredentialProvider, StaticCredentialProvider,
    VmMetadataCredentialProvider,
};

use super::transport::{Failure, Transport};
use crate::store::{Options, StoreError};

const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
/// Where Google's libraries, and this one, think that tokens come from.
const TOKEN_ADDRESS: &str = "https://oauth2.googleapis.com/token";
/// A token is renewed when it has less than this left.
const MARGIN: Duration = Duration::from_secs(60);

/// Gets access tokens from one source of credentials, and keeps the last one while it lasts.
pub(super) struct Google {
    /// For people: which file, or whose server.
    source: String,
    provider: Box<dyn ProvideCredentialDyn<Credential = Credential>>,
    context: Context,
    /// What the token server said, which the provider leaves out of its errors.
    said: Arc<Mutex<Option<Failure>>>,
    token: tokio::sync::Mutex<Option<Token>>,
}

struct Token {
    header: HeaderValue,
    expires: Option<Instant>,
}

impl Google {
    /// Takes the first of: `--credentials`, the job's `gcp_creds`, `GOOGLE_APPLICATION_CREDENTIALS`, gcloud's
    /// default file, the metadata server. `client` is for asking for tokens.
    pub fn find(options: &Options, client: &reqwest::Client) -> Result<Self, StoreError> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(path) = &options.credentials {
            return Self::from_file(path, "--credentials", options, client);
        }
        if let Some(secret) = &options.job_credentials {
            tracing::warn!(
                "credentials come from the job's metadata (gcp_creds), which anyone can read who can read the job: prefer Nomad's workload identity, a Nomad variable, or --credentials"
            );
            let text = secret_text(secret.expose())?;
            return Self::from_text(&text, "the job's gcp_creds".to_owned(), options, client);
        }
        if let Some(path) = variable("GOOGLE_APPLICATION_CREDENTIALS") {
            let name = "GOOGLE_APPLICATION_CREDENTIALS";
            return Self::from_file(Path::new(&path), name, options, client);
        }
        let gcloud = variable("CLOUDSDK_CONFIG")
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".config/gcloud")))
            .map(|folder| folder.join("application_default_credentials.json"))
            .filter(|path| path.is_file());
        if let Some(path) = gcloud {
            return Self::from_file(&path, "gcloud's default", options, client);
        }
        let provider = VmMetadataCredentialProvider::new().with_scope(SCOPE);
        // Off Google's machines nobody answers there: that must be known soon.
        let patience = options.timeout.min(Duration::from_secs(5));
        let source = "the metadata server".to_owned();
        Ok(Self::new(
            source,
            Box::new(provider),
            None,
            patience,
            client,
        ))
    }

    fn from_file(
        path: &Path,
        named_by: &str,
        options: &Options,
        client: &reqwest::Client,
    ) -> Result<Self, StoreError> {
        let text = std::fs::read_to_string(path).map_err(|error| StoreError::Credentials {
            problem: format!("cannot read {} ({named_by}): {error}", path.display()),
        })?;
        let source = format!("{} ({named_by})", path.display());
        Self::from_text(&text, source, options, client)
    }

    fn from_text(
        text: &str,
        source: String,
        options: &Options,
        client: &reqwest::Client,
    ) -> Result<Self, StoreError> {
        // serde_json's message would quote from the text, which is a secret.
        let bad = |problem: String| StoreError::Credentials {
            problem: format!("{source}: {problem}"),
        };
        let mut json: serde_json::Value = serde_json::from_str(text)
            .map_err(|_| bad("it is no JSON file of Google credentials".to_owned()))?;
        // gcloud leaves the format of a token file out when it is plain text; the library asks for it.
        if let Some(token_file) = json
            .pointer_mut("/credential_source")
            .and_then(|source| source.as_object_mut())
            .filter(|source| source.contains_key("file") || source.contains_key("url"))
        {
            let format = token_file.entry("format");
            format.or_insert_with(|| serde_json::json!({"type": "text"}));
        }
        let field = |name: &str| json.get(name).and_then(|value| value.as_str());
        let kind = field("type").unwrap_or_default();
        let given = StaticCredentialProvider::new(json.to_string()).with_scope(SCOPE);
        let provider: Box<dyn ProvideCredentialDyn<Credential = Credential>> = match kind {
            "service_account" => Box::new(
                ServiceAccountTokenCredentialProvider::from_provider(given).with_scope(SCOPE),
            ),
            "authorized_user" | "external_account" | "impersonated_service_account" => {
                Box::new(given)
            }
            _ => {
                return Err(bad(
                    "its `type` is none of service_account, authorized_user, external_account, impersonated_service_account"
                        .to_owned(),
                ));
            }
        };
        let token_address = field("token_uri").map(str::to_owned);
        let source = format!("{source}, {}", kind.replace('_', " "));
        Ok(Self::new(
            source,
            provider,
            token_address,
            options.timeout,
            client,
        ))
    }

    fn new(
        source: String,
        provider: Box<dyn ProvideCredentialDyn<Credential = Credential>>,
        token_address: Option<String>,
        patience: Duration,
        client: &reqwest::Client,
    ) -> Self {
        tracing::debug!("credentials: {source}");
        let said = Arc::new(Mutex::new(None));
        let sender = TokenRequests {
            transport: Transport {
                client: client.clone(),
                patience,
                google: None,
                ahead: Arc::default(),
            },
            token_address,
            said: Arc::clone(&said),
        };
        Self {
            source,
            provider,
            context: Context::new()
                .with_file_read(Files)
                .with_env(OsEnv)
                .with_http_send(sender),
            said,
            token: tokio::sync::Mutex::new(None),
        }
    }

    /// The `Authorization` header. `refused` is the one that a server did not take: then a new token is fetched.
    pub async fn authorization(
        &self,
        refused: Option<&HeaderValue>,
    ) -> Result<HeaderValue, Failure> {
        let mut kept = self.token.lock().await;
        if let Some(token) = &*kept
            && refused != Some(&token.header)
            && token
                .expires
                .is_none_or(|end| end > Instant::now() + MARGIN)
        {
            return Ok(token.header.clone());
        }
        let token = self.fetch().await?;
        let header = token.header.clone();
        *kept = Some(token);
        Ok(header)
    }

    async fn fetch(&self) -> Result<Token, Failure> {
        let take_said = || {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            said.take()
        };
        take_said();
        let credential = self.provider.provide_credential_dyn(&self.context).await;
        let said = take_said();
        let failed = |problem: &str| {
            let problem = format!("no access token from {}: {problem}", self.source);
            match &said {
                Some(Failure::Unreachable(_)) if !self.is_metadata() => {
                    Failure::Unreachable(problem)
                }
                // Other credentials would fare no better.
                Some(Failure::Clock(_)) => Failure::Clock(problem),
                _ => Failure::Refused(format!(
                    "{problem}. Give a credentials file with --credentials or GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`"
                )),
            }
        };
        let token = match credential {
            Ok(Some(Credential {
                token: Some(token), ..
            })) => token,
            Ok(_) => return Err(failed("it has none")),
            Err(error) => {
                return Err(failed(
                    &said
                        .as_ref()
                        .map_or_else(|| error.to_string(), ToString::to_string),
                ));
            }
        };
        let mut header = HeaderValue::try_from(format!("Bearer {}", token.access_token))
            .map_err(|_| failed("the token holds characters that no token has"))?;
        header.set_sensitive(true);
        let left = token.expires_at.map(|end| {
            let left = end.as_second() - jiff::Timestamp::now().as_second();
            Duration::from_secs(u64::try_from(left).unwrap_or(0))
        });
        Ok(Token {
            header,
            expires: left.map(|left| Instant::now() + left),
        })
    }

    fn is_metadata(&self) -> bool {
        self.source == "the metadata server"
    }
}

/// The job's metadata may hold the file's text, that in base64, or its path.
fn secret_text(secret: &str) -> Result<String, StoreError> {
    use base64::Engine;
    if secret.trim_start().starts_with('{') {
        return Ok(secret.to_owned());
    }
    if let Some(text) = base64::engine::general_purpose::STANDARD
        .decode(secret.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
    {
        return Ok(text);
    }
    std::fs::read_to_string(secret).map_err(|_| StoreError::Credentials {
        problem: "the job's gcp_creds are neither JSON, nor that in base64, nor a file here"
            .to_owned(),
    })
}

/// Reads the token files that external accounts name: anew each time, since Nomad renews them.
#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> reqsign_core::Result<Vec<u8>> {
        tokio::fs::read(path).await.map_err(|error| {
            reqsign_core::Error::config_invalid(format!("cannot read {path}: {error}"))
        })
    }
}

/// Asks token servers, with the same retries as everything else.
struct TokenRequests {
    transport: Transport,
    /// A credentials file may name a token server of its own, which the library does not look at.
    token_address: Option<String>,
    said: Arc<Mutex<Option<Failure>>>,
}

impl std::fmt::Debug for TokenRequests {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TokenRequests")
    }
}

impl HttpSend for TokenRequests {
    async fn http_send(&self, request: Request<Bytes>) -> reqsign_core::Result<Response<Bytes>> {
        let mut request = request.map(Buffer::from);
        if let Some(address) = &self.token_address
            && *request.uri() == TOKEN_ADDRESS
        {
            *request.uri_mut() = address.parse().map_err(|_| {
                reqsign_core::Error::config_invalid("token_uri is no address".to_owned())
            })?;
        }
        let response = match self.transport.send(&request).await {
            Ok(response) => response,
            Err(failure) => {
                let error = reqsign_core::Error::unexpected(failure.to_string());
                *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                return Err(error);
            }
        };
        let (parts, mut body) = response.into_parts();
        let bytes = body
            .to_buffer()
            .await
            .map_err(|error| reqsign_core::Error::unexpected(error.to_string()))?;
        Ok(Response::from_parts(parts, bytes.to_bytes()))
    }
}
