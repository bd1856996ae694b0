use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::error::Problem;
use crate::room::Room;

/// Text cells as codes into the distinct ones. The text of a cell is copied, and checked to be UTF-8, when it is
/// met first.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    pub codes: Vec<u32>,
    pub distinct: Vec<String>,
    index: HashTable<Entry>,
    hasher: DefaultHashBuilder,
}

/// A distinct text in the index. It knows its hash, so that a growing index does not look at the texts again.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    code: u32,
}

impl Entry {
    /// The table takes its bits from both ends of a hash.
    fn spread(&self) -> u64 {
        u64::from(self.hash) << 32 | u64::from(self.hash)
    }
}

impl Dictionary {
    pub fn push(&mut self, text: &[u8], room: Room) -> Result<(), Problem> {
        let hash = self.hasher.hash_one(text) as u32;
        let new = Entry {
            hash,
            code: self.distinct.len() as u32,
        };
        let is_same = |entry: &Entry| {
            entry.hash == hash && self.distinct[entry.code as usize].as_bytes() == text
        };
        let code = match self.index.find(new.spread(), is_same) {
            Some(known) => known.code,
            None => {
                self.add(text, new)?;
                new.code
            }
        };
        room.push(&mut self.codes, code)
    }

    fn add(&mut self, text: &[u8], new: Entry) -> Result<(), Problem> {
        let text = std::str::from_utf8(text).map_err(|_| Problem::NotUtf8)?;
        let mut copy = String::new();
        copy.try_reserve_exact(text.len())
            .and_then(|()| self.distinct.try_reserve(1))
            .map_err(|_| Problem::OutOfMemory)?;
        self.index
            .try_reserve(1, Entry::spread)
            .map_err(|_| Problem::OutOfMemory)?;
        copy.push_str(text);
        self.distinct.push(copy);
        self.index.insert_unique(new.spread(), new, Entry::spread);
        Ok(())
    }
}
