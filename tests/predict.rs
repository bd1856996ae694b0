//! `runner predict`: rows in, predictions out, whatever the rows are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gcs/mod.rs"]
mod gcs;
#[path = "support/onnx.rs"]
mod onnx;
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gcs::Gcs;
use onnx::{Graph, leaves};
use rustix::process::Signal;
use support::{Ended, Runner, data, ends_within, root, send, skipped};

const WINE: &str = "target = \"cultivar\"\n";

/// A store with a model of the wines, and its name.
fn wines() -> (Ended, String) {
    let ended = Runner::train()
        .arg("--data")
        .arg(data("wine.csv"))
        .args([
            "--save-path",
            "wine",
            "--model-version",
            "1",
            "--store",
            "store",
        ])
        .args(["--spec", "wine.toml"])
        .file("wine.toml", WINE)
        .run()
        .ends_with(0);
    let name = ended.json()["name"].as_str().unwrap().to_owned();
    Runner::new("promote")
        .args(["wine@1", "--alias", "production", "--store"])
        .arg(ended.path("store"))
        .run()
        .ends_with(0);
    (ended, name)
}

fn predict(store: &Ended, reference: &str) -> Runner {
    Runner::new("predict")
        .arg(reference)
        .arg("--store")
        .arg(store.path("store"))
}

#[test]
fn a_stored_model_predicts_by_its_own_module() {
    let (store, name) = wines();
    let text = std::fs::read_to_string(data("wine.csv")).unwrap();
    let rows = text.lines().count() - 1;
    let ended = predict(&store, "wine@production")
        .arg("--data")
        .arg(data("wine.csv"))
        .args(["--out", "predictions.csv"])
        .run()
        .ends_with(0);
    assert_eq!(ended.stdout(), "");
    let predictions = std::fs::read_to_string(ended.path("predictions.csv")).unwrap();
    let mut lines = predictions.lines();
    let header = lines.next().unwrap();
    assert!(header.starts_with("row,predicted,p_"), "{header}");
    assert!(header.ends_with(",model,model_version"), "{header}");
    let end = format!(",{name},1");
    assert_eq!(lines.filter(|line| line.ends_with(&end)).count(), rows);

    // The folder itself, standard input, standard output and another format give the same.
    let folder = store.path("store").join(&name);
    let columns: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let ndjson: String = text
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<String> = columns
                .iter()
                .zip(line.split(','))
                .map(|(name, cell)| match cell.parse::<f64>() {
                    Ok(_) => format!("{name:?}:{cell}"),
                    Err(_) => format!("{name:?}:{cell:?}"),
                })
                .collect();
            format!("{{{}}}\n", cells.join(","))
        })
        .collect();
    let ended = Runner::new("predict")
        .arg(folder)
        .args(["--data", "rows.ndjson", "--out", "-"])
        .file("rows.ndjson", ndjson)
        .run()
        .ends_with(0);
    assert_eq!(ended.stdout(), predictions);
}

#[test]
fn what_cannot_be_predicted_is_told_and_leaves_no_file() {
    let (store, name) = wines();
    let text = std::fs::read_to_string(data("wine.csv")).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    let first = header.split(',').next().unwrap();
    let renamed = format!("{}\n{rows}", header.replacen(first, "another", 1));
    let ended = predict(&store, "wine@1")
        .args(["--data", "rows.csv", "--out", "out.csv"])
        .file("rows.csv", renamed)
        .run()
        .ends_with(4)
        .says([first]);
    let left: Vec<_> = support::files_below(ended.folder.path());
    assert!(
        left.iter()
            .all(|file| !file.contains("predictions") && file != "out.csv"),
        "{left:?}"
    );

    predict(&store, "wine@staging")
        .arg("--data")
        .arg(data("wine.csv"))
        .run()
        .ends_with(16);
    Runner::new("predict")
        .args(["wine@1", "--data", "rows.csv"])
        .file("rows.csv", &text)
        .run()
        .ends_with(2)
        .says(["--store"]);
    predict(&store, "wine@1")
        .arg("--data")
        .arg(data("wine.csv"))
        .args(["--module", "guest.wasm"])
        .file("guest.wasm", support::assemble("keeps_the_contract"))
        .run()
        .ends_with(2)
        .says(["was trained by"]);

    let folder = store.path("store").join(&name);
    std::fs::write(folder.join("model.json"), "{}").unwrap();
    Runner::new("predict")
        .arg(&folder)
        .arg("--data")
        .arg(data("wine.csv"))
        .run()
        .ends_with(1)
        .says(["it was changed"]);
}

