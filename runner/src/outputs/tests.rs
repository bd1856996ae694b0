#![allow(clippy::unwrap_used)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use super::*;
use crate::exit::Exit;

const METRICS: &str = r#"{"contract":1,"task":"regression","rows":{"read":9,"kept":9,"train":6,"held_out":3},
    "held_out":{"rmse":0.5},"primary":{"name":"rmse","higher_is_better":false,"held_out":0.5}}"#;

fn model() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.json"), "{}").unwrap();
    fs::write(folder.path().join("metrics.json"), METRICS).unwrap();
    fs::write(folder.path().join("predictions.csv"), "row\n").unwrap();
    folder
}

fn opened(folder: &Path) -> platform::Folder {
    platform::Folder::open(folder).unwrap()
}

fn checked(folder: &Path, status: i32, limits: &Limits) -> Result<Outputs, OutputError> {
    check(
        &opened(folder),
        status,
        Path::new("predictions.csv"),
        limits,
    )
}

fn refused(folder: &tempfile::TempDir) -> String {
    let error = checked(folder.path(), 0, &Limits::default()).unwrap_err();
    assert_eq!(error.exit(), Exit::BadOutput, "{error}");
    error.to_string()
}

#[test]
fn a_model_is_listed_with_sizes_and_digests_in_order() {
    let folder = model();
    fs::create_dir_all(folder.path().join("parts/empty")).unwrap();
    fs::write(folder.path().join("parts/a.bin"), "abc").unwrap();
    let outputs = checked(folder.path(), 0, &Limits::default()).unwrap();
    let paths: Vec<&str> = outputs
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "metrics.json",
            "model.json",
            "parts/a.bin",
            "predictions.csv"
        ]
    );
    assert_eq!(outputs.files[2].bytes, 3);
    assert_eq!(
        outputs.files[2].sha256,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(outputs.metrics.primary.held_out, 0.5);
    assert_eq!(outputs.check, None);
}

#[test]
fn check_json_is_read_and_is_no_part_of_the_model() {
    let folder = model();
    let rows =
        r#"{"columns":[{"name":"x","values":{"number":[1.0,null]}}],"predictions":[1.0,2.0]}"#;
    fs::write(folder.path().join("check.json"), rows).unwrap();
    let outputs = checked(folder.path(), 0, &Limits::default()).unwrap();
    assert_eq!(outputs.check.unwrap().predictions, [1.0, 2.0]);
    assert_eq!(outputs.files.len(), 3);
    assert!(!folder.path().join("check.json").exists());

    let uneven = rows.replace("[1.0,2.0]", "[1.0]");
    fs::write(folder.path().join("check.json"), uneven).unwrap();
    assert!(refused(&folder).contains("of one length"));
}

#[test]
fn links_and_pipes_are_refused_and_never_followed() {
    let secret = tempfile::tempdir().unwrap();
    fs::write(secret.path().join("token"), "secret").unwrap();

    let folder = model();
    symlink(secret.path().join("token"), folder.path().join("weights")).unwrap();
    assert!(refused(&folder).contains("weights: it is a symbolic link"));

    let folder = model();
    symlink(secret.path(), folder.path().join("more")).unwrap();
    assert!(refused(&folder).contains("more: it is a symbolic link"));

    let folder = model();
    fs::remove_file(folder.path().join("model.json")).unwrap();
    symlink(
        secret.path().join("token"),
        folder.path().join("model.json"),
    )
    .unwrap();
    assert!(refused(&folder).contains("model.json: it is a symbolic link"));

    let folder = model();
    fs::hard_link(folder.path().join("model.json"), folder.path().join("twin")).unwrap();
    assert!(refused(&folder).contains("it is a hard link"));

    let folder = model();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert!(refused(&folder).contains("pipe: it is no regular file"));
}

#[test]
fn odd_names_are_refused_and_shown_harmlessly() {
    for name in [
        &b"two\nlines"[..],
        b"\x1b[2J",
        b"\xff\xfe",
        b"back\\slash",
        b"a ",
        b" a",
    ] {
        let folder = model();
        fs::write(folder.path().join(OsStr::from_bytes(name)), "").unwrap();
        let message = refused(&folder);
        assert!(message.contains("its name"), "{message}");
        assert!(!message.chars().any(char::is_control), "{message:?}");
    }
}

