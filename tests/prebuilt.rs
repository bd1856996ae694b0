//! A released checkout takes its programs from the release, if they are what was released; any other builds them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/checkout.rs"]
mod checkout;
#[path = "support/http.rs"]
mod http;
#[path = "prebuilt/release.rs"]
mod release;
#[path = "prebuilt/scripts.rs"]
mod scripts;
mod support;

use std::fs;
use std::process::Command;

use checkout::output;
use http::Answer;
use release::{Files, Release, TAG, git, key_pair, runner_name, said, script, serve, sign};
use support::{assert_whole, models};
use tempfile::TempDir;

#[test]
fn a_released_checkout_trains_with_the_released_programs_and_compiles_nothing() {
    let Some(release) =
        Release::new("a_released_checkout_trains_with_the_released_programs_and_compiles_nothing")
    else {
        return;
    };
    let server = serve(&release.files, |_| None);
    // The second time there is no server, and what was downloaded is checked again.
    for (time, releases) in [server.url(""), "http://127.0.0.1:9".to_owned()]
        .iter()
        .enumerate()
    {
        let ended = release.command(".ci/demo", releases).output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
        assert!(
            said(&ended).contains("release: using the released runner and module"),
            "{}",
            said(&ended)
        );
        let stored = models(&release.path().join("models"));
        assert_eq!(stored.len(), time + 1);
        stored.iter().for_each(|model| assert_whole(model));
    }
    assert_eq!(server.asked().len(), 4);

    // What lies there and is not what was released is downloaded again.
    let commit = git(release.path(), &["rev-parse", "HEAD"]);
    let kept = format!("dist/prebuilt/{commit}/workload.wasm");
    fs::write(release.path().join(&kept), "something else").unwrap();
    output(&mut release.command(".ci/prebuilt", &server.url("")));
    assert_eq!(
        fs::read(release.path().join(&kept)).unwrap(),
        release.files["workload.wasm"]
    );
}

#[test]
fn setting_up_a_released_checkout_needs_no_compiler() {
    let Some(release) = Release::new("setting_up_a_released_checkout_needs_no_compiler") else {
        return;
    };
    let server = serve(&release.files, |_| None);
    let ended = release
        .command("setup.sh", &server.url(""))
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
    assert!(
        said(&ended).contains("setup: ready: the released programs are in dist/"),
        "{}",
        said(&ended)
    );
}

#[test]
fn what_is_not_what_was_released_is_not_used() {
    let Some(release) = Release::new("what_is_not_what_was_released_is_not_used") else {
        return;
    };
    let files = &release.files;

    let server = serve(files, |name| {
        (name == runner_name()).then(|| Answer::ok("#!/bin/sh\necho something else\n"))
    });
    release.is_not_used(
        &server.url(""),
        "is not the file that SHA256SUMS lists: nothing of it is used",
    );

    let mut forged = files.clone();
    let signature = sign(&files["SHA256SUMS"], &key_pair().0);
    forged.insert("SHA256SUMS.sig".to_owned(), signature);
    release.is_not_used(
        &serve(&forged, |_| None).url(""),
        "is not signed by the key of this checkout",
    );

    let mut shorter = files.clone();
    let sums = String::from_utf8(files["SHA256SUMS"].clone()).unwrap();
    let sums: String = sums
        .lines()
        .filter(|line| line.ends_with(runner_name()))
        .map(|line| format!("{line}\n"))
        .collect();
    let signature = sign(sums.as_bytes(), &release.private_key);
    shorter.insert("SHA256SUMS".to_owned(), sums.into_bytes());
    shorter.insert("SHA256SUMS.sig".to_owned(), signature);
    release.is_not_used(
        &serve(&shorter, |_| None).url(""),
        "does not list workload.wasm",
    );
}

#[test]
fn the_programs_of_another_release_are_not_used() {
    let Some(release) = Release::new("the_programs_of_another_release_are_not_used") else {
        return;
    };
    let server = serve(&release.signed(&"0".repeat(40)), |_| None);
    release.is_not_used(&server.url(""), "was not built from commit");
    // Once the release is mended, its programs are.
    let server = serve(&release.files, |_| None);
    output(&mut release.command(".ci/prebuilt", &server.url("")));
}

#[test]
fn what_cannot_be_downloaded_is_built() {
    let Some(release) = Release::new("what_cannot_be_downloaded_is_built") else {
        return;
    };
    release.is_not_used("http://127.0.0.1:9", "SHA256SUMS cannot be downloaded");
    let missing = serve(&Files::new(), |_| None);
    release.is_not_used(&missing.url(""), "SHA256SUMS cannot be downloaded");

    let runner = format!("{} cannot be downloaded", runner_name());
    let broken: [fn() -> Answer; 4] = [
        || Answer::ok("a part").announcing(1000),
        || Answer::ok([0; 100_000]).reset_after(1000),
        || Answer::ok([0; 100_000]).hang_after(1000),
        || Answer::status(503, "later"),
    ];
    for answer in broken {
        let server = serve(&release.files, move |name| {
            (name == runner_name()).then(answer)
        });
        release.is_not_used(&server.url(""), &runner);
    }
    // And then the server is well again.
    let server = serve(&release.files, |_| None);
    output(&mut release.command(".ci/prebuilt", &server.url("")));
    assert!(release.path().join("dist/runner").exists());
}

