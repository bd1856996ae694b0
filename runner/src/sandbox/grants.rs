//! The only list of what a guest may touch.
//!
//! Granted, and nothing besides:
//! - `/data` and `/job` for reading; `/model` for writing in mode `train` and for reading in mode `predict`, where
//!   `/predictions` is written;
//! - the variables of [`Grants::env`], `CONTRACT` and `SEED`;
//! - one argument, the mode;
//! - both output streams, which end in the runner's log;
//! - randomness made from the seed, and a clock that only its own looks and sleeps move.
//!
//! Denied, though WASI has functions for it:
//! - every other path of the host, by `..`, absolute path or symlink: paths are resolved beneath the folders above;
//! - the host's environment and arguments: nothing is inherited;
//! - standard input: it is empty;
//! - sockets: none is handed over and none can be opened (preview 1 can only accept on one that it was given);
//! - the host's clocks, its randomness, the times and inode numbers of its files, the order of its folders;
//! - signals to processes (`proc_raise`), more than [`MAX_OPEN`] open files, paths longer than [`MAX_PATH`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chacha20::ChaCha12Rng;
use chacha20::rand_core::SeedableRng;
use contract::files;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::clock::GuestClock;
use super::log::LogStream;
use crate::platform::NamedFolder;

/// Files that a guest may hold open at once. A process has 1,024 by default, and many guests share it.
pub const MAX_OPEN: usize = 128;
/// Bytes of a path, as Linux has it.
pub const MAX_PATH: u32 = 4096;

/// The guest's one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Train,
    Predict,
}

impl Mode {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Predict => "predict",
        }
    }
}

/// A guest: what it is asked to do, and what it is given for it.
#[derive(Clone, Debug)]
pub struct Guest<'a> {
    pub mode: Mode,
    pub grants: Grants<'a>,
}

/// Folders of the host, each held open, and variables.
#[derive(Clone, Debug)]
pub struct Grants<'a> {
    /// The folder that holds the dataset, one file.
    pub data: &'a NamedFolder,
    /// The folder that holds `pipeline.toml`, when there is one.
    pub job: Option<&'a NamedFolder>,
    /// Where the model is left (mode `train`, empty at first) or read (mode `predict`).
    pub model: &'a NamedFolder,
    /// Where predictions are left, in mode `predict`.
    pub predictions: Option<&'a NamedFolder>,
    /// The contract's variables. `CONTRACT` and `SEED` are added.
    pub env: BTreeMap<String, String>,
    pub seed: u64,
}

/// A folder that should have been granted is not there.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the folder {path} for the guest's {guest}: {reason}")]
pub struct GrantError {
    pub path: PathBuf,
    pub guest: String,
    pub reason: String,
}

impl GrantError {
    pub(super) fn new(path: &Path, guest: &str, error: &wasmtime::Error) -> Self {
        Self {
            path: path.to_owned(),
            guest: guest.to_owned(),
            reason: error.root_cause().to_string(),
        }
    }
}

/// Builds the guest's world.
pub(super) fn world(
    guest: &Guest<'_>,
    clock: &GuestClock,
    stdout: LogStream,
    stderr: LogStream,
) -> Result<WasiP1Ctx, GrantError> {
    let grants = &guest.grants;
    let mut world = WasiCtxBuilder::new();
    world
        // Files are regular ones on a local disk: reading straight into the guest's memory is quicker by far
        // than a detour over another thread, and blocks no longer than the disk does.
        .allow_blocking_current_thread(true)
        .args(&["workload", guest.mode.as_str()])
        .env("CONTRACT", contract::CONTRACT.to_string())
        .env("SEED", grants.seed.to_string())
        .stdout(stdout)
        .stderr(stderr)
        .wall_clock(clock.clone())
        .monotonic_clock(clock.clone())
        .secure_random(ChaCha12Rng::seed_from_u64(grants.seed))
        .insecure_random(ChaCha12Rng::seed_from_u64(grants.seed))
        .insecure_random_seed(u128::from(grants.seed));
    for (name, value) in &grants.env {
        if name != "CONTRACT" && name != "SEED" {
            world.env(name, value);
        }
    }
    let (model, predictions) = match guest.mode {
        Mode::Train => (FsPerms::ReadWrite, None),
        Mode::Predict => (FsPerms::ReadOnly, grants.predictions),
    };
    for (folder, name, permissions) in [
        (Some(grants.data), files::DATA, FsPerms::ReadOnly),
        (grants.job, files::JOB, FsPerms::ReadOnly),
        (Some(grants.model), files::MODEL, model),
        (predictions, files::PREDICTIONS, FsPerms::ReadWrite),
    ] {
        let Some(folder) = folder else { continue };
        let opened = folder
            .reach()
            .map_err(wasmtime::Error::from)
            .and_then(|path| world.preopened_dir(path, name, permissions).map(|_| ()));
        opened.map_err(|error| GrantError::new(folder.path(), name, &error))?;
    }
    Ok(world.build_p1())
}
