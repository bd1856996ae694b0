//! Query results in pages, and objects in buckets: the module gets one dataset.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/fetch.rs"]
mod fetch;
#[path = "support/gcs/mod.rs"]
mod gcs;
#[path = "support/http.rs"]
mod http;
mod support;

use fetch::{NOT_ALLOWED, NOT_FETCHED, ROWS, assert_data, assert_no_data, data_of, train_on};
use gcs::{Fault, Gcs};
use http::{Answer, Server};

const QUERY: &str = "/services/data/v59.0/query?q=SELECT+Id+FROM+Opportunity";

/// Salesforce's answer to a query with five records, two a page.
fn salesforce() -> Server {
    Server::start(|asked| {
        let next = |at: u32| {
            format!("\"done\":false,\"nextRecordsUrl\":\"/services/data/v59.0/query/01g-{at}\"")
        };
        match asked.target.as_str() {
            QUERY => Answer::ok(format!(
                r#"{{"totalSize":5,{},"records":[{{"Id":"1"}}, {{"Id":"]2,"}}]}}"#,
                next(2000)
            )),
            "/services/data/v59.0/query/01g-2000" => Answer::ok(format!(
                r#"{{"records":[{{"Id":"3"}},{{"Id":"4"}}],"totalSize":5,{}}}"#,
                next(4000)
            )),
            "/services/data/v59.0/query/01g-4000" if asked.number == 2 => Answer::status(503, ""),
            "/services/data/v59.0/query/01g-4000" => {
                Answer::ok(r#"{"totalSize":5,"done":true,"records":[{"Id":"5"}]}"#)
            }
            _ => Answer::status(404, ""),
        }
    })
}

const JOINED: &str = r#"{"totalSize":5,"done":true,"records":[{"Id":"1"}, {"Id":"]2,"},{"Id":"3"},{"Id":"4"},{"Id":"5"}]}"#;

#[test]
fn all_pages_become_one_query_result() {
    let server = salesforce();
    let ended = train_on(&server.url(QUERY))
        .file("token", "abc")
        .args(["--data-token-file", "token"])
        .run();
    assert_data(ended, &server.url("/services/data/v59.0/query"), JOINED);
    assert!(
        server
            .asked()
            .iter()
            .all(|asked| asked.header("authorization") == Some("Bearer abc"))
    );
}

/// Salesforce and what stands before it send gzip where it suits them.
#[test]
fn pages_that_come_as_gzip_are_followed_too() {
    let gzip = |text: &str| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, text.as_bytes()).unwrap();
        Answer::ok(packed.finish().unwrap()).header("Content-Encoding", "gzip")
    };
    for packed in [[true, true], [true, false], [false, true]] {
        let server = Server::start(move |asked| {
            let (text, packed) = match asked.target.as_str() {
                "/first" => (
                    r#"{"totalSize":2,"done":false,"nextRecordsUrl":"/rest","records":[{"Id":"1"}]}"#,
                    packed[0],
                ),
                _ => (
                    r#"{"totalSize":2,"done":true,"records":[{"Id":"2"}]}"#,
                    packed[1],
                ),
            };
            if packed { gzip(text) } else { Answer::ok(text) }
        });
        let joined = r#"{"totalSize":2,"done":true,"records":[{"Id":"1"},{"Id":"2"}]}"#;
        let url = server.url("/first");
        assert_data(train_on(&url).run(), &url, joined);
    }
}

#[test]
fn a_query_result_that_is_done_stays_as_it_is() {
    for text in [
        r#"{"totalSize":1,"done":true,"records":[{"Id":"1"}]}"#,
        r#"{"done":false}"#,
        "{\"a\":1}\n{\"a\":2}\n",
    ] {
        let server = Server::of(text);
        assert_data(train_on(&server.url("/")).run(), &server.url("/"), text);
    }
}

