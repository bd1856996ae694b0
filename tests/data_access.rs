//! What may be read, by whom, and who gets to see credentials.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/fetch.rs"]
mod fetch;
#[path = "support/http.rs"]
mod http;
mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use fetch::{
    NOT_ALLOWED, NOT_FETCHED, ROWS, assert_data, assert_no_data, data_of, train, train_on,
};
use http::{Answer, Server};
use support::{Ended, Runner, files_below};

const SECRET: &str = "hunter2-SECRET";

/// As a task of Nomad's, whose folders are below the command's own.
fn as_task(runner: Runner) -> Runner {
    let folder = runner.folder.path().to_path_buf();
    for name in ["local", "alloc", "secrets"] {
        std::fs::create_dir(folder.join(name)).unwrap();
    }
    runner
        .env("NOMAD_ALLOC_ID", "0c3f0b6e-5a52-4a6f-9d5e-0f1c2d3e4f50")
        .env("NOMAD_TASK_DIR", folder.join("local"))
        .env("NOMAD_ALLOC_DIR", folder.join("alloc"))
        .env("NOMAD_SECRETS_DIR", folder.join("secrets"))
        .args(["--out", "runs"])
}

/// A task whose dispatch named this source.
fn dispatched(source: &str) -> Runner {
    as_task(train()).env("NOMAD_META_data_url", source)
}

/// No stream and no file that the run left holds the secret.
#[track_caller]
fn assert_secret_kept(ended: &Ended) {
    assert!(!ended.stderr().contains(SECRET), "{}", ended.stderr());
    assert!(!ended.stdout().contains(SECRET), "{}", ended.stdout());
    for file in files_below(ended.folder.path()) {
        let text = std::fs::read(ended.path(&file)).unwrap();
        let is_its_own = file.starts_with("credentials");
        assert!(
            is_its_own || !String::from_utf8_lossy(&text).contains(SECRET),
            "{file}"
        );
    }
}

#[test]
fn a_redirect_is_never_followed_to_a_file() {
    for to in [
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "gs://bucket/a",
        "data:,x",
    ] {
        let server = Server::start(move |_| Answer::redirect(to));
        let ended = train_on(&server.url("/")).run();
        assert_no_data(
            ended,
            NOT_ALLOWED,
            ["http:// and https:// alone", "No flag allows it"],
        );
    }
}

#[test]
fn a_redirect_is_never_followed_to_a_metadata_server() {
    for to in [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://metadata.google.internal/",
    ] {
        let server = Server::start(move |_| Answer::redirect(to));
        let url = server.url("/");
        for runner in [
            train_on(&url),
            as_task(train_on(&url)),
            dispatched(&url).args(["--allow-data", &url]),
        ] {
            assert_no_data(
                runner.run(),
                NOT_ALLOWED,
                ["(redirected there)", "--allow-data http://"],
            );
        }
    }
}

/// Runs it where /etc/hosts is another file, which nobody else sees. `None` where that is not allowed.
fn with_hosts(runner: Runner, hosts: &std::path::Path) -> Option<Ended> {
    let unshare = |options: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(options).args(["sh", "-c"]);
        command.arg("mount --bind \"$HOSTS\" /etc/hosts && exec \"$@\"");
        command.arg("sh").env("HOSTS", hosts);
        command
    };
    let options = [&["--mount"][..], &["--map-root-user", "--mount"]]
        .into_iter()
        .find(|options| {
            let tried = unshare(options).arg("true").output();
            tried.is_ok_and(|tried| tried.status.success())
        })?;
    let output = unshare(options)
        .arg(runner.command.get_program())
        .args(runner.command.get_args())
        .current_dir(runner.folder.path())
        .output();
    Some(Ended {
        output: output.unwrap(),
        folder: runner.folder,
    })
}

#[test]
fn a_name_that_turns_into_a_metadata_server_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    let file = hosts.clone();
    let server = Server::start(move |_| {
        std::fs::write(&file, "169.254.169.254 turns.test\n").unwrap();
        Answer::redirect("/second")
    });
    let url = format!("http://turns.test:{}/first", server.port());
    std::fs::write(&hosts, "127.0.0.1 turns.test\n").unwrap();
    let runner = train_on(&url).args(["--data-retries", "0", "--data-timeout", "2s"]);
    let Some(ended) = with_hosts(runner, &hosts) else {
        support::skipped(
            "a_name_that_turns_into_a_metadata_server_is_not_followed",
            "this user may not mount a file, not even for itself",
        );
        return;
    };
    assert_no_data(ended, NOT_ALLOWED, ["169.254.169.254", "metadata server"]);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_dispatch_names_no_private_address_by_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, "127.0.0.1 consul.test\n").unwrap();
    let server = Server::of(ROWS);
    let url = format!("http://consul.test:{}/", server.port());
    let runner = as_task(train());
    let local = runner.folder.path().display().to_string();
    let script = [
        ("NOMAD_ALLOC_ID", "a".to_owned()),
        ("NOMAD_TASK_DIR", format!("{local}/local")),
        ("NOMAD_META_data_url", url),
    ];
    let mut command = Command::new("env");
    command.current_dir(runner.folder.path());
    command.args(script.map(|(name, value)| format!("{name}={value}")));
    command
        .arg(runner.command.get_program())
        .args(runner.command.get_args());
    let runner = Runner {
        command,
        folder: runner.folder,
    };
    let Some(ended) = with_hosts(runner, &hosts) else {
        support::skipped(
            "a_dispatch_names_no_private_address_by_a_name",
            "this user may not mount a file, not even for itself",
        );
        return;
    };
    assert_no_data(ended, NOT_ALLOWED, ["stands for 127.0.0.1", "loopback"]);
    assert!(server.asked().is_empty());
}

