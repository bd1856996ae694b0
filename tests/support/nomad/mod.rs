//! Nomad's HTTP API on loopback, as far as dispatching uses it: one parameterized job, its dispatches and their
//! allocations, and faults on demand. It checks keys and payloads, and knows tokens, as the real one does.
#![allow(dead_code)]

use std::collections::{BTreeMap, VecDeque};
use std::io::BufReader;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine;
use serde_json::{Value, json};

#[path = "../gcs/http.rs"]
mod http;

use http::{Request, Response};

mod fate;

pub use fate::{DRAIN, Fate, JOB_STOP};

pub const JOB: &str = "sales-close-prediction";

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Answer this instead of doing anything.
    Status(u16),
    /// Do it, and close the connection without an answer.
    LostResponse,
}

pub struct Child {
    pub id: String,
    pub region: String,
    pub meta: BTreeMap<String, String>,
    pub payload: Vec<u8>,
    pub priority: Option<u64>,
    pub token: String,
    created: u64,
    fate: Option<Fate>,
    /// How often its allocations were looked at.
    looks: usize,
    /// Nomad's garbage collection took it.
    pub forgotten: bool,
    completed: bool,
    /// The job's `cpu` when it was dispatched.
    cpu: u64,
    /// How often the list of unfinished dispatches was asked for since.
    polls: usize,
}

type OnComplete = Box<dyn Fn(&Child) + Send>;

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
    /// Fates of the next dispatches of a version, the first one first; they beat `fates`.
    pub next: BTreeMap<String, VecDeque<Fate>>,
    /// Called when a dispatch ends well, as its task publishes.
    pub on_complete: Option<OnComplete>,
    /// Nomad's garbage collection takes what has ended at once.
    pub collects: bool,
    /// Versions that were dispatched while an earlier dispatch of them still ran on a client.
    pub beside: Vec<String>,
    pub count: u32,
    /// SHA-256 of the module that the job downloads.
    pub module: String,
    /// After so many dispatches somebody registers the job again.
    pub register_after: Option<usize>,
    pub most_unfinished: usize,
    /// The lists of unfinished dispatches that a dispatch stays in.
    pub takes: usize,
    faults: Vec<(String, Fault)>,
    pub token: Option<String>,
    pub logs: Option<String>,
}

impl Child {
    /// A client has a place for it now.
    pub fn place(&mut self) {
        self.fate = Some(Fate::Complete);
    }
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
            next: BTreeMap::new(),
            on_complete: None,
            collects: false,
            beside: Vec::new(),
            count: 1,
            module: String::new(),
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
    /// Every dispatch of a version fails by this task, with this status and these words of Nomad.
    pub fn fails(&mut self, version: &str, task: &'static str, status: i32, words: &'static str) {
        let fate = Fate::Failed(task, status, words);
        self.fates.insert(version.to_owned(), fate);
    }

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
                match self
                    .children
                    .iter()
                    .find(|child| child.id == *id && !child.forgotten)
                {
                    Some(child) => Response::json(&self.job(child.cpu, region)),
                    None => Response::new(404, "job not found"),
                }
            }
            ("POST", ["v1", "job", JOB, "dispatch"]) => self.dispatch(request, region),
            ("GET", ["v1", "jobs"]) => self.unfinished(region),
            ("GET", ["v1", "job", id, "allocations"]) => self.allocations(id),
            ("GET", ["v1", "job", id, "evaluations"]) => self.evaluations(id),
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
            "TaskGroups": [{"Name": "trainAndSaveModel", "Count": self.count, "Tasks": [{
                "Name": "train",
                "Resources": {"CPU": cpu, "MemoryMB": 16, "MemoryMaxMB": 0},
                "Artifacts": [
                    {"GetterSource": "http://files.example.com/runner-amd64", "GetterOptions": {"checksum": "sha256:00"}},
                    {"GetterSource": "http://files.example.com/workload.wasm",
                     "GetterOptions": {"checksum": format!("sha256:{}", self.module)}},
                ],
            }]}],
        })
    }

    fn dispatch(&mut self, request: &Request, region: &str) -> Response {
        let token = request.query["idempotency_token"].clone();
        let known = self
            .children
            .iter()
            .find(|child| child.token == token && child.region == region && !child.forgotten);
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
        let version = meta["model_version"].clone();
        let points = meta.get("points").cloned();
        let runs = self.children.iter().any(|child| {
            child.meta["model_version"] == version
                && child.meta.get("points") == points.as_ref()
                && !child.forgotten
                && self.runs_on_a_client(child)
        });
        if runs {
            self.beside.push(version.clone());
        }
        let fate = self.next.get_mut(&version).and_then(VecDeque::pop_front);
        self.changes += 1;
        let id = format!("{JOB}/dispatch-{}-{region}", self.changes);
        self.children.push(Child {
            priority: body["Priority"].as_u64(),
            fate,
            looks: 0,
            forgotten: false,
            completed: false,
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
        child.polls >= self.takes && !matches!(self.fate(child), Fate::Runs | Fate::Unplaced(_))
    }

    fn runs_on_a_client(&self, child: &Child) -> bool {
        match self.fate(child) {
            Fate::Stopped(_, lingers) => child.looks < lingers,
            Fate::Unplaced(_) => false,
            _ => !self.has_ended(child),
        }
    }

    fn fate(&self, child: &Child) -> Fate {
        let fate = child.fate.as_ref();
        let fate = fate.or_else(|| self.fates.get(&child.meta["model_version"]));
        fate.cloned().unwrap_or(Fate::Complete)
    }

    fn unfinished(&mut self, region: &str) -> Response {
        for child in &mut self.children {
            child.polls += 1;
        }
        for at in 0..self.children.len() {
            let child = &self.children[at];
            let completes = self.has_ended(child)
                && matches!(self.fate(child), Fate::Complete | Fate::StoppedWhenDone(_));
            if completes && !child.completed {
                if let Some(publish) = &self.on_complete {
                    publish(child);
                }
                self.children[at].completed = true;
            }
            self.children[at].forgotten |= self.collects && self.has_ended(&self.children[at]);
        }
        let unfinished = self
            .children
            .iter()
            .filter(|child| child.region == region && !self.has_ended(child) && !child.forgotten);
        let list: Vec<Value> = unfinished
            .map(|child| {
                let pending = matches!(self.fate(child), Fate::Unplaced(_));
                json!({"ID": child.id, "Status": if pending { "pending" } else { "running" }})
            })
            .collect();
        Response::json(&Value::Array(list))
    }

    fn evaluations(&self, id: &str) -> Response {
        let child = self.children.iter().find(|child| child.id == id);
        match child.map(|child| self.fate(child)) {
            Some(Fate::Unplaced(why)) => Response::json(&json!([
                {"ModifyIndex": 5, "Status": "complete", "FailedTGAllocs": {"trainAndSaveModel": why}},
                {"ModifyIndex": 6, "Status": "blocked", "FailedTGAllocs": null},
            ])),
            Some(_) => Response::json(&json!([{"ModifyIndex": 5, "Status": "complete"}])),
            None => Response::new(404, "job not found"),
        }
    }

    fn allocations(&mut self, id: &str) -> Response {
        let found = self
            .children
            .iter_mut()
            .find(|child| child.id == id && !child.forgotten);
        let Some(child) = found else {
            return Response::new(404, "job not found");
        };
        child.looks += 1;
        let child = &self.children[self
            .children
            .iter()
            .position(|child| child.id == id)
            .unwrap()];
        let list = (0..self.count).map(|index| {
            let mut allocation = self.fate(child).allocation(child.looks);
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