#[test]
fn an_onnx_model_predicts_long_data_and_names_what_it_lacks() {
    if !cfg!(feature = "score") {
        return skipped("ONNX", "built without the feature `score`");
    }
    let rows: String = (0..25_001)
        .map(|row| format!("{row},{}\n", row % 7))
        .collect();
    let run = |text: String| {
        Runner::new("predict")
            .args(["model.onnx", "--data", "rows.csv"])
            .file("model.onnx", Graph::identity("x").bytes())
            .file("rows.csv", text)
            .run()
    };
    let ended = run(format!("id,x\n{rows}")).ends_with(0);
    let stdout = ended.stdout();
    let last = stdout.lines().last().unwrap();
    assert_eq!(last, format!("25001,{},model,", 25_000 % 7));
    assert_eq!(stdout.lines().count(), 25_002);
    run("id,X\n1,2\n".to_owned())
        .ends_with(4)
        .says(["no column `x`"]);
    run("id,x\n1,2\n2,3,4\n".to_owned())
        .ends_with(4)
        .says(["row 2"]);
    run("id,x\n1,none\n".to_owned())
        .ends_with(4)
        .says(["`none` is no number"]);
}

#[test]
fn what_is_no_whole_file_is_no_model() {
    if !cfg!(feature = "score") {
        return skipped("models", "built without the feature `score`");
    }
    let run = |model: &str, make: fn(&Path)| {
        let run = Runner::new("predict")
            .args([model, "--data", "rows.csv", "--timeout", "20s"])
            .file("rows.csv", "x\n1\n");
        make(&run.folder.path().join(model));
        run.run().ends_with(1)
    };
    run("folder.onnx", |path| std::fs::create_dir(path).unwrap()).says(["no regular file"]);
    run("pipe.onnx", |path| {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
    })
    .says(["no regular file"]);
    // It holds less than its length says.
    run("short.onnx", |path| {
        std::os::unix::fs::symlink("/sys/devices/system/cpu/online", path).unwrap();
    })
    .says(["shorter"]);
}

/// `runner predict` with a model that says what its column `column` says.
fn identity(column: &str, rows: &str, text: impl AsRef<[u8]>) -> Runner {
    Runner::new("predict")
        .args(["model.onnx", "--data", rows])
        .file("model.onnx", Graph::identity(column).bytes())
        .file(rows, text)
}

/// The predictions on stdout, without the rest of each line.
fn predicted(ended: &Ended) -> Vec<String> {
    let cells = |line: &str| line.split(',').nth(1).unwrap().to_owned();
    ended.stdout().lines().skip(1).map(cells).collect()
}

#[test]
fn a_key_that_comes_late_is_missing_before_and_one_that_never_comes_is_named() {
    if !cfg!(feature = "score") {
        return skipped("ONNX", "built without the feature `score`");
    }
    let late = "{\"id\":1}\n".repeat(10_001) + "{\"id\":2,\"x\":3}\n";
    let ended = identity("x", "rows.ndjson", &late).run().ends_with(0);
    let found = predicted(&ended);
    assert_eq!(found.len(), 10_002);
    assert_eq!(&found[10_000..], ["NaN", "3"]);
    identity("x", "rows.ndjson", "{\"id\":1,\"x\":[1]}\n")
        .run()
        .ends_with(4)
        .says(["column `x` holds lists"]);
    identity("y", "rows.ndjson", &late)
        .run()
        .ends_with(4)
        .says(["no column `y`"]);
}

