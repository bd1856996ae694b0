//! As much of S3 as publishing takes, by a server that compares nothing with the checksums that it gets.
#![allow(clippy::unwrap_used, dead_code)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use md5::{Digest, Md5};

use crate::gcs::http::{Request, Response, serve};

/// What happens to one request.
#[derive(Clone, Debug)]
pub enum Trick {
    /// Answer with this error, and do nothing.
    Error(u16, &'static str),
    /// Keep other bytes than those that came.
    Flip,
}

#[derive(Default)]
struct State {
    /// Bytes and ETags.
    objects: BTreeMap<String, (Vec<u8>, String)>,
    /// Parts by their numbers.
    uploads: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    tricks: Vec<(String, String, Trick)>,
    asked: Vec<String>,
    odd_etags: bool,
}

pub struct S3 {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl S3 {
    /// With the bucket `models`.
    pub fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        let (address, _) = serve(move |request| shared.lock().unwrap().answer(request));
        Self { address, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next request of this method whose path or query holds `part` meets it.
    pub fn trick(&self, method: &str, part: &str, trick: Trick) {
        let trick = (method.to_owned(), part.to_owned(), trick);
        self.state().tricks.push(trick);
    }

    pub fn tricks_are_over(&self) -> bool {
        self.state().tricks.is_empty()
    }

    /// Its ETags are no MD5s.
    pub fn odd_etags(&self) {
        self.state().odd_etags = true;
    }

    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.objects.get(key).map(|(bytes, _)| bytes.clone())
    }

    pub fn count(&self, method: &str) -> usize {
        let state = self.state();
        state.asked.iter().filter(|asked| *asked == method).count()
    }
}

fn error(status: u16, code: &str) -> Response {
    Response::new(
        status,
        format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as told</Message></Error>"
        ),
    )
}

impl State {
    fn etag(&self, parts: &[&[u8]]) -> String {
        let hex = |bytes: &[u8]| runner::hex(bytes);
        if self.odd_etags {
            return format!("\"{}\"", hex(&[7; 16]));
        }
        match parts {
            [one] => format!("\"{}\"", hex(&Md5::digest(one))),
            parts => {
                let all: Vec<u8> = parts.iter().flat_map(Md5::digest).collect();
                format!("\"{}-{}\"", hex(&Md5::digest(all)), parts.len())
            }
        }
    }

    fn answer(&mut self, request: &Request) -> Response {
        self.asked.push(request.method.clone());
        let query = |name: &str| request.query.get(name).cloned();
        let text = format!("{}?{:?}", request.path, request.query).replace("\": \"", "=");
        let met = self.tricks.iter().position(|(method, part, _)| {
            *method == request.method && text.contains(part.as_str())
        });
        let trick = met.map(|at| self.tricks.remove(at).2);
        if let Some(Trick::Error(status, code)) = trick {
            return error(status, code);
        }
        let key = request.path.strip_prefix("/models/").unwrap_or_default();
        let mut body = request.body.clone();
        if let (Some(Trick::Flip), Some(byte)) = (&trick, body.first_mut()) {
            *byte ^= 1;
        }
        let is_there = self.objects.contains_key(key);
        match (request.method.as_str(), query("uploadId")) {
            ("POST", None) => {
                let id = format!("upload-{}", self.uploads.len());
                self.uploads.insert(id.clone(), BTreeMap::new());
                Response::new(
                    200,
                    format!(
                        "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                    ),
                )
            }
            ("PUT", Some(id)) => {
                let number = query("partNumber").unwrap().parse().unwrap();
                let etag = self.etag(&[&body]);
                self.uploads.get_mut(&id).unwrap().insert(number, body);
                Response::new(200, "").header("etag", etag)
            }
            ("POST", Some(id)) => {
                if is_there && request.headers.contains_key("if-none-match") {
                    return error(412, "PreconditionFailed");
                }
                let parts = self.uploads.remove(&id).unwrap();
                let parts: Vec<&[u8]> = parts.values().map(Vec::as_slice).collect();
                let etag = self.etag(&parts);
                let object = (parts.concat(), etag.clone());
                self.objects.insert(key.to_owned(), object);
                Response::new(
                    200,
                    format!(
                        "<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>"
                    ),
                )
            }
            ("PUT", None) => {
                if is_there && request.headers.contains_key("if-none-match") {
                    return error(412, "PreconditionFailed");
                }
                let etag = self.etag(&[&body]);
                self.objects.insert(key.to_owned(), (body, etag.clone()));
                Response::new(200, "").header("etag", etag)
            }
            ("DELETE", _) => {
                self.objects.remove(key);
                Response::new(204, "")
            }
            (method @ ("GET" | "HEAD"), _) => match self.objects.get(key) {
                Some((object, etag)) => {
                    let body = match method {
                        "GET" => object.clone(),
                        _ => Vec::new(),
                    };
                    Response::new(200, body).header("etag", etag)
                }
                None => Response::new(404, ""),
            },
            _ => error(405, "MethodNotAllowed"),
        }
    }
}
