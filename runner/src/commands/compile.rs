//! `runner compile`: a module's machine code, ahead of its runs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::limits::compile_memory;
use super::output;
use crate::error::Error;
use crate::exit::Exit;
use crate::nomad::Nomad;
use crate::platform::NewFile;
use crate::run::{self, aside};
use crate::sandbox::{Engine, EngineOptions, Sha256Digest, Trust};
use crate::size::{self, Size};

#[derive(clap::Args)]
pub struct Args {
    /// The module to compile
    #[arg(value_name = "WORKLOAD.WASM")]
    pub module: PathBuf,

    /// Where its code is written [default: the module's name with .cwasm]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// What it is compiled for, such as x86_64-unknown-linux-gnu [default: any machine of this one's architecture]
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<String>,

    /// Memory that compiling may take, by an estimate, such as 2GiB; never less than 1GiB
    /// [default: $NOMAD_MEMORY_LIMIT, else 4GiB]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Size>,

    /// Time that compiling may take, such as 90s or 10m [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = size::duration)]
    pub timeout: Option<Duration>,

    /// Compile no module but this, by the SHA-256 of its .wasm (repeatable)
    #[arg(long = "module-sha256", value_name = "DIGEST")]
    pub modules: Vec<Sha256Digest>,
}

/// Compiles, and prints the digest that lets the code run.
///
/// # Errors
/// When the module is not valid, or the file can't be written.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let memory = compile_memory(args.memory, &Nomad::from_environment());
    let limit = args.timeout;
    // On a thread of its own: signals are heard meanwhile.
    run::compiling(limit, aside(move || compile(args, memory))).await
}

fn compile(args: Args, memory: u64) -> Result<Exit, Error> {
    let target = args
        .target
        .unwrap_or_else(|| format!("{}-unknown-linux-gnu", std::env::consts::ARCH));
    let engine = Engine::new(&EngineOptions {
        target: Some(target.clone()),
        compile_memory: memory,
        ..EngineOptions::default()
    })?;
    let trust = Trust {
        modules: args.modules,
        ..Trust::default()
    };
    let file = engine.precompile(&args.module, &trust)?;
    let file_name = args
        .output
        .unwrap_or_else(|| args.module.with_extension("cwasm"));
    write(&file_name, &file)
        .map_err(|error| Error::local(format!("cannot write {}", file_name.display()), error))?;
    let digest = crate::hex(&Sha256::digest(&file));
    let size = Size(file.len() as u64);
    output::print(format!(
        "{} for {target}, {size}\nrun it beside its .wasm, with --compiled-sha256 {digest}",
        file_name.display()
    ))?;
    Ok(Exit::Done)
}

/// As a whole or not at all: it may be replaced while it is read.
fn write(output: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = NewFile::beside(output, ".compiled-")?;
    new.file().write_all(bytes)?;
    new.finish()
}
