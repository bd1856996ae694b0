//! What somebody put into the place of something of the runner's: a working folder, a model, an alias, a claim.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/meddled.rs"]
mod meddled;
#[path = "support/model.rs"]
mod model;
#[path = "support/shelf.rs"]
mod shelf;
mod support;

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use contract::Manifest;
use meddled::Meddled;
use runner::exit::Exit;
use runner::registry;
use runner::store::{ClaimKey, FolderStore};
use rustix::process::Signal;
use shelf::{PATIENCE, RUNNER, Shelf, model, pipe, said, work};
use support::{assemble, ends_within, files_below, send};

/// Exchanges each folder in `folder` whose name begins with `prefix` for a link to `theirs`, once there is one.
fn exchange(folder: &Path, prefix: &str, theirs: &Path) {
    let begin = Instant::now();
    loop {
        assert!(begin.elapsed() < PATIENCE, "there is no {prefix}…");
        let entries = fs::read_dir(folder).into_iter().flatten();
        let found: Vec<PathBuf> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.file_name()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .starts_with(prefix)
            })
            .collect();
        for path in &found {
            // What lies in it is made by now.
            std::thread::sleep(Duration::from_millis(200));
            fs::rename(path, path.with_file_name("aside")).unwrap();
            symlink(theirs, path).unwrap();
        }
        if !found.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts a runner that waits for its data, exchanges its working folder, and gives it the data then.
#[track_caller]
fn exchanged_while_it_waits(shelf: &Shelf, args: &[&str], folder: &Path) -> Output {
    let home = shelf.home.path();
    let mut child = Command::new(RUNNER)
        .args(args)
        .env_clear()
        .env("TMPDIR", home.join("tmp"))
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    exchange(folder, ".run-", shelf.theirs.path());
    let mut data = child.stdin.take().unwrap();
    data.write_all(b"x,y\n1,1\n2,2\n3,2\n").unwrap();
    drop(data);
    let output = child.wait_with_output().unwrap();
    let aside = folder.join("aside");
    assert_eq!(
        files_below(&aside),
        [""; 0],
        "what was exchanged is emptied"
    );
    output
}

/// A folder to which everybody can write, and a guest.
fn shared(shelf: &Shelf, name: &str) -> PathBuf {
    let folder = shelf.home.path().join(name);
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    let guest = shelf.home.path().join("guest.wasm");
    fs::write(guest, assemble("keeps_the_contract")).unwrap();
    folder
}

#[test]
fn a_working_folder_that_is_exchanged_leads_neither_guest_nor_runner_away() {
    let shelf = Shelf::new();
    // What the guest would find there in the place of its own folders.
    for folder in ["data", "job"] {
        fs::create_dir_all(shelf.theirs.path().join(folder)).unwrap();
    }
    let out = shared(&shelf, "out");
    fs::write(shelf.home.path().join("spec.toml"), "target = \"y\"\n").unwrap();
    let args = [
        "run",
        "guest.wasm",
        "--data",
        "-",
        "--spec",
        "spec.toml",
        "--keep-data",
        "--save-path",
        "m",
        "--out",
        "out",
    ];
    let output = exchanged_while_it_waits(&shelf, &args, &out);
    assert!(output.status.success(), "{}", said(&output));
    shelf.theirs_is_untouched();
    let mut kept = support::models(&out);
    // The link that took the working folder's place holds a manifest, too.
    kept.retain(|model| !model.is_symlink());
    assert_eq!(kept.len(), 1);
    shelf.run(&["push", kept[0].to_str().unwrap()], 0);
}

#[test]
fn what_predicts_in_an_exchanged_folder_reads_and_writes_nothing_elsewhere() {
    let shelf = Shelf::new();
    let tmp = shared(&shelf, "tmp");
    trained_by(&shelf, "keeps_the_contract");
    let args = [
        "predict",
        "m@1",
        "--store",
        "store",
        "--data",
        "-",
        "--out",
        "predicted.csv",
    ];
    let output = exchanged_while_it_waits(&shelf, &args, &tmp);
    shelf.theirs_is_untouched();
    // The module says of one row only: that is known of the file that it left where it was told to.
    assert_eq!(output.status.code(), Some(15), "{}", said(&output));
}

