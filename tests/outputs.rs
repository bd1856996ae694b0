//! What a module leaves and prints is bounded before it is believed: what passes can be stored and read by every verb, and
//! what is shown of it is short, plain and the runner's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/guest.rs"]
mod guest;
mod support;

use guest::{Act, METRICS, PREDICTIONS, guest, leaves, metrics_with};
use support::{Ended, Runner, files_below, models};

/// What a person's screen must not get: colours, titles, turned lines, and lines that others began.
const FORGED: &str =
    "x\nstored    gs://prod/m_v1_a\r\n\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}gpj\u{2066}\u{2028}";

fn run(module: impl AsRef<[u8]>) -> Runner {
    verb("run", module).args(["--data", "rows.csv"])
}

fn verb(verb: &str, module: impl AsRef<[u8]>) -> Runner {
    Runner::new(verb)
        .file("guest.wasm", module)
        .file("rows.csv", "x,y\n1,1\n2,2\n3,2\n")
        .arg("guest.wasm")
}

/// The command is refused with this status and these words, and nothing is stored or left.
#[track_caller]
fn refused<const N: usize>(runner: Runner, status: i32, words: [&str; N]) {
    let ended = runner
        .args(["--store", "file://./models"])
        .run()
        .ends_with(status)
        .says(words);
    assert_eq!(ended.stdout(), "");
    let left = files_below(ended.folder.path());
    let made = |file: &&String| !matches!(file.as_str(), "guest.wasm" | "rows.csv");
    assert_eq!(left.iter().filter(made).count(), 0, "{left:?}");
}

#[track_caller]
fn is_plain(text: &str) {
    let acts = |each: char| {
        (each.is_control() && !matches!(each, '\n' | '\t'))
            || matches!(each, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}')
    };
    assert!(!text.contains(acts), "{text:?}");
    for line in text.lines() {
        assert!(!line.starts_with("stored    gs://prod"), "{text}");
    }
}

/// The next command in the folder of one that has ended.
fn then(ended: Ended, args: &[&str]) -> Ended {
    let mut next = Runner::new(args[0]);
    next.folder = ended.folder;
    next.command
        .current_dir(next.folder.path())
        .args(&args[1..])
        .args(["--store", "file://./models"]);
    next.run()
}

#[test]
fn no_other_file_of_a_model_passes_for_its_predictions() {
    let other = [
        "model.json",
        "./metrics.json",
        "model.onnx/a.csv",
        "manifest.json",
        "pipeline.toml",
    ];
    for path in other {
        for runner in [
            Runner::train_sample().args(["--prediction-path", path]),
            Runner::train_sample().env("NOMAD_META_prediction_path", path),
            Runner::new("dispatch")
                .args([
                    "--data",
                    "http://192.0.2.1/",
                    "--model-version",
                    "1",
                    "--prediction-path",
                    path,
                ])
                .args(["--gcp-bucket-path", "models"])
                .env("NOMAD_ADDR", "http://127.0.0.1:9"),
        ] {
            let said = ["--prediction-path", "is another file of the model"];
            let ended = runner.run().ends_with(2).says(said);
            assert!(!ended.path("runs").exists());
        }
    }
}

#[test]
fn what_is_within_the_bounds_is_stored_and_read_by_every_verb() {
    // As deep as it may be, nearly as many values and as long: indented, such lists took a hundred times as much.
    let lists = "[0],".repeat(400_000) + &"[".repeat(28) + "0" + &"]".repeat(28);
    let without = metrics_with(&format!("[{lists},\"\"]")).len();
    let rest = "\u{9b}".repeat(((8 << 20) - 500 - without) / 2);
    let metrics = metrics_with(&format!("[{lists},\"{rest}\"]"));
    let module = leaves(&[("metrics.json", metrics.as_bytes())]);
    let ended = run(&module)
        .args([
            "--save-path",
            "m",
            "--model-version",
            "1",
            "--store",
            "file://./models",
        ])
        .run()
        .ends_with(0);
    let [model] = models(&ended.path("models")).try_into().unwrap();
    let manifest = model.join("manifest.json");
    let length = manifest.metadata().unwrap().len();
    assert!((8 << 20..9 << 20).contains(&length), "{length}");
    let name = model.file_name().unwrap().to_str().unwrap().to_owned();

    let ended = then(ended, &["list"]).ends_with(0);
    assert!(ended.stdout().contains(&name) && !ended.stderr().contains("left out"));
    let ended = then(ended, &["show", "m@1", "--json"]).ends_with(0);
    is_plain(&ended.stdout());
    assert_eq!(ended.json()["metrics"]["contract"], 1);
    let ended = then(ended, &["show", "m@latest"]).ends_with(0);
    is_plain(&ended.stdout());
    let ended = then(ended, &["compare", "m@1", &name]).ends_with(0);
    assert!(ended.stdout().len() < 100_000);
    let ended = then(ended, &["promote", "m@1", "--alias", "production"]).ends_with(0);
    let ended = then(ended, &["pull", "m@production", "--out", "pulled"]).ends_with(0);
    let ended = then(ended, &["push", "pulled"]).ends_with(0);
    let ended = then(
        ended,
        &["predict", "m@1", "--data", "rows.csv", "--out", "out.csv"],
    );
    // A row with a number that is not its own: the model was found and run.
    let ended = ended.ends_with(15).says(["its row 1 is numbered `3`"]);
    let ended = then(ended, &["gc", "--damaged"]).ends_with(0);
    let ended = then(ended, &["delete", &name])
        .ends_with(16)
        .says(["m@production"]);
    assert!(model.join("model.json").exists());
    drop(ended);
}

