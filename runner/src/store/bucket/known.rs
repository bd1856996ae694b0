//! Secrets that a request carries: a token, and the names of uploads, by which others could go on with them. Servers repeat
//! them in their errors, in words of their own, so the values themselves are struck out.

use std::collections::BTreeMap;

use http::{HeaderValue, Request, header};
use opendal::Buffer;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::{Url, form_urlencoded};

/// Parameters of an address that give a right to whoever knows them.
const PARAMETERS: [&str; 5] = [
    "uploadid",
    "upload_id",
    "sig",
    "x-amz-signature",
    "x-amz-security-token",
];

/// The same in what token servers are sent.
const FIELDS: [&str; 4] = [
    "assertion",
    "client_secret",
    "refresh_token",
    "subject_token",
];

/// Longer bodies are no requests for tokens. Bytes.
const LONGEST_REQUEST: usize = 64 << 10;

/// Shorter texts are no secrets, and would be struck out of everything. Bytes.
const SHORTEST: usize = 4;

/// Letters and digits in a row that are struck out by themselves: whatever stands between them may be written in another way.
const SHORTEST_RUN: usize = 6;

/// A request goes to the session of an upload, whose address is a secret. Holds the address that the session was asked for at.
#[derive(Clone)]
pub(super) struct Session {
    pub begun_at: String,
}

/// What must not be told of a request, in lower case, the longest first.
pub(super) struct Known(Vec<String>);

impl Known {
    pub fn of(request: &Request<Buffer>, token: Option<&HeaderValue>) -> Self {
        let mut known = Self(Vec::new());
        let address = request.uri().to_string();
        if let Ok(url) = Url::parse(&address) {
            for pair in url.query().unwrap_or_default().split('&') {
                let (name, value) = pair.split_once('=').unwrap_or_default();
                if PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) {
                    known.add(value);
                }
            }
        }
        if let Some(session) = request.extensions().get::<Session>() {
            // Names of the bucket and the object stand in both.
            let own = runs(&address).filter(|run| !session.begun_at.contains(run));
            known.0.extend(own.map(str::to_ascii_lowercase));
        }
        for (name, value) in fields(request) {
            if FIELDS.contains(&name.as_str()) {
                known.add(&value);
            }
        }
        if let Some(token) = token.and_then(|token| token.to_str().ok()) {
            known.add(token.trim_start_matches("Bearer "));
        }
        known
            .0
            .sort_unstable_by_key(|text| std::cmp::Reverse(text.len()));
        known
    }

    fn add(&mut self, value: &str) {
        let decoded = percent_decode_str(value).decode_utf8_lossy();
        let whole = [value, decoded.as_ref()];
        let texts = whole.iter().filter(|text| text.len() >= SHORTEST).copied();
        let texts = texts.chain(runs(&decoded));
        self.0.extend(texts.map(str::to_ascii_lowercase));
    }

    /// The text without any of it.
    pub fn strike(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            // Lengths stay the same.
            let lower = text.to_ascii_lowercase();
            if !lower.contains(secret) {
                continue;
            }
            let mut struck = String::with_capacity(text.len());
            let mut from = 0;
            for (at, _) in lower.match_indices(secret) {
                struck.push_str(&text[from..at]);
                struck.push('…');
                from = at + secret.len();
            }
            struck.push_str(&text[from..]);
            text = struck;
        }
        text
    }
}

/// What a request for a token says.
fn fields(request: &Request<Buffer>) -> Vec<(String, String)> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if request.body().len() > LONGEST_REQUEST {
        return Vec::new();
    }
    let body = || request.body().to_bytes();
    match kind.split(';').next().unwrap_or_default() {
        "application/x-www-form-urlencoded" => {
            form_urlencoded::parse(&body()).into_owned().collect()
        }
        "application/json" => {
            let texts: BTreeMap<String, Value> =
                serde_json::from_slice(&body()).unwrap_or_default();
            let texts = texts.into_iter();
            texts
                .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|each: char| !each.is_ascii_alphanumeric())
        .filter(|run| run.len() >= SHORTEST_RUN)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn struck(request: http::request::Builder, text: &str) -> String {
        let request = request.body(Buffer::new()).unwrap();
        let token = HeaderValue::from_static("Bearer ya29.a0Token-x");
        Known::of(&request, Some(&token)).strike(text)
    }

    #[test]
    fn no_spelling_of_an_uploads_name_is_told() {
        let ask =
            || Request::get("http://a:1/models/b/c?partNumber=1&uploadId=2~Secret1%2BSecret2%3D");
        for (text, shown) in [
            ("no upload 2~Secret1+Secret2=.", "no upload …."),
            ("upload '2~Secret1%2BSecret2%3D'", "upload '…'"),
            ("id: 2~secret1&#43;SECRET2&#61;", "id: 2~…&#43;…&#61;"),
            ("token YA29.A0TOKEN-X", "token …"),
            (
                "part 1 of models/b/c is gone",
                "part 1 of models/b/c is gone",
            ),
        ] {
            assert_eq!(struck(ask(), text), shown);
        }
    }

    #[test]
    fn nothing_that_a_token_server_was_sent_is_told() {
        for (kind, body) in [
            (
                "application/x-www-form-urlencoded",
                "grant_type=refresh_token&refresh_token=1%2F%2FSecret1",
            ),
            (
                "application/json; charset=UTF-8",
                r#"{"grant_type":"refresh_token","refresh_token":"1//Secret1"}"#,
            ),
        ] {
            let request = Request::post("http://a:1/token")
                .header("content-type", kind)
                .body(Buffer::from(body))
                .unwrap();
            let told = Known::of(&request, None).strike("refresh_token 1//Secret1 is secret1");
            assert_eq!(told, "refresh_token … is …");
        }
    }

    #[test]
    fn the_address_of_a_session_is_not_told_wherever_its_secret_stands() {
        for session in [
            "http://a:1/upload/b/models/o?uploadType=resumable&session=AbCdEf12",
            "http://a:1/sessions/AbCdEf12/models",
        ] {
            let request = Request::put(session).extension(Session {
                begun_at: "http://a:1/upload/b/models/o?uploadType=resumable&name=x".to_owned(),
            });
            let text = "models: resumable upload abcdef12 is gone";
            assert_eq!(struck(request, text), "models: resumable upload … is gone");
        }
    }
}
