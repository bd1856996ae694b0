//! As much of HTTP/1.1 as a storage client needs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Decoded, without the query.
    pub path: String,
    /// As it was sent: a `/` inside an object's name is `%2F` here.
    pub raw_path: String,
    pub query: BTreeMap<String, String>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub fn json(value: &serde_json::Value) -> Self {
        Self::new(200, value.to_string()).header("content-type", "application/json")
    }

    /// An error as Google words it.
    pub fn error(status: u16, reason: &str, message: &str) -> Self {
        let body = serde_json::json!({"error": {
            "code": status, "message": message, "errors": [{"reason": reason, "message": message}],
        }});
        Self::new(status, body.to_string()).header("content-type", "application/json")
    }

    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// With all bytes, or the first few of them before the connection breaks.
    pub fn write(&self, mut stream: &TcpStream, only: Option<usize>) -> std::io::Result<()> {
        let mut bytes = self.bytes(self.body.len());
        bytes.truncate(only.unwrap_or(usize::MAX));
        stream.write_all(&bytes)
    }
}

impl Response {
    /// Sends the body a byte at a time.
    pub fn drip(&self, mut stream: &TcpStream, pause: Duration) -> std::io::Result<()> {
        let mut head = self.bytes(self.body.len());
        head.truncate(head.len() - self.body.len());
        stream.write_all(&head)?;
        for byte in &self.body {
            stream.write_all(&[*byte])?;
            std::thread::sleep(pause);
        }
        Ok(())
    }

    fn bytes(&self, announced: usize) -> Vec<u8> {
        let mut bytes = format!(
            "HTTP/1.1 {} .\r\ncontent-length: {announced}\r\n",
            self.status
        )
        .into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A server on loopback that answers as it is told. Returns its address and what it is asked for: method, path and query.
pub fn serve(
    answer: impl Fn(&Request) -> Response + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (seen, answer) = (asked.clone(), Arc::new(answer));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (seen, answer) = (seen.clone(), answer.clone());
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while let Some(request) = read_request(&mut reader) {
                    let what = format!("{} {}", request.method, request.path);
                    seen.lock().unwrap().push(what);
                    if answer(&request).write(&stream, None).is_err() {
                        break;
                    }
                }
            });
        }
    });
    (address, asked)
}

/// Reads the next request of a connection. `None` when the client closed it.
pub fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    read_request_slowly(reader, Duration::ZERO)
}

/// The same over a slow line: with a pause after each 64 KiB of the body.
pub fn read_request_slowly(reader: &mut BufReader<TcpStream>, pause: Duration) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut parts = line.split_whitespace();
    let (method, target) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| {
        length.parse().expect("a content length is a number")
    });
    let mut body = vec![0; length];
    for piece in body.chunks_mut(64 << 10) {
        reader.read_exact(piece).ok()?;
        std::thread::sleep(pause);
    }
    let (raw_path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect();
    Some(Request {
        method,
        path: decode(raw_path),
        raw_path: raw_path.to_owned(),
        query,
        headers,
        body,
    })
}

pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(hex.unwrap_or(bytes[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).expect("addresses are UTF-8")
}
