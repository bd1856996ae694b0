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
}

struct Session {
    name: String,
    conditions: BTreeMap<String, String>,
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
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            sessions: BTreeMap::new(),
            clock: 1_700_000_000_000_000,
            page: 1000,
            may_delete: true,
        }
    }
}

const OBJECTS: &str = "/storage/v1/b/models/o";
const UPLOADS: &str = "/upload/storage/v1/b/models/o";

impl Bucket {
    pub fn answer(&mut self, request: &Request, address: &str, corrupt: bool) -> Response {
        let path = request.raw_path.as_str();
        if let Some(id) = request.query.get("upload_id") {
            return self.upload_part(id.parse().unwrap(), request, corrupt);
        }
        if path == UPLOADS && request.method == "POST" {
            return self.start_upload(request, address);
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

    fn start_upload(&mut self, request: &Request, address: &str) -> Response {
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
            _ => Response::error(400, "invalid", "uploadType is not supported here"),
        }
    }

    fn upload_part(&mut self, id: u64, request: &Request, corrupt: bool) -> Response {
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
            let new = (session.bytes.len() - start).min(request.body.len());
            session.bytes.extend_from_slice(&request.body[new..]);
            if total == "*" && !request.body.len().is_multiple_of(256 << 10) {
                return Response::error(400, "invalid", "parts are multiples of 256 KiB");
            }
        }
        let have = session.bytes.len();
        if total.parse() == Ok(have) {
            let (name, conditions) = (session.name.clone(), session.conditions.clone());
            let mut bytes = std::mem::take(&mut session.bytes);
            if corrupt && let Some(byte) = bytes.first_mut() {
                *byte ^= 1;
            }
            if let Err(response) = self.condition(&name, &conditions) {
                return response;
            }
            let metadata = self.store(&name, bytes);
            self.sessions.get_mut(&id).unwrap().done = Some(metadata.clone());
            return Response::json(&metadata);
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
        self.objects
            .insert(name.to_owned(), Object { bytes, generation });
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
            "md5Hash": STANDARD.encode(Md5::digest(&object.bytes)),
            "crc32c": STANDARD.encode(crc32c::crc32c(&object.bytes).to_be_bytes()),
            "etag": format!("etag-{}", object.generation),
            "contentType": "application/octet-stream",
            "timeCreated": "2025-06-01T08:00:00.000Z",
            "updated": "2025-06-01T08:00:00.000Z",
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
            None => Response::new(200, object.bytes.clone()),
        };
        let hash = |name: &str, bytes: &[u8]| format!("{name}={}", STANDARD.encode(bytes));
        let crc = crc32c::crc32c(&object.bytes).to_be_bytes();
        response
            .header("x-goog-generation", object.generation)
            .header("etag", format!("\"etag-{}\"", object.generation))
            .header("x-goog-hash", hash("crc32c", &crc))
            .header("x-goog-hash", hash("md5", &Md5::digest(&object.bytes)))
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
        for name in self.objects.keys().filter(|name| name.starts_with(&prefix)) {
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