#[test]
fn cells_that_cannot_be_read_are_missing_wherever_a_block_ends_as_in_training() {
    if !cfg!(feature = "score") {
        return skipped("ONNX", "built without the feature `score`");
    }
    // The last block holds that row alone.
    let text = "x\n".to_owned() + &"1\n".repeat(10_000) + "none\n";
    let ended = identity("x", "rows.csv", text)
        .run()
        .ends_with(0)
        .says(["warning: x: 1 cells cannot be read as number"]);
    assert_eq!(&predicted(&ended)[9_999..], ["1", "NaN"]);
    // So is the first block, when a later one holds a number.
    let text = "id,x\n".to_owned() + &"1,none\n".repeat(10_000) + "2,7\n";
    let ended = identity("x", "rows.csv", text)
        .run()
        .ends_with(0)
        .says(["x: 10000 cells"]);
    assert_eq!(predicted(&ended)[10_000], "7");
    // A column without any is the wrong one.
    let ended = identity("x", "rows.csv", "id,x\n1,\n2,none\n3,some\n")
        .args(["--out", "out.csv"])
        .run()
        .ends_with(4)
        .says(["row 2, column `x`: `none` is no number"]);
    assert!(!ended.path("out.csv").exists());
}

/// A file that the tests of `records` read too.
fn table(name: &str) -> std::path::PathBuf {
    root().join("records/tests/data").join(name)
}

#[test]
fn parquet_gives_what_the_same_table_gives_as_csv_with_either_engine() {
    let store = Runner::train()
        .arg("--data")
        .arg(table("table.csv"))
        .args(["--spec", "won.toml", "--store", "store"])
        .file(
            "won.toml",
            "target = \"single\"\nalgorithm = \"linear\"\ndrop = [\"id\"]\n",
        )
        .run()
        .ends_with(0);
    let name = store.json()["name"].as_str().unwrap().to_owned();
    let engines: &[&str] = if cfg!(feature = "score") {
        &["compiler", "onnx"]
    } else {
        &["compiler"]
    };
    for engine in engines {
        let on = |file: &str| {
            let run = predict(&store, &name).arg("--data").arg(table(file));
            run.args(["--engine", engine]).run().ends_with(0).stdout()
        };
        let expected = on("table.csv");
        assert_eq!(expected.lines().count(), 61);
        assert_eq!(on("zstd-pages-2.parquet"), expected, "{engine}");
        predict(&store, &name)
            .arg("--data")
            .arg(table("plain.parquet"))
            .args(["--engine", engine, "--memory", "4KiB"])
            .run()
            .ends_with(13)
            .says(["Parquet is read as a whole: raise --memory"]);
    }
}

#[test]
#[cfg(feature = "score")]
fn hours_and_epochs_are_the_same_to_either_engine() {
    let label = |row: u32| if row % 24 % 3 == 1 { "yes" } else { "no" };
    let rows = (0..480).map(|row: u32| {
        let (day, hour, minute) = (1 + row / 24, row % 24, row % 2 * 59);
        let epoch = 1_700_000_000 + row;
        let label = label(row);
        format!("2024-03-{day:02}T{hour:02}:{minute:02}:00Z,{epoch},{label}\n")
    });
    let csv = "when,epoch,y\n".to_owned() + &rows.collect::<String>();
    let store = Runner::train()
        .args(["--data", "rows.csv", "--spec", "y.toml", "--store", "store"])
        .file("rows.csv", csv.as_bytes())
        .file(
            "y.toml",
            "target = \"y\"\nalgorithm = \"gradient_boosting\"\n[types]\nepoch = \"number\"\n[params]\nmin_child_samples = 5\n",
        )
        .run()
        .ends_with(0);
    let name = store.json()["name"].as_str().unwrap().to_owned();
    let predicted = |engine: &str| -> Vec<String> {
        let ended = predict(&store, &name)
            .args(["--data", "rows.csv", "--engine", engine])
            .file("rows.csv", csv.as_bytes())
            .run()
            .ends_with(0);
        let stdout = ended.stdout();
        let labels = stdout.lines().skip(1).map(|line| line.split(',').nth(1));
        labels.map(|label| label.unwrap().to_owned()).collect()
    };
    let by_module = predicted("compiler");
    let right = (0..)
        .zip(&by_module)
        .filter(|(row, told)| label(*row) == *told);
    assert!(right.count() > 400, "{by_module:?}");
    assert_eq!(predicted("onnx"), by_module);
}