#[test]
fn a_dispatch_names_no_metadata_server() {
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://[::ffff:a9fe:a9fe]/",
    ] {
        assert_no_data(
            dispatched(url).run(),
            NOT_ALLOWED,
            ["may not be read", "--allow-data http://"],
        );
    }
}

#[test]
fn a_dispatch_reaches_no_service_of_the_machine_and_its_network() {
    let server = Server::of(ROWS);
    for url in [
        server.url("/"),
        format!("http://localhost:{}/", server.port()),
        format!("http://[::ffff:127.0.0.1]:{}/", server.port()),
        format!("http://0.0.0.0:{}/", server.port()),
        "http://10.0.0.1/".to_owned(),
    ] {
        assert_no_data(
            dispatched(&url).run(),
            NOT_ALLOWED,
            ["loopback, private or reserved", "--allow-data http://"],
        );
    }
    assert!(server.asked().is_empty());
    // An operator allows it by a list, or by naming it in a flag.
    let url = server.url("/");
    let listed = dispatched(&url).args(["--allow-data", &url]);
    assert_data(listed.run(), &url, ROWS);
    assert_data(as_task(train_on(&url)).run(), &url, ROWS);
}

#[test]
fn standard_input_is_not_named_by_a_dispatch_nor_where_a_list_says_what_may_be_read() {
    let listed = |runner: Runner| runner.args(["--allow-data", "/"]);
    for runner in [
        dispatched("-"),
        listed(dispatched("-")),
        listed(train_on("-")),
    ] {
        assert_no_data(
            runner.run(),
            NOT_ALLOWED,
            ["standard input may not be read"],
        );
    }
}

#[test]
fn a_data_path_does_not_tell_whether_a_secret_is_there() {
    let run = |path: &str, listed: bool| {
        let runner = as_task(train()).env("NOMAD_META_data_path", path);
        let folder = runner.folder.path();
        std::fs::write(folder.join("secrets/token"), SECRET).unwrap();
        std::fs::write(folder.join("outside.csv"), ROWS).unwrap();
        std::os::unix::fs::symlink("../secrets/token", folder.join("local/link")).unwrap();
        let runner = match listed {
            true => runner.args(["--allow-data", "/"]),
            false => runner,
        };
        runner.run().ends_with(2).stderr()
    };
    let missing = run("missing", false);
    assert!(missing.contains("--data-path"), "{missing}");
    for path in ["secrets/token", "secrets/missing", "link", "outside.csv"] {
        assert_eq!(run(path, false), missing, "{path}");
    }
    // Whether it is a plain path is said before anything is looked for.
    let climbing = |folder: &str| {
        let runner = as_task(train());
        let local = runner.folder.path().canonicalize().unwrap().join("local");
        std::fs::write(local.join("rows.csv"), ROWS).unwrap();
        let path = format!("{folder}/../..{}/rows.csv", local.display());
        let said = runner.env("NOMAD_META_data_path", &path).run().ends_with(2);
        said.stderr().replace(&path, "PATH")
    };
    let missing = climbing("/etc/missing");
    assert!(missing.contains("a plain relative path"), "{missing}");
    assert_eq!(climbing("/proc/self"), missing);
    let missing = run("missing", true);
    for path in ["secrets/token", "secrets/missing", "link"] {
        assert_eq!(run(path, true), missing, "{path}");
    }
    let runner = as_task(train()).env("NOMAD_META_data_path", "rows.csv");
    std::fs::write(runner.folder.path().join("local/rows.csv"), ROWS).unwrap();
    runner.run().ends_with(0);
}

#[test]
fn no_path_tells_whether_a_secret_is_there() {
    for link in ["", "/proc/self/root"] {
        for name in ["token", "missing"] {
            let runner = as_task(train());
            let folder = runner.folder.path().canonicalize().unwrap();
            std::fs::write(folder.join("secrets/token"), SECRET).unwrap();
            let path = format!("{link}{}/secrets/{name}", folder.display());
            let ended = runner
                .env("NOMAD_META_data_url", path)
                .args(["--allow-data", "/"])
                .run();
            assert_no_data(ended, NOT_ALLOWED, ["among the task's secrets"]);
        }
    }
}

