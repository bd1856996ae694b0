//! Folders to which others can write: links are not followed, pipes are not waited for, and nothing foreign is deleted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/meddled.rs"]
mod meddled;
#[path = "support/model.rs"]
mod model;
#[path = "support/shelf.rs"]
mod shelf;
mod support;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use meddled::{Call, Meddled};
use model::Model;
use runner::platform::Folder;
use runner::registry;
use runner::store::{self, ClaimKey, FolderStore, Store};
use shelf::{PATIENCE, RUNNER, Shelf, in_time, model, pipe, said, work};
use support::{Runner, assemble, files_below};

#[test]
fn gc_removes_nothing_behind_a_link() {
    let shelf = Shelf::new();
    shelf.put(model("1"));
    fs::remove_dir_all(shelf.path("_tmp")).unwrap();
    for link in ["_tmp", "_uses", "m_v2_a", "_data"] {
        symlink(shelf.theirs.path(), shelf.path(link)).unwrap();
    }
    fs::create_dir_all(shelf.path("m_v3_a")).unwrap();
    symlink(shelf.theirs.path(), shelf.path("m_v3_a/inner")).unwrap();
    let said = shelf.run(&["gc", "--older-than", "0s"], 0);
    assert!(said.contains("_tmp is left out"), "{said}");
    shelf.theirs_is_untouched();
    // Nor is anything written there.
    let said = shelf.run(&["promote", "m@1", "--alias", "production"], 22);
    assert!(
        said.contains("_tmp") && said.contains("symbolic link"),
        "{said}"
    );
    shelf.theirs_is_untouched();
}

#[test]
fn a_pipe_in_place_of_a_claim_does_not_hold_up_a_deletion() {
    let shelf = Shelf::new();
    let manifest = shelf.put(model("1").nomad(work()));
    let claim = shelf.path(ClaimKey::of(&manifest).unwrap().as_str());
    fs::remove_file(&claim).unwrap();
    pipe(&claim);
    shelf.run(&["delete", "m@1"], 0);
    is_deleted(&shelf, "m_v1_a");
    // What is not known is not decided on.
    shelf.run(&["gc", "--older-than", "0s"], 0);
}

#[tokio::test]
async fn a_model_that_is_exchanged_for_a_link_while_it_is_deleted_leads_nowhere() {
    let shelf = Shelf::new();
    let model = model("1").write();
    let folder: Arc<dyn Store> = Arc::new(FolderStore::new(shelf.path("")));
    store::publish(&*folder, &model.opened()).await.unwrap();
    let (from, aside) = (shelf.path("m_v1_a"), shelf.path("aside"));
    let theirs = shelf.theirs.path().to_owned();
    let meddled = Meddled::new(folder).before(Call::Delete, "m_v1_a/metrics.json", async move {
        fs::rename(&from, aside).unwrap();
        symlink(theirs, from).unwrap();
    });
    let error = registry::delete(&meddled, &model.manifest().name)
        .await
        .unwrap_err();
    assert!(meddled.is_over());
    assert!(error.to_string().contains("symbolic link"), "{error}");
    shelf.theirs_is_untouched();
}

#[test]
fn a_pull_writes_through_no_link() {
    let shelf = Shelf::new();
    shelf.put(model("1"));
    let random = format!(".m_v1_a.part-{}", "0".repeat(32));
    for name in [".m_v1_a.part", &random] {
        symlink(shelf.theirs.path(), shelf.home.path().join(name)).unwrap();
    }
    let lock = shelf.theirs.path().join("old");
    symlink(lock, shelf.home.path().join(".m_v1_a.lock")).unwrap();
    shelf.run(&["pull", "m@1"], 0);
    assert!(shelf.home.path().join("m_v1_a/manifest.json").is_file());
    shelf.theirs_is_untouched();
    // A link in the target's place is something else.
    symlink(shelf.theirs.path(), shelf.home.path().join("target")).unwrap();
    symlink("nowhere", shelf.home.path().join("dangling")).unwrap();
    for out in ["target", "dangling"] {
        shelf.run(&["pull", "m@1", "--out", out], 1);
    }
    shelf.theirs_is_untouched();
    assert!(!shelf.home.path().join("nowhere").exists());
}

