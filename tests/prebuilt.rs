//! A released checkout takes its programs from the release, if they are what was released; any other builds them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/checkout.rs"]
mod checkout;
#[path = "support/http.rs"]
mod http;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use checkout::{check_out, output};
use http::{Answer, Server};
use sha2::{Digest, Sha256};
use support::{assert_whole, models, skipped, workload};
use tempfile::TempDir;

const TAG: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// The files of a release, by name.
type Files = BTreeMap<String, Vec<u8>>;

/// A checkout whose commit is tagged as a release, and the files of that release.
struct Release {
    checkout: TempDir,
    /// Programs that are found first: `cargo` and `rustc` fail, for nothing may be compiled.
    programs: TempDir,
    private_key: String,
    files: Files,
}

impl Release {
    /// None where a tool is missing that `.ci/prebuilt` needs.
    fn new(test: &str) -> Option<Self> {
        for tool in ["git", "curl", "openssl"] {
            if Command::new(tool).arg("--version").output().is_err() {
                skipped(test, &format!("there is no {tool}"));
                return None;
            }
        }
        let programs = TempDir::new().unwrap();
        script(&programs.path().join("cargo"), "exit 96");
        script(&programs.path().join("rustc"), "exit 96");
        script(&programs.path().join("just"), "echo just 1.59.0");

        let checkout = TempDir::new().unwrap();
        check_out(checkout.path());
        let (private_key, public_key) = key_pair();
        fs::write(checkout.path().join(".ci/release-key.pem"), public_key).unwrap();
        git(checkout.path(), &["init", "--quiet"]);
        git(checkout.path(), &["add", "--all"]);
        git(
            checkout.path(),
            &["commit", "--quiet", "--message", "a release"],
        );
        git(checkout.path(), &["tag", TAG]);

        let mut release = Self {
            checkout,
            programs,
            private_key,
            files: Files::new(),
        };
        let commit = git(release.path(), &["rev-parse", "HEAD"]);
        release.files = release.signed(&commit);
        Some(release)
    }

    fn path(&self) -> &Path {
        self.checkout.path()
    }

    /// What a release of `commit` consists of, signed by the release's own script.
    fn signed(&self, commit: &str) -> Files {
        let folder = TempDir::new().unwrap();
        // The runner under test, which is a development build, but for what it says of its commit.
        let runner = format!(
            "[ \"$1\" != --version ] || {{ echo 'commit    {commit}'; exit; }}\nexec {} \"$@\"",
            env!("CARGO_BIN_EXE_runner")
        );
        script(&folder.path().join(runner_name()), &runner);
        fs::copy(workload(), folder.path().join("workload.wasm")).unwrap();
        let mut sums = String::new();
        for name in [runner_name(), "workload.wasm"] {
            let bytes = fs::read(folder.path().join(name)).unwrap();
            for byte in Sha256::digest(bytes) {
                sums.push_str(&format!("{byte:02x}"));
            }
            sums.push_str(&format!("  {name}\n"));
        }
        fs::write(folder.path().join("SHA256SUMS"), sums).unwrap();
        output(
            Command::new(self.path().join(".ci/sign-release"))
                .arg(folder.path())
                .env("RELEASE_KEY", &self.private_key),
        );
        let files = fs::read_dir(folder.path()).unwrap().map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        });
        files.collect()
    }

    /// A command of the checkout that finds no compiler, with `releases` as the place of all releases.
    fn command(&self, program: &str, releases: &str) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(self.path().join(program));
        command
            .current_dir(self.path())
            .env("PATH", format!("{}:{path}", self.programs.path().display()))
            .env("CARGO_TARGET_DIR", self.path().join("target"))
            .env("RUNNER_RELEASES", releases)
            .env("RUNNER_RELEASE_PATIENCE", "1")
            .env_remove("RUNNER_FROM_SOURCE");
        command
    }

    /// `.ci/prebuilt` refuses, says `reason`, and leaves no program.
    #[track_caller]
    fn is_not_used(&self, releases: &str, reason: &str) {
        let ended = self.command(".ci/prebuilt", releases).output().unwrap();
        let said = said(&ended);
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains(reason), "{reason:?} is not in:\n{said}");
        assert!(said.contains("building from source: "), "{said}");
        for program in ["runner", "workload.wasm"] {
            assert!(!self.path().join("dist").join(program).exists(), "{said}");
        }
    }
}

