//! The sandbox: one WASI preview 1 module, the folders it was given, and nothing else.
//!
//! | file | what |
//! |---|---|
//! | `engine` | the only settings of the engine |
//! | `module` | a file -> a module that can be run |
//! | `grants` | the only list of what a guest may touch |
//! | `host` | every WASI function: passed on, metered, or answered here |
//! | `clock`, `poll`, `log` | time that only the guest's own looks move, and its two streams |
//! | `limits` | what stops a guest |
//! | `run` | a module and its grants -> its exit status |

mod clock;
mod engine;
mod grants;
mod host;
mod limits;
mod log;
mod module;
mod poll;
mod run;

pub use engine::{Engine, EngineError, EngineOptions};
pub use grants::{Grants, Guest, Mode};
pub use limits::{LimitHit, Limits};
pub use module::{Module, ModuleError};
pub use run::{SandboxError, run_guest};