#[test]
fn a_long_dataset_goes_through_the_module_in_blocks_of_whole_rows() {
    let (store, name) = wines();
    let text = std::fs::read_to_string(data("wine.csv")).unwrap();
    // A few long rows: the first block of 64 MiB holds most, the second the others.
    let note = "n".repeat(8 << 20);
    let mut lines = text.lines();
    let mut long = format!("note,{}\n", lines.next().unwrap());
    for line in lines.take(10) {
        long += &format!("{note},{line}\n");
    }
    let whole = predict(&store, &name)
        .arg("--data")
        .arg(data("wine.csv"))
        .run()
        .ends_with(0);
    let ended = predict(&store, &name)
        .args(["--data", "rows.csv"])
        .file("rows.csv", &long)
        .run()
        .ends_with(0);
    let expected: Vec<String> = whole.stdout().lines().take(11).map(str::to_owned).collect();
    let found: Vec<String> = ended.stdout().lines().map(str::to_owned).collect();
    assert_eq!(found, expected);
    // What is wrong in the second block is told by its row in the data.
    predict(&store, &name)
        .args(["--data", "rows.csv", "--out", "out.csv"])
        .file("rows.csv", long.trim_end().to_owned() + ",1\n")
        .run()
        .ends_with(4)
        .says(["row 10"]);
}

#[test]
fn a_module_of_any_size_comes_from_the_store() {
    let mut module = leaves(&[
        ("model.json", b"{}"),
        (
            "metrics.json",
            br#"{"contract":1,"task":"regression","rows":{"read":1,"kept":1,"train":1,"held_out":1},
            "held_out":{"rmse":0.5},"primary":{"name":"rmse","higher_is_better":false,"held_out":0.5}}"#,
        ),
        ("predictions.csv", b"row,predicted\n1,7\n"),
    ]);
    // A custom section named `x` of zeros, as debugging information is: its length in LEB128.
    let length = (17 << 20) + 2;
    let digits = [0, 7, 14, 21].map(|shift| (length >> shift) as u8 & 0x7f);
    module.extend([
        0,
        digits[0] | 0x80,
        digits[1] | 0x80,
        digits[2] | 0x80,
        digits[3],
    ]);
    module.extend(b"\x01x");
    module.resize(module.len() + length - 2, 0);
    let store = Runner::new("run")
        .args([
            "guest.wasm",
            "--data",
            "rows.csv",
            "--json",
            "--store",
            "store",
        ])
        .file("guest.wasm", module)
        .file("rows.csv", "x\n1\n")
        .run()
        .ends_with(0);
    let name = store.json()["name"].as_str().unwrap().to_owned();
    let run = || {
        predict(&store, &name)
            .args(["--data", "rows.csv"])
            .file("rows.csv", "x\n1\n")
            .run()
    };
    assert_eq!(predicted(&run().ends_with(0)), ["7"]);
    let module = std::fs::read_dir(store.path("store/_modules"))
        .unwrap()
        .next();
    let module = module.unwrap().unwrap().path();
    let mut bytes = std::fs::read(&module).unwrap();
    *bytes.last_mut().unwrap() = 1;
    std::fs::write(&module, bytes).unwrap();
    run().ends_with(22).says(["digest"]);
}