fn runner_name() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "runner-arm64"
    } else {
        "runner-amd64"
    }
}

fn script(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let printed = output(
        Command::new("git")
            .args([
                "-c",
                "user.name=A Maintainer",
                "-c",
                "user.email=m@example.org",
            ])
            .args(arguments)
            .current_dir(folder),
    );
    String::from_utf8(printed).unwrap().trim().to_owned()
}

/// A private key and its public half, PEM.
fn key_pair() -> (String, Vec<u8>) {
    let folder = TempDir::new().unwrap();
    let private: PathBuf = folder.path().join("private.pem");
    let curve = "ec_paramgen_curve:P-256";
    output(
        Command::new("openssl")
            .args(["genpkey", "-algorithm", "EC", "-pkeyopt", curve, "-out"])
            .arg(&private),
    );
    let public = output(
        Command::new("openssl")
            .args(["pkey", "-pubout", "-in"])
            .arg(&private),
    );
    (fs::read_to_string(private).unwrap(), public)
}

fn sign(text: &[u8], private_key: &str) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let (file, key) = (folder.path().join("file"), folder.path().join("key.pem"));
    fs::write(&file, text).unwrap();
    fs::write(&key, private_key).unwrap();
    output(
        Command::new("openssl")
            .args(["dgst", "-sha256", "-sign"])
            .args([&key, &file]),
    )
}

