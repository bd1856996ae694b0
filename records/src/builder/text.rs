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
    /// Codes, found by the text they stand for.
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Dictionary {
    pub fn push(&mut self, text: &[u8], room: Room) -> Result<(), Problem> {
        let hash = self.hasher.hash_one(text);
        let known = self.index.find(hash, |code| {
            self.distinct[*code as usize].as_bytes() == text
        });
        let code = match known {
            Some(code) => *code,
            None => self.add(text, hash)?,
        };
        room.push(&mut self.codes, code)
    }

    #[cold]
    fn add(&mut self, text: &[u8], hash: u64) -> Result<u32, Problem> {
        let text = std::str::from_utf8(text).map_err(|_| Problem::NotUtf8)?;
        let mut copy = String::new();
        copy.try_reserve_exact(text.len())
            .map_err(|_| Problem::OutOfMemory)?;
        copy.push_str(text);
        let code = self.distinct.len() as u32;
        Room::default().push(&mut self.distinct, copy)?;
        let Dictionary {
            distinct,
            index,
            hasher,
            ..
        } = self;
        let rehash = |code: &u32| hasher.hash_one(distinct[*code as usize].as_bytes());
        index
            .try_reserve(1, rehash)
            .map_err(|_| Problem::OutOfMemory)?;
        index.insert_unique(hash, code, rehash);
        Ok(code)
    }
}