#[test]
fn rows_come_from_a_bucket() {
    let (store, name) = wines();
    let gcs = Gcs::start();
    gcs.put("rows/wine.csv", std::fs::read(data("wine.csv")).unwrap(), 7);
    let ended = predict(&store, &name)
        .args(["--data", "gs://models/rows/wine.csv"])
        .env("STORAGE_EMULATOR_HOST", &gcs.address)
        .run()
        .ends_with(0);
    let local = predict(&store, &name)
        .arg("--data")
        .arg(data("wine.csv"))
        .run()
        .ends_with(0);
    assert_eq!(ended.stdout(), local.stdout());
}

#[test]
fn a_graph_without_end_meets_the_time_limit() {
    if !cfg!(feature = "score") {
        return skipped("ONNX", "built without the feature `score`");
    }
    Runner::new("predict")
        .args(["model.onnx", "--data", "rows.csv", "--timeout", "1s"])
        .file("model.onnx", Graph::endless().bytes())
        .file("rows.csv", "x\n1\n")
        .run()
        .ends_with(13)
        .says([
            "model.onnx cannot be scored: it took longer than 1 s",
            "--timeout",
        ]);
}

#[test]
fn a_signal_ends_a_prediction_and_leaves_nothing() {
    if !cfg!(feature = "score") {
        return skipped("ONNX", "built without the feature `score`");
    }
    for (signal, status) in [("-INT", 130), ("-TERM", 143)] {
        let run = Runner::new("predict")
            .args(["model.onnx", "--data", "rows.csv", "--out", "out.csv"])
            .file("model.onnx", Graph::endless().bytes())
            .file("rows.csv", "x\n1\n");
        std::fs::create_dir(run.folder.path().join("scratch")).unwrap();
        let scratch = run.folder.path().join("scratch");
        let mut run = run.env("TMPDIR", scratch);
        let left = ["model.onnx", "rows.csv"];
        support::is_stopped_while_it_scores(&mut run, signal, status, &left);
        let scratch = std::fs::read_dir(run.folder.path().join("scratch"));
        assert_eq!(scratch.unwrap().count(), 0);
    }
}

#[test]
fn progress_is_shown_on_a_terminal_and_nowhere_else() {
    if !cfg!(feature = "score") {
        return skipped("ONNX", "built without the feature `score`");
    }
    let rows = "x\n".to_owned() + &"1\n".repeat(30_000);
    let ended = identity("x", "rows.csv", &rows)
        .args(["--out", "out.csv"])
        .run()
        .ends_with(0);
    assert!(!ended.stderr().contains("rows,"), "{}", ended.stderr());
    if Command::new("script").arg("--version").output().is_err() {
        return skipped("progress", "no `script`");
    }
    let mut run = identity("x", "rows.csv", &rows).args(["--out", "out.csv"]);
    let words: Vec<_> = std::iter::once(run.command.get_program())
        .chain(run.command.get_args())
        .map(|word| word.to_str().unwrap().to_owned())
        .collect();
    let mut on_a_terminal = Command::new("script");
    on_a_terminal
        .args(["-qec", &words.join(" "), "/dev/null"])
        .env("TERM", "xterm")
        .current_dir(run.folder.path());
    run.command = on_a_terminal;
    let ended = run.run().ends_with(0);
    assert!(ended.stdout().contains(" rows, "), "{:?}", ended.stdout());
    assert!(ended.path("out.csv").exists());
}

/// A store with the model of a module that leaves these predictions, and `runner predict` with it.
fn predicts(csv: &str) -> (Ended, Runner) {
    predicts_by("{}", csv)
}