#[test]
fn a_model_is_utf8_to_its_end() {
    let folder = model();
    // The character that ends the first piece goes on in the second.
    let mut whole = b"{\"a\":\"".to_vec();
    let chunk = 64 << 10;
    for start in whole.len()..whole.len() + 3 {
        let text = "x".repeat(chunk - start - 1) + "\u{1f600}";
        let written = [whole.as_slice(), text.as_bytes(), b"\"}"].concat();
        fs::write(folder.path().join("model.json"), &written).unwrap();
        checked(folder.path(), 0, &Limits::default()).unwrap();
    }
    whole.extend_from_slice("é".as_bytes());
    for wrong in [
        &b"\xff"[..],
        b"\xc3",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98",
    ] {
        let written = [whole.as_slice(), wrong, b"\"}"].concat();
        fs::write(folder.path().join("model.json"), written).unwrap();
        assert!(
            refused(&folder).contains("no JSON from byte 8 on"),
            "{wrong:?}"
        );
    }
    for size in [1, 2, 3, 5] {
        let mut utf8 = Utf8::default();
        let text = "a\u{e9}\u{20ac}\u{1f600}b".repeat(3);
        assert!(
            text.as_bytes()
                .chunks(size)
                .all(|piece| utf8.feed(piece).is_ok())
        );
        assert_eq!((utf8.at, utf8.begun.len()), (text.len() as u64, 0));
    }
}

#[test]
fn a_deep_tree_is_refused_without_walking_it() {
    let folder = model();
    fs::create_dir_all(folder.path().join("d/".repeat(100))).unwrap();
    assert!(refused(&folder).contains("deeper than"));
}

#[test]
fn what_the_contract_asks_for_must_be_there_and_valid() {
    let folder = model();
    fs::remove_file(folder.path().join("model.json")).unwrap();
    assert!(refused(&folder).contains("no model.json"));

    let folder = model();
    for broken in [
        "",
        "{\"weights\": [1, 2",
        "12}",
        "{\"weights\": NaN}",
        "{} {}",
        "{'a': 1}",
    ] {
        fs::write(folder.path().join("model.json"), broken).unwrap();
        assert!(refused(&folder).contains("cut short"), "{broken}");
    }

    fs::write(folder.path().join("model.json"), "[1]").unwrap();
    assert!(refused(&folder).contains("no JSON object"));

    let folder = model();
    fs::write(folder.path().join("metrics.json"), "{}").unwrap();
    assert!(refused(&folder).contains("missing field"));

    let folder = model();
    let later = METRICS.replace("\"contract\":1", "\"contract\":7");
    fs::write(folder.path().join("metrics.json"), later).unwrap();
    assert!(refused(&folder).contains("version 7"));

    let folder = model();
    fs::write(folder.path().join("manifest.json"), "{}").unwrap();
    assert!(refused(&folder).contains("manifest.json"));
}

#[test]
fn status_and_gates_must_agree() {
    let folder = model();
    let gate = r#""gates":[{"metric":"rmse","threshold":0.1,"higher_is_better":false,"value":0.5,"met":false}],"held_out""#;
    let missed = METRICS.replacen("\"held_out\":{", &format!("{gate}:{{"), 1);
    fs::write(folder.path().join("metrics.json"), missed).unwrap();
    assert!(refused(&folder).contains("gate on rmse"));
    let outputs = checked(folder.path(), 5, &Limits::default()).unwrap();
    assert!(!outputs.metrics.gates[0].met);

    let error = checked(model().path(), 5, &Limits::default()).unwrap_err();
    assert_eq!(error.exit(), Exit::BadOutput);
    assert!(error.to_string().contains("no such gate"), "{error}");
}

