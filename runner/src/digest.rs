//! Reading to the end for checksums: the one loop of all that hash files.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// How much of a file is in memory at a time. More is no faster.
const CHUNK: usize = 64 << 10;

/// Hands everything that `reader` gives to `each`, piece by piece. Returns how many bytes that were.
///
/// # Errors
/// When it can't be read, or what `each` returns.
pub fn for_each_chunk(
    mut reader: impl Read,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK];
    let mut bytes = 0;
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(read) => {
                each(&chunk[..read])?;
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// SHA-256 of everything that `reader` gives, and how many bytes that were. A digest that goes on: see
/// [`for_each_chunk`].
///
/// # Errors
/// When it can't be read.
pub fn sha256(reader: impl Read) -> io::Result<(u64, String)> {
    let mut digest = Sha256::new();
    let bytes = for_each_chunk(reader, |chunk| {
        digest.update(chunk);
        Ok(())
    })?;
    Ok((bytes, crate::hex(&digest.finalize())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Gives a byte at a time, and is interrupted before each.
    struct Halting(u8, bool);

    impl Read for Halting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let Some(left) = self.0.checked_sub(1) else {
                return Ok(0);
            };
            self.0 = left;
            buffer[0] = b'a';
            Ok(1)
        }
    }

    #[test]
    fn what_comes_in_pieces_has_the_digest_of_the_whole() {
        let whole = crate::hex(&Sha256::digest("aaa"));
        assert_eq!(sha256(Halting(3, false)).unwrap(), (3, whole));
    }

    #[test]
    fn whoever_takes_the_pieces_may_stop() {
        let stop = |_: &[u8]| Err(io::ErrorKind::Interrupted.into());
        assert!(for_each_chunk(Halting(3, false), stop).is_err());
    }
}
