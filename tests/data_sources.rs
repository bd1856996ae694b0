//! Where data comes from: what is fetched, what is tried again, and what is said when there is nothing to fetch.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/fetch.rs"]
mod fetch;
#[path = "support/http.rs"]
mod http;
mod support;

use std::process::Stdio;

use fetch::{NOT_FETCHED, ROWS, assert_data, assert_no_data, data_of, train_on};
use http::{Answer, Server};
use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};
use support::{Ended, files_below, read_json};

#[test]
fn a_file_is_read_by_path_and_by_url() {
    for source in [
        "rows.csv",
        "./rows.csv",
        "file://rows.csv",
        "file://./rows.csv",
    ] {
        let ended = train_on(source).file("rows.csv", ROWS).run();
        assert_data(ended, source.trim_start_matches("file://"), ROWS);
    }
}

#[test]
fn data_is_fetched_over_http() {
    let server = Server::of(ROWS);
    let url = server.url("/sales/rows.csv");
    assert_data(train_on(&url).run(), &url, ROWS);
    let asked = &server.asked()[0];
    assert_eq!(asked.header("accept-encoding"), Some("identity"));
    assert!(asked.header("user-agent").unwrap().starts_with("runner/"));
}

#[test]
fn data_comes_from_a_pipe() {
    let mut runner = train_on("-");
    let mut child = runner
        .command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), ROWS.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let manifest = files_below(runner.folder.path())
        .into_iter()
        .find(|file| file.ends_with("manifest.json"));
    let manifest = read_json(&runner.folder.path().join(manifest.unwrap()));
    assert_eq!(manifest["data"]["source"], "standard input");
    assert_eq!(manifest["data"]["bytes"], ROWS.len());
}

#[test]
fn data_without_a_length_ends_with_the_connection() {
    let server = Server::start(|_| Answer::ok(ROWS).without_length());
    assert_data(train_on(&server.url("/")).run(), &server.url("/"), ROWS);
}

#[test]
fn redirects_are_followed() {
    let server = Server::start(|asked| match asked.target.as_str() {
        "/old" => Answer::redirect("/older?to=new"),
        "/older?to=new" => Answer::redirect("new.csv"),
        _ => Answer::ok(ROWS),
    });
    assert_data(
        train_on(&server.url("/old")).run(),
        &server.url("/old"),
        ROWS,
    );
    assert_eq!(server.asked()[2].target, "/new.csv");
}

#[test]
fn redirects_in_a_circle_end() {
    let server = Server::start(|_| Answer::redirect("/again"));
    let ended = train_on(&server.url("/")).run();
    assert_no_data(ended, NOT_FETCHED, ["more than 10 redirects"]);
}

#[test]
fn a_fetch_has_an_end_however_patient_it_is() {
    let silent = Server::start(|_| Answer::ok(ROWS).hang_after(5));
    let failing = Server::start(|_| Answer::status(503, ""));
    for server in [silent, failing] {
        let ended = train_on(&server.url("/"))
            .args(["--data-deadline", "1s", "--data-retries", "1000"])
            .run();
        assert_no_data(ended, NOT_FETCHED, ["after 1s", "--data-deadline"]);
    }
}

#[test]
fn three_failures_of_a_server_are_waited_out() {
    let server = Server::start(|asked| match asked.number {
        0 => Answer::status(500, "no"),
        1 => Answer::status(503, "no").header("retry-after", "0"),
        2 => Answer::status(429, "no"),
        _ => Answer::ok(ROWS),
    });
    let ended = train_on(&server.url("/")).run();
    assert!(
        ended
            .stderr()
            .contains("500 Internal Server Error; trying again in"),
        "{}",
        ended.stderr()
    );
    assert_data(ended, &server.url("/"), ROWS);
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn a_server_that_keeps_failing_is_given_up_on() {
    let server = Server::start(|_| Answer::status(500, "no"));
    let ended = train_on(&server.url("/"))
        .args(["--data-retries", "1"])
        .run();
    assert_no_data(ended, NOT_FETCHED, ["500 Internal Server Error", "2 tries"]);
}

#[test]
fn a_server_that_wants_to_be_left_alone_for_an_hour_is_not_waited_for() {
    let server = Server::start(|_| Answer::status(503, "no").header("retry-after", "3600"));
    let ended = train_on(&server.url("/")).run();
    assert_no_data(ended, NOT_FETCHED, ["asks to wait for 3600 s", "1 try"]);
}

#[test]
fn what_will_not_pass_is_not_tried_again() {
    for (status, said) in [
        (400, "400 Bad Request"),
        (401, "--data-token-file"),
        (403, "--data-token-file"),
        (404, "check the URL"),
        (202, "ask for it when it is ready"),
        (204, "ask for it when it is ready"),
        (206, "ask for it when it is ready"),
        (304, "check the URL"),
    ] {
        let server = Server::start(move |_| Answer::status(status, ""));
        let ended = train_on(&server.url("/rows.csv")).run();
        assert_no_data(ended, NOT_FETCHED, [said, "/rows.csv"]);
        assert_eq!(server.asked().len(), 1, "{status}");
    }
}

#[test]
fn a_server_that_is_not_there_is_said_to_be_out_of_reach() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/rows.csv", listener.local_addr().unwrap());
    drop(listener);
    let ended = train_on(&url).args(["--data-retries", "1"]).run();
    assert_no_data(
        ended,
        NOT_FETCHED,
        ["Connection refused", &url, "2 tries", "--data-retries"],
    );
}

