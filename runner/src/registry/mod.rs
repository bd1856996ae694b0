//! What is in a store, without a server: manifests are the register, aliases the only state that changes.

mod alias;
mod damaged;
mod error;
mod gc;
mod models;
mod promotion;
mod pull;
mod reference;
mod shelf;

pub use alias::{Alias, Aliases, Change, Unreadable, aliases};
pub use damaged::{add_damaged, delete_damaged, is_damaged};
pub use error::RegistryError;
pub use gc::{Found, Garbage, delete, find_garbage, remove};
pub use models::{Filter, Model, list};
pub use promotion::{promote, rollback};
pub use pull::{fetch, pull};
pub use reference::resolve;
pub(crate) use shelf::left_out;