/// Kills a prediction that does not end, once something else than `before` lies where its file is to be. Returns what does.
fn killed_prediction(shelf: &Shelf, before: &[String]) -> Vec<String> {
    let out = shelf.home.path().join("out");
    let lies_there = || -> Vec<String> {
        let entries = fs::read_dir(&out).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let mut child = Command::new(RUNNER)
        .args(["predict", "m@1", "--store", "store", "--data", "rows.csv"])
        .args(["--out", "out/predicted.csv"])
        .env_clear()
        .current_dir(shelf.home.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while lies_there() == before && begin.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    // What an earlier one left is gone before this one makes its own.
    std::thread::sleep(Duration::from_millis(500));
    child.kill().unwrap();
    child.wait().unwrap();
    lies_there()
}

#[test]
fn what_a_killed_prediction_leaves_is_removed_by_the_next() {
    let shelf = Shelf::new();
    fs::write(shelf.home.path().join("rows.csv"), "x,y\n1,1\n2,2\n3,2\n").unwrap();
    fs::create_dir(shelf.home.path().join("out")).unwrap();
    trained_by(&shelf, "endless_loop");
    let first = killed_prediction(&shelf, &[]);
    assert!(first[0].starts_with(".predictions-"), "{first:?}");
    let second = killed_prediction(&shelf, &first);
    assert_eq!(second.len(), 1, "{first:?} {second:?}");
    assert_ne!(first, second);
}

/// Puts a model into the store that a guest trained, with its module.
fn trained_by(shelf: &Shelf, guest: &str) {
    let module = assemble(guest);
    let (bytes, sha256) = runner::digest::sha256(&module[..]).unwrap();
    let manifest = shelf.put(model("1").with(move |manifest| {
        manifest.module.bytes = bytes;
        manifest.module.sha256 = sha256;
    }));
    fs::create_dir_all(shelf.path("_modules")).unwrap();
    let place = format!("_modules/{}.wasm", manifest.module.sha256);
    fs::write(shelf.path(&place), module).unwrap();
}

/// What a message calls it, and what makes it.
type Kind = (&'static str, fn(&Path));

/// What may lie in the place of a file.
const KINDS: [Kind; 4] = [
    ("symbolic link", |path| symlink("nowhere", path).unwrap()),
    ("symbolic link", |path| {
        symlink("../old-alias.json", path).unwrap();
    }),
    ("named pipe", pipe),
    ("a folder lies there", |path| {
        fs::create_dir(path).unwrap();
        fs::write(path.join("inner"), "theirs").unwrap();
    }),
];

#[test]
fn what_lies_in_the_place_of_an_alias_may_stand_for_any_model_of_its_save_path() {
    for (kind, make) in KINDS {
        let shelf = Shelf::new();
        shelf.put(model("1"));
        shelf.put(model("2"));
        let promote = ["promote", "m@1", "--alias", "production"];
        shelf.run(&promote, 0);
        let alias = shelf.path("_aliases/m/production.json");
        fs::rename(&alias, shelf.path("_aliases/old-alias.json")).unwrap();
        make(&alias);
        for (refused, code) in [
            (&["delete", "m@1"][..], 16),
            (&["delete", "--older-than", "0s"], 16),
            (&promote, 22),
            (&["rollback", "m@production"], 22),
            (&["show", "m@production"], 22),
        ] {
            let said = shelf.run(refused, code);
            assert!(
                said.contains("_aliases/m/production.json") && said.contains(kind),
                "{refused:?} {said}"
            );
        }
        shelf.run(&["delete", "--older-than", "0s", "--keep-promoted"], 0);
        shelf.run(&["list"], 0);
        shelf.run(&["gc", "--damaged"], 0);
        shelf.run(&["show", "m_v1_a"], 0);
        shelf.run(&["show", "m_v2_a"], 0);
        // It can be removed.
        shelf.age();
        let said = shelf.run(&["gc", "--damaged"], 0);
        assert!(said.contains("an alias that is damaged"), "{said}");
        assert!(fs::symlink_metadata(&alias).is_err());
        shelf.run(&promote, 0);
        shelf.run(&["delete", "m@2"], 0);
    }
}

/// Of what no command may remove.
const BY_HAND: &str = "put the folder back, or remove it by hand";

#[test]
fn what_lies_in_the_place_of_a_folder_of_aliases_or_claims_hides_none_of_them() {
    let linked: fn(&Path, &Path) = |from, to| {
        fs::rename(from, to).unwrap();
        symlink(to, from).unwrap();
    };
    let filed: fn(&Path, &Path) = |from, to| {
        fs::rename(from, to).unwrap();
        fs::write(from, "theirs").unwrap();
    };
    for exchange in [linked, filed] {
        for folder in ["_aliases", "_aliases/m"] {
            let shelf = Shelf::new();
            shelf.put(model("1"));
            shelf.run(&["promote", "m@1", "--alias", "production"], 0);
            exchange(&shelf.path(folder), &shelf.home.path().join("aside"));
            let said = shelf.run(&["delete", "m_v1_a"], 16);
            assert!(said.contains(folder) && said.contains("remove"), "{said}");
            assert!(said.contains(BY_HAND), "{said}");
            shelf.run(&["list"], 0);
            shelf.age();
            let said = shelf.run(&["gc", "--damaged"], 0);
            assert!(said.contains(BY_HAND), "{said}");
            assert!(fs::symlink_metadata(shelf.path(folder)).is_ok());
            assert!(shelf.path("m_v1_a/manifest.json").exists());
            // Nor does a damaged model go that an alias may stand for.
            fs::write(shelf.path("m_v1_a/manifest.json"), "{").unwrap();
            shelf.age();
            let said = shelf.run(&["gc", "--damaged"], 0);
            assert!(shelf.path("m_v1_a/manifest.json").exists(), "{said}");
        }
        for folder in ["_claims", "_claims/global", "_claims/global/default"] {
            let shelf = Shelf::new();
            half_published(&shelf);
            exchange(&shelf.path(folder), &shelf.home.path().join("aside"));
            shelf.age();
            let said = shelf.run(&["gc"], 0);
            assert!(said.contains(folder) && said.contains(BY_HAND), "{said}");
            assert!(shelf.path("m_v1_a/model.json").exists(), "{folder} {said}");
        }
    }
}

/// What holds the runner up is a result that nobody reads; the log is read.
#[test]
fn a_runner_that_is_ended_while_nobody_reads_its_result_says_why() {
    let shelf = Shelf::new();
    let long = "x".repeat(300_000);
    shelf.put(model("1").with(move |manifest| {
        manifest.tags.insert("note".to_owned(), long);
    }));
    for format in ["text", "json"] {
        let log = shelf.home.path().join("log");
        let mut child = Command::new(RUNNER)
            .args([
                "show",
                "m@1",
                "--json",
                "--store",
                "store",
                "--log-format",
                format,
            ])
            .current_dir(shelf.home.path())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let begin = Instant::now();
        // The pipe is full.
        while rustix::io::ioctl_fionread(&stdout).unwrap() < 60_000 {
            assert!(begin.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(5));
        }
        send(&child, Signal::TERM);
        assert_eq!(ends_within(child, PATIENCE), Some(143));
        let log = fs::read_to_string(&log).unwrap();
        assert!(
            log.contains("stopped by SIGTERM") && log.contains("nobody reads"),
            "{log}"
        );
        assert_eq!(log.lines().count(), 1, "{log}");
        if format == "json" {
            let line: serde_json::Value = serde_json::from_str(&log).unwrap();
            assert_eq!(line["level"], "ERROR");
        }
    }
}

/// A model that is claimed and not committed. Anybody may still do that.
fn half_published(shelf: &Shelf) -> Manifest {
    let manifest = shelf.put(model("1").nomad(work()));
    fs::remove_file(shelf.path("m_v1_a/manifest.json")).unwrap();
    manifest
}

#[test]
fn what_lies_in_the_place_of_a_claim_may_claim_any_upload() {
    for (kind, make) in KINDS {
        let shelf = Shelf::new();
        let manifest = half_published(&shelf);
        let claim = shelf.path(ClaimKey::of(&manifest).unwrap().as_str());
        fs::remove_file(&claim).unwrap();
        make(&claim);
        shelf.age();
        let said = shelf.run(&["gc"], 0);
        assert!(
            said.contains(kind) && said.contains("uploads stay"),
            "{said}"
        );
        assert!(shelf.path("m_v1_a/model.json").exists());
        // Who publishes is told of it, and it can be removed.
        let again = model("1").nomad(work()).write();
        let said = shelf.run(&["push", again.folder().to_str().unwrap()], 22);
        assert!(said.contains(kind) && said.contains("_claims/"), "{said}");
        shelf.run(&["gc", "--damaged"], 0);
        assert!(fs::symlink_metadata(&claim).is_err(), "{kind}");
        shelf.run(&["push", again.folder().to_str().unwrap()], 0);
    }
}

/// Nothing is left of a model but its tombstone.
#[track_caller]
fn is_deleted(shelf: &Shelf, name: &str) {
    let left: Vec<_> = fs::read_dir(shelf.path(name)).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let manifest = fs::read_to_string(shelf.path(&format!("{name}/manifest.json"))).unwrap();
    assert!(manifest.contains("tombstone"), "{manifest}");
}

#[test]
fn a_folder_in_the_place_of_a_manifest_is_damage_and_can_be_removed() {
    let shelf = Shelf::new();
    let exchanged = |version: &str| {
        shelf.put(model(version));
        let manifest = shelf.path(&format!("m_v{version}_a/manifest.json"));
        fs::remove_file(&manifest).unwrap();
        fs::create_dir_all(manifest.join("inner")).unwrap();
        fs::write(manifest.join("inner/file"), "theirs").unwrap();
    };
    exchanged("1");
    let said = shelf.run(&["list"], 0);
    assert!(said.contains("m_v1_a/manifest.json is left out"), "{said}");
    let whole = model("1").write();
    let push = ["push", whole.folder().to_str().unwrap()];
    let said = shelf.run(&push, 22);
    assert!(said.contains("a folder lies there"), "{said}");
    shelf.age();
    shelf.run(&["gc"], 0);
    assert!(shelf.path("m_v1_a/model.json").exists());
    shelf.run(&["delete", "m_v1_a"], 0);
    is_deleted(&shelf, "m_v1_a");
    exchanged("2");
    shelf.age();
    shelf.run(&["gc", "--damaged"], 0);
    is_deleted(&shelf, "m_v2_a");
    shelf.run(&["push", whole.folder().to_str().unwrap(), "--new-name"], 0);
}

#[test]
fn a_link_in_the_place_of_a_model_is_damage_and_can_be_removed() {
    let shelf = Shelf::new();
    shelf.put(model("1"));
    let link = shelf.path("m_v2_a");
    let gone = || fs::symlink_metadata(&link).is_err();
    symlink(shelf.theirs.path(), &link).unwrap();
    let said = shelf.run(&["list"], 0);
    assert!(
        said.contains("m_v2_a") && said.contains("symbolic link"),
        "{said}"
    );
    shelf.run(&["gc", "--damaged"], 0);
    assert!(!gone(), "it is young");
    shelf.run(&["delete", "m_v2_a"], 0);
    is_deleted(&shelf, "m_v2_a");
    symlink(shelf.theirs.path(), shelf.path("m_v3_a")).unwrap();
    shelf.age();
    shelf.run(&["gc", "--damaged"], 0);
    is_deleted(&shelf, "m_v3_a");
    shelf.theirs_is_untouched();
    shelf.run(&["show", "m@1"], 0);
}

#[test]
fn a_push_and_a_pull_follow_no_link() {
    let shelf = Shelf::new();
    let (whole, other) = (model("1").write(), model("2").write());
    let models = shelf.home.path().join("models");
    fs::create_dir(&models).unwrap();
    let one = models.join("m_v1_a");
    Command::new("cp")
        .arg("-r")
        .args([whole.folder(), &one])
        .status()
        .unwrap();
    for link in ["m_v2_a", "_rejected"] {
        symlink(other.folder(), models.join(link)).unwrap();
    }
    // A module and data that the model names, behind links.
    let manifest = whole.manifest();
    fs::create_dir(models.join("_modules")).unwrap();
    let module = format!("_modules/{}.wasm", manifest.module.sha256);
    symlink(whole.module(), models.join(&module)).unwrap();
    let elsewhere = shelf.home.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::copy(whole.data(), elsewhere.join(&manifest.data.sha256)).unwrap();
    symlink(&elsewhere, models.join("_data")).unwrap();
    let said = shelf.run(&["push", "models"], 0);
    assert!(shelf.path("m_v1_a/manifest.json").exists());
    for left_out in ["m_v2_a", "_rejected", &module, "_data"] {
        assert!(said.contains(left_out), "{left_out}: {said}");
        assert!(!shelf.path(left_out).exists(), "{left_out}");
    }
    // The folder that is named may be a link itself.
    symlink(&one, shelf.home.path().join("link")).unwrap();
    shelf.run(&["push", "link"], 0);

    shelf.run(&["pull", "m@1"], 0);
    shelf.run(&["pull", "m@1"], 0);
    let pulled = shelf.home.path().join("m_v1_a");
    let file = pulled.join("model.json");
    fs::rename(&file, shelf.home.path().join("aside")).unwrap();
    symlink("../aside", &file).unwrap();
    let said = shelf.run(&["pull", "m@1"], 1);
    assert!(said.contains("symbolic link"), "{said}");
    fs::remove_file(&file).unwrap();
    fs::rename(shelf.home.path().join("aside"), &file).unwrap();
    fs::rename(&pulled, shelf.home.path().join("aside")).unwrap();
    symlink("aside", &pulled).unwrap();
    shelf.run(&["pull", "m@1"], 1);
}

#[test]
fn a_file_of_another_length_than_the_manifest_gives_is_not_pulled() {
    let shelf = Shelf::new();
    shelf.put(model("1"));
    shelf.run(&["pull", "m@1", "--out", "first"], 0);
    let manifest = shelf.path("m_v1_a/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let mut changed: Manifest = serde_json::from_str(&text).unwrap();
    for change in [1i64, -1] {
        for file in &mut changed.files {
            file.bytes = file.bytes.saturating_add_signed(change);
        }
        fs::write(&manifest, serde_json::to_string(&changed).unwrap()).unwrap();
        let said = shelf.run(&["pull", "m@1", "--out", "second"], 22);
        assert!(said.contains("bytes, and the manifest gives"), "{said}");
        changed = serde_json::from_str(&text).unwrap();
    }
    // Nor does one that is there already pass.
    for file in &mut changed.files {
        file.bytes += 1;
    }
    let text = serde_json::to_string(&changed).unwrap();
    fs::write(&manifest, &text).unwrap();
    fs::write(shelf.home.path().join("first/manifest.json"), &text).unwrap();
    let said = shelf.run(&["pull", "m@1", "--out", "first"], 1);
    assert!(said.contains("it was changed"), "{said}");
}

#[test]
fn of_what_lies_with_marks_gc_takes_its_own_alone() {
    let shelf = Shelf::new();
    shelf.put(model("1"));
    let ours = "_uses/m_v1_a/01936b2f-5c7a-7d3e-8f90-a1b2c3d4e5f6";
    let others = [
        "_uses/notes.txt",
        "_uses/photos/1.jpg",
        "_uses/m_v1_a/notes.txt",
    ];
    for mark in others.iter().chain([&ours]) {
        fs::create_dir_all(shelf.path(mark).parent().unwrap()).unwrap();
        fs::write(shelf.path(mark), "").unwrap();
    }
    shelf.age();
    shelf.run(&["gc"], 0);
    assert!(!shelf.path(ours).exists());
    for mark in others {
        assert!(shelf.path(mark).exists(), "{mark}");
    }
}

#[tokio::test]
async fn a_promotion_ends_where_others_are_always_first() {
    let shelf = Shelf::new();
    shelf.put(model("1"));
    let store = Meddled::new(Arc::new(FolderStore::new(shelf.path(""))));
    store.contested.store(true, Ordering::Relaxed);
    let promotion = registry::promote(&store, "m", "production", "m_v1_a", Duration::from_secs(1));
    let ended = tokio::time::timeout(PATIENCE, promotion).await;
    let error = ended.expect("it ends").unwrap_err();
    assert_eq!(error.exit(), Exit::StoreUnreachable);
    let error = error.to_string();
    assert!(
        error.contains("--store-timeout") && error.contains("_aliases/m/production.json"),
        "{error}"
    );
    // It paused between its tries.
    assert!(store.replaced.load(Ordering::Relaxed) < 50);
}

#[tokio::test]
async fn a_deletion_ends_where_others_are_always_first() {
    let shelf = Shelf::new();
    shelf.put(model("1"));
    let folder = FolderStore::new(shelf.path("")).with_patience(Duration::from_secs(1));
    let store = Meddled::new(Arc::new(folder));
    store.contested.store(true, Ordering::Relaxed);
    let deletion = registry::delete(&store, "m_v1_a");
    let ended = tokio::time::timeout(PATIENCE, deletion).await;
    let error = ended.expect("it ends").unwrap_err();
    assert_eq!(error.exit(), Exit::StoreUnreachable);
    let error = error.to_string();
    assert!(error.contains("m_v1_a/manifest.json"), "{error}");
    assert!(store.replaced.load(Ordering::Relaxed) < 50);
    // It is as it was, and can be deleted.
    store.contested.store(false, Ordering::Relaxed);
    registry::delete(&store, "m_v1_a").await.unwrap();
}
