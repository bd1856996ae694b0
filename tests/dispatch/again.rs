//! What is dispatched again: after a node drain by itself, after a failure when it is asked for; and what is not.

use std::collections::{BTreeMap, VecDeque};

use contract::{Gate, NomadOrigin, SpecificationOrigin};
use runner::plan::{Grid, Specification, derived_seed};

use crate::model::{MODULE, Model, sha256};
use crate::nomad::{DRAIN, Fate, JOB_STOP, Nomad, allocation_id};
use crate::support::{Ended, Runner};
use crate::{GRID, dispatch};

/// A store in a folder, and a Nomad whose tasks publish to it when they end well.
struct World {
    nomad: Nomad,
    store: tempfile::TempDir,
}

/// What a task publishes: the model of one version, or the verdict on it.
struct Task<'a> {
    store: &'a str,
    job: &'a str,
    version: &'a str,
    specification: Option<SpecificationOrigin>,
    met: bool,
}

impl Task<'_> {
    fn publish(&self) {
        let id = allocation_id(self.job, 0);
        let origin = NomadOrigin {
            job_id: self.job.to_owned(),
            alloc_id: id.clone(),
            alloc_index: Some(0),
            namespace: Some("default".to_owned()),
            region: Some("global".to_owned()),
            ..NomadOrigin::default()
        };
        let (specification, met) = (self.specification.clone(), self.met);
        let seed = derived_seed(self.version, 0);
        let model = Model::new("model", self.version, &id)
            .nomad(origin)
            .with(move |manifest| {
                manifest.seed = seed;
                manifest.data.source = "https://data.example.com/history.json".to_owned();
                manifest.specification = specification;
                manifest.metrics.gates = vec![Gate {
                    metric: "roc_auc".to_owned(),
                    threshold: 1.0,
                    higher_is_better: true,
                    value: if met { 1.0 } else { 0.99999 },
                    met,
                }];
            })
            .write();
        let pushed = Runner::new("push")
            .args(["--store", self.store])
            .arg(model.folder())
            .run();
        pushed.ends_with(if self.met { 0 } else { 5 });
    }
}

impl World {
    fn new() -> Self {
        let nomad = Nomad::start();
        let world = Self {
            nomad,
            store: tempfile::TempDir::new().unwrap(),
        };
        let store = world.store();
        let mut state = world.nomad.state();
        state.module = sha256(MODULE);
        state.on_complete = Some(Box::new(move |child| {
            let version = &child.meta["model_version"];
            let grid = (!child.payload.is_empty()).then(|| grid(&child.payload));
            let points = child.meta.get("points").map(|text| (text, grid.unwrap()));
            let publish = |version: &str, specification| {
                let task = Task {
                    store: &store,
                    job: &child.id,
                    version,
                    specification,
                    met: true,
                };
                task.publish();
            };
            match points {
                None => publish(version, None),
                Some((text, grid)) => {
                    for point in grid.named(text).unwrap() {
                        let own = grid.point(point).unwrap().specification.origin;
                        publish(&format!("{version}.{point}"), Some(own));
                    }
                }
            }
        }));
        drop(state);
        world
    }

    fn store(&self) -> String {
        format!("file://{}", self.store.path().display())
    }

    fn fates(&self, version: &str, fates: impl IntoIterator<Item = Fate>) {
        let fates: VecDeque<Fate> = fates.into_iter().collect();
        self.nomad.state().next.insert(version.to_owned(), fates);
    }

    /// `runner dispatch --json --store …`.
    fn dispatch(&self) -> Runner {
        dispatch(&self.nomad).args(["--store", &self.store()])
    }

    fn retried(&self) -> Ended {
        let runner = self.dispatch().args(["--versions", "1..3"]);
        runner.args(["--retry-failed", "--wait"]).run()
    }

    /// How many models there are of each version.
    fn models(&self) -> BTreeMap<String, usize> {
        let mut models = BTreeMap::new();
        for entry in std::fs::read_dir(self.store.path()).unwrap().flatten() {
            if let Ok(text) = std::fs::read(entry.path().join("manifest.json")) {
                let manifest: contract::Manifest = serde_json::from_slice(&text).unwrap();
                *models.entry(manifest.model_version).or_default() += 1;
            }
        }
        models
    }

