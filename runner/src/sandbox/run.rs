//! A module and its grants -> the guest's exit status.

use tokio::runtime::Handle;
use wasmtime::{InstancePre, Store, Trap, UpdateDeadline, WasmBacktrace};
use wasmtime_wasi::p1::WasiP1Ctx;

use super::clock::GuestClock;
use super::engine::Engine;
use super::grants::{self, GrantError, Guest};
use super::host::{Ended, GuestHost};
use super::limits::{LimitHit, Limits, MAX_PARTS};
use super::log::{GuestLog, Stream};
use super::module::Module;
use super::thread;
use crate::exit::Exit;
use crate::foreign;

/// How much of the call stack a message shows.
const FRAMES: usize = 5;
/// Characters of a function's name that a message shows.
const MAX_NAME: usize = 200;

/// A guest that did not end by itself.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error(transparent)]
    Grant(#[from] GrantError),
    #[error("the guest trapped: {reason}{}{}", places(.frames), if *.spoke { "; what it said of it stands above" } else { "" })]
    Trapped {
        reason: String,
        /// Whether it printed anything: a panic's message is printed.
        spoke: bool,
        /// Functions, innermost first, as far as the module names them.
        frames: Vec<String>,
    },
    #[error(transparent)]
    Limit(#[from] LimitHit),
    #[error("the guest's thread ended early: {0}")]
    Thread(String),
}

impl SandboxError {
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Grant(_) | Self::Thread(_) => Exit::Local,
            Self::Trapped { .. } => Exit::Trapped,
            Self::Limit(limit) => limit.exit(),
        }
    }
}

fn places(frames: &[String]) -> String {
    if frames.is_empty() {
        String::new()
    } else {
        format!(" (in {})", frames.join(", called from "))
    }
}

/// Runs a guest to its end and returns its exit status. Its output goes to the log, as target `guest`.
///
/// Dropping the future stops the guest. What it has left until then stays.
///
/// # Errors
/// When a granted folder can't be opened, the guest traps, or it hits a limit.
pub async fn run_guest(
    engine: &Engine,
    module: &Module,
    guest: &Guest<'_>,
    limits: &Limits,
) -> Result<i32, SandboxError> {
    let clock = GuestClock::default();
    let log = GuestLog::new(limits.log_bytes);
    let wasi = grants::world(
        guest,
        &clock,
        log.stream(Stream::Stdout),
        log.stream(Stream::Stderr),
    )?;
    let (ended, refused) = run_in(engine, module, wasi, clock, limits).await?;
    let Err(error) = ended else {
        return Ok(0);
    };
    let status = error.downcast_ref::<Ended>().map(|ended| ended.0);
    match (status, refused) {
        // Statuses that a guest ends with in good order.
        (Some(status @ (0 | 3 | 4 | 5)), _) => Ok(status as i32),
        (Some(status), None) => Ok(i32::try_from(status).unwrap_or(i32::MAX)),
        // Refused memory, few programs know better than to fail.
        (Some(_), Some(limit)) => Err(limit.into()),
        (None, refused) => Err(explain(&error, refused, log.spoke())),
    }
}

/// Runs a guest in its world, on a thread of its own: how it ended, and why it did not get memory, if it did not.
pub(super) async fn run_in(
    engine: &Engine,
    module: &Module,
    wasi: WasiP1Ctx,
    clock: GuestClock,
    limits: &Limits,
) -> Result<(wasmtime::Result<()>, Option<LimitHit>), SandboxError> {
    let stop = engine.stop();
    let host = GuestHost::new(wasi, clock, limits, stop.clone());
    let mut store = Store::new(engine.inner(), host);
    store.limiter(|host| &mut host.memory);
    prepare(&mut store, limits);
    store.epoch_deadline_callback(|store| {
        store.data().stop.check()?;
        Ok(UpdateDeadline::Continue(1))
    });
    let ready = module.ready.clone();
    let runtime = Handle::current();
    thread::run(stop, limits.timeout, move || {
        let ended = runtime.block_on(start(&mut store, &ready));
        (ended, store.data().memory.refused())
    })
    .await
}

/// What holds for every store. What happens at a tick of the engine's is the caller's to say.
pub(super) fn prepare<T>(store: &mut Store<T>, limits: &Limits) {
    // What one call may make the host copy. A guest reads into its own memory, which is limited already.
    store.set_hostcall_fuel(usize::try_from(limits.memory).unwrap_or(usize::MAX));
    store.set_epoch_deadline(1);
}

pub(super) async fn start<T: Send>(
    store: &mut Store<T>,
    ready: &InstancePre<T>,
) -> wasmtime::Result<()> {
    let tables = ready.module().resources_required().num_tables;
    if tables as usize > MAX_PARTS {
        return Err(LimitHit::Tables(tables).into());
    }
    let instance = ready.instantiate_async(&mut *store).await?;
    let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    start.call_async(store, ()).await
}

