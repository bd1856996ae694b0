//! `http://` and `https://`: streamed to disk, tried again after what may pass, led astray by no redirect.

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Client, Response, StatusCode};
use url::{Host, Url};

use super::auth::Auth;
use super::progress::{Progress, Voice};
use super::sink::Sink;
use super::{DataError, Request};
use crate::net::{self, retry::may_pass};
use crate::policy::{Step, redacted};

mod redirect;
mod retry;
mod trouble;

pub(super) use redirect::led;
pub(super) use retry::retrying;
pub(super) use trouble::{Trouble, of_body, of_error, of_status};

const MOST_REDIRECTS: usize = 10;

/// Requests to one source.
pub(super) struct Http<'a> {
    request: &'a Request,
    /// The URL that the user named: credentials go to its scheme, host and port, and nowhere else.
    start: Url,
    /// For that URL.
    named: Client,
    /// For what a server led to, on the same host too: its name may stand for another address by then.
    led: Client,
}

/// What makes it safe to go on where a transfer broke off: the state of the data that has arrived so far.
type ETag = HeaderValue;

impl<'a> Http<'a> {
    pub fn new(request: &'a Request, start: &Url) -> Result<Self, DataError> {
        let client = |step| {
            let builder = net::builder(request.silence)?;
            let guard = request.policy.guard(step).through(net::proxy_names());
            net::build(builder.dns_resolver(guard))
        };
        Ok(Self {
            request,
            start: start.clone(),
            named: client(Step::Named)?,
            led: client(Step::Led)?,
        })
    }

    /// Gets the body of a URL.
    pub async fn download(
        &self,
        url: &Url,
        sink: &mut Sink,
        progress: &mut Progress,
    ) -> Result<(), DataError> {
        let mut kept: Option<ETag> = None;
        let voice = progress.voice();
        let attempt = async || self.attempt(url, &mut kept, sink, progress).await;
        retrying(self.request.retries, url, &voice, attempt).await?;
        check_kind(url, sink.head())
    }

    /// One try. `kept` is the state of what the sink holds.
    async fn attempt(
        &self,
        url: &Url,
        kept: &mut Option<ETag>,
        sink: &mut Sink,
        progress: &mut Progress,
    ) -> Result<(), Trouble> {
        let from = if kept.is_some() { sink.bytes() } else { 0 };
        let mut response = self
            .ask(
                url,
                kept.as_ref().filter(|_| from > 0),
                from,
                &progress.voice(),
            )
            .await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if from > 0 && starts_at(&response, from) => {}
            StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => sink.restart()?,
            // What is kept is of use to a server that will be back.
            status if may_pass(status) => return Err(of_status(url, &response)),
            status => {
                // It is of no use to one that does not want to go on with it.
                if kept.take().is_some() {
                    return Err(Trouble::passing(format!(
                        "{status} when asked for the rest"
                    )));
                }
                return Err(of_status(url, &response));
            }
        }
        check_encoding(url, response.headers())?;
        *kept = resumable(response.headers());
        let total = response
            .content_length()
            .map(|length| sink.bytes().saturating_add(length));
        if let Some(total) = total {
            sink.announce(total)?;
        }
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => sink.write(&chunk)?,
                Ok(None) => return Ok(()),
                Err(error) => {
                    let trouble = of_error(url, &error, self.request.silence);
                    return Err(trouble.after_bytes(sink.bytes(), total));
                }
            }
            progress.at(sink.bytes(), total);
        }
    }

    /// Who chose a URL that a server led to. An address that the user named stays what it is, unlike a name.
    fn step_to(&self, url: &Url) -> Step {
        let is_address = !matches!(url.host(), Some(Host::Domain(_)));
        match is_address && url.host() == self.start.host() {
            true => Step::Named,
            false => Step::Led,
        }
    }

    /// Sends a request and follows redirects, each of which must be allowed.
    async fn ask(
        &self,
        url: &Url,
        kept: Option<&ETag>,
        from: u64,
        voice: &Voice,
    ) -> Result<Response, Trouble> {
        let mut url = url.clone();
        // A token that the source did not take: it may have run out, and a new one may do.
        let mut refused: Option<HeaderValue> = None;
        let mut step = match url == self.start {
            true => Step::Named,
            false => self.step_to(&url),
        };
        for _ in 0..=MOST_REDIRECTS {
            self.request.policy.check_url(&url, step)?;
            let client = match step {
                Step::Named => &self.named,
                Step::Led => &self.led,
            };
            let is_home = url.origin() == self.start.origin();
            redirect::set_user(&mut url, is_home.then_some(&self.start));
            // Gzip is for the module to unpack; any other coding nobody here could.
            let mut asked = client
                .get(url.clone())
                .header(header::ACCEPT_ENCODING, "identity");
            if let Some(kept) = kept {
                asked = asked
                    .header(header::RANGE, format!("bytes={from}-"))
                    .header(header::IF_RANGE, kept);
            }
            let mut token = None;
            match self.request.auth.as_ref().filter(|_| is_home) {
                Some(Auth::Headers(headers)) => asked = asked.headers(headers.clone()),
                Some(Auth::OAuth(oauth)) => {
                    let header = oauth.authorization(refused.as_ref(), self.request, voice);
                    let header = header.await?;
                    asked = asked.header(header::AUTHORIZATION, &header);
                    token = Some(header);
                }
                None => {}
            }
            let response = asked
                .send()
                .await
                .map_err(|error| of_error(&url, &error, self.request.silence))?;
            if response.status() == StatusCode::UNAUTHORIZED && token.is_some() && refused.is_none()
            {
                refused = token;
                continue;
            }
            match redirect::next(&url, &response)? {
                Some(next) => (step, url) = (self.step_to(&next), next),
                None => return Ok(response),
            }
        }
        Err(bad_answer(&url, format!("more than {MOST_REDIRECTS} redirects")).into())
    }
}

