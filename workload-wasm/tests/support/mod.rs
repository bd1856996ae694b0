//! A run of the module in a folder of its own, as the runner would start it in the sandbox.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod onnx;
pub mod python;

use std::path::{Path, PathBuf};

use contract::{ErrorReport, Metrics};
use tempfile::TempDir;
use workload::log::Log;
use workload::pipeline::run;

pub struct Fixture {
    root: TempDir,
    data: String,
    variables: Vec<(String, String)>,
}

/// What a run left.
pub struct Finished {
    pub status: i32,
    pub stderr: String,
}

impl Fixture {
    pub fn new(file: &str, data: impl AsRef<[u8]>) -> Self {
        let root = TempDir::new().unwrap();
        for folder in ["data", "job", "model", "predictions"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        let fixture = Self {
            root,
            data: file.to_owned(),
            variables: Vec::new(),
        };
        fixture.write(&format!("data/{file}"), data);
        fixture
    }

    /// A dataset of the repository's `tests/data`.
    pub fn of_sample(file: &str) -> Self {
        Self::new(file, std::fs::read(sample(file)).unwrap())
    }

    pub fn specification(self, text: &str) -> Self {
        self.write("job/pipeline.toml", text);
        self.variable("PIPELINE_SPEC", "/job/pipeline.toml")
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.root.path().join(path), bytes).unwrap();
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub fn read(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path)).unwrap()
    }

    pub fn bytes(&self, path: &str) -> Vec<u8> {
        let path = self.path(path);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Files of a folder, by name.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.root.path().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub fn train(&self) -> Finished {
        self.start("train", "/model/predictions.txt")
    }

    pub fn predict(&self, file: &str, data: impl AsRef<[u8]>) -> Finished {
        self.write(&format!("data/{file}"), data);
        let data = std::mem::take(&mut self.data.clone());
        assert_ne!(data, file, "another file than the training's");
        self.start_with("predict", file, "/predictions/predictions.csv")
    }

    /// What is predicted of each row.
    pub fn predicted(&self, file: &str, data: impl AsRef<[u8]>) -> Vec<String> {
        let finished = self.predict(file, data);
        assert_eq!(finished.status, 0, "{}", finished.stderr);
        let predictions = self.read("predictions/predictions.csv");
        let lines = predictions.lines().skip(1);
        lines
            .map(|line| line.split(',').nth(1).unwrap().to_owned())
            .collect()
    }

    fn start(&self, mode: &str, predictions: &str) -> Finished {
        self.start_with(mode, &self.data, predictions)
    }

    fn start_with(&self, mode: &str, data: &str, predictions: &str) -> Finished {
        let contract = [
            ("CONTRACT", "1".to_owned()),
            ("DATA_PATH", format!("/data/{data}")),
            ("PREDICTION_PATH", predictions.to_owned()),
            ("VERSION", "3_some-allocation".to_owned()),
            ("MODEL_VERSION", "3".to_owned()),
            ("SAVE_PATH", "trainedWinPrediction".to_owned()),
        ];
        let variables = contract
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .chain(self.variables.clone());
        let mut stderr = Vec::new();
        let status = run(
            ["workload".to_owned(), mode.to_owned()],
            variables,
            self.root.path(),
            &mut Log::new(&mut stderr),
        );
        Finished {
            status,
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    pub fn metrics(&self) -> Metrics {
        serde_json::from_str(&self.read("model/metrics.json")).unwrap()
    }

    pub fn error(&self) -> ErrorReport {
        serde_json::from_str(&self.read("model/error.json")).unwrap()
    }

    /// Trains, and shows what the module said if it did not end well.
    pub fn trained(self) -> Self {
        let finished = self.train();
        assert_eq!(finished.status, 0, "{}", finished.stderr);
        self
    }

    /// Trains on bad input: it must end with this status, an `error.json` and nothing else.
    pub fn refused(self, status: i32) -> ErrorReport {
        let finished = self.train();
        assert_eq!(finished.status, status, "{}", finished.stderr);
        assert_eq!(self.files("model"), ["error.json"]);
        let error = self.error();
        assert!(
            error
                .remedy
                .as_ref()
                .is_some_and(|remedy| !remedy.is_empty()),
            "{error:?} has no remedy"
        );
        error
    }
}

/// Says that a test could not run, and why. Written past the test harness, which shows only what failing tests print.
pub fn skipped(test: &str, reason: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(format!("SKIPPED {test}: {reason}\n").as_bytes());
}

pub fn sample(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data")
        .join(file)
}

/// A CSV of `rows` lines, each made by `row`.
pub fn csv(header: &str, rows: u32, row: impl Fn(u32) -> String) -> String {
    let mut text = format!("{header}\n");
    for index in 0..rows {
        text.push_str(&row(index));
        text.push('\n');
    }
    text
}

/// A number in 0..1 that looks random and is the same each time.
pub fn noise(seed: u32) -> f32 {
    let mut mixed = seed.wrapping_mul(0x9E37_79B9) ^ 0x85EB_CA6B;
    for _ in 0..3 {
        mixed ^= mixed >> 15;
        mixed = mixed.wrapping_mul(0x2C1B_3C6D);
        mixed ^= mixed >> 12;
    }
    mixed as f32 / u32::MAX as f32
}
