//! Objects, their generations, and uploads in pieces.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::{Request, Response};

pub struct Object {
    pub bytes: Vec<u8>,
    pub generation: u64,
    md5: String,
    crc32c: String,
    /// When it was written.
    updated: String,
    /// What gzip makes of it, where it is stored as such.
    pub unpacked: Option<Vec<u8>>,
}

impl Object {
    pub fn new(bytes: Vec<u8>, generation: u64, updated: &str) -> Self {
        Self {
            generation,
            md5: STANDARD.encode(Md5::digest(&bytes)),
            crc32c: STANDARD.encode(crc32c::crc32c(&bytes).to_be_bytes()),
            updated: updated.to_owned(),
            unpacked: None,
            bytes,
        }
    }
}

struct Session {
    name: String,
    conditions: BTreeMap<String, String>,
    /// What the client says that the object's MD5 is.
    md5: Option<String>,
    bytes: Vec<u8>,
    done: Option<Value>,
}

pub struct Bucket {
    pub objects: BTreeMap<String, Object>,
    sessions: BTreeMap<u64, Session>,
    /// Goes up with each change: generations and upload ids come from it.
    clock: u64,
    /// Objects and prefixes in one page of a listing.
    pub page: usize,
    /// Names of objects that may be created but not deleted, as a publisher without that right sees it.
    pub may_delete: bool,
    /// Whether what arrives is compared with the MD5 that was sent along, as Google does.
    pub checks_md5: bool,
    /// When what is written from now on was written.
    pub time: String,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            sessions: BTreeMap::new(),
            clock: 1_700_000_000_000_000,
            page: 1000,
            may_delete: true,
            checks_md5: true,
            time: "2025-06-01T08:00:00.000Z".to_owned(),
        }
    }
}

const OBJECTS: &str = "/storage/v1/b/models/o";
const UPLOADS: &str = "/upload/storage/v1/b/models/o";

impl Bucket {
    /// `corrupt` changes a byte on the way in; of a part, only its first `kept` bytes are taken.
    pub fn answer(
        &mut self,
        request: &Request,
        address: &str,
        corrupt: bool,
        kept: Option<usize>,
    ) -> Response {
        let path = request.raw_path.as_str();
        if let Some(id) = request.query.get("upload_id") {
            return self.upload_part(id.parse().unwrap(), request, corrupt, kept);
        }
        if path == UPLOADS && request.method == "POST" {
            return self.start_upload(request, address, corrupt);
        }
        if path == OBJECTS && request.method == "GET" {
            return self.list(request);
        }
        if let Some(name) = path
            .strip_prefix(OBJECTS)
            .and_then(|rest| rest.strip_prefix('/'))
        {
            let name = super::http::decode(name);
            return match request.method.as_str() {
                "GET" => self.get(&name, request),
                "DELETE" => self.delete(&name, request),
                _ => Response::error(405, "notAllowed", "method not allowed"),
            };
        }
        Response::error(404, "notFound", "The specified bucket does not exist.")
    }

    /// Whether the object's generation is what the request says that it must be. 0 stands for "there is none".
    fn condition(&self, name: &str, conditions: &BTreeMap<String, String>) -> Result<(), Response> {
        let found = self
            .objects
            .get(name)
            .map_or(0, |object| object.generation)
            .to_string();
        let met = conditions
            .get("ifGenerationMatch")
            .is_none_or(|asked| *asked == found)
            && conditions
                .get("ifGenerationNotMatch")
                .is_none_or(|asked| *asked != found);
        if met {
            return Ok(());
        }
        Err(Response::error(
            412,
            "conditionNotMet",
            "At least one of the pre-conditions you specified did not hold.",
        ))
    }

    fn start_upload(&mut self, request: &Request, address: &str, corrupt: bool) -> Response {
        let Some(name) = request.query.get("name").cloned() else {
            return Response::error(400, "required", "Required parameter: name");
        };
        if let Err(response) = self.condition(&name, &request.query) {
            return response;
        }
        match request.query.get("uploadType").map(String::as_str) {
            Some("resumable") => {
                self.clock += 1;
                let id = self.clock;
                self.sessions.insert(
                    id,
                    Session {
                        name,
                        conditions: request.query.clone(),
                        md5: md5_hash(&request.body),
                        bytes: Vec::new(),
                        done: None,
                    },
                );
                let location = format!("{address}{UPLOADS}?uploadType=resumable&upload_id={id}");
                Response::new(200, "").header("location", location)
            }
            Some("media") => {
                let metadata = self.store(&name, request.body.clone());
                Response::json(&metadata)
            }
            Some("multipart") => {
                let (metadata, bytes) = two_parts(request);
                self.receive(&name, bytes.to_vec(), md5_hash(metadata), corrupt)
            }
            _ => Response::error(400, "invalid", "uploadType is not supported here"),
        }
    }