#[test]
fn limits_hold_for_what_lies_there() {
    let folder = model();
    let limits = Limits {
        output_files: 1,
        ..Limits::default()
    };
    let error = checked(folder.path(), 0, &limits).unwrap_err();
    assert_eq!(error.exit(), Exit::LimitHit, "{error}");

    File::create(folder.path().join("sparse"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let error = checked(folder.path(), 0, &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("--max-output-bytes"), "{error}");
}

#[test]
fn error_json_is_read_when_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(error_report(&opened(folder.path())).unwrap(), None);
    let text = r#"{"message":"no target","column":"IsWon"}"#;
    fs::write(folder.path().join("error.json"), text).unwrap();
    let report = error_report(&opened(folder.path())).unwrap().unwrap();
    assert_eq!(report.column.as_deref(), Some("IsWon"));
}

#[test]
fn predictions_must_be_where_they_were_to_be() {
    let folder = model();
    let predictions = folder.path().join("predictions.csv");
    fs::write(&predictions, "").unwrap();
    assert!(refused(&folder).contains("no predictions"));
    fs::remove_file(&predictions).unwrap();
    assert!(refused(&folder).contains("(predictions.csv)"));
    fs::create_dir(&predictions).unwrap();
    fs::write(predictions.join("rows"), "1").unwrap();
    assert!(refused(&folder).contains("no predictions"));
}

#[test]
fn nothing_of_the_manifests_name_may_be_there() {
    let folder = model();
    fs::create_dir(folder.path().join("manifest.json")).unwrap();
    assert!(refused(&folder).contains("left a manifest.json"));
    let folder = model();
    symlink("model.json", folder.path().join("manifest.json")).unwrap();
    assert!(refused(&folder).contains("left a manifest.json"));
}

/// METRICS with this much more in it: a learner that has the parameter.
fn with_parameter(value: &str) -> String {
    let learner = format!(
        "\"learner\":{{\"algorithm\":\"a\",\"engine\":\"e\",\"parameters\":{{\"p\":{value}}}}},\"rows\""
    );
    METRICS.replacen("\"rows\"", &learner, 1)
}

#[test]
fn metrics_are_bounded_before_they_are_believed() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    // Three levels are those around the parameter.
    assert!(read::metrics(with_parameter(&nested(29)).as_bytes()).is_ok());
    let said = |text: String| read::metrics(text.as_bytes()).unwrap_err().to_string();
    assert!(said(with_parameter(&nested(30))).contains("deeper than 32 levels"));
    assert!(said(with_parameter(&"[".repeat(4 << 20))).contains("deeper than 32 levels"));

    let many = format!("[{}0]", "[],".repeat(1_000_000));
    assert!(said(with_parameter(&many)).contains("more than 1000000 values"));

    let long = |bytes: usize| with_parameter(&format!("\"{}\"", "x".repeat(bytes)));
    assert!(read::metrics(long((8 << 20) - 1_000).as_bytes()).is_ok());
    assert!(said(long(8 << 20)).contains("larger than 8 MiB"));
    assert!(said(long(16 << 20)).contains("larger than 16 MiB"));
    // Blanks are not what a manifest holds.
    let spaced = METRICS.replace(',', &format!(",{}", " ".repeat(1 << 20)));
    assert!(read::metrics(spaced.as_bytes()).is_ok());

    let scores: String = (0..=read::MAX_LINES)
        .map(|n| format!("\"s{n}\":1,"))
        .collect();
    let many = METRICS.replacen("\"rmse\":0.5", &format!("{scores}\"rmse\":0.5"), 1);
    assert!(said(many).contains("more than 10000 gates, scores"));
}

#[test]
fn check_json_is_bounded_before_it_is_believed() {
    let columns =
        |values: &str| format!("{{\"columns\":[{{\"name\":\"x\",\"values\":{values}}}]}}");
    let said = |text: String| {
        let error = read::check(text.as_bytes(), &read::CHECK).unwrap_err();
        error.to_string()
    };
    let rows = |count: usize| columns(&format!("{{\"number\":[{}0]}}", "0,".repeat(count - 1)));
    assert!(read::check(rows(1_000).as_bytes(), &read::CHECK).is_ok());
    assert!(said(rows(1_001)).contains("at most 1000"));
    assert!(said(rows(11_000_000)).contains("more than 10000000 values"));
    assert!(said(columns(&"[".repeat(1 << 20))).contains("deeper than 8 levels"));
}

#[test]
fn error_json_is_short_lines_whatever_it_holds() {
    let report = serde_json::json!({
        "message": format!("no target\nstored    gs://prod/m_v1_a\u{9b}\u{202e}{}", "x".repeat(500_000)),
        "column": "a\nb",
        "remedy": "\x1b[2J",
    });
    let report = read::error_report(report.to_string().as_bytes()).unwrap();
    assert!(
        report
            .message
            .starts_with("no target stored    gs://prod/m_v1_a\u{fffd}\u{fffd}xxx"),
        "{}",
        report.message
    );
    assert!(report.message.chars().count() < 2_100);
    assert_eq!(report.column.as_deref(), Some("a b"));
    assert_eq!(report.remedy.as_deref(), Some("\u{fffd}[2J"));
    let large = format!("{{\"message\":\"{}\"}}", "x".repeat(2 << 20));
    let error = read::error_report(large.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("larger than 1 MiB"), "{error}");
}