/// Tells limits from traps. `refused` is why the guest did not get memory, `spoke` whether it printed anything.
pub(super) fn explain(
    error: &wasmtime::Error,
    refused: Option<LimitHit>,
    spoke: bool,
) -> SandboxError {
    if let Some(limit) = error.downcast_ref::<LimitHit>().copied().or(refused) {
        return limit.into();
    }
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::StackOverflow) {
        return LimitHit::Stack.into();
    }
    SandboxError::Trapped {
        reason: match trap {
            Some(trap) => trap
                .to_string()
                .trim_start_matches("wasm trap: ")
                .to_owned(),
            None => foreign::line(&error.root_cause().to_string()),
        },
        spoke,
        frames: frames(error),
    }
}

fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    trace
        .frames()
        .iter()
        .filter_map(|frame| frame.func_name())
        .take(FRAMES)
        .map(|name| foreign::shortened(name, MAX_NAME))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::platform::NamedFolder;
    use crate::sandbox::{EngineOptions, Grants, Mode, Trust};
    use std::collections::BTreeMap;
    use std::time::Duration;

    /// Runs a module in text form in mode `train`; returns how it ended and the model folder.
    async fn run(text: &str, limits: &Limits) -> (Result<i32, SandboxError>, tempfile::TempDir) {
        let engine = Engine::new(&EngineOptions::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("guest.wasm");
        std::fs::write(&module, wat::parse_str(text).unwrap()).unwrap();
        let module = engine.load(&module, &Trust::default()).unwrap();
        let model = tempfile::tempdir().unwrap();
        let [data, granted] =
            [&folder, &model].map(|folder| NamedFolder::open(folder.path()).unwrap());
        let guest = Guest {
            mode: Mode::Train,
            grants: Grants {
                data: &data,
                job: None,
                model: &granted,
                predictions: None,
                env: BTreeMap::new(),
                seed: 7,
            },
        };
        let ended = run_guest(&engine, &module, &guest, limits).await;
        (ended, model)
    }

    /// Sleeps for 292 years, then writes time, randomness and its own file's times into `/model/seen`.
    const LOOKS_AROUND: &str = r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "seen")
        (func $ok (param i32) (if (local.get 0) (then unreachable)))
        (func (export "_start")
            ;; A subscription at 64: clock 1, relative, 2^63 ns.
            (i32.store (i32.const 80) (i32.const 1))
            (i64.store (i32.const 88) (i64.const 0x7fffffffffffffff))
            (call $ok (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 192)))
            (if (i32.ne (i32.load (i32.const 192)) (i32.const 1)) (then unreachable))
            (call $ok (call $time (i32.const 0) (i64.const 1) (i32.const 256)))
            (call $ok (call $random (i32.const 264) (i32.const 24)))
            ;; Descriptor 4 is /model: 3 is /data.
            (call $ok (call $open (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 1)
                (i64.const 0x1fffffff) (i64.const 0) (i32.const 0) (i32.const 8)))
            (call $ok (call $stat (i32.load (i32.const 8)) (i32.const 288)))
            (i32.store (i32.const 16) (i32.const 256))
            (i32.store (i32.const 20) (i32.const 96))
            (call $ok (call $write (i32.load (i32.const 8)) (i32.const 16) (i32.const 1) (i32.const 24)))))"#;

    #[tokio::test]
    async fn two_runs_see_the_same_world_and_wait_for_nothing() {
        let limits = Limits::default();
        let (first, model) = run(LOOKS_AROUND, &limits).await;
        assert_eq!(first.unwrap(), 0);
        let (second, again) = run(LOOKS_AROUND, &limits).await;
        assert_eq!(second.unwrap(), 0);
        let seen = std::fs::read(model.path().join("seen")).unwrap();
        assert_eq!(seen.len(), 96);
        assert_eq!(seen, std::fs::read(again.path().join("seen")).unwrap());
        assert_ne!(seen[8..32], [0; 24]);
    }

    #[tokio::test]
    async fn dropping_the_future_stops_an_endless_guest() {
        let endless = r#"(module (func (export "_start") (loop (br 0))))"#;
        let limits = Limits::default();
        tokio::select! {
            _ = run(endless, &limits) => unreachable!("it never ends"),
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    }

    #[tokio::test]
    async fn an_endless_guest_ends_at_its_deadline() {
        let endless = r#"(module (func (export "_start") (loop (br 0))))"#;
        let limits = Limits {
            timeout: Some(Duration::from_millis(50)),
            ..Limits::default()
        };
        let error = run(endless, &limits).await.0.unwrap_err();
        assert_eq!(error.exit(), Exit::LimitHit);
        assert!(error.to_string().contains("--timeout"), "{error}");
    }
}
