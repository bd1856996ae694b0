//! Why a request to a store came to nothing.

use crate::policy::Refusal;

/// Why a request came to nothing, worded for a person. It never holds a token, and no query of a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The server answered, and no repetition will change that.
    #[error("{0}")]
    Refused(String),
    /// The same, and this machine's clock is so far off that it may be why.
    #[error("{0}")]
    Clock(String),
    /// The server answered what no such store answers.
    #[error("{0}")]
    Faulty(String),
    /// The request would go where the operator does not allow it. It was not sent.
    #[error(transparent)]
    NotAllowed(#[from] Refusal),
    /// No answer, or none that was worth anything until patience ended.
    #[error("{0}")]
    Unreachable(String),
}

/// The innermost cause: outer ones say no more than "error sending request for url".
pub(super) fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let cause_text = cause.to_string();
    if cause_text.contains("certificate expired")
        || cause_text.contains("certificate not valid yet")
    {
        // rustls tells both times in seconds since 1970.
        let now = jiff::Timestamp::now()
            .round(jiff::Unit::Second)
            .unwrap_or_default();
        format!(
            "cannot connect: {cause_text}. This machine's clock says {now}: set it right, if it is off"
        )
    } else if error.is_connect() {
        format!("cannot connect: {cause}")
    } else {
        format!("the connection broke off: {cause}")
    }
}
