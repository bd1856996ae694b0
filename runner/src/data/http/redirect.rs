//! Where a server leads: never out of HTTP, and never with credentials of its own choice.

use reqwest::{Response, header};
use url::Url;

use super::bad_answer;
use crate::data::DataError;
use crate::policy::{Policy, redacted};

/// Where a redirect leads; none if it is none.
pub(super) fn next(url: &Url, response: &Response) -> Result<Option<Url>, DataError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response
        .headers()
        .get(header::LOCATION)
        .and_then(|value| value.to_str().ok());
    let Some(location) = location else {
        return Err(bad_answer(url, "it redirects and does not say where to"));
    };
    let next = led(url, location)?;
    tracing::debug!("{} redirects to {}", redacted(url), redacted(&next));
    Ok(Some(next))
}

/// Where a link of a server's leads.
pub(in crate::data) fn led(from: &Url, link: &str) -> Result<Url, DataError> {
    let next = from
        .join(link)
        .map_err(|error| bad_answer(from, format!("it leads to no URL: {error}")))?;
    if !matches!(next.scheme(), "http" | "https") {
        return Err(Policy::refused_link(from, &next).into());
    }
    Ok(next)
}

/// Gives a URL the user and password of another one, or none.
pub(super) fn set_user(url: &mut Url, of: Option<&Url>) {
    let (user, password) = of.map_or(("", None), |of| (of.username(), of.password()));
    // Neither call fails for http.
    let _ = url.set_username(user);
    let _ = url.set_password(password);
}