/// What a task says whose dispatch names a path below its own folder, which stands where `{}` does. There are a file, a
/// folder and links in its secrets and beside its folders.
fn said_of(path: &str) -> String {
    let runner = as_task(train());
    let folder = runner.folder.path().canonicalize().unwrap();
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, folder.join(name)).unwrap();
    std::fs::write(folder.join("secrets/token"), SECRET).unwrap();
    std::fs::create_dir(folder.join("secrets/folder")).unwrap();
    std::fs::write(folder.join("local/rows.csv"), ROWS).unwrap();
    link("../local", "secrets/way");
    link("../secrets/folder", "local/way");
    link("../secrets/token", "local/there");
    link("../secrets/missing", "local/gone");
    let path = path.replace("{}", &folder.display().to_string());
    let ended = runner.env("NOMAD_META_data_url", &path).run();
    let said = ended.stderr();
    assert_no_data(ended, NOT_ALLOWED, [path.as_str()]);
    let name = path
        .rsplit_once("/rows.csv")
        .map_or(path.as_str(), |(folder, _)| folder);
    let said = said.replace(&path, "PATH").replace(name, "NAME");
    said.replace(&folder.display().to_string(), "{}")
}

#[test]
fn no_path_tells_by_the_way_it_takes_what_is_there() {
    let mut all = Vec::new();
    for folder in [
        "{}/secrets/missing",
        "{}/secrets/token",
        "{}/secrets/folder",
        "{}/secrets/way",
        "/etc/missing",
        "/etc/passwd",
        "/etc/ssl",
    ] {
        let back = if folder.starts_with('/') { "{}" } else { "" };
        all.push(said_of(&format!("{folder}/../..{back}/local/rows.csv")));
    }
    assert!(all[0].contains("without `..`"), "{}", all[0]);
    assert!(all.iter().all(|said| said == &all[0]), "{all:#?}");
    // Nor does it take a way through them that comes back.
    for (there, missing) in [
        ("{}/secrets/way/rows.csv", "{}/secrets/missing/rows.csv"),
        (
            "/proc/self/root{}/local/rows.csv",
            "/proc/none/root{}/local/rows.csv",
        ),
    ] {
        let said = said_of(there);
        assert!(said.contains("--allow-data NAME"), "{said}");
        assert_eq!(said, said_of(missing));
    }
}

#[test]
fn no_path_tells_where_a_link_leads() {
    let refused = |path: &str, shown: &str| {
        let ended = dispatched(path).run();
        let said = ended.stderr();
        assert_no_data(ended, NOT_ALLOWED, [shown]);
        said.replace(path, "PATH")
    };
    assert_eq!(
        refused("/proc/self/exe", "--allow-data /proc/self\n"),
        refused("/proc/self/missing", "--allow-data /proc/self\n")
    );
    assert_eq!(
        refused("/etc/localtime", "--allow-data /etc\n"),
        refused("/etc/localtimeX", "--allow-data /etc\n")
    );
    // Links of the task's own folder, to what is there and to what is not.
    assert_eq!(said_of("{}/local/there"), said_of("{}/local/gone"));
    assert_eq!(said_of("{}/local/way/a"), said_of("{}/local/way/b"));
}

#[test]
fn a_snapshots_address_does_not_tell_what_is_there() {
    let digest = "0".repeat(64);
    let said = |by: &str| {
        let runner = as_task(train());
        let folder = runner.folder.path().canonicalize().unwrap();
        std::os::unix::fs::symlink("../local", folder.join("secrets/way")).unwrap();
        let path = format!("{}/secrets/{by}/_data/{digest}", folder.display());
        let ended = runner
            .env("NOMAD_META_data_url", &path)
            .args(["--snapshots", "local"])
            .run();
        let said = ended.stderr();
        assert_no_data(ended, NOT_ALLOWED, ["among the task's secrets"]);
        said.replace(&format!("{}/secrets/{by}", folder.display()), "PATH")
    };
    assert_eq!(said("way"), said("missing"));
}