    fn tokens(&self) -> Vec<String> {
        let state = self.nomad.state();
        state
            .children
            .iter()
            .map(|child| child.token.clone())
            .collect()
    }
}

fn grid(text: &[u8]) -> Grid {
    let specification = Specification::new(text.to_vec());
    Grid::of(&specification).unwrap().unwrap()
}

fn once(versions: &[&str]) -> BTreeMap<String, usize> {
    versions
        .iter()
        .map(|version| ((*version).to_owned(), 1))
        .collect()
}

/// Of the version, in what `--wait --json` printed.
fn of(ended: &serde_json::Value, version: &str) -> serde_json::Value {
    let all = ended["versions"].as_array().unwrap();
    let mut of_version = all.iter().filter(|each| each["model_version"] == version);
    of_version.next().unwrap().clone()
}

#[test]
fn who_stopped_a_version_is_told_and_without_a_store_nothing_is_dispatched_again() {
    let world = World::new();
    world.fates("1", [Fate::Stopped(DRAIN, 0)]);
    world.fates("2", [Fate::Stopped(JOB_STOP, 0)]);
    world.fates("3", [Fate::StoppedWhenDone(DRAIN)]);
    world.fates("4", [Fate::Failed("train", 10, "Exit Code: 10")]);
    let ended = dispatch(&world.nomad).args(["--versions", "1..4", "--wait"]);
    let ended = ended.run().ends_with(21).json();
    assert_eq!(of(&ended, "1")["status"], "stopped");
    assert_eq!(of(&ended, "1")["by"], "node_drain");
    let reason = of(&ended, "1")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("stopped by a node drain"), "{reason}");
    assert_eq!(of(&ended, "2")["by"], "operator");
    let reason = of(&ended, "2")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("stopped by an operator"), "{reason}");
    assert_eq!(
        of(&ended, "3")["status"],
        "stored",
        "its tasks had ended well"
    );
    assert_eq!(of(&ended, "4")["status"], "failed");
    assert_eq!(ended["counts"]["stopped"], 2);
    assert_eq!(world.nomad.versions().len(), 4);
}

#[test]
fn a_client_that_is_lost_or_away_is_named_and_its_version_made_by_a_retry() {
    let world = World::new();
    world.fates("1", [Fate::Lost]);
    world.fates("2", [Fate::Away(JOB_STOP)]);
    world.fates("3", [Fate::Away(DRAIN)]);
    let plain = world
        .dispatch()
        .args(["--versions", "1..3", "--wait"])
        .run();
    let ended = plain.ends_with(21).json();
    let reason = |version: &str| of(&ended, version)["reason"].as_str().unwrap().to_owned();
    assert_eq!(of(&ended, "1")["by"], "client_lost");
    assert!(
        reason("1").contains("its client was lost"),
        "{}",
        reason("1")
    );
    assert_eq!(of(&ended, "2")["by"], "operator");
    assert_eq!(of(&ended, "3")["by"], "client_lost");
    for version in ["2", "3"] {
        let reason = reason(version);
        assert!(reason.contains("client was away"), "{reason}");
    }
    // It may still run where nobody hears of it: only a user can say that it is to be made again.
    assert_eq!(world.nomad.versions(), ["1", "2", "3"]);
    world.retried().ends_with(0);
    assert_eq!(world.models(), once(&["1", "2", "3"]));
}

#[test]
fn a_drained_version_is_dispatched_again_when_its_allocation_has_ended() {
    let world = World::new();
    world.fates("1", [Fate::Stopped(DRAIN, 2), Fate::Stopped(DRAIN, 1)]);
    let ended = world
        .dispatch()
        .args(["--versions", "1..2", "--wait"])
        .run();
    let ended = ended
        .ends_with(0)
        .says(["stopped by a node drain", "2 of at most 2 times"]);
    assert_eq!(of(&ended.json(), "1")["status"], "stored");
    assert_eq!(world.models(), once(&["1", "2"]));
    assert_eq!(world.nomad.versions(), ["1", "2", "1", "1"]);
    assert!(
        world.nomad.state().beside.is_empty(),
        "the one before still ran"
    );
    let mut tokens = world.tokens();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 4, "two dispatches bear one token");
    // The command that is given again finds the same dispatches.
    let again = world.dispatch().args(["--versions", "1..2", "--wait"]);
    again.run().ends_with(0);
    assert_eq!(world.nomad.versions().len(), 4);
}

