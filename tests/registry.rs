//! The registry's verbs, on a folder and on Google Cloud Storage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gcs/mod.rs"]
mod gcs;
#[path = "support/model.rs"]
mod model;

use std::path::Path;
use std::process::Command;

use contract::{Manifest, NomadOrigin};
use gcs::{Fault, Gcs};
use model::{Model, Sketch};
use runner::platform::{NamedFolder, WorkFolder};
use serde_json::Value;
use tempfile::TempDir;

/// A store with a few models in it, and a working directory for the commands.
struct Shelf {
    gcs: Gcs,
    store: String,
    home: TempDir,
}

impl Shelf {
    fn new(store: &str) -> Self {
        let gcs = Gcs::start();
        // Several pages in each listing.
        gcs.state().bucket.page = 4;
        Self {
            gcs,
            store: store.to_owned(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// The same test on every kind of store.
    fn each(test: impl Fn(Self)) {
        for store in ["file://./store", "gs://models/sales"] {
            test(Self::new(store));
        }
    }

    fn run(&self, args: &[&str], code: i32) -> (String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_runner"))
            .env_clear()
            .env("STORAGE_EMULATOR_HOST", &self.gcs.address)
            .current_dir(self.home.path())
            .args(args)
            .args(["--store", &self.store])
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}\n{stderr}{stdout}"
        );
        (stdout, stderr)
    }

    fn ok(&self, args: &[&str]) -> String {
        self.run(args, 0).0
    }

    fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.ok(&args)).unwrap()
    }

    fn put(&self, model: Sketch) -> Manifest {
        let model = model.write();
        self.ok(&["push", model.folder().to_str().unwrap()]);
        model.manifest().clone()
    }

    fn names(&self, args: &[&str]) -> Vec<String> {
        let args: Vec<&str> = std::iter::once("list")
            .chain(args.iter().copied())
            .collect();
        let listed = self.json(&args);
        let models = listed["models"].as_array().unwrap();
        let name = |model: &Value| model["name"].as_str().unwrap().to_owned();
        models.iter().map(name).collect()
    }
}

/// A model with a held-out and perhaps a validation score, finished on that day of June.
fn scored(version: &str, id: &str, held_out: f64, validation: Option<f64>, day: u32) -> Sketch {
    Model::new("m", version, id).with(move |manifest| {
        let scores = &mut manifest.metrics.held_out.scores;
        scores.insert("roc_auc".to_owned(), held_out);
        manifest.metrics.primary.held_out = held_out;
        manifest.metrics.primary.validation = validation;
        manifest.times.finished = format!("2025-06-{day:02}T08:00:00Z");
    })
}

#[test]
fn models_are_listed_filtered_and_sorted() {
    Shelf::each(|shelf| {
        assert_eq!(shelf.names(&[]), [""; 0]);
        shelf.put(scored("1", "a", 0.7, None, 1));
        shelf.put(scored("2", "a", 0.9, None, 2));
        shelf.put(scored("3", "a", 0.8, None, 3).with(|manifest| {
            manifest.tags.insert("team".to_owned(), "other".to_owned());
        }));
        shelf.put(Model::new("m_v2", "1", "x"));
        let of_m = ["--save-path", "m"];
        assert_eq!(shelf.names(&of_m), ["m_v3_a", "m_v2_a", "m_v1_a"]);
        assert_eq!(shelf.names(&[]).len(), 4);
        let sorted = ["--save-path", "m", "--sort", "roc_auc"];
        assert_eq!(shelf.names(&sorted), ["m_v2_a", "m_v3_a", "m_v1_a"]);
        let one = ["--save-path", "m", "--version", "2"];
        assert_eq!(shelf.names(&one), ["m_v2_a"]);
        assert_eq!(shelf.names(&["--tag", "team=other"]), ["m_v3_a"]);
        assert_eq!(shelf.names(&["--grid", "abc"]), [""; 0]);
        shelf.put(scored("4.1", "a", 0.8, None, 4).with(|manifest| {
            manifest.grid = Some(contract::GridPoint {
                id: "abcdef".repeat(10),
                point: 1,
                points: 2,
                values: [("params.depth".to_owned(), Value::from(3))].into(),
            });
        }));
        assert_eq!(shelf.names(&["--grid", "abc"]), ["m_v4.1_a"]);
        assert_eq!(shelf.names(&["--grid", "bc"]), [""; 0]);
        assert_eq!(shelf.names(&["--rejected"]), [""; 0]);
        let table = shelf.ok(&["list"]);
        assert!(table.contains("0.9000"), "{table}");
        assert!(table.lines().all(|line| line.len() <= 120), "{table}");
    });
}