#[test]
fn any_other_checkout_is_built_from_source() {
    let Some(release) = Release::new("any_other_checkout_is_built_from_source") else {
        return;
    };
    let server = serve(&release.files, |_| None);
    let wanted = release
        .command(".ci/prebuilt", &server.url(""))
        .env("RUNNER_FROM_SOURCE", "1")
        .output()
        .unwrap();
    assert_eq!(wanted.status.code(), Some(1));
    assert!(said(&wanted).contains("building from source: RUNNER_FROM_SOURCE is set"));

    let nowhere = release.command(".ci/prebuilt", "").output().unwrap();
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(said(&nowhere).contains("origin is not on GitHub"));

    let file = release.path().join("workload-wasm/src/lib.rs");
    let text = fs::read(&file).unwrap();
    fs::write(&file, "// changed").unwrap();
    release.is_not_used(&server.url(""), "files of this checkout were changed");
    fs::write(&file, text).unwrap();

    git(
        release.path(),
        &["commit", "--quiet", "--allow-empty", "--message", "later"],
    );
    release.is_not_used(&server.url(""), "this checkout is not the release");
    git(release.path(), &["reset", "--quiet", "--hard", TAG]);
    git(release.path(), &["rm", "--quiet", ".ci/release-key.pem"]);
    git(
        release.path(),
        &["commit", "--quiet", "--message", "no key"],
    );
    git(release.path(), &["tag", "--force", TAG]);
    release.is_not_used(&server.url(""), "this checkout has no key");
    assert_eq!(server.asked().len(), 0);
}

#[test]
fn only_the_private_half_of_the_checkouts_key_signs_a_release() {
    let Some(release) = Release::new("only_the_private_half_of_the_checkouts_key_signs_a_release")
    else {
        return;
    };
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("SHA256SUMS"), "no files").unwrap();
    for (key, reason) in [
        (key_pair().0, "is not the private half"),
        (String::new(), "RELEASE_KEY is empty"),
    ] {
        let ended = Command::new(release.path().join(".ci/sign-release"))
            .arg(folder.path())
            .env("RELEASE_KEY", key)
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(1));
        assert!(said(&ended).contains(reason), "{}", said(&ended));
        assert!(!folder.path().join("SHA256SUMS.sig").exists());
    }
    // What is missing is known before there is a package.
    let check = |key: &str| {
        let mut command = Command::new(release.path().join(".ci/sign-release"));
        command.arg("--check").env("RELEASE_KEY", key);
        command.output().unwrap().status.code()
    };
    assert_eq!(check(&release.private_key), Some(0));
    assert_eq!(check(&key_pair().0), Some(1));
    assert_eq!(check(""), Some(1));
}

#[test]
fn a_release_is_looked_for_however_its_origin_on_github_is_written() {
    let test = "a_release_is_looked_for_however_its_origin_on_github_is_written";
    let Some(release) = Release::new(test) else {
        return;
    };
    script(&release.programs.path().join("curl"), "exit 22");
    git(release.path(), &["remote", "add", "origin", "nowhere"]);
    let said_of = |origin: &str| {
        git(release.path(), &["remote", "set-url", "origin", origin]);
        said(&release.command(".ci/prebuilt", "").output().unwrap())
    };
    for origin in [
        "https://github.com/o/r.x",
        "https://github.com/o/r.x.git/",
        "http://www.github.com/o/r.x",
        "HTTPS://user:token@GitHub.com:443/o/r.x.git",
        "git://github.com/o/r.x.git",
        "ssh://git@github.com:22/o/r.x",
        "git+ssh://git@ssh.github.com:443/o/r.x.git",
        "git@github.com:o/r.x.git",
        "org-1@github.com:/o/r.x",
        "github.com:o/r.x",
    ] {
        let said = said_of(origin);
        let asked = format!("https://github.com/o/r.x/releases/download/{TAG}/SHA256SUMS cannot");
        assert!(said.contains(&asked), "{origin}: {said}");
        assert!(!said.contains("token"), "{said}");
    }
    for origin in [
        "https://github.com.evil.example/o/r",
        "https://github.com@evil.example/o/r",
        "https://evil.example/github.com/o/r",
        "git@evil.example:github.com/o/r",
        "github.com/o/r",
        "https://github.com/o",
        "https://github.com/o/r/s",
    ] {
        let said = said_of(origin);
        assert!(said.contains("origin is not on GitHub"), "{origin}: {said}");
    }
}