#[test]
fn a_snapshot_is_one_of_the_store_and_no_other_path_that_looks_like_one() {
    let digest = "0".repeat(64);
    let run = |folder: &str, args: &[&str]| {
        let mut runner = train_on(&format!("{folder}/{digest}"));
        let folder = runner.folder.path().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(&digest), ROWS).unwrap();
        runner.command.args(args);
        runner.run()
    };
    run("my_data", &[]).ends_with(0);
    for (folder, args) in [
        ("models/_data", &[][..]),
        ("models/_data", &["--store", "models"]),
        ("models/_data", &["--snapshots", "models"]),
        (
            "models/_data",
            &["--store", "others", "--snapshots", "file://./models"],
        ),
    ] {
        run(folder, args)
            .ends_with(NOT_FETCHED)
            .says(["is not the dataset that was asked for"]);
    }
    run("others/_data", &["--store", "models"])
        .ends_with(0)
        .says(["its digest is not checked", "--snapshots"]);
    // A dispatch cannot switch the check off by the bucket that it names.
    let runner =
        train_on(&format!("models/_data/{digest}")).env("NOMAD_META_gcp_bucket_path", "others");
    std::fs::create_dir_all(runner.folder.path().join("models/_data")).unwrap();
    runner
        .file(&format!("models/_data/{digest}"), ROWS)
        .run()
        .ends_with(NOT_FETCHED)
        .says(["is not the dataset that was asked for"]);
    let server = Server::of(ROWS);
    let url = server.url(&format!("/_data/{digest}"));
    assert_data(train_on(&url).run(), &url, ROWS);
}

#[test]
fn a_dispatch_reads_no_bucket_with_credentials_of_its_own_or_of_the_node() {
    let server = Server::of(ROWS);
    let given = serde_json::json!({
        "type": "external_account",
        "audience": "x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": server.url("/sts"),
        "credential_source": {"file": "/proc/self/environ"},
    });
    let read = || {
        dispatched("gs://models/rows.csv")
            .file("credentials", SECRET)
            .args(["--data-token-file", "credentials"])
            .args(["--store-endpoint", &server.url("")])
            .env("GCE_METADATA_HOST", server.authority())
    };
    assert_no_data(read().run(), NOT_ALLOWED, ["--allow-node-identity"]);
    let brought = || read().env("NOMAD_META_gcp_creds", given.to_string());
    assert_no_data(brought().run(), NOT_ALLOWED, ["--allow-gcp-creds"]);
    assert_no_data(
        brought().arg("--allow-gcp-creds").run(),
        NOT_ALLOWED,
        ["where to get credentials from"],
    );
    assert!(server.asked().is_empty());
}

#[test]
fn a_dispatch_reads_the_tasks_own_folders_and_no_others() {
    let runner = dispatched("local/rows.csv");
    std::fs::write(runner.folder.path().join("local/rows.csv"), ROWS).unwrap();
    assert_data(runner.run(), "local/rows.csv", ROWS);
    for source in [
        "/etc/passwd",
        "file:///etc/passwd",
        "rows.csv",
        "/proc/self/environ",
    ] {
        let ended = dispatched(source).file("rows.csv", ROWS).run();
        assert_no_data(
            ended,
            NOT_ALLOWED,
            ["under Nomad only the task's", "--allow-data /"],
        );
    }
    let runner = dispatched("secrets/token");
    std::fs::write(runner.folder.path().join("secrets/token"), ROWS).unwrap();
    assert_no_data(
        runner.run(),
        NOT_ALLOWED,
        ["among the task's secrets", "--allow-data /"],
    );
}

#[test]
fn a_link_is_followed_before_it_is_judged() {
    for target in ["../secrets/token", "/etc/passwd"] {
        let runner = dispatched("local/rows.csv");
        let folder = runner.folder.path();
        std::fs::write(folder.join("secrets/token"), ROWS).unwrap();
        std::os::unix::fs::symlink(target, folder.join("local/rows.csv")).unwrap();
        assert_no_data(
            runner.run(),
            NOT_ALLOWED,
            ["local/rows.csv may not be read"],
        );
    }
    // On a laptop a link is a link.
    let runner = train_on("link.csv").file("rows.csv", ROWS);
    std::os::unix::fs::symlink("rows.csv", runner.folder.path().join("link.csv")).unwrap();
    assert_data(runner.run(), "link.csv", ROWS);
}

#[test]
fn an_operator_allows_a_folder() {
    let runner = dispatched("shared/rows.csv").args(["--allow-data", "shared"]);
    std::fs::create_dir(runner.folder.path().join("shared")).unwrap();
    std::fs::write(runner.folder.path().join("shared/rows.csv"), ROWS).unwrap();
    assert_data(runner.run(), "shared/rows.csv", ROWS);
}

#[test]
fn an_operator_allows_what_a_url_begins_with_and_redirects_stay_within() {
    let other = Server::of(ROWS);
    let elsewhere = other.url("/rows.csv");
    let server = Server::start(move |asked| match asked.target.as_str() {
        "/sales/away" => Answer::redirect(&elsewhere),
        "/sales/near" => Answer::redirect("rows.csv"),
        _ => Answer::ok(ROWS),
    });
    let allowed = server.url("/sales/");
    let run = |target: &str| {
        train_on(&server.url(target))
            .args(["--allow-data", &allowed])
            .run()
    };
    assert_data(run("/sales/near"), &server.url("/sales/near"), ROWS);
    assert_no_data(
        run("/private/rows.csv"),
        NOT_ALLOWED,
        ["no --allow-data names", "--allow-data http://127.0.0.1"],
    );
    assert_no_data(
        run("/sales/away"),
        NOT_ALLOWED,
        ["no --allow-data names", &other.url("/rows.csv")],
    );
    assert!(other.asked().is_empty());
}