#[test]
fn what_is_equally_new_or_good_is_listed_by_name() {
    Shelf::each(|shelf| {
        // Manifests arrive in no order of their own.
        let versions: Vec<String> = (10..40).map(|version| version.to_string()).collect();
        for version in versions.iter().rev() {
            shelf.put(scored(version, "a", 0.7, None, 1));
        }
        let by_name: Vec<String> = versions.iter().map(|v| format!("m_v{v}_a")).collect();
        assert_eq!(shelf.names(&[]), by_name);
        assert_eq!(shelf.names(&["--sort", "roc_auc"]), by_name);
        let latest = shelf.json(&["show", "m@latest"]);
        assert_eq!(latest["name"], "m_v10_a");
    });
}

#[test]
fn what_was_uploaded_and_never_committed_is_not_listed() {
    let shelf = Shelf::new("gs://models/sales");
    shelf
        .gcs
        .state()
        .bucket
        .store("sales/m_v1_a/model.json", b"{}".to_vec());
    shelf.put(scored("2", "a", 0.9, None, 2));
    assert_eq!(shelf.names(&[]), ["m_v2_a"]);
    shelf.run(&["show", "m_v1_a"], 16);
}

#[test]
fn a_reference_is_an_alias_a_version_or_a_name() {
    Shelf::each(|shelf| {
        shelf.put(scored("1", "a", 0.7, None, 1));
        shelf.put(scored("2", "a", 0.9, Some(0.6), 5));
        shelf.put(scored("2", "b", 0.8, Some(0.8), 4));
        shelf.put(scored("3", "a", 0.9, Some(0.6), 2));
        shelf.put(scored("3", "b", 0.8, None, 3));
        let name = |reference: &str| {
            let shown = shelf.json(&["show", reference]);
            shown["name"].as_str().unwrap().to_owned()
        };
        assert_eq!(name("m_v1_a"), "m_v1_a");
        assert_eq!(name("m@1"), "m_v1_a");
        // The best by validation, though another does better on the held-out rows.
        assert_eq!(name("m@2"), "m_v2_b");
        assert_eq!(name("m@latest"), "m_v2_a");
        let (_, said) = shelf.run(&["show", "m@3"], 16);
        assert!(said.contains("m_v3_a") && said.contains("m_v3_b"), "{said}");
        let (_, said) = shelf.run(&["show", "m@4"], 16);
        assert!(said.contains("no such alias or version"), "{said}");
        for bad in ["m@../x", "../m", "m@", "@1", "_aliases"] {
            shelf.run(&["show", bad], 2);
        }
        let shown = shelf.ok(&["show", "m@1"]);
        assert!(
            shown.contains("0.7000") && shown.contains("sha256"),
            "{shown}"
        );
    });
}

#[test]
fn promotion_keeps_its_history_and_can_be_taken_back() {
    Shelf::each(|shelf| {
        for version in ["1", "2", "3"] {
            shelf.put(scored(version, "a", 0.7, None, 1));
        }
        let production = ["--alias", "production"];
        let promote = |reference: &str| {
            let alias = shelf.json(&["promote", reference, production[0], production[1]]);
            alias["history"].as_array().unwrap().len()
        };
        assert_eq!(promote("m@1"), 1);
        assert_eq!(promote("m@2"), 2);
        assert_eq!(promote("m@2"), 2);
        assert_eq!(promote("m@3"), 3);
        let current = || shelf.json(&["show", "m@production"])["name"].clone();
        assert_eq!(current(), "m_v3_a");
        shelf.ok(&["rollback", "m@production"]);
        assert_eq!(current(), "m_v2_a");
        shelf.ok(&["rollback", "m@production"]);
        assert_eq!(current(), "m_v1_a");
        shelf.run(&["rollback", "m@production"], 16);
        shelf.run(&["rollback", "m@staging"], 16);
        shelf.run(&["promote", "m@9", "--alias", "production"], 16);
        shelf.run(&["promote", "m@1", "--alias", "latest"], 16);
        shelf.run(&["promote", "m@1", "--alias", "../x"], 16);
    });
}