/// The same with another `model.json`.
fn predicts_by(model: &str, csv: &str) -> (Ended, Runner) {
    let module = leaves(&[
        ("model.json", model.as_bytes()),
        (
            "metrics.json",
            br#"{"contract":1,"task":"regression","rows":{"read":1,"kept":1,"train":1,"held_out":1},
            "held_out":{"rmse":0.5},"primary":{"name":"rmse","higher_is_better":false,"held_out":0.5}}"#,
        ),
        ("predictions.csv", csv.as_bytes()),
    ]);
    let store = Runner::new("run")
        .args(["guest.wasm", "--data", "rows.csv", "--json"])
        .args(["--store", "store"])
        .file("guest.wasm", module)
        .file("rows.csv", "x\n1\n2\n")
        .run()
        .ends_with(0);
    let name = store.json()["name"].as_str().unwrap().to_owned();
    let run = predict(&store, &name)
        .args(["--data", "rows.csv"])
        .file("rows.csv", "x\n1\n2\n");
    (store, run)
}

/// The same, once it has ended.
fn predictions_of(csv: &str, flags: &[&str]) -> Ended {
    let (_store, mut run) = predicts(csv);
    run.command.args(["--out", "out.csv"]).args(flags);
    run.run()
}

#[test]
fn a_signal_is_heard_while_nobody_reads_the_predictions() {
    // More than a pipe holds, and more than is written at a time.
    let label = "x".repeat(400 << 10);
    let csv = format!("row,predicted\n1,{label}\n2,{label}\n");
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (_store, mut run) = predicts(&csv);
        let scratch = run.folder.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        run.command.env("TMPDIR", &scratch).stdout(Stdio::piped());
        let mut child = run.command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let begin = Instant::now();
        // The first bytes are there: the others wait.
        while rustix::io::ioctl_fionread(&stdout).unwrap() < 60_000 {
            assert!(begin.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(5));
        }
        send(&child, signal);
        let signalled = Instant::now();
        assert_eq!(ends_within(child, Duration::from_secs(20)), Some(status));
        // By itself: nothing had to end it.
        let took = signalled.elapsed();
        assert!(took < Duration::from_secs(3), "{took:?}");
        assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
    }
}

#[test]
fn a_time_limit_holds_while_nobody_reads_the_predictions() {
    // More than is written at a time, and less: what waits for the end.
    for length in [400 << 10, 60 << 10] {
        let label = "x".repeat(length);
        let (_store, mut run) = predicts(&format!("row,predicted\n1,{label}\n2,{label}\n"));
        let log = run.folder.path().join("log");
        run.command
            .args(["--timeout", "2s"])
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap());
        let mut child = run.command.spawn().unwrap();
        let _stdout = child.stdout.take();
        assert_eq!(ends_within(child, Duration::from_secs(30)), Some(13));
        let log = std::fs::read_to_string(&log).unwrap();
        assert!(log.contains("error: checking and writing"), "{log}");
        assert!(log.contains("--timeout"), "{log}");
    }
}

/// An error after the first block of rows does not wait until somebody reads that block.
#[test]
fn an_error_is_told_while_nobody_reads_the_predictions() {
    // More than a pipe holds, and less than is written at a time. The second block has one row, and four are predicted.
    let label = "x".repeat(40 << 10);
    let lines: String = (1..=4).map(|row| format!("{row},{label}\n")).collect();
    let (_store, mut run) = predicts(&format!("row,predicted\n{lines}"));
    let row = "y".repeat(15 << 20) + "\n";
    let rows = run.folder.path().join("rows.csv");
    std::fs::write(rows, format!("x\n{}", row.repeat(5))).unwrap();
    let log = run.folder.path().join("log");
    run.command
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).unwrap());
    let mut child = run.command.spawn().unwrap();
    let _stdout = child.stdout.take();
    let ended = ends_within(child, Duration::from_secs(30));
    let log = std::fs::read_to_string(&log).unwrap();
    assert_eq!(ended, Some(15), "{log}");
    assert!(log.contains("predicted 2 of the 1 rows"), "{log}");
}

