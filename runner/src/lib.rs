//! The host: arguments -> plan -> data -> sandbox -> outputs -> store. It trains nothing itself.

pub mod exit;