#[test]
fn of_many_promotions_at_once_none_is_lost() {
    Shelf::each(|shelf| {
        for version in 1..=6 {
            shelf.put(scored(&version.to_string(), "a", 0.7, None, 1));
        }
        std::thread::scope(|scope| {
            for version in 1..=6 {
                let shelf = &shelf;
                scope.spawn(move || {
                    shelf.ok(&["promote", &format!("m@{version}"), "--alias", "production"]);
                });
            }
        });
        let alias = shelf.json(&["promote", "m@1", "--alias", "production"]);
        let history = alias["history"].as_array().unwrap();
        let mut names: Vec<&str> = history
            .iter()
            .map(|c| c["name"].as_str().unwrap())
            .collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 6);
    });
}

#[test]
fn a_model_is_pulled_whole_and_goes_on_where_it_broke_off() {
    Shelf::each(|shelf| {
        let large = "0123456789abcdef".repeat(100_000);
        let manifest = shelf.put(Model::new("m", "1", "a").file("model.json", &large));
        shelf.ok(&["pull", "m@1"]);
        let folder = shelf.home.path().join("m_v1_a");
        for file in &manifest.files {
            let bytes = std::fs::read(folder.join(&file.path)).unwrap();
            assert_eq!(bytes.len() as u64, file.bytes);
        }
        assert_eq!(
            std::fs::read_to_string(folder.join("model.json")).unwrap(),
            large
        );
        // Again: it is there. Changed: it is said.
        shelf.ok(&["pull", "m@1"]);
        std::fs::write(folder.join("model.json"), "changed").unwrap();
        let (_, said) = shelf.run(&["pull", "m@1"], 1);
        assert!(said.contains("it was changed"), "{said}");
        shelf.run(&["pull", "m@1", "--out", "."], 1);

        // What an earlier try brought: the beginning of one file, and nonsense for another.
        let mut attempt = WorkFolder::make(
            &NamedFolder::open(shelf.home.path()).unwrap(),
            ".m_v1_a.part-",
        )
        .unwrap();
        attempt.keep(true);
        let parts = attempt.path().to_owned();
        std::fs::create_dir(parts.join("files")).unwrap();
        std::fs::write(parts.join("files/model.json"), &large[..500_000]).unwrap();
        std::fs::write(parts.join("files/metrics.json"), "??").unwrap();
        let (_, said) = shelf.run(&["pull", "m@1", "--out", "again"], 1);
        assert!(said.contains("another process is pulling"), "{said}");
        drop(attempt);
        shelf.ok(&["pull", "m@1", "--out", "again"]);
        let again = shelf.home.path().join("again");
        assert_eq!(
            std::fs::read_to_string(again.join("model.json")).unwrap(),
            large
        );
        assert!(again.join("manifest.json").exists() && !parts.exists());
    });
}

#[test]
fn a_download_that_breaks_off_or_arrives_damaged_is_fetched_again() {
    for fault in [
        Fault::ResetAfter(70_000),
        Fault::Status(503),
        Fault::Corrupt,
    ] {
        let shelf = Shelf::new("gs://models/sales");
        let large = "0123456789abcdef".repeat(100_000);
        let model = Model::new("m", "1", "a").file("model.json", &large).write();
        shelf.ok(&["push", model.folder().to_str().unwrap()]);
        shelf.gcs.fault(1, "GET", "m_v1_a/model.json", fault);
        shelf.ok(&["pull", "m@1"]);
        let pulled = shelf.home.path().join("m_v1_a/model.json");
        assert_eq!(std::fs::read_to_string(pulled).unwrap(), large);
    }
}