#[test]
fn a_version_is_dispatched_again_for_drains_at_most_twice() {
    let world = World::new();
    world.fates("1", (0..5).map(|_| Fate::Stopped(DRAIN, 0)));
    let drained = || {
        world
            .dispatch()
            .args(["--versions", "1..1", "--wait"])
            .run()
    };
    let ended = drained().ends_with(21).json();
    assert_eq!(of(&ended, "1")["by"], "node_drain");
    assert_eq!(world.nomad.versions().len(), 3);
    drained().ends_with(21);
    assert_eq!(
        world.nomad.versions().len(),
        3,
        "given again it is the same command"
    );
    // What an operator stopped is meant to be stopped.
    world.fates("2", [Fate::Stopped(JOB_STOP, 0)]);
    let ended = world
        .dispatch()
        .args(["--model-version", "2", "--wait"])
        .run();
    assert_eq!(of(&ended.ends_with(21).json(), "2")["by"], "operator");
    assert_eq!(world.nomad.versions().len(), 4);
}

#[test]
fn a_drained_version_that_another_dispatch_made_is_not_made_twice() {
    let world = World::new();
    world.fates("1", [Fate::Stopped(DRAIN, 0)]);
    world.fates("2", [Fate::Stopped(DRAIN, 0)]);
    let store = world.store();
    for (version, met) in [("1", true), ("2", false)] {
        Task {
            store: &store,
            job: "sales-close-prediction/dispatch-elsewhere",
            version,
            specification: None,
            met,
        }
        .publish();
    }
    let ended = world
        .dispatch()
        .args(["--versions", "1..2", "--wait"])
        .run();
    let ended = ended.ends_with(5).json();
    assert_eq!(of(&ended, "1")["status"], "stored");
    assert_eq!(of(&ended, "2")["status"], "gate_not_met");
    let missed = of(&ended, "2")["missed"][0].as_str().unwrap().to_owned();
    assert_eq!(missed, "roc_auc >= 1.00000: NOT met (0.99999)");
    assert_eq!(world.nomad.versions().len(), 2);

    // Of another module it is other work.
    world.nomad.state().module = sha256("another module");
    world.fates("1", [Fate::Stopped(DRAIN, 0)]);
    let anew = ["--versions", "1..1", "--wait", "--campaign", "anew"];
    world.dispatch().args(anew).run().ends_with(0);
    assert_eq!(world.nomad.versions().len(), 4);
}

#[test]
fn of_a_part_of_a_grid_only_what_is_missing_is_dispatched_again() {
    let world = World::new();
    world.fates("7", [Fate::Stopped(DRAIN, 0), Fate::Stopped(JOB_STOP, 0)]);
    let store = world.store();
    for point in [2, 4] {
        Task {
            store: &store,
            job: "sales-close-prediction/dispatch-11-global",
            version: &format!("7.{point}"),
            specification: Some(
                grid(GRID.as_bytes())
                    .point(point)
                    .unwrap()
                    .specification
                    .origin,
            ),
            met: point == 2,
        }
        .publish();
    }
    let run = || {
        let runner = world
            .dispatch()
            .file("grid.toml", GRID)
            .args(["--spec", "grid.toml"]);
        runner.args(["--model-version", "7", "--per-allocation", "5", "--wait"])
    };
    let ended = run().run().ends_with(21).json();
    assert_eq!(of(&ended, "7.2")["status"], "stored");
    assert_eq!(of(&ended, "7.4")["status"], "gate_not_met");
    for missing in ["7.1", "7.3", "7.5"] {
        assert_eq!(of(&ended, missing)["by"], "operator", "{missing}");
    }
    run().arg("--retry-failed").run().ends_with(5);
    assert_eq!(world.models(), once(&["7.1", "7.2", "7.3", "7.5"]));
    let state = world.nomad.state();
    let points: Vec<&str> = state
        .children
        .iter()
        .map(|each| each.meta["points"].as_str())
        .collect();
    assert_eq!(points, ["1..5", "1..1,3..3,5..5", "1..1,3..3,5..5"]);
}