/// A server of `files` under the release's tag, but for what `other` answers, by the file's name.
fn serve(files: &Files, other: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> Server {
    let files = files.clone();
    Server::start(move |asked| {
        let name = asked.target.rsplit('/').next().unwrap();
        if asked.target != format!("/{TAG}/{name}") {
            return Answer::status(404, "");
        }
        other(name).unwrap_or_else(|| match files.get(name) {
            Some(bytes) => Answer::ok(bytes),
            None => Answer::status(404, ""),
        })
    })
}

fn said(ended: &Output) -> String {
    String::from_utf8_lossy(&ended.stderr).into_owned()
}

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

#[test]
fn setting_up_replaces_nobodys_program() {
    let Some(release) = Release::new("setting_up_replaces_nobodys_program") else {
        return;
    };
    // An older `just` comes first in PATH, and the one that is compiled is not found.
    let programs = release.programs.path();
    script(&programs.join("just"), "echo just 1.0.0");
    script(&programs.join("python3"), "exit 1");
    let cargo = "mkdir -p $CARGO_HOME/bin && echo '#!/bin/sh' >$CARGO_HOME/bin/just && chmod +x $CARGO_HOME/bin/just";
    script(&programs.join("cargo"), cargo);
    let setup = release.path().join("setup.sh");
    let links = release.path().join("links");
    fs::create_dir(&links).unwrap();
    let text = fs::read_to_string(&setup).unwrap();
    fs::write(
        &setup,
        text.replace("/usr/local/bin", links.to_str().unwrap()),
    )
    .unwrap();
    let run = || {
        let mut command = release.command("setup.sh", "");
        command.env("CARGO_HOME", release.path().join("cargo-home"));
        let ended = command.output().unwrap();
        assert_eq!(ended.status.code(), Some(1));
        assert!(said(&ended).contains("first in PATH"), "{}", said(&ended));
    };
    script(&links.join("just"), "echo somebody's");
    run();
    let kept = fs::read_to_string(links.join("just")).unwrap();
    assert!(kept.contains("somebody's"), "{kept}");
    fs::remove_file(links.join("just")).unwrap();
    run();
    assert!(
        fs::symlink_metadata(links.join("just"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn every_recipe_that_compiles_asks_for_the_toolchain() {
    let dump = Command::new("just")
        .args(["--dump", "--dump-format", "json", "--justfile"])
        .arg(support::root().join("justfile"))
        .output();
    let Some(dump) = dump.ok().filter(|dump| dump.status.success()) else {
        skipped(
            "every_recipe_that_compiles_asks_for_the_toolchain",
            "there is no just",
        );
        return;
    };
    let dump: serde_json::Value = serde_json::from_slice(&dump.stdout).unwrap();
    let recipes = dump["recipes"].as_object().unwrap();
    // The scripts that ask for it themselves, before anything else.
    let asks = [
        "./setup.sh --toolchain",
        "@.ci/guest",
        "@.ci/demo",
        ".ci/runner amd64",
    ];
    fn reaches(
        recipes: &serde_json::Map<String, serde_json::Value>,
        name: &str,
        asks: &[&str],
    ) -> bool {
        let body = recipes[name]["body"].to_string();
        let mut needed = recipes[name]["dependencies"].as_array().unwrap().iter();
        asks.iter().any(|ask| body.contains(ask))
            || needed.any(|one| reaches(recipes, one["recipe"].as_str().unwrap(), asks))
    }
    let mut compile = Vec::new();
    for (name, recipe) in recipes {
        let body = recipe["body"].to_string();
        if body.contains("cargo ") || body.contains(".ci/package") || body.contains(".ci/sizes") {
            compile.push(name.as_str());
            assert!(reaches(recipes, name, &asks), "{name} needs _toolchain");
        }
    }
    for name in [
        "fuzz",
        "bench",
        "bench-store",
        "bench-guard",
        "soak",
        "package",
    ] {
        assert!(compile.contains(&name), "{name}");
    }
    for script in ["runner", "guest"] {
        let text = fs::read_to_string(support::root().join(".ci").join(script)).unwrap();
        let at = |what: &str| text.find(what).unwrap();
        assert!(
            at("./setup.sh --toolchain") < at("./setup.sh --route"),
            "{script}"
        );
    }
}

/// A checkout whose demo builds from source, by programs that are none: `just build` and the module's build are these.
fn building(release: &Release, just: &str, guest: &str) -> Command {
    let stub = |name: &str, body: &str| script(&release.path().join(name), body);
    stub(".ci/prebuilt", "exit 1");
    stub("setup.sh", "exit 0");
    stub(".ci/guest", guest);
    fs::create_dir_all(release.path().join("dist")).unwrap();
    stub("dist/runner", "echo trained");
    script(&release.programs.path().join("just"), just);
    let mut command = release.command(".ci/demo", "");
    command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_signal_to_the_demo_alone_ends_it_and_all_that_it_started() {
    let test = "a_signal_to_the_demo_alone_ends_it_and_all_that_it_started";
    let Some(release) = Release::new(test) else {
        return;
    };
    let waits = |name: &str| {
        format!(
            "cd {} && echo $$ >{name}.new && mv {name}.new {name} && exec sleep 60",
            release.path().display()
        )
    };
    let mut demo = building(&release, &waits("just.pid"), &waits("guest.pid"))
        .spawn()
        .unwrap();
    let pids = ["just.pid", "guest.pid"].map(|name| release.path().join(name));
    eventually("both are built", || pids.iter().all(|pid| pid.exists()));
    let begin = Instant::now();
    output(Command::new("kill").args(["-TERM", &demo.id().to_string()]));
    assert_eq!(demo.wait().unwrap().code(), Some(143));
    assert!(begin.elapsed() < Duration::from_secs(10));
    for pid in pids {
        let pid = fs::read_to_string(pid).unwrap();
        // Of a process that has ended nothing is left, or its name without a command line.
        let line = Path::new("/proc").join(pid.trim()).join("cmdline");
        eventually("what it started has ended", || {
            fs::read(&line).unwrap_or_default().is_empty()
        });
    }
}

#[test]
fn the_demo_shows_the_build_that_it_waits_for() {
    let Some(release) = Release::new("the_demo_shows_the_build_that_it_waits_for") else {
        return;
    };
    let go = release.path().join("go");
    let guest = format!(
        "echo Compiling the first; until [ -e {0} ]; do sleep 0.1; done; echo Compiling the last",
        go.display()
    );
    let mut demo = building(&release, "exit 0", &guest).spawn().unwrap();
    let (send, lines) = std::sync::mpsc::channel();
    let shown = BufReader::new(demo.stderr.take().unwrap());
    std::thread::spawn(move || {
        shown
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| send.send(line))
    });
    let mut seen = String::new();
    let mut next = |text: &str| {
        while !seen.contains(text) {
            let line = lines.recv_timeout(Duration::from_secs(20));
            seen.push_str(&line.unwrap_or_else(|error| panic!("{text}: {error}")));
        }
    };
    next("waiting for the module");
    next("Compiling the first");
    fs::write(&go, "").unwrap();
    next("2 of 2");
    let ended = demo.wait_with_output().unwrap();
    assert!(ended.status.success());
    assert_eq!(ended.stdout, b"trained\n");
}
