//! What went wrong with a request, and whether it may pass.

use std::error::Error;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use url::Url;

use super::bad_answer;
use crate::data::DataError;
use crate::net::{BodyError, cause, retry};
use crate::policy::{Policy, Refusal, RefusedAddress};

pub(in crate::data) enum Trouble {
    /// Worth another try.
    Passing {
        problem: String,
        /// What the server asked to wait.
        after: Option<Duration>,
    },
    Final(DataError),
}

impl From<DataError> for Trouble {
    fn from(error: DataError) -> Self {
        Self::Final(error)
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Final(refusal.into())
    }
}

impl Trouble {
    pub fn passing(problem: String) -> Self {
        Self::Passing {
            problem,
            after: None,
        }
    }

    /// Says how far the data had come.
    pub fn after_bytes(self, bytes: u64, total: Option<u64>) -> Self {
        match self {
            Self::Passing { problem, after } => {
                let of = total
                    .map(|total| format!(" of {total}"))
                    .unwrap_or_default();
                Self::Passing {
                    problem: format!("broke off after {bytes}{of} bytes: {problem}"),
                    after,
                }
            }
            Self::Final(error) => Self::Final(error),
        }
    }
}

/// An answer that is not the data.
pub(in crate::data) fn of_status(url: &Url, response: &Response) -> Trouble {
    let status = response.status();
    let said = match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    };
    if retry::may_pass(status) {
        let after = retry::retry_after(response.headers());
        let problem = match after {
            Some(after) => format!("{said}, and it asks to wait for {} s", after.as_secs()),
            None => said,
        };
        return Trouble::Passing { problem, after };
    }
    let remedy = match status {
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "give credentials that may read it, with --data-token-file, --data-header-file or --data-oauth-file"
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => "check the URL",
        _ if status.is_success() => "there is no data in that: ask for it when it is ready",
        _ => "check the URL, and what the server's log says",
    };
    bad_answer(url, format!("{said}: {remedy}")).into()
}

/// No answer, or one that broke off.
pub(in crate::data) fn of_error(url: &Url, error: &reqwest::Error, silence: Duration) -> Trouble {
    if let Some(refused) = cause::<RefusedAddress>(error) {
        return Policy::refused_address(url, refused).into();
    }
    let is_final = retry::Lost::of(error) == retry::Lost::ForGood;
    if is_final && let Some(problem) = cause::<rustls::Error>(error) {
        return bad_answer(
            url,
            format!("{problem}: if its certificate is signed by an authority of your own, name that one's file in SSL_CERT_FILE"),
        )
        .into();
    }
    if is_final {
        return bad_answer(url, format!("it can't be asked for: {}", deepest(error))).into();
    }
    if error.is_timeout() {
        return Trouble::passing(format!("silent for {silence:?} (--data-timeout)"));
    }
    Trouble::passing(deepest(error))
}

/// A small answer that could not be read.
pub(in crate::data) fn of_body(url: &Url, error: &BodyError, silence: Duration) -> Trouble {
    match error {
        BodyError::Broken(error) => of_error(url, error, silence),
        BodyError::TooLarge(_) => bad_answer(url, error.to_string()).into(),
    }
}

/// What really happened; the outer layers repeat the URL, which may hold a secret.
fn deepest(error: &reqwest::Error) -> String {
    let mut deepest: &dyn Error = error;
    while let Some(inner) = deepest.source() {
        deepest = inner;
    }
    match deepest.downcast_ref::<reqwest::Error>() {
        Some(_) => "the request failed".to_owned(),
        None => deepest.to_string(),
    }
}