#[test]
fn what_failed_is_dispatched_again_alone_as_often_as_it_is_asked_for() {
    let world = World::new();
    let failed = || Fate::Failed("train", 10, "Exit Code: 10");
    world.fates("2", [failed(), Fate::OutOfMemory, Fate::Complete]);
    let plain = || {
        world
            .dispatch()
            .args(["--versions", "1..3", "--wait"])
            .run()
    };
    plain().ends_with(21);
    // Nomad knows the token: the same command has the same failure.
    plain().ends_with(21);
    assert_eq!(world.nomad.versions(), ["1", "2", "3"]);

    let ended = world.retried().ends_with(21).json();
    let reason = of(&ended, "2")["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.contains("its limit is 16 MiB; the job's variable `memory`"),
        "{reason}"
    );
    assert_eq!(world.nomad.versions(), ["1", "2", "3", "2"]);
    world.retried().ends_with(0);
    assert_eq!(world.nomad.versions(), ["1", "2", "3", "2", "2"]);
    assert_eq!(world.models(), once(&["1", "2", "3"]));
    world.retried().ends_with(0);
    // What the store holds counts for the plain command, too.
    plain().ends_with(0);
    assert_eq!(world.nomad.versions().len(), 5);
}

#[test]
fn a_retry_needs_the_store_and_leaves_alone_what_goes_on_or_has_a_verdict() {
    let world = World::new();
    let without = dispatch(&world.nomad).args(["--versions", "1..3", "--retry-failed"]);
    without.run().ends_with(2).says(["--store"]);
    world.fates("1", [Fate::Runs]);
    world.fates("2", [Fate::Failed("storeModel_GCP", 5, "Exit Code: 5")]);
    world.fates(
        "3",
        [Fate::Failed("train", 12, "Exit Code: 12"), Fate::Runs],
    );
    world
        .dispatch()
        .args(["--versions", "1..3"])
        .run()
        .ends_with(0);
    let job = world.nomad.state().children[1].id.clone();
    let store = world.store();
    Task {
        store: &store,
        job: &job,
        version: "2",
        specification: None,
        met: false,
    }
    .publish();
    let retry = || {
        let runner = world
            .dispatch()
            .args(["--versions", "1..3", "--retry-failed"]);
        runner.run().ends_with(0).json()
    };
    let ended = retry();
    assert_eq!(ended["stored"][0]["versions"][0], "2");
    let already: Vec<bool> = ended["dispatched"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["already"].as_bool().unwrap())
        .collect();
    assert_eq!(already, [true, false]);
    assert_eq!(world.nomad.versions(), ["1", "2", "3", "3"]);
    retry();
    assert_eq!(
        world.nomad.versions().len(),
        4,
        "what was dispatched again goes on"
    );
}

#[test]
fn what_nomad_has_forgotten_is_known_by_the_store() {
    let world = World::new();
    world.fates("2", [Fate::Failed("train", 10, "Exit Code: 10")]);
    let plain = world
        .dispatch()
        .args(["--versions", "1..3", "--wait"])
        .run();
    plain.ends_with(21);
    for child in &mut world.nomad.state().children {
        child.forgotten = true;
    }
    world.retried().ends_with(0);
    assert_eq!(world.nomad.versions(), ["1", "2", "3", "2"]);
    assert_eq!(world.models(), once(&["1", "2", "3"]));

    // Collected while it was waited for: the claim still names the model.
    let world = World::new();
    world.nomad.state().collects = true;
    let plain = world
        .dispatch()
        .args(["--versions", "1..3", "--wait"])
        .run();
    let ended = plain.ends_with(0).json();
    assert_eq!(ended["counts"]["stored"], 3);
}
