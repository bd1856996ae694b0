//! What answers mean: whether to ask again, why a request was refused, whether a clock is off.

use http::{HeaderMap, StatusCode, header};

use crate::net::without_queries;

/// Looked at of an error's body. The rest of a long one says no more, and looking through it takes time. Bytes.
pub(super) const LOOKED_AT: usize = 64 << 10;

/// What an answer means that OpenDAL has no word for; `None` for those that it understands.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> Option<String> {
    let said = || server_message(body);
    match status {
        StatusCode::NOT_FOUND
            if ["bucket does not exist", "NoSuchBucket", "ContainerNotFound"]
                .iter()
                .any(|mark| body.windows(mark.len()).any(|part| part == mark.as_bytes())) =>
        {
            Some("there is no such bucket: create it, or correct the name".to_owned())
        }
        // Preconditions, names that are free or taken, ranges and unfinished uploads have their own meaning.
        StatusCode::NOT_FOUND
        | StatusCode::GONE
        | StatusCode::CONFLICT
        | StatusCode::PRECONDITION_FAILED
        | StatusCode::RANGE_NOT_SATISFIABLE => None,
        StatusCode::UNAUTHORIZED => Some(format!(
            "the credentials were not accepted ({status}): {}",
            said()
        )),
        StatusCode::FORBIDDEN => Some(format!(
            "these credentials have no right to do that ({status}): {}",
            said()
        )),
        _ if status.is_client_error() => Some(format!("{status}: {}", said())),
        _ => None,
    }
}

/// The code of an error that may pass, though its status says otherwise: S3 sends some with 400, and some with 200, when it has
/// begun to answer before it knew.
pub(super) fn passing_error(status: StatusCode, body: &[u8]) -> Option<&'static str> {
    const CODES: [&str; 7] = [
        "RequestTimeout",
        "BadDigest",
        // Azure's word for it.
        "Md5Mismatch",
        "IncompleteBody",
        "InternalError",
        "ServiceUnavailable",
        "SlowDown",
    ];
    if status != StatusCode::BAD_REQUEST && !status.is_success() {
        return None;
    }
    let body = &body[..body.len().min(LOOKED_AT)];
    let body = body.get(body.windows(6).position(|part| part == b"<Error")?..)?;
    let text = String::from_utf8_lossy(body);
    let (_, code) = text.split_once("<Code>")?;
    let (code, _) = code.split_once("</Code>")?;
    CODES.into_iter().find(|passing| *passing == code.trim())
}

/// Whether an answer is a list of objects: Google's JSON, or the XML of S3 or Azure. Nothing in an HTML page looks like an object, so that a
/// page would be an empty list.
pub(super) fn is_listing(body: &[u8]) -> bool {
    let text = body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii_start();
    let head = &text[..text.len().min(1024)];
    text.first() == Some(&b'{')
        || [&b"<ListBucketResult"[..], b"<EnumerationResults"]
            .iter()
            .any(|root| head.windows(root.len()).any(|part| part == *root))
}

/// The sentence in an error body: JSON as Google and OAuth write it, or XML as the others do.
fn server_message(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let sentence = serde_json::from_str::<serde_json::Value>(&text)
        .ok()
        .and_then(|json| {
            ["/error/message", "/error_description", "/error"]
                .iter()
                .find_map(|path| json.pointer(path)?.as_str().map(str::to_owned))
        })
        .or_else(|| {
            let (_, rest) = text.split_once("<Message>")?;
            Some(rest.split_once("</Message>")?.0.to_owned())
        })
        .unwrap_or_else(|| text.into_owned());
    let line: String = without_queries(&sentence)
        .chars()
        .map(|each| if each.is_control() { ' ' } else { each })
        .take(300)
        .collect();
    if line.trim().is_empty() {
        "no reason given".to_owned()
    } else {
        line.trim().to_owned()
    }
}

/// By how many seconds whoever answered is ahead of this machine's clock.
pub(super) fn seconds_ahead(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let there = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(there.as_second() - jiff::Timestamp::now().as_second())
}

/// Signatures and tokens hold times: a clock that is off looks like a lack of rights.
pub(super) fn clock_note(ahead: i64) -> Option<String> {
    if ahead.abs() < 120 {
        return None;
    }
    Some(format!(
        "This machine's clock is {} minutes {} the server's: set it right",
        ahead.abs() / 60,
        if ahead < 0 { "ahead of" } else { "behind" }
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_says_in_its_body_what_may_pass() {
        let body = |code: &str| format!("<?xml?><Error><Code>{code}</Code></Error>");
        for (status, code, passes) in [
            (400, "RequestTimeout", true),
            (400, "BadDigest", true),
            (400, "InvalidArgument", false),
            (200, "InternalError", true),
            (200, "NoSuchUpload", false),
            // It has a meaning of its own.
            (404, "InternalError", false),
        ] {
            let status = StatusCode::from_u16(status).unwrap_or_default();
            let found = passing_error(status, body(code).as_bytes());
            assert_eq!(found.is_some(), passes, "{status} {code}");
        }
        let list = "<ListBucketResult><Key>&lt;Error&gt;</Key></ListBucketResult>";
        assert_eq!(passing_error(StatusCode::OK, list.as_bytes()), None);
    }
}