    /// Stores what a client sent, if it is what the client says.
    fn receive(
        &mut self,
        name: &str,
        mut bytes: Vec<u8>,
        md5: Option<String>,
        corrupt: bool,
    ) -> Response {
        if corrupt && let Some(byte) = bytes.first_mut() {
            *byte ^= 1;
        }
        let found = STANDARD.encode(Md5::digest(&bytes));
        match md5 {
            Some(md5) if self.checks_md5 && md5 != found => Response::error(
                400,
                "invalid",
                &format!(
                    "Provided MD5 hash \"{md5}\" doesn't match calculated MD5 hash \"{found}\"."
                ),
            ),
            _ => Response::json(&self.store(name, bytes)),
        }
    }

    fn upload_part(
        &mut self,
        id: u64,
        request: &Request,
        corrupt: bool,
        kept: Option<usize>,
    ) -> Response {
        let Some(session) = self.sessions.get_mut(&id) else {
            return Response::error(404, "notFound", "No such upload session");
        };
        if let Some(metadata) = &session.done {
            return Response::json(metadata);
        }
        // `bytes 0-99/*`, `bytes 0-99/200`, `bytes */200`.
        let range = request.headers["content-range"]
            .strip_prefix("bytes ")
            .unwrap();
        let (part, total) = range.split_once('/').unwrap();
        if let Some((start, _)) = part.split_once('-') {
            let start: usize = start.parse().unwrap();
            if start > session.bytes.len() {
                return Response::error(400, "invalid", "a gap in an upload");
            }
            // What is there already is not taken again.
            let body = &request.body[..kept.unwrap_or(request.body.len())];
            let new = (session.bytes.len() - start).min(body.len());
            session.bytes.extend_from_slice(&body[new..]);
            let last = total.parse() == Ok(start + request.body.len());
            if !last && !request.body.len().is_multiple_of(256 << 10) {
                return Response::error(400, "invalid", "parts are multiples of 256 KiB");
            }
        }
        let have = session.bytes.len();
        if total.parse() == Ok(have) {
            let (name, conditions) = (session.name.clone(), session.conditions.clone());
            let (bytes, md5) = (std::mem::take(&mut session.bytes), session.md5.clone());
            if let Err(response) = self.condition(&name, &conditions) {
                return response;
            }
            let response = self.receive(&name, bytes, md5, corrupt);
            if response.status == 200 {
                let metadata = self.metadata(&name);
                self.sessions.get_mut(&id).unwrap().done = Some(metadata);
            }
            return response;
        }
        let response = Response::new(308, "");
        if have > 0 {
            response.header("range", format!("bytes=0-{}", have - 1))
        } else {
            response
        }
    }

    pub fn store(&mut self, name: &str, bytes: Vec<u8>) -> Value {
        self.clock += 1;
        let generation = self.clock;
        let object = Object::new(bytes, generation, &self.time);
        self.objects.insert(name.to_owned(), object);
        self.metadata(name)
    }

    fn metadata(&self, name: &str) -> Value {
        let object = &self.objects[name];
        json!({
            "kind": "storage#object",
            "name": name,
            "bucket": "models",
            "generation": object.generation.to_string(),
            "metageneration": "1",
            "size": object.bytes.len().to_string(),
            "md5Hash": object.md5,
            "crc32c": object.crc32c,
            "etag": format!("etag-{}", object.generation),
            "contentType": "application/octet-stream",
            "timeCreated": object.updated,
            "updated": object.updated,
        })
    }