#[test]
fn the_rules_of_reading_are_found_in_any_model_and_never_guessed() {
    // By the second rules a blank line is a row of a dataset of one column, by the first it is passed over.
    let read_by = |model: &str| {
        let (_store, mut run) = predicts_by(model, "row,p\n1,a\n2,b\n3,c\n");
        std::fs::write(run.folder.path().join("rows.csv"), "x\n1\n\n2\n").unwrap();
        run.command.args(["--out", "out.csv"]);
        run.run()
    };
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    for model in [
        r#"{"reading_rules":2}"#.to_owned(),
        format!(r#"{{"deep":{deep},"reading_rules":2}}"#),
        format!(r#"{{"reading_rules":2,"deep":{deep}}}"#),
    ] {
        read_by(&model).ends_with(0);
    }
    let other_author = format!(r#"{{"mean":1.5,"deep":{deep}}}"#);
    read_by(&other_author)
        .ends_with(15)
        .says(["predicted 3 of the 2 rows"]);
    for wrong in ["\"2\"", "2.5", "null"] {
        let model = format!(r#"{{"deep":{deep},"reading_rules":{wrong}}}"#);
        let ended = read_by(&model).ends_with(1);
        let ended = ended.says(["model.json", "`reading_rules`", "not a whole number"]);
        assert!(!ended.path("out.csv").exists());
    }
}

#[test]
fn formulas_become_text_unless_they_are_to_be_kept() {
    let csv = "row,predicted\n1,\"a;\u{ff1d}cmd|x\"\n2,\"\u{a0}@SUM(1)\"\n";
    let ended = predictions_of(csv, &[]).ends_with(0).says(["2 cells"]);
    let written = std::fs::read_to_string(ended.path("out.csv")).unwrap();
    assert!(written.contains("\n1,\"a;'\u{ff1d}cmd|x\","), "{written}");
    assert!(written.contains("\n2,'\u{a0}@SUM(1),"), "{written}");
    let csv = "row,predicted\n1,=cmd|' /C calc'!A0\n2,-1.5\n";
    let ended = predictions_of(csv, &[]).ends_with(0).says([
        "1 cells",
        "row 1",
        "=cmd|",
        "--keep-formulas",
    ]);
    let written = std::fs::read_to_string(ended.path("out.csv")).unwrap();
    assert!(written.contains("\n1,'=cmd|' /C calc'!A0,"), "{written}");
    assert!(written.contains("\n2,-1.5,"), "{written}");
    let ended = predictions_of(csv, &["--keep-formulas"])
        .ends_with(0)
        .says(["1 cells", "as they are"]);
    let written = std::fs::read_to_string(ended.path("out.csv")).unwrap();
    assert!(written.contains("\n1,=cmd|' /C calc'!A0,"), "{written}");
}

#[test]
fn predictions_that_are_no_table_of_the_rows_are_refused() {
    for (csv, said) in [
        ("row,predicted\n1,a\n2,b,c\n", "row 2 has 3 cells"),
        ("row,predicted\n1,a\n,b\n", "row 2 is numbered ``"),
        ("row,model\n1,a\n2,b\n", "a column `model`"),
        ("row,predicted\n1,a\n", "predicted 1 of the 2 rows"),
        ("\u{feff}row, MODEL\n1,a\n2,b\n", "a column `model`"),
        (
            "row,p,p\n1,a,a\n2,b,b\n",
            "two of its columns are called `p`",
        ),
        ("row,p\n1,a\r2,=cmd|x\n", "row 1 has a carriage return"),
        ("row,p\n1,a\"\n2,=cmd|x\"\n", "row 1 has a quote in a cell"),
    ] {
        let ended = predictions_of(csv, &[]).ends_with(15).says([said]);
        assert!(!ended.path("out.csv").exists());
    }
}
