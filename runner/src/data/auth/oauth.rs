//! OAuth 2.0: client credentials and refresh token (RFC 6749), JWT bearer (RFC 7523).

use std::collections::BTreeMap;
use std::path::Path;

use reqwest::Client;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use url::Url;

use super::{CredentialFile, bearer, sign};
use crate::data::http::{Trouble, of_body, of_error, of_status, retrying};
use crate::data::progress::Voice;
use crate::data::{DataError, Request};
use crate::net;
use crate::policy::redacted;

/// How long an assertion is good for: what Salesforce takes at most. Seconds.
const ASSERTION_LIFE: i64 = 180;

/// More is no answer of a token server's. Bytes.
const LARGEST_ANSWER: usize = 1 << 20;

/// All that a token server can say, by RFC 6749, section 5.2.
const ERROR_CODES: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// Gets tokens, and keeps the last one.
pub(in crate::data) struct OAuth {
    file: CredentialFile,
    token_url: Url,
    grant: Grant,
    client_id: String,
    client_secret: Option<String>,
    scope: Option<String>,
    token: Mutex<Option<HeaderValue>>,
}

enum Grant {
    ClientCredentials,
    RefreshToken(String),
    JwtBearer {
        subject: String,
        audience: String,
        /// PEM.
        key: String,
    },
}

/// What a token server answers. Everything else in it is left alone.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

impl OAuth {
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let file = CredentialFile::new("--data-oauth-file", path);
        let mut keys = Keys::read(&file)?;
        let token_url = keys.required("token_url")?;
        let token_url = Url::parse(&token_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| file.bad("`token_url` must be a URL that begins with https://"))?;
        let client_id = keys.required("client_id")?;
        let client_secret = keys.optional("client_secret");
        let scope = keys.optional("scope");
        let grant = match keys.required("grant")?.as_str() {
            "client_credentials" if client_secret.is_none() => {
                return Err(file.bad("grant `client_credentials` needs the key `client_secret`"));
            }
            "client_credentials" => Grant::ClientCredentials,
            "refresh_token" => Grant::RefreshToken(keys.required("refresh_token")?),
            "jwt_bearer" => Grant::JwtBearer {
                subject: keys.required("subject")?,
                audience: keys
                    .optional("audience")
                    .unwrap_or_else(|| token_url.origin().ascii_serialization()),
                key: key(&mut keys, path)?,
            },
            _ => {
                return Err(
                    file.bad("`grant` must be client_credentials, refresh_token or jwt_bearer")
                );
            }
        };
        keys.finish()?;
        if let Grant::JwtBearer { key, .. } = &grant {
            sign::signed(&json!({}), key).map_err(|problem| file.bad(problem))?;
        }
        Ok(Self {
            file,
            token_url,
            grant,
            client_id,
            client_secret,
            scope,
            token: Mutex::new(None),
        })
    }

    /// The `Authorization` header. `refused` is the one that the source did not take: then a new token is fetched.
    pub async fn authorization(
        &self,
        refused: Option<&HeaderValue>,
        request: &Request,
        voice: &Voice,
    ) -> Result<HeaderValue, DataError> {
        let mut kept = self.token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| refused != Some(token)) {
            return Ok(token.clone());
        }
        request.policy.check_token_source(&self.token_url)?;
        let builder = net::builder(request.silence)?;
        let client = net::build(builder.dns_resolver(request.policy.token_guard()))?;
        tracing::debug!("asking {} for a token", redacted(&self.token_url));
        let asked = || self.ask(&client, request);
        let token = retrying(request.retries, &self.token_url, voice, asked).await?;
        Ok(kept.insert(token).clone())
    }

    async fn ask(&self, client: &Client, request: &Request) -> Result<HeaderValue, Trouble> {
        let url = &self.token_url;
        let sent = client.post(url.clone()).form(&self.form()?).send();
        let response = sent
            .await
            .map_err(|error| of_error(url, &error, request.silence))?;
        let status = response.status();
        if !status.is_success() && !matches!(status.as_u16(), 400 | 401) {
            return Err(of_status(url, &response));
        }
        let body = net::body(response, LARGEST_ANSWER)
            .await
            .map_err(|error| of_body(url, &error, request.silence))?;
        if !status.is_success() {
            let code = serde_json::from_slice::<Refused>(&body)
                .ok()
                .map(|refused| refused.error);
            // Any other word could repeat what was sent.
            let code = code.filter(|code| ERROR_CODES.contains(&code.as_str()));
            let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
            let problem = format!(
                "{} gives no token for it{code}: check client, secret and rights",
                redacted(url)
            );
            return Err(self.file.bad(&problem).into());
        }
        let token = serde_json::from_slice::<Answer>(&body)
            .ok()
            .and_then(|answer| bearer(&answer.access_token));
        token.ok_or_else(|| {
            let problem = format!(
                "{} answered without an access token: check `token_url`",
                redacted(url)
            );
            self.file.bad(&problem).into()
        })
    }

    fn form(&self) -> Result<BTreeMap<&'static str, String>, DataError> {
        let mut form = BTreeMap::new();
        let grant_type = match &self.grant {
            Grant::ClientCredentials => "client_credentials",
            Grant::RefreshToken(token) => {
                form.insert("refresh_token", token.clone());
                "refresh_token"
            }
            Grant::JwtBearer {
                subject,
                audience,
                key,
            } => {
                let now = jiff::Timestamp::now().as_second();
                let claims = json!({
                    "iss": self.client_id,
                    "sub": subject,
                    "aud": audience,
                    "iat": now,
                    "exp": now + ASSERTION_LIFE,
                });
                let assertion =
                    sign::signed(&claims, key).map_err(|problem| self.file.bad(problem))?;
                form.insert("assertion", assertion);
                "urn:ietf:params:oauth:grant-type:jwt-bearer"
            }
        };
        form.insert("grant_type", grant_type.to_owned());
        form.insert("client_id", self.client_id.clone());
        for (name, value) in [
            ("client_secret", &self.client_secret),
            ("scope", &self.scope),
        ] {
            if let Some(value) = value {
                form.insert(name, value.clone());
            }
        }
        Ok(form)
    }
}