/// With one more score.
fn with_score(version: &str, score: &str, value: f64, higher: Option<bool>) -> Sketch {
    let score = score.to_owned();
    Model::new("m", version, "a").with(move |manifest| {
        let metrics = &mut manifest.metrics;
        metrics.held_out.scores.insert(score.clone(), value);
        if let Some(higher) = higher {
            metrics.higher_is_better.insert(score, higher);
        }
    })
}

#[test]
fn a_list_is_sorted_by_what_is_better() {
    let shelf = Shelf::new("file://./store");
    shelf.put(with_score("1", "mape", 0.3, None));
    shelf.put(with_score("2", "mape", 0.1, None));
    shelf.put(with_score("3", "profit", 7.0, Some(true)));
    shelf.put(with_score("4", "profit", 9.0, Some(true)));
    shelf.put(with_score("5", "cost_of_error", 7.0, Some(true)));
    shelf.put(with_score("6", "cost_of_error", 9.0, Some(true)));
    shelf.put(with_score("7", "odd", 7.0, None));
    for (score, best) in [
        ("mape", "m_v2_a"),
        ("profit", "m_v4_a"),
        ("cost_of_error", "m_v6_a"),
    ] {
        let names = shelf.names(&["--sort", score]);
        assert_eq!(names[0], best, "{score}: {names:?}");
    }
    let (_, said) = shelf.run(&["list", "--sort", "odd"], 2);
    assert!(said.contains("higher_is_better"), "{said}");
    let listed = shelf.json(&["list", "--version", "4"]);
    assert_eq!(listed["models"][0]["higher_is_better"]["profit"], true);
    // The best of each is marked.
    let table = shelf.ok(&["compare", "m@1", "m@2"]);
    assert!(
        table.contains("0.1000 *") && !table.contains("0.3000 *"),
        "{table}"
    );
}

#[test]
fn models_are_compared_side_by_side() {
    let shelf = Shelf::new("file://./store");
    shelf.put(scored("1", "a", 0.7, None, 1));
    shelf.put(scored("2", "a", 0.9, Some(0.8), 2).with(|manifest| {
        manifest.parameters.epochs = Some(9);
    }));
    let table = shelf.ok(&["compare", "m@1", "m@2"]);
    let line = |label: &str| {
        let found = table
            .lines()
            .find(|line| line.trim_start().starts_with(label));
        found
            .unwrap_or_else(|| panic!("no {label} in\n{table}"))
            .to_owned()
    };
    assert!(line("roc_auc").contains("0.7000") && line("roc_auc").contains("0.9000"));
    assert!(line("epochs").contains('9'));
    assert_eq!(
        shelf.json(&["compare", "m@1", "m@2"])["models"][1]["name"],
        "m_v2_a"
    );
    shelf.run(&["compare", "m@1"], 2);
}

#[test]
fn old_models_are_deleted_and_promoted_ones_kept() {
    Shelf::each(|shelf| {
        let work = NomadOrigin {
            job_id: "sales/dispatch-1-a".to_owned(),
            alloc_id: "a".to_owned(),
            ..NomadOrigin::default()
        };
        shelf.put(scored("1", "a", 0.7, None, 1).nomad(work.clone()));
        shelf.put(scored("2", "a", 0.7, None, 2));
        shelf.put(scored("3", "a", 0.7, None, 3).with(|manifest| {
            manifest.times.finished = jiff::Timestamp::now().to_string();
        }));
        shelf.ok(&["promote", "m@2", "--alias", "production"]);
        let (_, said) = shelf.run(&["delete", "--older-than", "30d"], 16);
        assert!(said.contains("m@production"), "{said}");
        assert_eq!(shelf.names(&[]).len(), 3);
        let old = ["delete", "--older-than", "30d", "--keep-promoted"];
        let dry = [&old[..], &["--dry-run"]].concat();
        assert!(shelf.ok(&dry).contains("would delete"));
        assert_eq!(shelf.names(&[]).len(), 3);
        shelf.ok(&old);
        assert_eq!(shelf.names(&[]), ["m_v3_a", "m_v2_a"]);
        // Its claim went with it: the same work may be done again.
        let again = scored("1", "b", 0.7, None, 1).nomad(NomadOrigin {
            alloc_id: "b".to_owned(),
            ..work
        });
        shelf.put(again);
        assert_eq!(shelf.names(&["--version", "1"]), ["m_v1_b"]);
        shelf.run(&["delete"], 2);
    });
}