pub(super) fn bad_answer(url: &Url, problem: impl Into<String>) -> DataError {
    DataError::BadAnswer {
        url: redacted(url),
        problem: problem.into(),
    }
}

/// The state of the data, if the server promises to go on with it later. A weak ETag promises nothing about bytes.
fn resumable(headers: &HeaderMap) -> Option<ETag> {
    let ranges = headers
        .get(header::ACCEPT_RANGES)
        .is_some_and(|unit| unit == "bytes")
        || headers.contains_key(header::CONTENT_RANGE);
    let etag = headers
        .get(header::ETAG)
        .filter(|etag| etag.as_bytes().starts_with(b"\""));
    etag.filter(|_| ranges).cloned()
}

/// Whether a part begins where the last one ended: `Content-Range: bytes 5-9/10`.
fn starts_at(response: &Response, from: u64) -> bool {
    let range = response
        .headers()
        .get(header::CONTENT_RANGE)
        .and_then(|value| value.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-'));
    start.is_some_and(|(start, _)| start.trim().parse() == Ok(from))
}

fn check_encoding(url: &Url, headers: &HeaderMap) -> Result<(), DataError> {
    let Some(coding) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(());
    };
    match coding
        .to_str()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
        .as_str()
    {
        "" | "identity" | "gzip" | "x-gzip" => Ok(()),
        coding => Err(bad_answer(
            url,
            format!(
                "it sends its data coded as {coding:?}, which was not asked for: have it send plain or gzip data"
            ),
        )),
    }
}

/// A login or error page with status 200 is no data, whatever type the server gives it.
fn check_kind(url: &Url, head: &[u8]) -> Result<(), DataError> {
    let text = head
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(head)
        .trim_ascii_start();
    let starts = |tag: &[u8]| {
        text.get(..tag.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(tag))
    };
    if starts(b"<!doctype html") || starts(b"<html") || starts(b"<head") || starts(b"<body") {
        return Err(bad_answer(
            url,
            "it sent an HTML page and no data, perhaps a page to log in: open the URL in a browser to see it, and give credentials with --data-token-file, --data-header-file or --data-oauth-file if it wants any",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        data: crate::data::Args,
    }

    #[test]
    fn a_server_chooses_what_its_name_stands_for_and_no_address() {
        use clap::Parser;
        let Flags { data } = Flags::parse_from(["runner"]);
        let nomad = crate::nomad::Nomad::default();
        for (named, led, step) in [
            ("http://a.example/x", "http://a.example/y", Step::Led),
            ("http://a.example/x", "http://a.example/x", Step::Led),
            ("http://192.0.2.1/x", "http://192.0.2.1/y", Step::Named),
            ("http://192.0.2.1/x", "http://192.0.2.2/y", Step::Led),
        ] {
            let request = data.request(named, &nomad, None).unwrap();
            let http = Http::new(&request, &Url::parse(named).unwrap()).unwrap();
            assert_eq!(http.step_to(&Url::parse(led).unwrap()), step, "{led}");
        }
    }

    #[test]
    fn pages_are_told_from_data() {
        let url = Url::parse("https://example.com/a").unwrap();
        for page in [
            "<!DOCTYPE html><html>",
            "\u{feff} \n<HTML lang=en>",
            "<head>",
            "<body>",
        ] {
            assert!(check_kind(&url, page.as_bytes()).is_err(), "{page}");
        }
        for data in [
            "",
            "a,b\n",
            "<5,6\n",
            "{\"html\": \"<html>\"}",
            "\x1f\u{8b}",
        ] {
            assert!(check_kind(&url, data.as_bytes()).is_ok(), "{data}");
        }
    }

    #[test]
    fn only_a_strong_etag_of_a_server_that_knows_ranges_is_gone_on_with() {
        let headers = |list: &[(&'static str, &'static str)]| {
            list.iter()
                .map(|&(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
                .collect::<HeaderMap>()
        };
        assert!(resumable(&headers(&[("accept-ranges", "bytes"), ("etag", "\"a\"")])).is_some());
        assert!(resumable(&headers(&[("accept-ranges", "bytes"), ("etag", "W/\"a\"")])).is_none());
        assert!(resumable(&headers(&[("accept-ranges", "none"), ("etag", "\"a\"")])).is_none());
        assert!(resumable(&headers(&[("etag", "\"a\"")])).is_none());
    }
}