#[test]
fn no_disguise_of_two_dots_leaves_what_an_operator_allows() {
    let disguises = [
        "..;/x",
        "..%20/x",
        "..%00/x",
        "%252525252e%252525252e/x",
        "..%5cx",
        "a%0ab",
    ];
    let server = Server::start(move |asked| match asked.target.strip_prefix("/ok/to/") {
        Some(number) => Answer::redirect(&format!(
            "/ok/{}",
            disguises[number.parse::<usize>().unwrap()]
        )),
        None => Answer::ok(ROWS),
    });
    let run = |target: &str| {
        train_on(&server.url(target))
            .args(["--allow-data", &server.url("/ok/")])
            .run()
    };
    for (number, disguise) in disguises.iter().enumerate() {
        for target in [format!("/ok/{disguise}"), format!("/ok/to/{number}")] {
            assert_no_data(
                run(&target),
                NOT_ALLOWED,
                ["`..` in some encoding", "by its plain path"],
            );
        }
    }
    assert_eq!(server.asked().len(), disguises.len());
    let plain = "/ok/2024..2025/100%25;v=1";
    assert_data(run(plain), &server.url(plain), ROWS);
}

#[test]
fn an_object_is_judged_by_the_name_that_is_read() {
    let server = Server::of(ROWS);
    let read = |object: &str| {
        train_on(object)
            .args(["--allow-data", "gs://models/ok/"])
            .env("STORAGE_EMULATOR_HOST", server.url(""))
            .run()
    };
    for object in [
        "gs://models/secret/%2e%2e/ok/x",
        "gs://models/okay",
        "gs://others/ok/x",
    ] {
        let said = ["no --allow-data names", "--allow-data gs://"];
        assert_no_data(read(object), NOT_ALLOWED, said);
    }
    for object in [
        "gs://models/ok/ x",
        "gs://models/ok/x ",
        "gs://models/secret/ /ok/x",
    ] {
        assert_no_data(read(object), 2, ["white space"]);
    }
    assert!(server.asked().is_empty());
}

#[test]
fn a_token_goes_to_the_first_host_alone_and_is_never_shown() {
    let other = Server::of(ROWS);
    // The same machine under another name is another host.
    let elsewhere = format!("http://localhost:{}/rows.csv", other.port());
    let server = Server::start(move |asked| match asked.target.as_str() {
        "/first" => Answer::redirect("/second"),
        _ => Answer::redirect(&elsewhere),
    });
    let ended = train_on(&server.url("/first"))
        .file("credentials", format!("{SECRET}\n"))
        .args(["--data-token-file", "credentials", "--verbose"])
        .run();
    for asked in server.asked() {
        assert_eq!(
            asked.header("authorization"),
            Some(format!("Bearer {SECRET}").as_str())
        );
    }
    assert_eq!(other.asked().len(), 1);
    assert_eq!(other.asked()[0].header("authorization"), None);
    assert_secret_kept(&ended);
    assert_data(ended, &server.url("/first"), ROWS);
}

#[test]
fn another_port_is_another_host() {
    let other = Server::of(ROWS);
    let elsewhere = other.url("/");
    let server = Server::start(move |_| Answer::redirect(&elsewhere));
    train_on(&server.url("/"))
        .file("credentials", format!("X-Api-Key: {SECRET}\n"))
        .args(["--data-header-file", "credentials"])
        .run()
        .ends_with(0);
    assert_eq!(server.asked()[0].header("x-api-key"), Some(SECRET));
    assert_eq!(other.asked()[0].header("x-api-key"), None);
}

#[test]
fn headers_come_from_a_file() {
    let server = Server::of(ROWS);
    let ended = train_on(&server.url("/"))
        .file(
            "credentials",
            format!("# for the sales data\n\nX-Api-Key: {SECRET}\nAuthorization: Basic {SECRET}\n"),
        )
        .args(["--data-header-file", "credentials", "--verbose"])
        .run();
    let asked = &server.asked()[0];
    assert_eq!(asked.header("x-api-key"), Some(SECRET));
    assert_eq!(
        asked.header("authorization"),
        Some(format!("Basic {SECRET}").as_str())
    );
    assert_secret_kept(&ended);
    ended.ends_with(0);
}