    fn get(&self, name: &str, request: &Request) -> Response {
        let Some(object) = self.objects.get(name) else {
            return Response::error(404, "notFound", &format!("No such object: models/{name}"));
        };
        if let Err(response) = self.condition(name, &request.query) {
            return response;
        }
        if request.query.get("alt").map(String::as_str) != Some("media") {
            return Response::json(&self.metadata(name));
        }
        let as_stored = request.headers.get("accept-encoding");
        let unpacked = match as_stored.is_some_and(|coding| coding.contains("gzip")) {
            true => None,
            false => object.unpacked.as_ref(),
        };
        let total = object.bytes.len();
        let range = request.headers.get("range").map(|range| {
            let (start, end) = range
                .strip_prefix("bytes=")
                .and_then(|range| range.split_once('-'))
                .unwrap();
            let end = end.parse().map_or(total, |end: usize| total.min(end + 1));
            start.parse::<usize>().unwrap()..end
        });
        let response = match range {
            Some(range) if range.start >= total => {
                return Response::error(416, "requestedRangeNotSatisfiable", "no such range");
            }
            Some(range) => {
                let shown = format!("bytes {}-{}/{total}", range.start, range.end - 1);
                Response::new(206, &object.bytes[range]).header("content-range", shown)
            }
            None => Response::new(200, unpacked.unwrap_or(&object.bytes).clone()),
        };
        let coding = (object.unpacked.is_some() && unpacked.is_none()).then_some("gzip");
        response
            .header("content-encoding", coding.unwrap_or("identity"))
            .header("x-goog-generation", object.generation)
            .header("etag", format!("\"etag-{}\"", object.generation))
            .header("x-goog-hash", format!("crc32c={}", object.crc32c))
            .header("x-goog-hash", format!("md5={}", object.md5))
    }

    fn delete(&mut self, name: &str, request: &Request) -> Response {
        if !self.may_delete {
            return Response::error(
                403,
                "forbidden",
                "the caller does not have storage.objects.delete access",
            );
        }
        if let Err(response) = self.condition(name, &request.query) {
            return response;
        }
        self.clock += 1;
        match self.objects.remove(name) {
            Some(_) => Response::new(204, ""),
            None => Response::error(404, "notFound", "No such object"),
        }
    }

    fn list(&self, request: &Request) -> Response {
        let asked = |name: &str| request.query.get(name).cloned().unwrap_or_default();
        let (prefix, delimiter) = (asked("prefix"), asked("delimiter"));
        let (start, after) = (asked("startOffset"), asked("pageToken"));
        let page = asked("maxResults")
            .parse()
            .map_or(self.page, |most: usize| most.min(self.page));
        let (mut items, mut prefixes) = (Vec::new(), BTreeSet::new());
        let mut last = String::new();
        let mut more = false;
        let first = [&prefix, &start, &after].into_iter().max().unwrap();
        let names = self.objects.range(first.clone()..).map(|(name, _)| name);
        for name in names.take_while(|name| name.starts_with(&prefix)) {
            let folded = (!delimiter.is_empty())
                .then(|| name[prefix.len()..].split_once(delimiter.as_str()))
                .flatten()
                .map(|(folder, _)| format!("{prefix}{folder}{delimiter}"));
            let shown = folded.as_ref().unwrap_or(name);
            if *shown < start || (!after.is_empty() && *shown <= after) || prefixes.contains(shown)
            {
                continue;
            }
            if items.len() + prefixes.len() == page {
                more = true;
                break;
            }
            last.clone_from(shown);
            match folded {
                Some(folder) => {
                    prefixes.insert(folder);
                }
                None => items.push(self.metadata(name)),
            }
        }
        let mut answer = json!({"kind": "storage#objects", "items": items, "prefixes": prefixes});
        if more {
            answer["nextPageToken"] = json!(last);
        }
        Response::json(&answer)
    }
}

/// What the JSON that goes with an upload says that the object's MD5 is.
fn md5_hash(metadata: &[u8]) -> Option<String> {
    let metadata: Value = serde_json::from_slice(metadata).ok()?;
    Some(metadata["md5Hash"].as_str()?.to_owned())
}

/// The bodies of the two parts of `multipart/related`: metadata and bytes.
fn two_parts(request: &Request) -> (&[u8], &[u8]) {
    let (_, boundary) = request.headers["content-type"]
        .split_once("boundary=")
        .unwrap();
    let find = |bytes: &[u8], text: &str| {
        bytes
            .windows(text.len())
            .position(|window| window == text.as_bytes())
    };
    let after = |bytes: &'_ [u8], text: &str| find(bytes, text).unwrap() + text.len();
    let body = &request.body[..];
    let first = &body[after(body, "\r\n\r\n")..];
    let middle = format!("\r\n--{boundary}\r\n");
    let metadata = &first[..find(first, &middle).unwrap()];
    let second = &first[after(first, &middle)..];
    let bytes = &second[after(second, "\r\n\r\n")..];
    let end = format!("\r\n--{boundary}--\r\n");
    let bytes = bytes.strip_suffix(end.as_bytes()).unwrap();
    (metadata, bytes)
}
