//! Files that the guest has seen or written, by the host's inode.

use std::collections::HashMap;

#[derive(Default)]
pub(super) struct Inodes {
    seen: HashMap<u64, Seen>,
    numbered: u64,
}

#[derive(Default)]
struct Seen {
    /// The inode as the guest sees it.
    number: Option<u64>,
    /// The length that was counted.
    counted: u64,
}

impl Inodes {
    /// Numbered by the guest's first look, for the host's differ from run to run.
    pub fn number(&mut self, host: u64) -> u64 {
        let Self { seen, numbered } = self;
        *seen.entry(host).or_default().number.get_or_insert_with(|| {
            *numbered += 1;
            *numbered
        })
    }

    /// What a file has grown by since the last look, now that it is `length` long.
    pub fn growth(&mut self, host: u64, length: u64) -> u64 {
        let counted = &mut self.seen.entry(host).or_default().counted;
        let growth = length.saturating_sub(*counted);
        *counted += growth;
        growth
    }

    /// A file or folder was made. A file system gives it the inode of one that was removed, if it likes: what was
    /// counted of that one stays counted, and this one counts from its first byte.
    pub fn made(&mut self, host: u64) {
        self.seen.remove(&host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_what_it_grew_by_and_one_in_its_place_counts_anew() {
        let mut inodes = Inodes::default();
        assert_eq!(inodes.growth(7, 100), 100);
        assert_eq!(inodes.growth(7, 40), 0);
        assert_eq!(inodes.growth(7, 120), 20);
        inodes.made(7);
        assert_eq!(inodes.growth(7, 120), 120);
    }

    #[test]
    fn inodes_are_numbered_by_the_first_look() {
        let mut inodes = Inodes::default();
        assert_eq!(inodes.growth(9, 1), 1);
        assert_eq!((inodes.number(7), inodes.number(9)), (1, 2));
        assert_eq!(inodes.number(7), 1);
        inodes.made(7);
        assert_eq!(inodes.number(7), 3);
    }
}