#[test]
fn a_credentials_file_that_is_none_is_described_and_not_quoted() {
    for (flag, text, said) in [
        ("--data-token-file", "".to_owned(), "it is empty"),
        (
            "--data-token-file",
            format!("{SECRET} {SECRET}"),
            "one token",
        ),
        (
            "--data-header-file",
            format!("A: b\n{SECRET}\n"),
            "line 2 is no header",
        ),
        (
            "--data-header-file",
            format!("Host: {SECRET}"),
            "the runner sets host itself",
        ),
        ("--data-header-file", "#\n".to_owned(), "holds no header"),
        (
            "--data-oauth-file",
            format!("grant = {SECRET}"),
            "line 1 is no TOML",
        ),
        (
            "--data-oauth-file",
            format!("{{\"grant\": {SECRET}}}"),
            "line 1 is no JSON",
        ),
        (
            "--data-oauth-file",
            format!("client_id = \"{SECRET}\""),
            "`token_url` is missing",
        ),
        (
            "--data-oauth-file",
            format!("token_url = \"ftp://{SECRET}\""),
            "`token_url` must be a URL",
        ),
        (
            "--data-oauth-file",
            format!("token_url = \"https://a/\"\nclient_id = \"{SECRET}\"\ngrant = \"password\""),
            "must be client_credentials",
        ),
        (
            "--data-oauth-file",
            format!(
                "token_url = \"https://a/\"\nclient_id = \"{SECRET}\"\ngrant = \"refresh_token\""
            ),
            "`refresh_token` is missing",
        ),
        (
            "--data-oauth-file",
            format!(
                "token_url = \"https://a/\"\nclient_id = \"c\"\ngrant = \"refresh_token\"\nrefresh_token = \"{SECRET}\"\nextra = \"x\""
            ),
            "`extra` is not known",
        ),
        (
            "--data-oauth-file",
            format!(
                "token_url = \"https://a/\"\nclient_id = \"c\"\ngrant = \"jwt_bearer\"\nsubject = \"s\"\nprivate_key = \"{SECRET}\""
            ),
            "no private key",
        ),
        (
            "--data-oauth-file",
            format!(
                "token_url = \"https://a/\"\nclient_id = \"c\"\ngrant = \"jwt_bearer\"\nsubject = \"s\"\nprivate_key_file = \"missing.pem\"\nclient_secret = \"{SECRET}\""
            ),
            "missing.pem",
        ),
    ] {
        let ended = train_on("https://data.example.com/")
            .file("credentials", text)
            .args([flag, "credentials"])
            .run();
        assert_secret_kept(&ended);
        assert_no_data(ended, NOT_FETCHED, [flag, said]);
    }
    let ended = train_on("https://data.example.com/")
        .args(["--data-token-file", "missing"])
        .run();
    assert_no_data(
        ended,
        NOT_FETCHED,
        ["--data-token-file missing: No such file"],
    );
}

#[test]
fn a_dispatch_does_not_choose_who_gets_the_credentials() {
    let server = Server::of(ROWS);
    let with_token = |runner: Runner| {
        runner
            .file("credentials", SECRET)
            .args(["--data-token-file", "credentials"])
    };
    let ended = with_token(dispatched("https://data.example.com/")).run();
    assert_no_data(
        ended,
        NOT_ALLOWED,
        [
            "would get the data source's credentials",
            "--allow-data https://data.example.com/",
        ],
    );
    with_token(dispatched(&server.url("/")))
        .args(["--allow-data", &server.url("/")])
        .run()
        .ends_with(0);
    with_token(as_task(train_on(&server.url("/"))))
        .run()
        .ends_with(0);

    // Of several servers the operator says which one gets them.
    let other = Server::of(ROWS);
    let dispatched = |to: &Server| {
        let listed = [server.url("/"), other.url("/")];
        let runner = with_token(dispatched(&to.url("/")));
        runner.args(["--allow-data", &listed[0], "--allow-data", &listed[1]])
    };
    let before = server.asked().len();
    for to in [&server, &other] {
        let ended = dispatched(to).run();
        let said = format!("--data-credentials-for http://{}", to.authority());
        assert_no_data(ended, NOT_ALLOWED, ["lists several servers", &said]);
    }
    assert_eq!(server.asked().len() + other.asked().len(), before);
    let named = server.url("");
    let named = ["--data-credentials-for", named.trim_end_matches('/')];
    for to in [&server, &other] {
        let ended = dispatched(to).args(named).run();
        assert_secret_kept(&ended);
        ended.ends_with(0);
    }
    let sent = server
        .asked()
        .last()
        .unwrap()
        .header("authorization")
        .map(str::to_owned);
    assert_eq!(sent, Some(format!("Bearer {SECRET}")));
    assert_eq!(other.asked().len(), 1);
    assert_eq!(other.asked()[0].header("authorization"), None);
}

