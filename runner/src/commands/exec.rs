//! `runner exec`: any WASI program, with nothing published.

use std::path::PathBuf;
use std::sync::Arc;

use super::limits;
use crate::error::Error;
use crate::exit::Exit;
use crate::nomad::Nomad;
use crate::run::load;
use crate::sandbox::{Engine, LimitHit, Program, SandboxError, run_program};

/// Statuses that a process can end with.
const STATUSES: u32 = 256;

#[derive(clap::Args)]
pub struct Args {
    /// A WASI preview 1 program
    #[arg(value_name = "PROGRAM.WASM")]
    pub module: PathBuf,

    /// A folder that it can read and write, and what it is called inside (repeatable)
    #[arg(long = "dir", value_name = "HOST[::GUEST]", value_parser = folder)]
    pub folders: Vec<(PathBuf, String)>,

    /// A variable that it sees (repeatable); it sees no other
    #[arg(long, value_name = "KEY=VALUE", value_parser = variable)]
    pub env: Vec<(String, String)>,

    #[command(flatten)]
    pub engine: limits::EngineArgs,

    /// Its arguments
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// Runs the program with this process's streams, and ends as it does.
///
/// # Errors
/// When it can't be run, traps, or hits a limit; waiting counts as time.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let nomad = Nomad::from_environment();
    let limits = args.engine.limits(&nomad);
    let engine = Arc::new(Engine::new(&args.engine.options(&nomad))?);
    let module = load(&engine, &args.module, &args.engine.trust(), limits.timeout).await?;
    let program = Program {
        args: std::iter::once(module.origin().file.clone())
            .chain(args.args)
            .collect(),
        env: args.env,
        folders: args.folders,
    };
    // A thread of its own: the program may block it, in a sleep, on a pipe or on a terminal.
    let runtime = tokio::runtime::Handle::current();
    let running = tokio::task::spawn_blocking(move || {
        runtime.block_on(run_program(&engine, &module, &program, &limits))
    });
    let ended = match limits.timeout {
        None => running.await,
        Some(limit) => match tokio::time::timeout(limit, running).await {
            Ok(ended) => ended,
            Err(_) => return Err(SandboxError::from(LimitHit::Timeout(limit)).into()),
        },
    };
    let status =
        ended.map_err(|error| Error::local("the program's thread ended early", error.into()))??;
    match u8::try_from(status) {
        Ok(status) => Ok(Exit::Program(status)),
        Err(_) => {
            tracing::error!(
                "the program ended with status {status}, and a process can't: its statuses end at {}",
                STATUSES - 1
            );
            Ok(Exit::GuestFailed)
        }
    }
}

fn folder(text: &str) -> Result<(PathBuf, String), String> {
    let (host, guest) = text.split_once("::").unwrap_or((text, text));
    if host.is_empty() || guest.is_empty() {
        return Err("write it as FOLDER, or as FOLDER::NAME-INSIDE".to_owned());
    }
    Ok((PathBuf::from(host), guest.to_owned()))
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}