/// Every verb that reads many models, and what it must do beside one that can't be read.
#[track_caller]
fn every_verb_goes_on(shelf: &Shelf, bad: &str) {
    let said = shelf.run(&["list"], 0);
    assert!(said.contains("m_v1_a  ") && said.contains(bad), "{said}");
    for args in [
        &["show", "m@1"][..],
        &["show", "m@latest"],
        &["compare", "m@1", "m_v1_a"],
        &["promote", "m@1", "--alias", "production"],
        &["delete", "--older-than", "36500d"],
        &["gc"],
        &["gc", "--older-than", "0s"],
    ] {
        shelf.run(args, 0);
    }
    // The one itself is named, and can be removed.
    let said = shelf.run(&["show", bad], 16);
    assert!(said.contains("`runner delete NAME`"), "{said}");
    shelf.run(&["delete", bad], 0);
    is_deleted(shelf, bad);
    shelf.run(&["show", bad], 16);
}

/// Nothing is left of a model but its tombstone.
#[track_caller]
fn is_deleted(shelf: &Shelf, name: &str) {
    let left: Vec<_> = fs::read_dir(shelf.path(name)).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let manifest = shelf.path(&format!("{name}/manifest.json"));
    assert!(fs::symlink_metadata(&manifest).unwrap().is_file());
    assert!(fs::read_to_string(manifest).unwrap().contains("tombstone"));
}

#[test]
fn a_manifest_that_is_a_pipe_or_a_link_is_left_out() {
    let shelf = Shelf::new();
    shelf.put(model("1"));
    let kinds: [fn(&Path, &Path); 3] = [
        |path, _| pipe(path),
        |path, _| symlink("manifest.json", path).unwrap(),
        |path, theirs| symlink(theirs.join("manifest.json"), path).unwrap(),
    ];
    for (make, versions) in kinds.into_iter().zip([["2", "3"], ["4", "5"], ["6", "7"]]) {
        for (version, gc) in versions.into_iter().zip([true, false]) {
            let name = format!("m_v{version}_a");
            shelf.put(model(version));
            let manifest = shelf.path(&format!("{name}/manifest.json"));
            fs::remove_file(&manifest).unwrap();
            make(&manifest, shelf.theirs.path());
            if !gc {
                every_verb_goes_on(&shelf, &name);
                continue;
            }
            shelf.age();
            // Its files are not taken for an upload that was never committed.
            shelf.run(&["gc"], 0);
            assert!(shelf.path(&format!("{name}/model.json")).exists());
            shelf.run(&["gc", "--damaged"], 0);
            is_deleted(&shelf, &name);
        }
    }
    shelf.theirs_is_untouched();
}

