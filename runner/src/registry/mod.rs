//! What is in a store, without a server: manifests are the register, aliases the only state that changes.

mod alias;
mod error;
mod gc;
mod models;
mod pull;
mod reference;
mod shelf;

pub use alias::{Alias, Aliases, Change, Unreadable, aliases, promote, rollback};
pub use error::RegistryError;
pub use gc::{Found, Garbage, delete, delete_unreadable, find_garbage, remove};
pub use models::{Filter, Model, list};
pub use pull::{fetch, pull};
pub use reference::resolve;
pub(crate) use shelf::left_out;