#[test]
fn pages_that_lead_nowhere_are_an_error() {
    for (text, said) in [
        (
            r#"{"done":false,"records":[1]}"#,
            "does not say where the rest is",
        ),
        (
            r#"{"done":false,"nextRecordsUrl":"/again","records":[1]}"#,
            "followed already",
        ),
        (
            r#"{"done":false,"nextRecordsUrl":"/again","records":[]}"#,
            "has no record",
        ),
        (
            r#"{"done":false,"nextRecordsUrl":"http://[","records":[1]}"#,
            "leads to no URL",
        ),
    ] {
        let server = Server::of(text);
        assert_no_data(train_on(&server.url("/")).run(), NOT_FETCHED, [said]);
    }
    let server = Server::start(|asked| match asked.number {
        0 => Answer::ok(r#"{"done":false,"nextRecordsUrl":"/next","records":[1]}"#),
        _ => Answer::ok(ROWS),
    });
    assert_no_data(
        train_on(&server.url("/")).run(),
        NOT_FETCHED,
        ["/next", "should be the next page"],
    );
}

#[test]
fn pages_lead_to_no_place_that_may_not_be_read_and_take_no_token_elsewhere() {
    let metadata =
        Server::of(r#"{"done":false,"nextRecordsUrl":"http://169.254.169.254/","records":[1]}"#);
    assert_no_data(
        train_on(&metadata.url("/")).run(),
        NOT_ALLOWED,
        ["169.254.169.254"],
    );
    let file = Server::of(r#"{"done":false,"nextRecordsUrl":"file:///etc/passwd","records":[1]}"#);
    assert_no_data(
        train_on(&file.url("/")).run(),
        NOT_ALLOWED,
        ["http:// and https:// alone"],
    );
    let other = Server::of(r#"{"done":true,"records":[2]}"#);
    let link = other.url("/");
    let server = Server::start(move |_| {
        Answer::ok(format!(
            r#"{{"done":false,"nextRecordsUrl":"{link}","records":[1]}}"#
        ))
    });
    let ended = train_on(&server.url("/"))
        .file("token", "abc")
        .args(["--data-token-file", "token"])
        .run();
    assert_data(ended, &server.url("/"), r#"{"done":true,"records":[1,2]}"#);
    assert_eq!(other.asked()[0].header("authorization"), None);
}

#[test]
fn pages_together_are_not_larger_than_allowed() {
    let server = salesforce();
    let ended = train_on(&server.url(QUERY))
        .args(["--max-data-bytes", "90"])
        .run();
    assert_no_data(ended, NOT_FETCHED, ["more than 90 bytes"]);
}

/// A bucket with one object.
fn bucket() -> Gcs {
    let gcs = Gcs::start();
    gcs.put("sales/rows.csv", ROWS, 1_700_000_000_000_007);
    gcs
}

#[test]
fn an_object_is_read_with_its_generation() {
    let gcs = bucket();
    gcs.fault(1, "GET", "rows.csv", Fault::Status(503));
    let ended = train_on("gs://models/sales/rows.csv")
        .env("STORAGE_EMULATOR_HOST", &gcs.address)
        .run();
    let ended = ended.ends_with(0);
    assert_eq!(data_of(&ended)["generation"], "1700000000000007");
    assert_data(ended, "gs://models/sales/rows.csv", ROWS);
}

#[test]
fn the_whole_of_an_object_is_not_taken_for_its_rest() {
    let gcs = Gcs::start();
    let rows = "x,y\n".to_owned() + &"1,2\n".repeat(200_000);
    gcs.put("sales/rows.csv", rows, 7);
    gcs.fault(1, "GET", "rows.csv", Fault::ResetAfter(300_000));
    gcs.fault(9, "GET", "rows.csv", Fault::NoRange);
    let ended = train_on("gs://models/sales/rows.csv")
        .env("STORAGE_EMULATOR_HOST", &gcs.address)
        .run();
    assert_no_data(ended, NOT_FETCHED, ["rest from byte", "rows.csv"]);
}

#[test]
fn an_object_that_is_not_there_or_may_not_be_read_is_said_to_be() {
    let gcs = bucket();
    let run = |source: &str| train_on(source).env("STORAGE_EMULATOR_HOST", &gcs.address);
    assert_no_data(
        run("gs://models/sales/gone.csv").run(),
        NOT_FETCHED,
        ["gs://models/sales/gone.csv", "no such object"],
    );
    let refused = run("gs://models/sales/rows.csv")
        .args(["--allow-data", "gs://models/public/"])
        .run();
    assert_no_data(
        refused,
        NOT_ALLOWED,
        ["gs://models/sales/rows.csv", "--allow-data gs://models/"],
    );
    run("gs://models/sales/rows.csv")
        .args(["--allow-data", "gs://models/sales"])
        .run()
        .ends_with(0);
    assert_no_data(run("gs://models").run(), 2, ["name of an object"]);
    assert_no_data(run("gs://models/../a").run(), 2, ["holds .."]);
}
