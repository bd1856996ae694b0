//! What is in a store, without a server: manifests are the register, aliases the only state that changes.

mod alias;
mod contended;
mod damaged;
mod delete;
mod error;
mod gc;
mod models;
mod promotion;
mod pull;
mod reference;
mod remove;
mod shelf;

pub use alias::{Alias, Aliases, Change, Unreadable, aliases};
pub use damaged::{add_damaged, is_damaged};
pub use delete::delete;
pub use error::RegistryError;
pub use gc::{Found, Garbage, find_garbage};
pub use models::{Filter, Model, list};
pub use promotion::{promote, rollback};
pub use pull::{fetch, pull};
pub use reference::resolve;
pub use remove::remove;
pub(crate) use shelf::left_out;
