//! Flags for the sandbox, shared by the verbs that run a module.

use std::time::Duration;

use clap::ValueEnum;

use crate::nomad::Nomad;
use crate::sandbox::{EngineOptions, Limits};
use crate::size::{self, Size};

/// What the runner itself needs of a task's memory: code, buffers, the compiler.
const OWN_MEMORY: u64 = 96 << 20;
/// No module is given less, whatever the task has.
const LEAST_MEMORY: u64 = 32 << 20;

#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "Sandbox")]
pub struct Args {
    /// Memory that the module may use, such as 512MiB
    /// [default: $NOMAD_MEMORY_LIMIT less 96 MiB for the runner, else 4GiB]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Size>,

    /// Time that the module may take, such as 90s, 10m or 2h [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = size::duration)]
    pub timeout: Option<Duration>,

    /// Bytes of files that the module may leave [default: 1GiB]
    #[arg(long, value_name = "SIZE")]
    pub max_output_bytes: Option<Size>,

    /// Files that the module may leave [default: 10000]
    #[arg(long, value_name = "N")]
    pub max_output_files: Option<u64>,

    /// What the module may print [default: 16MiB]
    #[arg(long, value_name = "SIZE")]
    pub max_log_bytes: Option<Size>,

    /// The module's call stack [default: 1MiB]
    #[arg(long, value_name = "SIZE")]
    pub stack: Option<Size>,

    /// What executes the module
    #[arg(long, value_enum, default_value_t = EngineKind::Compiler)]
    pub engine: EngineKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineKind {
    /// Machine code, made by Cranelift
    Compiler,
    /// wasmtime's portable interpreter, Pulley: slow, and on any CPU
    Interpreter,
}

impl Args {
    #[must_use]
    pub fn engine_options(&self) -> EngineOptions {
        let default = EngineOptions::default();
        EngineOptions {
            interpreter: self.engine == EngineKind::Interpreter,
            stack: self.stack.map_or(default.stack, |stack| {
                usize::try_from(stack.0).unwrap_or(usize::MAX)
            }),
        }
    }

    /// The limits of each of `guests` that run at a time.
    #[must_use]
    pub fn limits(&self, nomad: &Nomad, guests: usize) -> Limits {
        let default = Limits::default();
        let share =
            |task: u64| (task.saturating_sub(OWN_MEMORY) / guests.max(1) as u64).max(LEAST_MEMORY);
        let size = |given: Option<Size>, default: u64| given.map_or(default, |size| size.0);
        Limits {
            memory: size(
                self.memory,
                nomad.memory_limit.map_or(default.memory, share),
            ),
            timeout: self.timeout,
            output_bytes: size(self.max_output_bytes, default.output_bytes),
            output_files: self.max_output_files.unwrap_or(default.output_files),
            log_bytes: size(self.max_log_bytes, default.log_bytes),
        }
    }
}
