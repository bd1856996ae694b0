//! The sandbox: one WASI preview 1 module, the folders it was given, and nothing else.
//!
//! | file | what |
//! |---|---|
//! | `engine` | the only settings of the engine |
//! | `module` | a file -> a module that can be run |
//! | `trust`, `compiled`, `cache` | which modules may run, compiled code in files, and a folder of it |
//! | `grants` | the only list of what a guest may touch |
//! | `host` | every WASI function: passed on, metered, or answered here |
//! | `clock`, `log` | time that only the guest's own looks move, and its two streams |
//! | `limits` | what stops a guest |
//! | `estimate` | what compiling a module takes |
//! | `thread` | where a guest runs, and how long it is waited for |
//! | `run` | a module and its grants -> its exit status |
//! | `command` | the other door: a plain program with real clocks and streams |

mod cache;
mod clock;
mod command;
mod compiled;
mod engine;
mod estimate;
mod grants;
mod host;
mod limits;
mod log;
mod module;
mod run;
mod thread;
mod trust;
#[cfg(test)]
mod wasi_tests;

pub use cache::{Cache, check as check_cache};
pub use command::{Program, run_program};
pub use engine::{Engine, EngineError, EngineOptions};
pub use grants::{Grants, Guest, Mode};
pub use limits::{LimitHit, Limits};
pub use module::{Module, ModuleError, source_of};
pub use run::{SandboxError, run_guest};
pub use trust::{NotTrusted, Sha256Digest, Trust};