/// Nobody is kept from reading anything who is root.
#[test]
fn a_manifest_or_a_folder_that_may_not_be_read_is_left_out() {
    let shelf = Shelf::new();
    for version in ["1", "2", "3"] {
        shelf.put(model(version));
    }
    let close =
        |key: &str| fs::set_permissions(shelf.path(key), Permissions::from_mode(0o000)).unwrap();
    close("m_v2_a/manifest.json");
    close("m_v3_a");
    fs::set_permissions(shelf.home.path(), Permissions::from_mode(0o777)).unwrap();
    let as_somebody = |args: &[&str]| {
        let mut command = match rustix::process::geteuid().is_root() {
            true => Command::new("setpriv"),
            false => Command::new("env"),
        };
        if rustix::process::geteuid().is_root() {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        in_time(
            command
                .arg(RUNNER)
                .args(args)
                .current_dir(shelf.home.path()),
        )
    };
    let tried = as_somebody(&["--version"]);
    if !tried.status.success() {
        support::skipped("a manifest that may not be read", &said(&tried));
        return;
    }
    for args in [
        &["list", "--store", "store"][..],
        &["show", "m@1", "--store", "store"],
        &["gc", "--store", "store"],
        &["gc", "--older-than", "0s", "--dry-run", "--store", "store"],
    ] {
        let output = as_somebody(args);
        let said = said(&output);
        assert!(output.status.success(), "{args:?}: {said}");
        if args[0] == "list" {
            for text in ["m_v1_a  ", "m_v2_a/manifest.json", "m_v3_a"] {
                assert!(said.contains(text), "no {text} in {said}");
            }
        }
    }
    let open = |key: &str| fs::set_permissions(shelf.path(key), Permissions::from_mode(0o755));
    open("m_v3_a").unwrap();
}

#[test]
fn neither_deep_folders_nor_odd_names_end_gc() {
    let shelf = Shelf::new();
    shelf.put(model("1"));
    let store = Folder::open(&shelf.path("")).unwrap();
    for top in ["m_v2_a", "_tmp"] {
        let mut folder = store.make_folders(top, 0o755, &mut |_| Ok(())).unwrap();
        for _ in 0..60 {
            folder = folder.make_folder("d".repeat(100), 0o755).unwrap();
            folder.create("file", 0o644).unwrap();
        }
    }
    for name in ["two\nlines", "back\\slash"] {
        fs::write(shelf.path("m_v2_a").join(name), "theirs").unwrap();
    }
    fs::write(shelf.path("m_v2_a/model.json"), "{}").unwrap();
    // Older than now.
    std::thread::sleep(Duration::from_millis(1100));
    let said = shelf.run(&["gc", "--older-than", "0s"], 0);
    assert!(said.contains("m_v2_a/model.json"), "{said}");
    assert!(!shelf.path("m_v2_a/model.json").exists());
    assert!(shelf.path("m_v2_a/back\\slash").exists());
    shelf.run(&["list"], 0);
    shelf.run(&["delete", "m@1"], 0);
    // Deeper than a path may be, so that no test can remove it by one.
    for top in ["m_v2_a", "_tmp"] {
        store.remove_whole(top).unwrap();
    }
}

#[test]
fn data_in_a_store_is_not_for_others_to_read() {
    let shelf = Shelf::new();
    fs::write(shelf.home.path().join("rows.csv"), "x,y\n1,1\n2,2\n3,2\n").unwrap();
    shelf.run(&["snapshot", "rows.csv"], 0);
    let ended = Runner::new("run")
        .file("guest.wasm", assemble("keeps_the_contract"))
        .file("rows.csv", "x,y\n1,1\n2,2\n3,2\n")
        .args([
            "guest.wasm",
            "--data",
            "rows.csv",
            "--keep-data",
            "--out",
            "out",
        ])
        .run()
        .ends_with(0);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for data in [shelf.path("_data"), ended.path("out/_data")] {
        assert_eq!(mode(&data), 0o700, "{}", data.display());
        let files: Vec<PathBuf> = fs::read_dir(&data)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(files.len(), 1);
        assert_eq!(mode(&files[0]), 0o600);
    }
    // A folder that a group shares is for the group.
    fs::remove_dir_all(shelf.path("")).unwrap();
    fs::create_dir(shelf.path("")).unwrap();
    fs::set_permissions(shelf.path(""), Permissions::from_mode(0o2775)).unwrap();
    shelf.run(&["snapshot", "rows.csv"], 0);
    assert_eq!(mode(&shelf.path("_data")) & 0o057, 0o050);
}

#[test]
fn of_what_lies_with_temporary_files_gc_takes_those_of_a_store_alone() {
    let shelf = Shelf::new();
    shelf.put(model("1"));
    let ours = [
        "01936b2f5c7a7d3e8f90a1b2c3d4e5f6",
        // As older runners named it.
        "01936b2f-5c7a-7d3e-8f90-a1b2c3d4e5f6",
    ];
    let others = [
        "lock",
        "rows.csv",
        ".nfs000000000001",
        "01936B2F5C7A7D3E8F90A1B2C3D4E5F6",
        "{01936b2f-5c7a-7d3e-8f90-a1b2c3d4e5f6}",
        "d41d8cd98f00b204e9800998ecf8427e",
        "01936b2f5c7a7d3e8f90a1b2c3d4e5f6.csv",
    ];
    let file = |name: &str| shelf.path(&format!("_tmp/{name}"));
    let long_ago = SystemTime::now() - Duration::from_secs(3 * 24 * 3600);
    for name in ours.iter().chain(&others) {
        let file = File::create(file(name)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    shelf.run(&["gc"], 0);
    for name in ours {
        assert!(!file(name).exists(), "{name}");
    }
    for name in others {
        assert!(file(name).exists(), "{name}");
    }
}

#[test]
fn a_promotion_waits_no_longer_than_it_is_told_to() {
    let shelf = Shelf::new();
    shelf.put(model("1"));
    let lock = File::create(shelf.path("_tmp/lock")).unwrap();
    lock.lock().unwrap();
    let promote = [
        "promote",
        "m@1",
        "--alias",
        "production",
        "--store-timeout",
        "1s",
    ];
    let said = shelf.run(&promote, 17);
    assert!(
        said.contains("_tmp/lock") && said.contains("--store-timeout"),
        "{said}"
    );
    drop(lock);
    shelf.run(&promote, 0);
}

#[test]
fn an_alias_stands_for_models_of_its_own_save_path() {
    let shelf = Shelf::new();
    shelf.put(model("1"));
    shelf.put(Model::new("other", "1", "a"));
    shelf.put(Model::new("m_v2", "1", "a"));
    shelf.run(&["promote", "m@1", "--alias", "production"], 0);
    let file = shelf.path("_aliases/m/production.json");
    let text = fs::read_to_string(&file).unwrap();
    // The name of the last begins as names of `m` do.
    for (other, code) in [("other_v1_a", 22), ("m_v2_v1_a", 16)] {
        fs::write(&file, text.replace("m_v1_a", other)).unwrap();
        let said = shelf.run(&["show", "m@production"], code);
        assert!(said.contains(other) && said.contains(" of m"), "{said}");
    }
    // A copy in the place of another alias, or of another save path's.
    for place in ["_aliases/m/staging.json", "_aliases/other/production.json"] {
        fs::create_dir_all(shelf.path(place).parent().unwrap()).unwrap();
        fs::write(shelf.path(place), &text).unwrap();
    }
    shelf.run(&["show", "m@staging"], 22);
    shelf.run(&["show", "other@production"], 22);
    // Which model it protects is not known: none of its save path goes.
    shelf.run(&["list"], 0);
    shelf.run(&["show", "other@1"], 0);
    let said = shelf.run(&["delete", "other@1"], 16);
    assert!(said.contains("_aliases/other/production.json"), "{said}");
    shelf.run(&["delete", "--keep-promoted", "other@1"], 0);
    assert!(shelf.path("other_v1_a").exists());
    fs::remove_file(shelf.path("_aliases/other/production.json")).unwrap();
    shelf.run(&["delete", "other@1"], 0);
}

#[test]
fn a_manifest_in_another_models_place_is_not_that_models() {
    let shelf = Shelf::new();
    shelf.put(model("1"));
    shelf.put(model("2"));
    let (one, two) = (
        shelf.path("m_v1_a/manifest.json"),
        shelf.path("m_v2_a/manifest.json"),
    );
    fs::copy(one, two).unwrap();
    every_verb_goes_on(&shelf, "m_v2_a");
    assert!(shelf.path("m_v1_a/manifest.json").exists());
}

/// Names in `folder` that begin with `.run-`.
fn working_folders(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_str().unwrap().starts_with(".run-"))
        .count()
}

#[test]
fn what_a_killed_run_leaves_is_removed_by_the_next_and_what_runs_is_not() {
    let run = |guest: &str, folder: &Path| {
        fs::write(folder.join(format!("{guest}.wasm")), assemble(guest)).unwrap();
        fs::write(folder.join("rows.csv"), "x,y\n1,1\n2,2\n3,2\n").unwrap();
        let mut command = Command::new(RUNNER);
        command
            .env_clear()
            .current_dir(folder)
            .args([
                "run",
                &format!("{guest}.wasm"),
                "--data",
                "rows.csv",
                "--out",
                "out",
            ])
            .stderr(Stdio::null())
            .stdout(Stdio::null());
        command
    };
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let start = |expected: usize| {
        let child = run("endless_loop", home.path()).spawn().unwrap();
        let begin = Instant::now();
        while !out.exists() || working_folders(&out) < expected {
            assert!(begin.elapsed() < PATIENCE, "it does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        // Its data has arrived, too.
        std::thread::sleep(Duration::from_millis(300));
        child
    };
    let mut killed = start(1);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(working_folders(&out), 1);
    let mut alive = start(1);
    assert_eq!(working_folders(&out), 1, "the killed one's is gone");
    let status = run("keeps_the_contract", home.path()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(working_folders(&out), 1, "the living one's stays");
    alive.kill().unwrap();
    alive.wait().unwrap();
}

/// `runner` where the kernel or the file system lacks some calls.
fn lacking(calls: &str, folder: &Path, args: &[&str]) -> Output {
    let script = support::root().join("tests/support/without.py");
    let mut command = Command::new("python3");
    command.arg(script).args([calls, RUNNER]).args(args);
    in_time(command.current_dir(folder).env("XDG_CACHE_HOME", folder))
}

#[test]
fn a_file_system_that_can_do_none_of_what_a_store_needs_is_named() {
    let home = tempfile::tempdir().unwrap();
    let model = model("1").write();
    let push = ["push", model.folder().to_str().unwrap(), "--store", "store"];
    let output = lacking("renameat2-flags,links,locks", home.path(), &push);
    let said = said(&output);
    if said.contains("no filter can be set") {
        support::skipped("file systems without links and locks", &said);
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("nor hard links, nor locks"), "{said}");
}

/// Two publishers of one name that differ, where nothing but a lock keeps them apart.
#[test]
fn of_two_writers_under_a_lock_one_wins() {
    let home = tempfile::tempdir().unwrap();
    if !lacking("links", home.path(), &["--version"])
        .status
        .success()
    {
        support::skipped("file systems without links", "no filter can be set");
        return;
    }
    for version in 0..5 {
        let version = version.to_string();
        let models =
            ["one", "another"].map(|text| model(&version).file("model.json", text).write());
        let codes = std::thread::scope(|scope| {
            let pushes = models.each_ref().map(|model| {
                let folder = model.folder().to_str().unwrap();
                let args = ["push", folder, "--store", "store"];
                let home = home.path();
                scope.spawn(move || lacking("renameat2-flags,links", home, &args).status.code())
            });
            let mut codes = pushes.map(|push| push.join().unwrap());
            codes.sort();
            codes
        });
        assert_eq!(codes, [Some(0), Some(16)]);
    }
}

/// `gc` takes the last file out of it, or somebody cleans up.
#[test]
fn a_writer_does_without_the_folder_for_temporary_files_being_there_for_good() {
    let shelf = Shelf::new();
    let temporary = shelf.path("_tmp");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = fs::remove_dir(&temporary);
            }
        });
        for version in 0..20 {
            shelf.put(model(&version.to_string()));
            shelf.run(
                &["promote", &format!("m@{version}"), "--alias", "production"],
                0,
            );
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_model_is_stored_and_pulled_where_must_not_replace_is_not_known() {
    for calls in [
        "renameat2-flags",
        "openat2",
        "renameat2-flags,openat2",
        "renameat2-flags,links",
    ] {
        let home = tempfile::tempdir().unwrap();
        let tried = lacking(calls, home.path(), &["--version"]);
        if !tried.status.success() {
            support::skipped("file systems without RENAME_NOREPLACE", &said(&tried));
            return;
        }
        let ok = |args: &[&str]| {
            let output = lacking(calls, home.path(), args);
            assert!(
                output.status.success(),
                "{calls} {args:?}: {}",
                said(&output)
            );
        };
        let model = model("1").write();
        let store = ["--store", "store"];
        let with_store = |args: &[&str]| ok(&[args, &store].concat());
        with_store(&["push", model.folder().to_str().unwrap()]);
        with_store(&["push", model.folder().to_str().unwrap()]);
        with_store(&["promote", "m@1", "--alias", "production"]);
        with_store(&["pull", "m@production"]);
        with_store(&["pull", "m@production"]);
        let pulled = home.path().join("m_v1_a");
        assert!(pulled.join("manifest.json").is_file());
        fs::create_dir(home.path().join("taken")).unwrap();
        let args = ["pull", "m@1", "--out", "taken", "--store", "store"];
        assert_eq!(lacking(calls, home.path(), &args).status.code(), Some(1));
        with_store(&["gc", "--older-than", "0s"]);
        // A run keeps its model beside what is there.
        fs::write(
            home.path().join("guest.wasm"),
            assemble("keeps_the_contract"),
        )
        .unwrap();
        fs::write(home.path().join("rows.csv"), "x,y\n1,1\n2,2\n3,2\n").unwrap();
        ok(&["run", "guest.wasm", "--data", "rows.csv", "--out", "out"]);
        assert_eq!(support::models(&home.path().join("out")).len(), 1);
        with_store(&["delete", "m@1", "--keep-promoted"]);
        let left: Vec<_> = files_below(home.path())
            .into_iter()
            .filter(|file| file.contains("part-") || file.contains(".run-"))
            .collect();
        assert_eq!(left, [""; 0]);
    }
}
