//! Where tokens come from: OAuth, the Security Token Service, impersonation, the metadata server.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::http::decode;
use super::{Request, Response};

#[derive(Default)]
pub struct Tokens {
    /// Whether storage asks for one.
    pub required: bool,
    /// What the token servers are asked for, in order: `jwt`, `refresh`, `sts`, `impersonate`, `metadata`.
    pub asked: Vec<String>,
    /// What external accounts showed.
    pub subjects: Vec<String>,
    given: usize,
    valid: BTreeSet<String>,
    /// Whether the metadata server is there.
    pub metadata: bool,
}

impl Tokens {
    pub fn expire(&mut self) {
        self.valid.clear();
    }

    fn give(&mut self, kind: &str) -> String {
        self.asked.push(kind.to_owned());
        self.given += 1;
        let token = format!("ya29.secret-{}", self.given);
        self.valid.insert(token.clone());
        token
    }

    /// Answers what is a question for a token.
    /// `now` is this server's time in seconds since 1970.
    pub fn answer(&mut self, request: &Request, now: i64) -> Option<Response> {
        let form = |name: &str| {
            String::from_utf8_lossy(&request.body)
                .split('&')
                .find_map(|pair| pair.strip_prefix(&format!("{name}=")).map(decode))
        };
        match request.path.as_str() {
            "/token" => {
                let assertion = form("assertion");
                let jwt = assertion.is_some_and(|jwt| is_timely(&jwt, now));
                let refresh = String::from_utf8_lossy(&request.body).contains("1//refresh");
                let kind = match (jwt, refresh) {
                    (true, _) => "jwt",
                    (_, true) => "refresh",
                    _ => return Some(invalid_grant()),
                };
                Some(token(&self.give(kind)))
            }
            "/sts" => {
                let subject = form("subject_token").unwrap_or_default();
                if subject.is_empty() || form("audience").is_none() {
                    return Some(invalid_grant());
                }
                self.subjects.push(subject);
                Some(token(&self.give("sts")))
            }
            path if path.ends_with(":generateAccessToken") => {
                if let Err(response) = self.check_always(request) {
                    return Some(response);
                }
                let token = self.give("impersonate");
                Some(Response::json(&json!({
                    "accessToken": token,
                    "expireTime": "2099-01-01T00:00:00Z",
                })))
            }
            path if path.starts_with("/computeMetadata/") => {
                if !self.metadata {
                    return Some(Response::new(404, "no such metadata"));
                }
                Some(token(&self.give("metadata")))
            }
            _ => None,
        }
    }

    /// Whether a request to storage shows a valid token, where one is asked for.
    pub fn check(&self, request: &Request) -> Result<(), Response> {
        // The address of an upload is itself the right to write to it.
        if !self.required || request.query.contains_key("upload_id") {
            return Ok(());
        }
        self.check_always(request)
    }

    fn check_always(&self, request: &Request) -> Result<(), Response> {
        let shown = request
            .headers
            .get("authorization")
            .map_or("", String::as_str);
        let known = shown
            .strip_prefix("Bearer ")
            .is_some_and(|token| self.valid.contains(token));
        if known {
            return Ok(());
        }
        Err(Response::error(401, "authError", "Invalid Credentials"))
    }
}

/// Whether a JWT was made lately, by the server's clock, and lasts for an hour at most: what Google asks for.
fn is_timely(jwt: &str, now: i64) -> bool {
    let claims = jwt.split('.').nth(1).unwrap_or_default();
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&claims).unwrap_or_default();
    let time = |name: &str| claims[name].as_i64().unwrap_or(0);
    let (made, ends) = (time("iat"), time("exp"));
    jwt.split('.').count() == 3 && made <= now + 300 && ends > now && ends - made <= 3600
}

fn token(token: &str) -> Response {
    Response::json(&json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer"}))
}

fn invalid_grant() -> Response {
    let body = json!({
        "error": "invalid_grant",
        "error_description": "Invalid JWT: Token must be a short-lived token and in a reasonable timeframe",
    });
    Response::new(400, body.to_string())
}