#[test]
fn a_model_that_is_promoted_while_others_are_deleted_stays() {
    let shelf = Shelf::new("gs://models/sales");
    for version in ["1", "2"] {
        shelf.put(scored(version, "a", 0.7, None, 1));
    }
    let slow = Fault::RetryAfter(503, 3);
    shelf.gcs.fault(1, "DELETE", "m_v1_a/metrics.json", slow);
    std::thread::scope(|scope| {
        let delete = scope.spawn(|| shelf.run(&["delete", "m@1", "m@2"], 16));
        while shelf.gcs.count("DELETE", "m_v1_a/metrics.json") == 0 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        shelf.ok(&["promote", "m@2", "--alias", "production"]);
        let (_, said) = delete.join().unwrap();
        assert!(said.contains("m@production is m_v2_a now"), "{said}");
    });
    assert_eq!(shelf.names(&[]), ["m_v2_a"]);
}

/// Keys of what `gc` finds.
fn garbage(shelf: &Shelf, args: &[&str]) -> Vec<String> {
    let found = shelf.json(args);
    let found = found["garbage"].as_array().unwrap();
    let key = |found: &Value| found["key"].as_str().unwrap().to_owned();
    let mut keys: Vec<String> = found.iter().map(key).collect();
    keys.sort();
    keys
}

#[test]
fn garbage_is_what_nothing_names_and_nobody_works_on() {
    let shelf = Shelf::new("gs://models/sales");
    let data = shelf.home.path().join("rows.csv");
    std::fs::write(&data, "a,b\n1,2\n").unwrap();
    let unnamed = shelf.ok(&["snapshot", "rows.csv"]);
    let model = Model::new("m", "1", "a").write();
    std::fs::copy(model.data(), &data).unwrap();
    let named = shelf.ok(&["snapshot", "rows.csv"]);
    shelf.ok(&["push", model.folder().to_str().unwrap()]);
    {
        let mut state = shelf.gcs.state();
        state
            .bucket
            .store("sales/m_v2_a/model.json", b"{}".to_vec());
        state
            .bucket
            .store("sales/m_v2_a/metrics.json", b"{}".to_vec());
        // A claim that anybody may still finish, and one whose files are gone.
        let work = |job: &str| NomadOrigin {
            job_id: job.to_owned(),
            region: Some("r".to_owned()),
            namespace: Some("n".to_owned()),
            ..NomadOrigin::default()
        };
        let whole = Model::new("m", "3", "a").nomad(work("j")).write();
        for file in &whole.manifest().files {
            let bytes = std::fs::read(whole.folder().join(&file.path)).unwrap();
            state
                .bucket
                .store(&format!("sales/m_v3_a/{}", file.path), bytes);
        }
        let gone = Model::new("m", "3", "b").nomad(work("k")).write();
        for (job, model) in [("j", &whole), ("k", &gone)] {
            let claim = std::fs::read(model.folder().join("manifest.json")).unwrap();
            state
                .bucket
                .store(&format!("sales/_claims/r/n/{job}/0/3.json"), claim);
        }
    }
    // Everything in this store is from June 2025.
    let keys = |args: &[&str]| garbage(&shelf, args);
    let before = shelf.gcs.names();
    assert_eq!(
        keys(&["gc", "--dry-run", "--older-than", "36500d"]),
        [""; 0]
    );
    let expected = [
        format!("_data/{}", unnamed.trim().rsplit_once('/').unwrap().1),
        "m_v2_a/metrics.json".to_owned(),
        "m_v2_a/model.json".to_owned(),
        "m_v3_b/".to_owned(),
    ];
    assert_eq!(keys(&["gc", "--dry-run"]), expected);
    assert_eq!(shelf.gcs.names(), before);
    assert_eq!(keys(&["gc"]), expected);
    // Two names are taken for good, each with a tombstone and an entry by which `gc` finds it.
    assert_eq!(shelf.gcs.names().len(), before.len() - 3 + 4);
    // By the clock of this store that was long ago, so that they are free again.
    let freed = [
        "_claims/r/n/k/0/3.json",
        "_deleted/m_v2_a",
        "_deleted/m_v3_b",
        "m_v2_a/manifest.json",
        "m_v3_b/manifest.json",
    ];
    assert_eq!(keys(&["gc"]), freed);
    assert_eq!(shelf.gcs.names().len(), before.len() - 3 - 1);
    assert_eq!(keys(&["gc"]), [""; 0]);
    let named = named.trim().strip_prefix("gs://models/").unwrap();
    assert!(shelf.gcs.names().contains(&named.to_owned()));
    assert_eq!(shelf.names(&[]), ["m_v1_a"]);
}

