//! The pages of one listing: it has an end, whatever a server sends.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use opendal::Metadata;

/// Pages in a row that may bring nothing new: an empty one may be followed by another, where much was deleted.
const IDLE_PAGES: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Pages(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Digests of the addresses that were asked for.
    asked: HashSet<u64>,
    idle: usize,
    last_folder: String,
    last_object: String,
}

impl Pages {
    /// Another page is to be asked for at `address`.
    ///
    /// # Errors
    /// When it was asked for before, or nothing new has come for too long.
    pub fn ask(&self, address: &str) -> Result<(), String> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hasher = DefaultHasher::new();
        address.hash(&mut hasher);
        if !state.asked.insert(hasher.finish()) {
            return Err(
                "the list of its objects has no end: after some pages it begins again".to_owned(),
            );
        }
        state.idle += 1;
        if state.idle > IDLE_PAGES {
            return Err(format!(
                "the list of its objects has no end: {IDLE_PAGES} pages brought nothing new"
            ));
        }
        Ok(())
    }

    /// An entry arrived. Lists are sorted, folders and objects each, so that one behind the last is new.
    pub fn brought(&self, key: &str, metadata: &Metadata) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        let last = match metadata.is_dir() {
            true => &mut state.last_folder,
            false => &mut state.last_object,
        };
        if key > last.as_str() {
            key.clone_into(last);
            state.idle = 0;
        }
    }
}
