//! Nomad's HTTP API on loopback, as far as dispatching uses it: one parameterized job, its dispatches and their
//! allocations, and faults on demand. It checks keys and payloads, and knows tokens, as the real one does.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::BufReader;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine;
use serde_json::{Value, json};

#[path = "../gcs/http.rs"]
mod http;

use http::{Request, Response};

pub const JOB: &str = "sales-close-prediction";

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Answer this instead of doing anything.
    Status(u16),
    /// Do it, and close the connection without an answer.
    LostResponse,
}

/// How the allocations of a version end.
#[derive(Clone, Debug)]
pub enum Fate {
    Complete,
    /// The task that fails, its status, and the event that says so.
    Failed(&'static str, i32, &'static str),
    /// Never ends.
    Runs,
}

pub struct Child {
    pub id: String,
    pub region: String,
    pub meta: BTreeMap<String, String>,
    pub payload: Vec<u8>,
    token: String,
    created: u64,
    /// The job's `cpu` when it was dispatched.
    cpu: u64,
    /// How often the list of unfinished dispatches was asked for since.
    polls: usize,
}

pub struct State {
    pub children: Vec<Child>,
    /// Method, path and query of every request.
    pub seen: Vec<Request>,
    pub version: u64,
    /// Something in the job, so that two versions of it differ.
    pub cpu: u64,
    registered: u64,
    changes: u64,
    pub fates: BTreeMap<String, Fate>,
    pub count: u32,
    /// After so many dispatches somebody registers the job again.
    pub register_after: Option<usize>,
    pub most_unfinished: usize,
    /// The lists of unfinished dispatches that a dispatch stays in.
    pub takes: usize,
    faults: Vec<(String, Fault)>,
    pub token: Option<String>,
    pub logs: Option<String>,
}