#[test]
fn a_name_that_does_not_exist_is_said_to_be_out_of_reach() {
    let ended = train_on("http://data.invalid/rows.csv")
        .args(["--data-retries", "0"])
        .run();
    assert_no_data(
        ended,
        NOT_FETCHED,
        ["http://data.invalid/rows.csv: ", "lookup address", "1 try"],
    );
}

#[test]
fn a_server_that_hangs_is_noticed_and_asked_again() {
    let server = Server::start(|asked| match asked.number {
        0 => Answer::silence(),
        1 => Answer::ok(ROWS).hang_after(5),
        _ => Answer::ok(ROWS),
    });
    let ended = train_on(&server.url("/"))
        .args(["--data-timeout", "300ms"])
        .run();
    assert!(
        ended.stderr().contains("silent for 300ms (--data-timeout)"),
        "{}",
        ended.stderr()
    );
    assert!(
        ended.stderr().contains("broke off after 5 of 16 bytes"),
        "{}",
        ended.stderr()
    );
    assert_data(ended, &server.url("/"), ROWS);
}

#[test]
fn a_reset_half_way_starts_again_from_the_beginning() {
    let server = Server::start(|asked| match asked.number {
        0 => Answer::ok(ROWS).reset_after(7),
        _ => Answer::ok(ROWS),
    });
    assert_data(train_on(&server.url("/")).run(), &server.url("/"), ROWS);
    assert_eq!(server.asked()[1].header("range"), None);
}