#[test]
fn one_source_has_one_kind_of_credentials() {
    let server = Server::of(ROWS);
    let url = format!("http://ann:{SECRET}@{}/", server.authority());
    let ended = train_on(&url)
        .file("credentials", SECRET)
        .args(["--data-token-file", "credentials"])
        .run();
    assert_secret_kept(&ended);
    assert_no_data(ended, 2, ["give one of the two"]);
    train_on(&server.url("/"))
        .args(["--data-token-file", "a", "--data-header-file", "b"])
        .run()
        .ends_with(2)
        .says(["cannot be used with"]);
}

/// Gives `SECRET-1`, then `SECRET-2`, … for whatever it is asked.
fn token_server() -> Server {
    Server::start(|asked| {
        let token = format!("{SECRET}-{}", asked.number + 1);
        Answer::ok(serde_json::json!({"access_token": token, "token_type": "Bearer"}).to_string())
    })
}

/// The fields of a form.
fn form(body: &str) -> std::collections::BTreeMap<String, String> {
    url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect()
}

#[test]
fn a_client_gets_a_token_and_a_new_one_when_it_has_run_out() {
    let tokens = token_server();
    let second = format!("Bearer {SECRET}-2");
    let server = Server::start(move |asked| match asked.header("authorization") {
        Some(token) if token == second => Answer::ok(ROWS),
        _ => Answer::status(401, ""),
    });
    let text = format!(
        "grant = \"client_credentials\"\ntoken_url = \"{}\"\nclient_id = \"sales\"\nclient_secret = \"{SECRET}\"\nscope = \"api\"\n",
        tokens.url("/token")
    );
    let ended = train_on(&server.url("/"))
        .file("credentials", text)
        .args(["--data-oauth-file", "credentials", "--verbose"])
        .run();
    assert_secret_kept(&ended);
    assert_data(ended, &server.url("/"), ROWS);
    assert_eq!(tokens.asked().len(), 2);
    let asked = &tokens.asked()[0];
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str()),
        ("POST", "/token")
    );
    let sent = form(&asked.body);
    assert_eq!(sent["grant_type"], "client_credentials");
    assert_eq!(sent["client_id"], "sales");
    assert_eq!(sent["client_secret"], SECRET);
    assert_eq!(sent["scope"], "api");
}

#[test]
fn a_token_server_says_little_and_is_no_metadata_server() {
    let tokens = Server::start(|_| {
        let padding = " ".repeat(2 << 20);
        Answer::ok(format!("{{\"access_token\":\"{SECRET}\"}}{padding}"))
    });
    let server = Server::of(ROWS);
    let credentials = |token_url: String| {
        format!(
            "grant = \"refresh_token\"\ntoken_url = \"{token_url}\"\nclient_id = \"sales\"\nrefresh_token = \"{SECRET}\"\n"
        )
    };
    let run = |runner: Runner, token_url: String| {
        runner
            .file("credentials", credentials(token_url))
            .args(["--data-oauth-file", "credentials"])
            .run()
    };
    let ended = run(train_on(&server.url("/")), tokens.url("/token"));
    assert_secret_kept(&ended);
    assert_no_data(ended, NOT_FETCHED, ["holds more than 1048576 bytes"]);
    for token_url in [
        "http://169.254.169.254/token",
        "http://metadata.google.internal/",
    ] {
        let task = as_task(train_on(&server.url("/")));
        assert_no_data(
            run(task, token_url.to_owned()),
            NOT_ALLOWED,
            ["may not be used"],
        );
    }
    // It may well be one of the operator's own network.
    let token = token_server();
    run(as_task(train_on(&server.url("/"))), token.url("/token")).ends_with(0);
}

#[test]
fn a_refresh_token_gives_a_token() {
    let tokens = token_server();
    let server = Server::of(ROWS);
    let text = serde_json::json!({
        "grant": "refresh_token",
        "token_url": tokens.url("/"),
        "client_id": "sales",
        "refresh_token": SECRET,
    });
    let ended = train_on(&server.url("/"))
        .file("credentials", text.to_string())
        .args(["--data-oauth-file", "credentials", "--verbose"])
        .run();
    assert_secret_kept(&ended);
    ended.ends_with(0);
    let sent = form(&tokens.asked()[0].body);
    assert_eq!(
        (sent["grant_type"].as_str(), sent["refresh_token"].as_str()),
        ("refresh_token", SECRET)
    );
    assert_eq!(
        server.asked()[0].header("authorization"),
        Some(format!("Bearer {SECRET}-1").as_str())
    );
}