#[test]
fn a_killed_process_leaves_nothing_that_gc_does_not_find() {
    let shelf = Shelf::new("file://./store");
    shelf.put(scored("1", "a", 0.7, None, 1));
    let left = shelf
        .home
        .path()
        .join("store/_tmp/01936b2f5c7a7d3e8f90a1b2c3d4e5f6");
    std::fs::write(&left, "half").unwrap();
    shelf.ok(&["gc"]);
    assert!(left.exists(), "younger than a day");
    shelf.ok(&["gc", "--older-than", "0s"]);
    // A second must pass for "older than now": ask again until the clock has moved.
    while left.exists() {
        std::thread::sleep(std::time::Duration::from_millis(200));
        shelf.ok(&["gc", "--older-than", "0s"]);
    }
    assert_eq!(shelf.names(&[]), ["m_v1_a"]);
}

#[test]
fn a_snapshot_has_the_address_of_its_bytes() {
    Shelf::each(|shelf| {
        let data = shelf.home.path().join("rows.csv");
        std::fs::write(&data, "a,b\n1,2\n").unwrap();
        let url = shelf.ok(&["snapshot", "rows.csv"]);
        assert_eq!(shelf.ok(&["snapshot", "rows.csv"]), url);
        assert_eq!(
            url.trim().rsplit_once("/_data/").unwrap().1.len(),
            64,
            "{url}"
        );
        if let Some(path) = url.trim().strip_prefix("file://") {
            assert_eq!(std::fs::read(Path::new(path)).unwrap(), b"a,b\n1,2\n");
        }
        shelf.run(&["snapshot", "no-such-file"], 10);
    });
}

