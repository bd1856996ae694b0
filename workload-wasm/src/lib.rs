//! The training module: table -> split -> features -> learner -> evaluation -> exports.

pub mod forms;
pub mod learners;