#[test]
fn a_token_that_is_refused_is_explained_by_a_code_alone() {
    for (status, body, said) in [
        (
            400,
            format!("{{\"error\":\"invalid_grant\",\"error_description\":\"{SECRET}\"}}"),
            "(invalid_grant)",
        ),
        (
            401,
            format!("{{\"error\":\"{SECRET}\"}}"),
            "gives no token for it:",
        ),
        (
            400,
            "{\"error\":\"hunter_two\"}".to_owned(),
            "gives no token for it:",
        ),
        (
            200,
            format!("{{\"token\":\"{SECRET}\"}}"),
            "without an access token",
        ),
        (404, SECRET.to_owned(), "404 Not Found"),
    ] {
        let tokens = Server::start(move |_| Answer::status(status, &body));
        let text = format!(
            "grant = \"refresh_token\"\ntoken_url = \"{}\"\nclient_id = \"sales\"\nrefresh_token = \"{SECRET}\"\n",
            tokens.url("/token")
        );
        let ended = train_on("http://127.0.0.1:9/")
            .file("credentials", text)
            .args(["--data-oauth-file", "credentials", "--verbose"])
            .run();
        assert_secret_kept(&ended);
        assert_no_data(ended, NOT_FETCHED, [said, "/token"]);
        assert_eq!(tokens.asked().len(), 1);
    }
}

fn has_openssl(test: &str) -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        eprintln!("SKIPPED {test}: there is no openssl here to check it with");
    }
    found
}

fn openssl(arguments: &str, folder: &std::path::Path) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_jwt_is_signed_so_that_openssl_accepts_it() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    if !has_openssl("a_jwt_is_signed_so_that_openssl_accepts_it") {
        return;
    }
    let (tokens, server) = (token_server(), Server::of(ROWS));
    let text = format!(
        "grant = \"jwt_bearer\"\ntoken_url = \"{}\"\nclient_id = \"sales\"\nsubject = \"ann@example.com\"\naudience = \"https://login.example.com\"\nprivate_key_file = \"credentials.pem\"\n",
        tokens.url("/token")
    );
    let runner = train_on(&server.url("/")).file("credentials", text).args([
        "--data-oauth-file",
        "credentials",
        "--verbose",
    ]);
    openssl(
        "genpkey -algorithm RSA -out credentials.pem",
        runner.folder.path(),
    );
    let ended = runner.run().ends_with(0);
    let sent = form(&tokens.asked()[0].body);
    assert_eq!(
        sent["grant_type"],
        "urn:ietf:params:oauth:grant-type:jwt-bearer"
    );
    let assertion = &sent["assertion"];
    assert!(!ended.stderr().contains(assertion));
    let (message, signature) = assertion.rsplit_once('.').unwrap();
    let claims = URL_SAFE_NO_PAD
        .decode(message.split_once('.').unwrap().1)
        .unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["iss"], "sales");
    assert_eq!(claims["sub"], "ann@example.com");
    assert_eq!(claims["aud"], "https://login.example.com");
    assert!(claims["exp"].as_i64() > claims["iat"].as_i64());
    let folder = ended.folder.path();
    std::fs::write(folder.join("message"), message).unwrap();
    std::fs::write(
        folder.join("signature"),
        URL_SAFE_NO_PAD.decode(signature).unwrap(),
    )
    .unwrap();
    openssl("pkey -in credentials.pem -pubout -out public.pem", folder);
    openssl(
        "dgst -sha256 -verify public.pem -signature signature message",
        folder,
    );
}

#[test]
fn https_trusts_the_authorities_that_ssl_cert_file_names() {
    if !has_openssl("https_trusts_the_authorities_that_ssl_cert_file_names") {
        return;
    }
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("rows.csv"), ROWS).unwrap();
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out ca.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE",
        folder.path(),
    );
    let mut server = Command::new("openssl")
        .args([
            "s_server",
            "-WWW",
            "-accept",
            "127.0.0.1:0",
            "-cert",
            "ca.pem",
            "-key",
            "key.pem",
        ])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let port = lines
        .map(Result::unwrap)
        .find_map(|line| Some(line.strip_prefix("ACCEPT ")?.rsplit_once(':')?.1.to_owned()));
    let url = format!("https://localhost:{}/rows.csv", port.unwrap());
    let trusted = train_on(&url)
        .env("SSL_CERT_FILE", folder.path().join("ca.pem"))
        .run();
    let unknown = train_on(&url).run();
    let missing = train_on(&url)
        .env("SSL_CERT_FILE", "/nonexistent/ca.pem")
        .run();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(
        !trusted.stderr().contains("warning"),
        "{}",
        trusted.stderr()
    );
    assert_eq!(data_of(&trusted)["bytes"], ROWS.len());
    assert_no_data(
        unknown,
        NOT_FETCHED,
        ["invalid peer certificate", "SSL_CERT_FILE"],
    );
    let missing = missing.says([
        "warning: SSL_CERT_FILE=/nonexistent/ca.pem",
        "built-in certificate authorities",
    ]);
    assert_eq!(missing.stderr().matches("warning: ").count(), 1);
    assert_no_data(missing, NOT_FETCHED, ["invalid peer certificate"]);
}