#[test]
fn a_change_whose_answer_got_lost_is_made_once() {
    let shelf = Shelf::new("gs://models/sales");
    for version in ["1", "2", "3"] {
        shelf.put(scored(version, "a", 0.7, None, 1));
        shelf.ok(&["promote", &format!("m@{version}"), "--alias", "production"]);
    }
    shelf.gcs.fault(1, "POST", "_aliases", Fault::LostResponse);
    let alias = shelf.json(&["rollback", "m@production"]);
    let names: Vec<&str> = alias["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["m_v1_a", "m_v2_a", "m_v3_a", "m_v2_a"]);
    shelf.gcs.fault(1, "POST", "_aliases", Fault::LostResponse);
    let alias = shelf.json(&["promote", "m@3", "--alias", "production"]);
    assert_eq!(alias["history"].as_array().unwrap().len(), 5);
}

/// What stands below `_uses/`, as (what, mark).
fn uses(gcs: &Gcs) -> Vec<(String, String)> {
    let names = gcs.names().into_iter();
    let marks = names.filter_map(|name| {
        let (what, mark) = name.strip_prefix("sales/_uses/")?.rsplit_once('/')?;
        Some((what.to_owned(), mark.to_owned()))
    });
    marks.collect()
}

#[test]
fn what_a_publisher_counts_on_is_no_garbage() {
    let shelf = Shelf::new("gs://models/sales");
    std::fs::write(shelf.home.path().join("rows.csv"), "a,b\n1,2\n").unwrap();
    // Long ago a snapshot, and an upload that was never committed.
    let snapshot = shelf.ok(&["snapshot", "rows.csv"]);
    let snapshot = snapshot.trim().strip_prefix("gs://models/sales/").unwrap();
    let model = Model::new("m", "1", "a").write();
    let bytes = std::fs::read(model.folder().join("metrics.json")).unwrap();
    shelf.gcs.put("sales/m_v1_a/metrics.json", bytes, 7);
    assert_eq!(garbage(&shelf, &["gc", "--dry-run"]).len(), 2);

    // Today both are wanted again: the snapshot by its address, the upload by a push that is stopped before its manifest.
    shelf.gcs.state().bucket.time = jiff::Timestamp::now().to_string();
    shelf.ok(&["snapshot", "rows.csv"]);
    shelf
        .gcs
        .fault(1, "POST", "manifest.json", Fault::Status(403));
    shelf.run(&["push", model.folder().to_str().unwrap()], 16);
    let whats: Vec<String> = uses(&shelf.gcs).into_iter().map(|(what, _)| what).collect();
    assert_eq!(whats, [snapshot]);
    // What the push made is young, and so is its upload.
    assert_eq!(garbage(&shelf, &["gc"]), [""; 0]);
    shelf.ok(&["push", model.folder().to_str().unwrap()]);
    shelf.ok(&["pull", "m@1"]);
}

#[test]
fn a_publisher_waits_for_a_removal_and_brings_back_what_it_took() {
    let shelf = Shelf::new("gs://models/sales");
    std::fs::write(shelf.home.path().join("rows.csv"), "a,b\n1,2\n").unwrap();
    let url = shelf.ok(&["snapshot", "rows.csv"]);
    let key = url.trim().strip_prefix("gs://models/").unwrap().to_owned();
    shelf.gcs.put(&key, "a,b\n1,2\n", 7);
    // `gc` has looked for uses, found none, and is about to delete.
    shelf.gcs.state().bucket.time = jiff::Timestamp::now().to_string();
    let mark = key.replace("sales/", "sales/_uses/") + "/gc";
    shelf.gcs.put(&mark, "", 8);
    let asked = mark.strip_prefix("sales/").unwrap().to_owned();
    std::thread::scope(|scope| {
        let again = scope.spawn(|| shelf.ok(&["snapshot", "rows.csv"]));
        while shelf.gcs.count("GET", &asked) < 2 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(!again.is_finished());
        let mut state = shelf.gcs.state();
        state.bucket.objects.remove(&key);
        state.bucket.objects.remove(&mark);
        drop(state);
        again.join().unwrap();
    });
    assert!(shelf.gcs.names().contains(&key));
}

#[test]
fn gc_leaves_what_another_gc_is_at_and_takes_over_what_a_killed_one_left() {
    let shelf = Shelf::new("gs://models/sales");
    let data = format!("_data/{}", "0a".repeat(32));
    shelf.gcs.put(&format!("sales/{data}"), "{}", 1);
    let mark = &*format!("sales/_uses/{data}/gc");
    shelf.gcs.state().bucket.time = jiff::Timestamp::now().to_string();
    shelf.gcs.put(mark, "", 2);
    assert_eq!(garbage(&shelf, &["gc"]), [""; 0]);
    assert!(shelf.gcs.names().contains(&mark.to_owned()));
    shelf.gcs.state().bucket.time = "2025-06-01T08:00:00.000Z".to_owned();
    shelf.gcs.put(mark, "", 3);
    assert_eq!(garbage(&shelf, &["gc"]), [data.as_str()]);
    assert_eq!(shelf.gcs.names(), [""; 0]);
    // A mark about something that is no garbage any more.
    shelf.gcs.put(mark, "", 4);
    assert_eq!(garbage(&shelf, &["gc"]), [format!("_uses/{data}/gc")]);
}
