//! Google Cloud Storage on loopback: generation preconditions, resumable uploads, pages, tokens, and faults on
//! demand. It refuses what the real one refuses, so that a client that forgets a precondition fails here.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::io::BufReader;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

pub mod http;
mod objects;
mod tokens;

pub use http::{Request, Response};
use objects::Bucket;
use tokens::Tokens;

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answer this instead of doing anything.
    Status(u16),
    /// Answer with the header `Retry-After` as well.
    RetryAfter(u16, u64),
    /// Do it, send this many bytes of the answer, and reset the connection.
    ResetAfter(usize),
    /// Do it, and close the connection without an answer.
    LostResponse,
    /// Do nothing and say nothing for this long.
    Stall(Duration),
    /// Change a byte of what is stored, or of what is sent.
    Corrupt,
    /// Every token given so far is void from now on.
    ExpireTokens,
    /// Of a part of an upload, keep this many bytes and say so.
    KeepOf(usize),
    /// Of a part of an upload, keep nothing, and say that this many bytes of the whole are there.
    Confirm(usize),
    /// Answer 200 and an HTML page instead of doing anything, as what stands before a network does.
    Page,
    /// Take the header `Range` away, as some proxies do.
    NoRange,
    /// Do it, and send the answer a byte at a time, with this long between two.
    Drip(Duration),
}

/// A fault for the next requests that fit.
struct Rule {
    method: String,
    part: String,
    left: usize,
    fault: Fault,
}

#[derive(Default)]
pub struct State {
    pub bucket: Bucket,
    pub tokens: Tokens,
    rules: VecDeque<Rule>,
    /// Method, path and query of each request.
    pub seen: Vec<Request>,
    /// Whether `seen` is kept: bodies are left out of it.
    pub quiet: bool,
    /// By how many seconds this server's clock is ahead of the machine's.
    pub ahead: i64,
    /// How long 64 KiB take on their way here.
    pub uplink: Duration,
}

/// A running server with one bucket, `models`. It goes with the process.
#[derive(Clone)]
pub struct Gcs {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Gcs {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gcs = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::default(),
        };
        let server = gcs.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || server.serve(stream));
            }
        });
        gcs
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next `count` requests of this method whose path or query holds `part` meet this fault.
    pub fn fault(&self, count: usize, method: &str, part: &str, fault: Fault) {
        self.state().rules.push_back(Rule {
            method: method.to_owned(),
            part: part.to_owned(),
            left: count,
            fault,
        });
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        self.state().rules.clear();
    }

    /// An object that is there already.
    pub fn put(&self, name: &str, bytes: impl Into<Vec<u8>>, generation: u64) {
        let mut state = self.state();
        let bucket = &mut state.bucket;
        let object = objects::Object::new(bytes.into(), generation, &bucket.time);
        bucket.objects.insert(name.to_owned(), object);
    }

    /// An object that is stored as gzip: who does not ask for that gets it unpacked, with the checksums of what is stored.
    pub fn put_gzip(&self, name: &str, unpacked: &[u8], generation: u64) {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, unpacked).unwrap();
        let mut state = self.state();
        let bucket = &mut state.bucket;
        let packed = packed.finish().unwrap();
        let mut object = objects::Object::new(packed, generation, &bucket.time);
        object.unpacked = Some(unpacked.to_vec());
        bucket.objects.insert(name.to_owned(), object);
    }

    /// Names of all objects.
    pub fn names(&self) -> Vec<String> {
        self.state().bucket.objects.keys().cloned().collect()
    }

    /// How many requests of this method had `part` in path or query.
    pub fn count(&self, method: &str, part: &str) -> usize {
        let state = self.state();
        let fits = |seen: &&Request| seen.method == method && mentions(seen, part);
        state.seen.iter().filter(fits).count()
    }

    fn serve(&self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let uplink = self.state().uplink;
            let Some(request) = http::read_request_slowly(&mut reader, uplink) else {
                break;
            };
            let fault = self.state().meets(&request);
            if let Some(Fault::Stall(time)) = fault {
                std::thread::sleep(time);
                break;
            }
            let mut response = self.answer(&request, fault.as_ref());
            let only = match fault {
                Some(Fault::ResetAfter(bytes)) => Some(bytes),
                Some(Fault::LostResponse) => Some(0),
                _ => None,
            };
            if matches!(fault, Some(Fault::Corrupt))
                && request.method == "GET"
                && let Some(byte) = response.body.last_mut()
            {
                *byte ^= 1;
            }
            let written = match fault {
                Some(Fault::Drip(pause)) => response.drip(&stream, pause),
                _ => response.write(&stream, only),
            };
            if written.is_err() || only.is_some() {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    fn answer(&self, request: &Request, fault: Option<&Fault>) -> Response {
        let mut state = self.state();
        let now = jiff::Timestamp::now().as_second() + state.ahead;
        let mut response = state.answer(request, fault, &self.address, now);
        let date = jiff::Timestamp::from_second(now).unwrap();
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date);
        response.headers.push(("date".to_owned(), date.unwrap()));
        response
    }
}

fn mentions(request: &Request, part: &str) -> bool {
    request.path.contains(part)
        || request
            .query
            .iter()
            .any(|(name, value)| format!("{name}={value}").contains(part))
}

impl State {
    fn answer(
        &mut self,
        request: &Request,
        fault: Option<&Fault>,
        address: &str,
        now: i64,
    ) -> Response {
        match fault {
            Some(Fault::Status(status)) => {
                return Response::error(*status, "backendError", "as the test wants it");
            }
            Some(Fault::RetryAfter(status, seconds)) => {
                return Response::error(*status, "rateLimitExceeded", "as the test wants it")
                    .header("retry-after", seconds);
            }
            Some(Fault::Confirm(0)) => return Response::new(308, ""),
            Some(Fault::Confirm(bytes)) => {
                return Response::new(308, "").header("range", format!("bytes=0-{}", bytes - 1));
            }
            Some(Fault::Page) => return Response::new(200, "<!doctype html><p>Log in</p>"),
            Some(Fault::ExpireTokens) => self.tokens.expire(),
            _ => {}
        }
        if let Some(response) = self.tokens.answer(request, now) {
            return response;
        }
        if let Err(response) = self.tokens.check(request) {
            return response;
        }
        let corrupt = matches!(fault, Some(Fault::Corrupt)) && request.method != "GET";
        let kept = match fault {
            Some(Fault::KeepOf(bytes)) => Some(*bytes),
            _ => None,
        };
        if matches!(fault, Some(Fault::NoRange)) {
            let mut request = request.clone();
            request.headers.remove("range");
            return self.bucket.answer(&request, address, corrupt, kept);
        }
        self.bucket.answer(request, address, corrupt, kept)
    }

    fn meets(&mut self, request: &Request) -> Option<Fault> {
        if !self.quiet {
            self.seen.push(Request {
                body: Vec::new(),
                ..request.clone()
            });
        }
        let at = self.rules.iter().position(|rule| {
            rule.left > 0 && rule.method == request.method && mentions(request, &rule.part)
        })?;
        self.rules[at].left -= 1;
        Some(self.rules[at].fault.clone())
    }
}