/// The private key itself, or the file that holds it, beside the one that names it.
fn key(keys: &mut Keys<'_>, path: &Path) -> Result<String, DataError> {
    if let Some(key) = keys.optional("private_key") {
        return Ok(key);
    }
    let name = keys.optional("private_key_file").ok_or_else(|| {
        keys.file
            .bad("grant `jwt_bearer` needs the key `private_key` or `private_key_file`")
    })?;
    let key = path.parent().unwrap_or(Path::new(".")).join(name);
    CredentialFile::new("`private_key_file` in --data-oauth-file", &key).read()
}

/// The keys of the file, all of them text. No message quotes a value.
struct Keys<'a> {
    file: &'a CredentialFile,
    left: BTreeMap<String, String>,
}

impl<'a> Keys<'a> {
    fn read(file: &'a CredentialFile) -> Result<Self, DataError> {
        let text = file.read()?;
        // Either language's parser would quote the line.
        let table: BTreeMap<String, toml::Value> = if text.trim_start().starts_with('{') {
            serde_json::from_str(&text)
                .map_err(|error| file.bad(&format!("line {} is no JSON", error.line())))?
        } else {
            toml::from_str(&text).map_err(|error: toml::de::Error| {
                let at = error.span().map_or(0, |span| span.start).min(text.len());
                let line = text.as_bytes()[..at]
                    .iter()
                    .filter(|&&byte| byte == b'\n')
                    .count()
                    + 1;
                file.bad(&format!("line {line} is no TOML"))
            })?
        };
        let mut left = BTreeMap::new();
        for (name, value) in table {
            let toml::Value::String(value) = value else {
                return Err(file.bad(&format!("the key `{name}` must be text")));
            };
            left.insert(name, value);
        }
        Ok(Self { file, left })
    }

    fn optional(&mut self, name: &str) -> Option<String> {
        self.left.remove(name).filter(|value| !value.is_empty())
    }

    fn required(&mut self, name: &str) -> Result<String, DataError> {
        self.optional(name)
            .ok_or_else(|| self.file.bad(&format!("the key `{name}` is missing")))
    }

    fn finish(self) -> Result<(), DataError> {
        match self.left.keys().next() {
            Some(name) => Err(self.file.bad(&format!(
                "the key `{name}` is not known for this grant (docs/data-sources.md lists them)"
            ))),
            None => Ok(()),
        }
    }
}