/// 1 MiB that is nowhere the same.
fn large() -> Vec<u8> {
    (0..1 << 17)
        .flat_map(|number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .collect()
}

#[test]
fn a_reset_half_way_goes_on_where_it_broke_off_when_the_data_is_still_the_same() {
    let server = Server::start(|asked| {
        let (body, etag) = (large(), "\"v1\"");
        let whole = Answer::ok(&body)
            .header("accept-ranges", "bytes")
            .header("etag", etag);
        match asked.header("range") {
            None => whole.reset_after(body.len() / 2),
            // Busy for a moment: what has arrived is kept.
            Some(_) if asked.number == 1 => Answer::status(503, ""),
            Some(range) => {
                assert_eq!(asked.header("if-range"), Some(etag));
                let from = range
                    .strip_prefix("bytes=")
                    .unwrap()
                    .strip_suffix('-')
                    .unwrap();
                let from: usize = from.parse().unwrap();
                let (last, length) = (body.len() - 1, body.len());
                Answer::status(206, &body[from..])
                    .header("content-range", &format!("bytes {from}-{last}/{length}"))
                    .header("etag", etag)
            }
        }
    });
    assert_data(train_on(&server.url("/")).run(), &server.url("/"), large());
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn data_that_changed_meanwhile_is_fetched_anew() {
    let server = Server::start(|asked| {
        let etag = format!("\"v{}\"", asked.number);
        let answer = Answer::ok(ROWS)
            .header("accept-ranges", "bytes")
            .header("etag", &etag);
        match asked.number {
            0 => Answer::ok("old,data\n1,2\n3,4\n")
                .header("accept-ranges", "bytes")
                .header("etag", &etag)
                .announcing(999),
            _ => answer,
        }
    });
    assert_data(train_on(&server.url("/")).run(), &server.url("/"), ROWS);
    assert_eq!(server.asked()[1].header("if-range"), Some("\"v0\""));
}

#[test]
fn a_part_that_does_not_fit_is_not_used() {
    let server = Server::start(|asked| match asked.number {
        0 => Answer::ok(ROWS)
            .header("accept-ranges", "bytes")
            .header("etag", "\"v\"")
            .announcing(999),
        1 => Answer::status(206, "3,2\n").header("content-range", "bytes 3-6/16"),
        2 => {
            assert_eq!(asked.header("range"), None);
            Answer::ok(ROWS)
        }
        _ => unreachable!(),
    });
    assert_data(train_on(&server.url("/")).run(), &server.url("/"), ROWS);
}

#[test]
fn a_server_that_lies_about_its_length_is_found_out() {
    let server = Server::start(|_| Answer::ok(ROWS).announcing(ROWS.len() + 1));
    let ended = train_on(&server.url("/"))
        .args(["--data-retries", "1"])
        .run();
    assert_no_data(
        ended,
        NOT_FETCHED,
        ["broke off after 16 of 17 bytes", "2 tries"],
    );
}

#[test]
fn a_page_for_people_is_no_data() {
    for kind in ["text/html", "text/csv"] {
        let server = Server::start(move |_| {
            Answer::ok("\n<!DOCTYPE html><html><title>Log in</title></html>")
                .header("content-type", kind)
        });
        let ended = train_on(&server.url("/")).run();
        assert_no_data(
            ended,
            NOT_FETCHED,
            ["HTML page", "log in", "--data-token-file"],
        );
        assert_eq!(server.asked().len(), 1);
    }
    // Data that is labelled wrongly is data all the same.
    let server = Server::start(|_| Answer::ok(ROWS).header("content-type", "text/html"));
    assert_data(train_on(&server.url("/")).run(), &server.url("/"), ROWS);
}

#[test]
fn a_coding_that_was_not_asked_for_is_refused() {
    let server = Server::start(|_| Answer::ok("…").header("content-encoding", "br"));
    assert_no_data(
        train_on(&server.url("/")).run(),
        NOT_FETCHED,
        ["coded as \"br\""],
    );
}

#[test]
fn only_the_digest_that_was_asked_for_is_taken() {
    let wrong = "0".repeat(64);
    let ended = train_on("rows.csv")
        .file("rows.csv", ROWS)
        .args(["--data-sha256", &wrong])
        .run();
    assert_no_data(ended, NOT_FETCHED, ["rows.csv", &wrong, "SHA-256"]);
    let right: String = Sha256::digest(ROWS)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    train_on("rows.csv")
        .file("rows.csv", ROWS)
        .args(["--data-sha256", &right])
        .run()
        .ends_with(0);
    train_on("rows.csv")
        .args(["--data-sha256", "abc"])
        .run()
        .ends_with(2)
        .says(["64 hexadecimal digits"]);
}

#[test]
fn too_much_data_is_refused_announced_or_not() {
    for server in [
        Server::of(ROWS),
        Server::start(|_| Answer::ok(ROWS).without_length()),
    ] {
        let ended = train_on(&server.url("/"))
            .args(["--max-data-bytes", "15"])
            .run();
        assert_no_data(
            ended,
            NOT_FETCHED,
            ["more than 15 bytes", "--max-data-bytes"],
        );
    }
    let ended = train_on("rows.csv")
        .file("rows.csv", ROWS)
        .args(["--max-data-bytes", "15"])
        .run();
    assert_no_data(
        ended,
        NOT_FETCHED,
        ["more than 15 bytes (16)", "--max-data-bytes"],
    );
    train_on("rows.csv")
        .file("rows.csv", ROWS)
        .args(["--max-data-bytes", "16"])
        .run()
        .ends_with(0);
}

#[test]
fn what_is_no_file_is_said_to_be_what_it_is() {
    let ended = train_on("missing.csv").run();
    assert_no_data(
        ended,
        NOT_FETCHED,
        ["cannot read missing.csv", "working directory"],
    );
    assert_no_data(
        train_on(".").run(),
        NOT_FETCHED,
        [". is a folder", "name the file"],
    );
    assert_no_data(train_on("/dev/zero").run(), NOT_FETCHED, ["device"]);
    let runner = train_on("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        runner.folder.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let ended = runner
        .run()
        .ends_with(NOT_FETCHED)
        .says(["is a pipe", "--data -"]);
    assert!(!ended.path("runs").exists() || files_below(&ended.path("runs")).is_empty());
}

#[test]
fn what_names_no_dataset_is_wrong_usage() {
    for (source, said) in [
        ("", "it is empty"),
        ("ftp://example.com/a", "use http://"),
        ("http://", "empty host"),
        ("https://exa mple.com/", "invalid"),
    ] {
        assert_no_data(train_on(source).run(), 2, [said]);
    }
}

#[test]
fn user_password_and_query_are_sent_and_never_shown() {
    let server = Server::start(|asked| {
        assert_eq!(
            asked.header("authorization"),
            Some("Basic YW5uOmh1bnRlcjI=")
        );
        match (asked.number, asked.target.as_str()) {
            (0, _) => Answer::status(500, ""),
            (_, "/rows.csv?sig=hunter3") => Answer::redirect("/moved.csv?sig=hunter5"),
            (_, target) if target != "/moved.csv?sig=hunter5" => Answer::status(404, ""),
            _ => Answer::ok(ROWS),
        }
    });
    let url = format!(
        "http://ann:hunter2@{}/rows.csv?sig=hunter3#hunter4",
        server.authority()
    );
    let ended = train_on(&url).arg("--verbose").run().ends_with(0);
    assert_eq!(data_of(&ended)["source"], server.url("/rows.csv"));
    for file in files_below(ended.folder.path()) {
        let text = std::fs::read(ended.path(&file)).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("hunter"), "{file}");
    }
    assert!(!ended.stderr().contains("hunter"), "{}", ended.stderr());
    assert!(!ended.stdout().contains("hunter"), "{}", ended.stdout());
}

#[test]
fn a_signal_ends_a_fetch_and_leaves_nothing() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let server = Server::start(|_| Answer::ok(ROWS).hang_after(5));
        let mut runner = train_on(&server.url("/")).args(["--data-timeout", "1h"]);
        let child = runner
            .command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        server.wait_until_asked();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let output = child.wait_with_output().unwrap();
        let ended = Ended {
            output,
            folder: runner.folder,
        };
        assert_no_data(ended, status, ["stopped by SIG"]);
    }
}