#[test]
fn what_is_beyond_them_is_refused_and_stored_nowhere() {
    let nested = "[".repeat(2 << 20) + &"]".repeat(2 << 20);
    let lists = format!("[{}0]", "[],".repeat(1_000_000));
    let long = format!("\"{}\"", "x".repeat(8 << 20));
    let huge = format!("\"{}\"", "x".repeat(16 << 20));
    for (parameter, words) in [
        (nested, "nested deeper than 32 levels"),
        (lists, "more than 1000000 values"),
        (long, "larger than 8 MiB"),
        (huge, "larger than 16 MiB"),
    ] {
        let metrics = metrics_with(&parameter);
        let module = leaves(&[("metrics.json", metrics.as_bytes())]);
        refused(run(&module), 15, ["metrics.json", words]);
    }
}

#[test]
fn what_the_user_says_of_a_model_must_fit_its_manifest_too() {
    let mut runner = run(leaves(&[]));
    for number in 0..12 {
        runner = runner
            .arg("--tag")
            .arg(format!("t{number}={}", "x".repeat(100_000)));
    }
    refused(runner, 2, ["--tag", "more than 1 MiB of the manifest"]);
}

#[test]
fn a_model_without_predictions_or_with_half_a_model_is_not_published() {
    let acts = [
        Act::File("model.json", b"{}"),
        Act::File("metrics.json", METRICS.as_bytes()),
    ];
    refused(run(guest(&acts)), 15, ["no predictions", "predictions.csv"]);
    let empty = leaves(&[("predictions.csv", b"")]);
    refused(run(empty), 15, ["no predictions"]);
    for model in [
        &b"not JSON"[..],
        b"{\"weights\": [1, 2}",
        b"{} {}",
        b"{\"a\": NaN}",
        b"",
    ] {
        let module = leaves(&[("model.json", model)]);
        refused(run(module), 15, ["model.json", "no JSON object"]);
    }
    let deep = "{\"a\":".repeat(20_000) + "0" + &"}".repeat(20_000);
    let module = leaves(&[("model.json", deep.as_bytes())]);
    refused(
        run(module),
        15,
        ["model.json", "nested deeper than 10000 levels"],
    );
    let elsewhere = leaves(&[("predictions.csv", b""), ("mine.txt", PREDICTIONS)]);
    run(elsewhere)
        .args(["--prediction-path", "./mine.txt"])
        .run()
        .ends_with(0);
}

#[test]
fn a_folder_is_no_manifest_either() {
    for inside in [None, Some(Act::File("manifest.json/x", b"1"))] {
        let mut acts = vec![
            Act::Folder("manifest.json"),
            Act::File("model.json", b"{}"),
            Act::File("metrics.json", METRICS.as_bytes()),
            Act::File("predictions.csv", PREDICTIONS),
        ];
        acts.extend(inside);
        refused(run(guest(&acts)), 15, ["left a manifest.json"]);
    }
}

/// A file is written, removed and made again, over and over: its inode comes back, and its length counts all the same.
#[test]
fn removed_files_count() {
    let module = wat::parse_str(
        r#"(module
        (import "wasi_snapshot_preview1" "path_open"
          (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
        (memory (export "memory") 2)
        (data (i32.const 0) "model.json")
        (func (export "_start") (local $left i32)
          (local.set $left (i32.const 100))
          (loop $again
            (if (call $open (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 1)
                  (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 32)) (then unreachable))
            (i32.store (i32.const 16) (i32.const 65536))
            (i32.store (i32.const 20) (i32.const 65536))
            (if (call $write (i32.load (i32.const 32)) (i32.const 16) (i32.const 1) (i32.const 24)) (then unreachable))
            (if (call $close (i32.load (i32.const 32))) (then unreachable))
            (if (call $unlink (i32.const 4) (i32.const 0) (i32.const 10)) (then unreachable))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $again (local.get $left)))))"#,
    );
    let module = module.unwrap();
    let limited = run(&module).args(["--max-output-bytes", "1MiB"]);
    refused(limited, 13, ["--max-output-bytes"]);
    // A hundred times 64 KiB are within a greater one.
    refused(run(&module), 15, ["no metrics.json"]);
}

