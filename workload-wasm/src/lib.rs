//! The training module: table -> split -> features -> learner -> evaluation -> exports.
//!
//! All of it is a library, which is tested natively; the WASI command is a thin `main`.

pub mod environment;
pub mod evaluation;
pub mod export;
pub mod features;
pub mod forms;
pub mod leakage;
pub mod learners;
pub mod log;
pub mod pipeline;
mod random;
pub mod specification;
pub mod split;
pub mod table;
