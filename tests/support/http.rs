//! A data server on loopback that answers as a test tells it, also badly: it lies, resets, hangs, and leads astray.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    /// From 0, over all connections.
    pub number: usize,
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Close,
    /// With a TCP reset.
    Reset,
    /// Open and silent, until the client leaves.
    Hang,
}

/// An answer, honest or not.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The length that is announced; none announces nothing and ends with the connection.
    announced: Option<usize>,
    /// How much of status line, headers and body is sent.
    sent: Option<usize>,
    end: End,
}

impl Answer {
    pub fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::status(200, body)
    }

    pub fn status(status: u16, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref().to_vec();
        Self {
            status,
            headers: Vec::new(),
            announced: Some(body.len()),
            body,
            sent: None,
            end: End::Close,
        }
    }

    pub fn redirect(to: &str) -> Self {
        Self::status(302, "").header("location", to)
    }

    /// Says nothing at all and keeps the connection.
    pub fn silence() -> Self {
        let mut answer = Self::ok("");
        answer.sent = Some(0);
        answer.end = End::Hang;
        answer
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Announces another length than the body has.
    pub fn announcing(mut self, bytes: usize) -> Self {
        self.announced = Some(bytes);
        self
    }

    /// Announces no length.
    pub fn without_length(mut self) -> Self {
        self.announced = None;
        self
    }

    /// Sends this many bytes of the body, then resets the connection.
    pub fn reset_after(mut self, bytes: usize) -> Self {
        self.sent = Some(self.head().len() + bytes);
        self.end = End::Reset;
        self
    }

    /// Sends this many bytes of the body, then says nothing more.
    pub fn hang_after(mut self, bytes: usize) -> Self {
        self.sent = Some(self.head().len() + bytes);
        self.end = End::Hang;
        self
    }

    fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} As Told\r\nconnection: close\r\n", self.status);
        if let Some(bytes) = self.announced {
            head.push_str(&format!("content-length: {bytes}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// A running server. It goes with the process.
pub struct Server {
    authority: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            authority: listener.local_addr().unwrap().to_string(),
            asked: Arc::default(),
        };
        let asked = Arc::clone(&server.asked);
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &asked, &*answer));
            }
        });
        server
    }

    /// Gives `body` for every request.
    pub fn of(body: impl AsRef<[u8]>) -> Self {
        let answer = Answer::ok(body);
        Self::start(move |_| answer.clone())
    }

    /// `http://127.0.0.1:<port><target>`
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.authority)
    }

    /// `127.0.0.1:<port>`
    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub fn port(&self) -> &str {
        self.authority.rsplit(':').next().unwrap()
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn wait_until_asked(&self) {
        while self.asked().is_empty() {
            std::thread::yield_now();
        }
    }
}

fn serve(mut stream: TcpStream, asked: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Answer) {
    let Some((mut request, length)) = peek_request(&stream) else {
        return;
    };
    {
        let mut asked = asked.lock().unwrap();
        request.number = asked.len();
        asked.push(request.clone());
    }
    let answer = answer(&request);
    if answer.end != End::Reset {
        stream.read_exact(&mut vec![0; length]).unwrap();
    }
    let mut bytes = answer.head();
    bytes.extend_from_slice(&answer.body);
    bytes.truncate(answer.sent.unwrap_or(bytes.len()));
    let sent = stream.write_all(&bytes);
    match answer.end {
        // The kernel resets a connection that is closed with something unread.
        End::Close | End::Reset => {}
        End::Hang if sent.is_ok() => while stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) {},
        End::Hang => {}
    }
}

/// Reads a request and leaves it where it is. Gives its length as well.
fn peek_request(stream: &TcpStream) -> Option<(Asked, usize)> {
    let mut buffer = vec![0; 1 << 16];
    let mut seen = 0;
    loop {
        let length = stream.peek(&mut buffer).ok().filter(|&length| length > 0)?;
        if length == seen {
            // The rest is still on its way.
            std::thread::yield_now();
            continue;
        }
        seen = length;
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ');
        let request = Asked {
            number: 0,
            method: first.next()?.to_owned(),
            target: first.next()?.to_owned(),
            headers: lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: body.to_owned(),
        };
        let expected = request
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        if body.len() >= expected {
            return Some((request, length));
        }
    }
}