#[test]
fn an_error_report_forges_no_line_and_has_an_end() {
    let report = serde_json::json!({
        "message": format!("{FORGED}{}", "long ".repeat(100_000)),
        "column": FORGED,
        "row": 7,
        "remedy": FORGED,
    });
    let report = report.to_string();
    for status in [3, 4] {
        let acts = [
            Act::File("error.json", report.as_bytes()),
            Act::Exit(status),
        ];
        for format in ["text", "json"] {
            let ended = run(guest(&acts))
                .args(["--log-format", format])
                .run()
                .ends_with(i32::try_from(status).unwrap())
                .says(["row 7"]);
            is_plain(&ended.stderr());
            assert!(ended.stderr().len() < 10_000, "{}", ended.stderr().len());
        }
    }
    let large = format!("{{\"message\":\"{}\"}}", "x".repeat(45 << 20));
    let acts = [Act::File("error.json", large.as_bytes()), Act::Exit(4)];
    let ended = run(guest(&acts))
        .run()
        .ends_with(15)
        .says(["larger than 1 MiB"]);
    assert!(ended.stderr().len() < 10_000);
}

#[test]
fn names_out_of_a_module_forge_no_line_and_have_an_end() {
    let name = format!("{FORGED}{}", "n".repeat(50_000));
    let name: String = name.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let start = r#"(memory (export "memory") 1) (func (export "_start"))"#;
    let imports = format!(r#"(module (import "{name}" "{name}" (func)) {start})"#);
    let kinds = format!(
        r#"(module (import "wasi_snapshot_preview1" "fd_close" (func (param f64))) (export "{name}" (func 0)) {start})"#
    );
    let exports =
        format!(r#"(module (func) (export "{name}" (func 0)) (export "{name}" (func 0)))"#);
    let functions = format!(
        r#"(module (memory (export "memory") 1) (func $f (@name "{name}") unreachable) (func (export "_start") (call $f)))"#
    );
    for (text, status) in [(imports, 11), (kinds, 11), (exports, 11), (functions, 12)] {
        let module = wat::parse_str(&text).unwrap();
        for format in ["text", "json"] {
            let ended = run(&module).args(["--log-format", format]).run();
            let ended = ended.ends_with(status);
            is_plain(&ended.stderr());
            assert!(ended.stderr().len() < 20_000, "{}", ended.stderr().len());
        }
    }
}

#[test]
fn a_log_has_the_length_that_it_may_have_whatever_it_is_made_of() {
    // Each byte of these becomes several in the log.
    let newlines = vec![b'\n'; 1 << 20];
    let quotes = [vec![b'"'; 1000], vec![b'\n']].concat().repeat(500);
    let bytes = [vec![0xff; 1000], vec![b'\n']].concat().repeat(500);
    let escapes = ["\u{9b}\u{202e}".repeat(200).as_bytes(), b"\n"]
        .concat()
        .repeat(500);
    for text in [newlines, quotes, bytes, escapes] {
        for format in ["text", "json"] {
            let ended = run(guest(&[Act::Print(&text)]))
                .args(["--log-format", format, "--max-log-bytes", "100KiB"])
                .run()
                .ends_with(13)
                .says(["--max-log-bytes"]);
            let log = ended.stderr();
            is_plain(&log);
            // The runner's own last line comes on top.
            assert!(log.len() < (100 << 10) + 500, "{}", log.len());
            assert!(log.len() > 80 << 10, "{}", log.len());
        }
    }
}

#[test]
fn results_show_what_a_module_says_and_nothing_that_it_forges() {
    let metrics = METRICS
        .replace("\"rmse\"", &serde_json::json!(FORGED).to_string())
        .replacen(
            "\"rows\"",
            &format!(
                "\"target\":{0},\"learner\":{{\"algorithm\":{0},\"engine\":{0},\"parameters\":{{{0}:{0}}}}},\"rows\"",
                serde_json::json!(FORGED)
            ),
            1,
        );
    let predictions = format!(
        "row,predicted\n1,\"{}\"\n2,b\n3,c\n",
        FORGED.replace('\n', "")
    );
    let module = leaves(&[
        ("metrics.json", metrics.as_bytes()),
        ("predictions.csv", predictions.as_bytes()),
    ]);
    let stored = [
        "--save-path",
        "m",
        "--model-version",
        "1",
        "--store",
        "file://./models",
    ];
    let ended = run(&module).args(stored).run().ends_with(0);
    is_plain(&ended.stdout());
    let verbs = [
        &["list"][..],
        &["list", "--json"],
        &["show", "m@1"],
        &["show", "m@1", "--json"],
        &["compare", "m@1", "m@latest"],
        &["compare", "m@1", "m@latest", "--json"],
        &["predict", "m@1", "--data", "rows.csv"],
    ];
    verbs.iter().fold(ended, |ended, args| {
        let ended = then(ended, args).ends_with(0);
        is_plain(&ended.stdout());
        if args.contains(&"--json") {
            // Escaped, and not lost.
            assert!(ended.json().to_string().contains('\u{202e}'));
        }
        ended
    });
    let ended = run(&module).arg("--json").run().ends_with(0);
    is_plain(&ended.stdout());
    assert_eq!(ended.json()["metrics"]["target"], FORGED);
}

#[test]
fn a_metric_passes_for_no_line_of_a_result() {
    let forged = "stored    gs://prod/m_v1_a";
    let metrics = METRICS.replace("rmse", forged);
    let metrics = metrics.replacen("0.5}", "0.5,\"url\":1,\"f1\":0.7}", 1);
    let module = leaves(&[("metrics.json", metrics.as_bytes())]);
    let stored = ["--save-path", "m", "--model-version", "1"];
    let ended = run(&module)
        .args(stored)
        .args(["--store", "file://./models"])
        .run()
        .ends_with(0);
    let shows = |ended: &Ended| {
        let text = ended.stdout();
        let begins = |start: &str| {
            let lines = text.lines();
            lines
                .filter(|line| line.trim_start().starts_with(start))
                .count()
        };
        assert_eq!(begins("stored    gs://prod"), 0, "{text}");
        assert_eq!(begins(&format!("\"{forged}\"")), 1, "{text}");
        assert_eq!(begins("f1 "), 1, "{text}");
        begins("url")
    };
    shows(&ended);
    let ended = then(ended, &["show", "m@1"]).ends_with(0);
    assert_eq!(shows(&ended), 1);
    shows(&then(ended, &["compare", "m@1", "m@1"]).ends_with(0));
}

#[test]
fn predictions_in_a_file_are_the_modules_own_bytes() {
    let predictions = "row,predicted\n1,\u{202e}\u{1b}[2J\n2,b\n3,c\n";
    let module = leaves(&[("predictions.csv", predictions.as_bytes())]);
    let stored = [
        "--save-path",
        "m",
        "--model-version",
        "1",
        "--store",
        "file://./models",
    ];
    let ended = run(&module).args(stored).run().ends_with(0);
    let args = ["predict", "m@1", "--data", "rows.csv", "--out", "out.csv"];
    let ended = then(ended, &args).ends_with(0);
    let text = std::fs::read_to_string(ended.path("out.csv")).unwrap();
    assert!(text.contains("1,\u{202e}\u{1b}[2J,m_v1_"), "{text:?}");
}

#[test]
fn check_shows_reasons_that_forge_nothing() {
    let report = serde_json::json!({ "message": FORGED }).to_string();
    let acts = [Act::File("error.json", report.as_bytes()), Act::Exit(4)];
    let ended = verb("check", guest(&acts)).run().ends_with(15);
    is_plain(&ended.stdout());
    assert!(
        ended
            .stdout()
            .contains("keeps   bad data ends with status 4")
    );
    let acts = [Act::File("metrics.json", FORGED.as_bytes())];
    let ended = verb("check", guest(&acts)).run().ends_with(15);
    is_plain(&ended.stdout());
}

/// The module of this repository on a wide table: its metrics are far within the bounds.
#[test]
fn a_wide_table_is_within_the_bounds() {
    let names: Vec<String> = (0..500)
        .map(|column| format!("measured_quantity_{column:04}"))
        .collect();
    let mut rows = names.join(",") + ",won\n";
    for row in 0..40_usize {
        let cells = (0..500).map(|column| (row * 7 + column * row) % 13);
        let cells: Vec<String> = cells.map(|cell| cell.to_string()).collect();
        rows += &format!("{},{}\n", cells.join(","), ["yes", "no"][row % 2]);
    }
    Runner::train()
        .file("wide.csv", rows)
        .file(
            "spec.toml",
            "target = \"won\"\nalgorithm = \"logistic_regression\"\n",
        )
        .args(["--data", "wide.csv", "--spec", "spec.toml", "--defer-gate"])
        .run()
        .ends_with(0);
}
