//! Runs that are all about their data: the module keeps the contract whatever it is.
#![allow(dead_code)]

use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{Ended, Runner, files_below, models, read_json, root};

pub const ROWS: &str = "x,y\n1,1\n2,2\n3,2\n";
pub const NOT_FETCHED: i32 = 10;
pub const NOT_ALLOWED: i32 = 18;

/// `runner run` with a module that keeps the contract whatever the data is.
pub fn train() -> Runner {
    let module = wat::parse_file(root().join("tests/guests/keeps_the_contract.wat")).unwrap();
    Runner::new("run")
        .file("guest.wasm", module)
        .arg("guest.wasm")
}

/// The same, on the data of a URL or path.
pub fn train_on(source: &str) -> Runner {
    train().args(["--data", source])
}

/// What the manifest says of the data.
pub fn data_of(ended: &Ended) -> Value {
    let kept = models(&ended.path("runs"));
    assert_eq!(kept.len(), 1);
    read_json(&kept[0].join("manifest.json"))["data"].clone()
}

/// The run had these bytes.
#[track_caller]
pub fn assert_data(ended: Ended, source: &str, bytes: impl AsRef<[u8]>) {
    let ended = ended.ends_with(0);
    let data = data_of(&ended);
    let digest: String = Sha256::digest(bytes.as_ref())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(data["sha256"], digest);
    assert_eq!(data["bytes"], bytes.as_ref().len());
    assert_eq!(data["source"], source);
}

/// The run ended without data, saying why, and left nothing.
#[track_caller]
pub fn assert_no_data<const N: usize>(ended: Ended, status: i32, texts: [&str; N]) {
    let ended = ended.ends_with(status).says(texts);
    let left: Vec<PathBuf> = files_below(ended.folder.path())
        .into_iter()
        .map(PathBuf::from)
        .collect();
    assert!(
        left.iter().all(|file| !file.starts_with("runs")),
        "it left {left:?}"
    );
}