/// A running server. It goes with the process.
#[derive(Clone)]
pub struct Nomad {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Nomad {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State {
            children: Vec::new(),
            seen: Vec::new(),
            version: 3,
            cpu: 100,
            registered: 10,
            changes: 10,
            fates: BTreeMap::new(),
            count: 1,
            register_after: None,
            most_unfinished: 0,
            takes: 1,
            faults: Vec::new(),
            token: None,
            logs: None,
        };
        let nomad = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::new(Mutex::new(state)),
        };
        let server = nomad.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || server.serve(stream));
            }
        });
        nomad
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next `count` requests with this method meet the fault.
    pub fn fault(&self, count: usize, method: &str, fault: Fault) {
        let faults = std::iter::repeat_n((method.to_owned(), fault), count);
        self.state().faults.extend(faults);
    }

    /// Versions in the order of their dispatches.
    pub fn versions(&self) -> Vec<String> {
        let state = self.state();
        state
            .children
            .iter()
            .map(|child| child.meta["model_version"].clone())
            .collect()
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(request) = http::read_request(&mut reader) {
            let mut state = self.state();
            let fault = state.fault(&request.method);
            let response = match fault {
                Some(Fault::Status(status)) => Response::new(status, "as the test wants it"),
                _ => state.answer(&request),
            };
            drop(state);
            let lost = matches!(fault, Some(Fault::LostResponse));
            if response.write(&stream, lost.then_some(0)).is_err() || lost {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    }
}

impl State {
    /// Somebody runs `nomad job run` with a changed file.
    pub fn register_again(&mut self) {
        self.version += 1;
        self.cpu += 1;
        self.register_the_same();
    }

    /// Somebody runs `nomad job run` with the same file.
    pub fn register_the_same(&mut self) {
        self.changes += 1;
        self.registered = self.changes;
    }

    fn fault(&mut self, method: &str) -> Option<Fault> {
        let at = self.faults.iter().position(|(of, _)| of == method)?;
        Some(self.faults.remove(at).1)
    }

    fn answer(&mut self, request: &Request) -> Response {
        self.seen.push(request.clone());
        if self.token.is_some() && request.headers.get("x-nomad-token") != self.token.as_ref() {
            return Response::new(403, "Permission denied");
        }
        let decoded: Vec<String> = request
            .raw_path
            .trim_start_matches('/')
            .split('/')
            .map(http::decode)
            .collect();
        let path: Vec<&str> = decoded.iter().map(String::as_str).collect();
        let region = request.query.get("region").map_or("global", String::as_str);
        match (request.method.as_str(), path.as_slice()) {
            ("GET", ["v1", "job", JOB]) => Response::json(&self.job(self.cpu, region)),
            ("GET", ["v1", "job", id]) => {
                match self.children.iter().find(|child| child.id == *id) {
                    Some(child) => Response::json(&self.job(child.cpu, region)),
                    None => Response::new(404, "job not found"),
                }
            }
            ("POST", ["v1", "job", JOB, "dispatch"]) => self.dispatch(request, region),
            ("GET", ["v1", "jobs"]) => self.unfinished(region),
            ("GET", ["v1", "job", id, "allocations"]) => self.allocations(id),
            ("GET", ["v1", "client", "fs", "logs", ..]) => match &self.logs {
                Some(text) => Response::new(200, text.clone()),
                None => Response::new(403, "Permission denied"),
            },
            _ => Response::new(404, "no such thing"),
        }
    }

    fn job(&self, cpu: u64, region: &str) -> Value {
        json!({
            "ID": JOB, "Region": region, "Stop": false, "Version": self.version, "JobModifyIndex": self.registered,
            "ParameterizedJob": {
                "Payload": "optional",
                "MetaRequired": ["save_path", "data_path", "prediction_path", "data_url", "gcp_bucket_path", "model_version"],
                "MetaOptional": ["batch_size", "epochs", "gcp_creds", "points"],
            },
            "TaskGroups": [{"Name": "trainAndSaveModel", "Tasks": [{"Name": "train", "Resources": {"CPU": cpu}}]}],
        })
    }

    fn dispatch(&mut self, request: &Request, region: &str) -> Response {
        let token = request.query["idempotency_token"].clone();
        let known = self
            .children
            .iter()
            .find(|child| child.token == token && child.region == region);
        if let Some(child) = known {
            return Response::json(
                &json!({"DispatchedJobID": child.id, "JobCreateIndex": child.created, "EvalID": ""}),
            );
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let meta: BTreeMap<String, String> = serde_json::from_value(body["Meta"].clone()).unwrap();
        let payload = body["Payload"].as_str().unwrap_or_default();
        let payload = base64::engine::general_purpose::STANDARD
            .decode(payload)
            .unwrap();
        assert!(payload.len() <= 16 * 1024, "Nomad refuses it");
        self.changes += 1;
        let id = format!("{JOB}/dispatch-{}-{region}", self.changes);
        self.children.push(Child {
            id: id.clone(),
            region: region.to_owned(),
            meta,
            payload,
            token,
            created: self.changes,
            cpu: self.cpu,
            polls: 0,
        });
        let created = self.changes;
        let unfinished = self
            .children
            .iter()
            .filter(|child| !self.has_ended(child))
            .count();
        self.most_unfinished = self.most_unfinished.max(unfinished);
        if self.register_after == Some(self.children.len()) {
            self.register_again();
        }
        Response::json(&json!({"DispatchedJobID": id, "JobCreateIndex": created, "EvalID": "e"}))
    }

    fn has_ended(&self, child: &Child) -> bool {
        child.polls >= self.takes && !matches!(self.fate(child), Fate::Runs)
    }

    fn fate(&self, child: &Child) -> Fate {
        self.fates
            .get(&child.meta["model_version"])
            .cloned()
            .unwrap_or(Fate::Complete)
    }

    fn unfinished(&mut self, region: &str) -> Response {
        for child in &mut self.children {
            child.polls += 1;
        }
        let unfinished = self
            .children
            .iter()
            .filter(|child| child.region == region && !self.has_ended(child));
        let list: Vec<Value> = unfinished
            .map(|child| json!({"ID": child.id, "Status": "running"}))
            .collect();
        Response::json(&Value::Array(list))
    }

    fn allocations(&self, id: &str) -> Response {
        let Some(child) = self.children.iter().find(|child| child.id == id) else {
            return Response::new(404, "job not found");
        };
        let list = (0..self.count).map(|index| {
            let state = match self.fate(child) {
                Fate::Complete => json!({"ClientStatus": "complete", "TaskStates": {}}),
                Fate::Runs => json!({"ClientStatus": "running", "TaskStates": {}}),
                Fate::Failed(task, code, message) => json!({"ClientStatus": "failed", "TaskStates": {task: {
                    "Failed": true, "Events": [
                        {"Type": "Started", "ExitCode": 0, "DisplayMessage": "Task started by client"},
                        {"Type": if code == 0 { "Failed Artifact Download" } else { "Terminated" },
                         "ExitCode": code, "DisplayMessage": message},
                        {"Type": "Not Restarting", "ExitCode": 0, "DisplayMessage": "Policy allows no restarts"},
                    ]}}}),
            };
            let mut allocation = state;
            allocation["ID"] = json!(allocation_id(id, index));
            allocation["Name"] = json!(format!("{id}.trainAndSaveModel[{index}]"));
            allocation["CreateIndex"] = json!(1);
            allocation
        });
        Response::json(&Value::Array(list.collect()))
    }
}

/// The allocation of that index of a dispatched job.
pub fn allocation_id(dispatched: &str, index: u32) -> String {
    format!("{}-{index}", dispatched.replace('/', "-"))
}
