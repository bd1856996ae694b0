//! A plain WASI program, run as the `wasmtime` command runs it: real clocks, real streams, the folders that its user
//! names. What it leaves is its user's; nothing is metered but memory and time.

use std::path::PathBuf;

use wasmtime::{Linker, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::engine::Engine;
use super::grants::GrantError;
use super::host::Ended;
use super::limits::{Limits, MemoryMeter};
use super::module::Module;
use super::run::{self, SandboxError};

/// What a program is given.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The first is its own name.
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Folders of the host, and what they are called inside. It can read and write there.
    pub folders: Vec<(PathBuf, String)>,
}

struct ProgramHost {
    wasi: WasiP1Ctx,
    memory: MemoryMeter,
}

/// Runs a program to its end and returns its exit status. The calling thread waits wherever the program does.
///
/// # Errors
/// When a folder can't be opened, the program traps, or its memory or stack ends. Time is the caller's to limit.
pub async fn run_program(
    engine: &Engine,
    module: &Module,
    program: &Program,
    limits: &Limits,
) -> Result<u32, SandboxError> {
    let host = ProgramHost {
        wasi: world(program)?,
        memory: MemoryMeter::new(limits.memory),
    };
    let mut store = Store::new(engine.inner(), host);
    store.limiter(|host| &mut host.memory);
    run::prepare(&mut store, limits);
    // It has a thread of its own, and ends with the process.
    store.epoch_deadline_async_yield_and_update(1);
    let ended = async {
        let ready = linker(engine)?.instantiate_pre(module.ready.module())?;
        run::start(&mut store, &ready).await
    };
    let Err(error) = ended.await else {
        return Ok(0);
    };
    match error.downcast_ref::<Ended>() {
        Some(ended) => Ok(ended.0),
        None => Err(run::explain(&error, store.data().memory.refused(), false)),
    }
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<ProgramHost>> {
    let mut linker = Linker::new(engine.inner());
    p1::add_to_linker_async(&mut linker, |host: &mut ProgramHost| &mut host.wasi)?;
    // wasmtime-wasi's own refuses a status of 126 and more.
    linker.allow_shadowing(true);
    linker.func_wrap(
        "wasi_snapshot_preview1",
        "proc_exit",
        |status: u32| -> wasmtime::Result<()> { Err(Ended(status).into()) },
    )?;
    Ok(linker)
}

fn world(program: &Program) -> Result<WasiP1Ctx, GrantError> {
    let mut world = WasiCtxBuilder::new();
    world
        .allow_blocking_current_thread(true)
        .inherit_stdio()
        .args(&program.args)
        .envs(&program.env);
    for (path, name) in &program.folders {
        world
            .preopened_dir(path, name, FsPerms::ReadWrite)
            .map_err(|error| GrantError::new(path, name, &error))?;
    }
    Ok(world.build_p1())
}
