//! A folder's entries, in an order that does not depend on its disk.

/// What begins an entry of a listing: the next entry's number, inode, length of the name, kind, and padding. The name
/// follows at once, and the next entry at once after it, wherever that falls.
const HEAD: usize = 24;

/// An entry of a folder.
pub(super) struct Entry {
    /// The host's.
    pub inode: u64,
    kind: u8,
    name: Vec<u8>,
}

/// The folder that was listed last, by its descriptor: a guest that removes files while it lists their folder misses
/// none, and a long folder is not read anew for each part of its listing.
#[derive(Default)]
pub(super) struct Listing {
    fd: Option<u32>,
    pub entries: Vec<Entry>,
}

impl Listing {
    /// From what wasmtime-wasi wrote: `.` and `..`, then the others by name. `None` when it is cut short.
    pub fn parse(fd: u32, mut bytes: &[u8]) -> Option<Self> {
        let mut entries = Vec::new();
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_at_checked(HEAD)?;
            let length = u32::from_le_bytes(head[16..20].try_into().ok()?);
            let (name, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            entries.push(Entry {
                inode: u64::from_le_bytes(head[8..16].try_into().ok()?),
                kind: head[20],
                name: name.to_vec(),
            });
            bytes = rest;
        }
        if let Some(others) = entries.get_mut(2..) {
            others.sort_by(|left, right| left.name.cmp(&right.name));
        }
        Some(Self {
            fd: Some(fd),
            entries,
        })
    }

    pub fn is_of(&self, fd: u32) -> bool {
        self.fd == Some(fd)
    }

    /// The descriptor stands for another folder from now on, or for none.
    pub fn forget(&mut self, fd: u32) {
        if self.is_of(fd) {
            *self = Self::default();
        }
    }
}

impl Entry {
    /// As the guest reads it: `next` is the number of the entry after it, `inode` the guest's.
    pub fn bytes(&self, next: u64, inode: u64) -> Vec<u8> {
        let mut bytes = vec![0; HEAD];
        bytes[..8].copy_from_slice(&next.to_le_bytes());
        bytes[8..16].copy_from_slice(&inode.to_le_bytes());
        // It was read from such a field.
        bytes[16..20].copy_from_slice(&(self.name.len() as u32).to_le_bytes());
        bytes[20] = self.kind;
        bytes.extend_from_slice(&self.name);
        bytes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entry(name: &str, inode: u64) -> Entry {
        Entry {
            inode,
            kind: 4,
            name: name.as_bytes().to_vec(),
        }
    }

    #[test]
    fn names_of_any_length_are_read_and_sorted_behind_the_folder_itself() {
        let names = ["..", "zz", "a", "\u{e9}\u{e9}x", "metrics.json"];
        let bytes: Vec<u8> = std::iter::once(".")
            .chain(names)
            .flat_map(|name| entry(name, 9).bytes(1, 9))
            .collect();
        let listing = Listing::parse(5, &bytes).unwrap();
        let found: Vec<&[u8]> = listing.entries.iter().map(|each| &each.name[..]).collect();
        let expected = [".", "..", "a", "metrics.json", "zz", "\u{e9}\u{e9}x"];
        assert_eq!(found, expected.map(str::as_bytes));
        assert!(
            listing
                .entries
                .iter()
                .all(|entry| entry.inode == 9 && entry.kind == 4)
        );
        assert!(Listing::parse(5, &bytes[..bytes.len() - 1]).is_none());
        assert!(Listing::parse(5, &bytes[..30]).is_none());
    }
}
