//! Publishers, `delete`, `gc` and `promote` beside each other, killed at random moments: nothing is half, doubled, lost or
//! dangling. `just kills` makes a thousand kills over every kind of store; the everyday tests make a few over a folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gcs/mod.rs"]
mod gcs;
#[path = "support/model.rs"]
mod model;
#[path = "support/server.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use contract::NomadOrigin;
use gcs::Gcs;
use model::Model;
use serde_json::Value;
use tempfile::TempDir;

/// Kills over a folder in everyday tests.
const FEW: usize = 40;
/// No upload takes that long, if it is not killed.
const ABANDONED: &str = "30s";
const ALIASES: [&str; 2] = ["production", "staging"];

/// A sequence of numbers that look random (Knuth's MMIX generator), the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// What a command was started for.
#[derive(Clone, Debug)]
enum Verb {
    Push,
    Delete(String),
    Promote,
    Gc,
}

struct Running {
    verb: Verb,
    child: Child,
    dies_at: Option<Instant>,
    /// Goes with the command.
    _model: Option<Model>,
}

/// A store, and what is known of it.
struct Life {
    store: String,
    env: Vec<(&'static str, String)>,
    home: TempDir,
    chance: Chance,
    /// Names of models that were reported as published.
    published: BTreeSet<String>,
    /// Names that somebody tried to delete, or deleted for good.
    condemned: BTreeSet<String>,
    deleted: BTreeSet<String>,
    longest: Duration,
    works: usize,
    kills: usize,
}

impl Life {
    fn new(store: &str, env: Vec<(&'static str, String)>, seed: u64) -> Self {
        Self {
            store: store.to_owned(),
            env,
            home: tempfile::tempdir().unwrap(),
            chance: Chance(seed),
            published: BTreeSet::new(),
            condemned: BTreeSet::new(),
            deleted: BTreeSet::new(),
            longest: Duration::from_millis(300),
            works: 0,
            kills: 0,
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
        command
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home.path())
            .args(args)
            .args(["--store", &self.store])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// With nobody beside it.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn start(&self, verb: Verb, args: &[&str], model: Option<Model>) -> Running {
        let child = self.command(args).spawn().unwrap();
        Running {
            verb,
            child,
            dies_at: None,
            _model: model,
        }
    }

    fn push(&mut self, work: usize, attempt: usize) -> Running {
        let id = format!("alloc-{work}-{attempt}");
        let model = Model::new("m", &work.to_string(), &id)
            .file("model.json", &format!("{id} ").repeat(2000))
            .nomad(NomadOrigin {
                job_id: format!("sales/dispatch-{work}"),
                alloc_id: id.clone(),
                ..NomadOrigin::default()
            })
            .write();
        let folder = model.folder().to_str().unwrap().to_owned();
        self.start(Verb::Push, &["push", "--json", &folder], Some(model))
    }

    /// One of the models that were published, if there is one.
    fn some_model(&mut self) -> Option<String> {
        let at = self.chance.below(self.published.len().max(1));
        self.published.iter().nth(at).cloned()
    }

    /// What runs beside two publishers of one piece of work.
    fn other(&mut self) -> Running {
        let gc = &["gc", "--older-than", ABANDONED][..];
        let Some(name) = self.some_model() else {
            return self.start(Verb::Gc, gc, None);
        };
        match self.chance.below(5) {
            0 => {
                let alias = ALIASES[self.chance.below(ALIASES.len())];
                let args = ["promote", &name, "--alias", alias];
                self.start(Verb::Promote, &args, None)
            }
            1 | 2 => {
                self.condemned.insert(name.clone());
                self.start(Verb::Delete(name.clone()), &["delete", &name], None)
            }
            3 => {
                // Of the piece of work that is published at this moment.
                let name = format!("m_v{}_alloc-{}-0", self.works, self.works);
                self.condemned.insert(name.clone());
                self.start(Verb::Delete(name.clone()), &["delete", &name], None)
            }
            _ => self.start(Verb::Gc, gc, None),
        }
    }

    fn round(&mut self) {
        // A new piece of work, or an old one that is done again by another allocation.
        let again = self.works > 0 && self.chance.below(3) == 0;
        let work = match again {
            true => 1 + self.chance.below(self.works),
            false => {
                self.works += 1;
                self.works
            }
        };
        let attempt = if again { 10 + self.kills } else { 0 };
        let begin = Instant::now();
        let mut all = vec![
            self.push(work, attempt),
            self.push(work, attempt + 1),
            self.other(),
            self.other(),
        ];
        for running in &mut all {
            if self.chance.below(3) > 0 {
                let moment = self.chance.below(1000) as f64 / 1000.0;
                running.dies_at = Some(begin + self.longest.mul_f64(moment));
            }
        }
        all.sort_by_key(|running| running.dies_at);
        let (dying, living): (Vec<Running>, Vec<Running>) = all
            .into_iter()
            .partition(|running| running.dies_at.is_some());
        for mut running in dying {
            let left = running.dies_at.unwrap();
            std::thread::sleep(left.saturating_duration_since(Instant::now()));
            running.child.kill().unwrap();
            self.ended(running);
        }
        let any_lived = !living.is_empty();
        for running in living {
            self.ended(running);
        }
        if any_lived {
            // So that kills hit all of what a command does, however slow the machine is.
            self.longest = (self.longest + begin.elapsed()) / 2;
        }
    }

    fn ended(&mut self, running: Running) {
        let output = running.child.wait_with_output().unwrap();
        let Some(code) = output.status.code() else {
            self.kills += 1;
            return;
        };
        match (&running.verb, code) {
            (Verb::Push, 0) => {
                let pushed: Value = serde_json::from_slice(&output.stdout).unwrap();
                let name = pushed["models"][0]["name"].as_str().unwrap();
                self.published.insert(name.to_owned());
            }
            (Verb::Delete(name), 0) => {
                self.deleted.insert(name.clone());
            }
            (Verb::Promote | Verb::Gc, 0) => {}
            // Deleted, promoted, or not there: somebody else was first.
            (Verb::Push | Verb::Delete(_) | Verb::Promote, 16) => {}
            (verb, code) => panic!("{verb:?} ended with {code}: {}", said(&output)),
        }
    }

    /// With nobody at it any more.
    fn check(&self) {
        // Stores tell times in whole seconds, and what was written in this one is not old.
        std::thread::sleep(Duration::from_millis(1100));
        self.ok(&["gc", "--older-than", "0s"]);
        let listed: Value = serde_json::from_str(&self.ok(&["list", "--json"])).unwrap();
        let mut visible: BTreeMap<String, String> = BTreeMap::new();
        for model in listed["models"].as_array().unwrap() {
            let text = |field: &str| model[field].as_str().unwrap().to_owned();
            let (name, work) = (text("name"), text("model_version"));
            // Every digest is checked.
            self.ok(&["pull", &name, "--out", "pulled"]);
            std::fs::remove_dir_all(self.home.path().join("pulled")).unwrap();
            let other = visible.insert(work.clone(), name.clone());
            assert_eq!(
                other, None,
                "work {work} has two models, {name} and another"
            );
        }
        let there: BTreeSet<&String> = visible.values().collect();
        for name in &self.deleted {
            assert!(!there.contains(name), "{name} was deleted, and is there");
        }
        for name in self.published.difference(&self.condemned) {
            assert!(there.contains(name), "{name} was published, and is gone");
        }
        for alias in ALIASES {
            let shown = self.command(&["show", &format!("m@{alias}")]).output();
            let shown = shown.unwrap();
            let stands_for_nothing = said(&shown).contains("no such alias or version");
            assert!(
                shown.status.success() || stands_for_nothing,
                "{}",
                said(&shown)
            );
        }
        let left = self.ok(&["gc", "--older-than", "0s", "--dry-run", "--json"]);
        let left: Value = serde_json::from_str(&left).unwrap();
        assert_eq!(left["garbage"].as_array().unwrap().len(), 0, "{left}");
    }

    fn live(mut self, kills: usize) {
        let mut checked = 0;
        while self.kills < kills {
            self.round();
            if self.kills >= checked + 100 {
                checked = self.kills;
                self.check();
            }
        }
        self.check();
        println!(
            "{}: {} kills, {} pieces of work, {} models published, {} deleted",
            self.store,
            self.kills,
            self.works,
            self.published.len(),
            self.deleted.len()
        );
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn seed() -> u64 {
    let seed = std::env::var("SEED").ok();
    seed.and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

fn in_folder(kills: usize) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    Life::new(store.to_str().unwrap(), Vec::new(), seed()).live(kills);
}

#[test]
fn a_folder_after_a_few_kills() {
    in_folder(FEW);
}

/// KILLS sets another number, SEED other moments, and STORES some of `folder gcs moto azurite`.
#[test]
#[ignore = "`just kills` runs it: minutes"]
fn every_store_after_a_thousand_kills() {
    let kills = std::env::var("KILLS").ok();
    let kills: usize = kills.map_or(1000, |kills| kills.parse().unwrap());
    let stores = std::env::var("STORES").unwrap_or("folder gcs moto azurite".to_owned());
    let stores: Vec<&str> = stores.split_whitespace().collect();
    let each = kills.div_ceil(stores.len());
    for store in stores {
        match store {
            "folder" => in_folder(each),
            "gcs" => {
                let gcs = Gcs::start();
                gcs.state().quiet = true;
                // What is written from now on is young.
                let live = gcs.clone();
                std::thread::spawn(move || {
                    loop {
                        live.state().bucket.time = jiff::Timestamp::now().to_string();
                        std::thread::sleep(Duration::from_millis(200));
                    }
                });
                let env = vec![("STORAGE_EMULATOR_HOST", gcs.address.clone())];
                Life::new("gs://models/sales", env, seed()).live(each);
            }
            #[cfg(feature = "s3")]
            "moto" => {
                if let Some((_server, env)) = server::moto() {
                    Life::new("s3://models/sales", env, seed()).live(each);
                }
            }
            #[cfg(feature = "azblob")]
            "azurite" => {
                if let Some((_server, env)) = server::azurite() {
                    Life::new("az://models/sales", env, seed()).live(each);
                }
            }
            other => {
                panic!("STORES names {other:?}, which is none of folder, gcs, moto and azurite")
            }
        }
    }
}
