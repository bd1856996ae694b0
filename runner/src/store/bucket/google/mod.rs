//! Whose rights a request to Google Cloud Storage has.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use opendal::Buffer;
use reqsign_core::{Context, FileRead, HttpSend, OsEnv, ProvideCredentialDyn};
use reqsign_google::Credential;

use super::failure::Failure;
use super::transport::Transport;
use crate::secret::read_small;

mod find;
mod given;

/// Where Google's libraries, and this one, think that tokens come from.
const TOKEN_ADDRESS: &str = "https://oauth2.googleapis.com/token";
/// A token is renewed when it has less than this left.
const MARGIN: Duration = Duration::from_secs(60);
/// No token lasts longer, whatever its server says. Seconds.
const LONGEST_LIFE: u64 = 24 * 3600;

type Provider = Box<dyn ProvideCredentialDyn<Credential = Credential>>;

/// Gets access tokens from one source of credentials, and keeps the last one while it lasts.
pub(super) struct Google {
    /// For people: which file, or whose server.
    source: String,
    provider: Provider,
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
    fn new(
        source: String,
        provider: Provider,
        token_address: Option<String>,
        transport: Transport,
    ) -> Self {
        tracing::debug!("credentials: {source}");
        let said = Arc::new(Mutex::new(None));
        let sender = TokenRequests {
            transport,
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
                Some(Failure::NotAllowed(refusal)) => Failure::NotAllowed(refusal.clone()),
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

/// Reads the token files that external accounts name: anew each time, since Nomad renews them.
#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> reqsign_core::Result<Vec<u8>> {
        let failed = |problem: &dyn std::fmt::Display| {
            reqsign_core::Error::config_invalid(format!("cannot read {path}: {problem}"))
        };
        let file = PathBuf::from(path);
        let read = tokio::task::spawn_blocking(move || read_small(&file)).await;
        let text = read.map_err(|error| failed(&error))?;
        let text = text.map_err(|error| failed(&error))?;
        let text = text.ok_or_else(|| failed(&"it is too large to hold a token"))?;
        Ok(text.into_bytes())
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
        Ok(Response::from_parts(parts, with_a_life(bytes.to_bytes())))
    }
}

/// The answer of a token server, with a life that the library can add to the time.
fn with_a_life(answer: Bytes) -> Bytes {
    let Ok(mut json) = serde_json::from_slice::<serde_json::Value>(&answer) else {
        return answer;
    };
    match json.get_mut("expires_in") {
        Some(life) if life.as_u64().is_some_and(|life| life > LONGEST_LIFE) => {
            *life = LONGEST_LIFE.into();
            json.to_string().into()
        }
        _ => answer,
    }
}
