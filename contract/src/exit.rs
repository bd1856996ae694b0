//! Exit statuses of a guest.

/// Trained, and every gate met; or predicted.
pub const DONE: i32 = 0;
/// The specification is wrong.
pub const BAD_SPECIFICATION: i32 = 3;
/// The data is bad.
pub const BAD_DATA: i32 = 4;
/// Trained, but a gate was not met.
pub const GATE_NOT_MET: i32 = 5;
/// What the guests here use for all else. Any other status means the same to the runner.
pub const FAILED: i32 = 1;
