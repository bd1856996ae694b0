//! Pages as they were before they were compressed, and never more bytes than their headers say.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::FrameDecoder;

use super::Fault;
use crate::error::Problem;

/// What a zstd frame may ask for beside its content, in bytes: the window of the common levels.
const LEAST_WINDOW: u64 = 8 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Uncompressed,
    Snappy,
    Gzip,
    Zstd,
}

impl Codec {
    pub fn of(code: i64) -> Result<Codec, Fault> {
        Ok(match code {
            0 => Codec::Uncompressed,
            1 => Codec::Snappy,
            2 => Codec::Gzip,
            6 => Codec::Zstd,
            3 => return Err(Fault::Codec("LZO".into())),
            4 => return Err(Fault::Codec("Brotli".into())),
            5 | 7 => return Err(Fault::Codec("LZ4".into())),
            other => return Err(Fault::Codec(format!("the unknown codec {other}"))),
        })
    }

    /// The most bytes that `bytes` of the codec can stand for, so that no memory is taken for more.
    fn most(self, bytes: usize) -> usize {
        match self {
            Codec::Uncompressed => bytes,
            // A copy of up to 64 bytes takes three.
            Codec::Snappy => bytes.saturating_mul(32),
            // A copy of up to 258 bytes takes two bits.
            Codec::Gzip => bytes.saturating_mul(1032),
            // A block of up to 128 KiB takes four.
            Codec::Zstd => bytes.saturating_mul(32 << 10),
        }
    }

    /// Decompresses all of `bytes` to the end of `page`, which grows by `size` bytes.
    pub fn decompress(self, bytes: &[u8], size: usize, page: &mut Vec<u8>) -> Result<(), Fault> {
        // A page without values may have no frame either.
        if size == 0 {
            return Ok(());
        }
        let is_plain = self == Codec::Uncompressed;
        if size > self.most(bytes.len()) || is_plain && size != bytes.len() {
            return Err(WRONG_SIZE);
        }
        page.try_reserve_exact(size)
            .map_err(|_| Problem::OutOfMemory)?;
        let start = page.len();
        if is_plain {
            page.extend_from_slice(bytes);
            return Ok(());
        }
        page.resize(start + size, 0);
        let room = &mut page[start..];
        let given = match self {
            Codec::Uncompressed => size,
            Codec::Snappy => {
                // It says itself how much it holds.
                if snap::raw::decompress_len(bytes).ok() != Some(size) {
                    return Err(WRONG_SIZE);
                }
                let decoded = snap::raw::Decoder::new().decompress(bytes, room);
                decoded.map_err(|_| Fault::Damaged("a page is no valid Snappy"))?
            }
            Codec::Gzip => gunzip(bytes, room)?,
            Codec::Zstd => {
                let mut decoder = FrameDecoder::new();
                decoder.set_max_window_size(LEAST_WINDOW.max(size as u64));
                let decoded = decoder.decode_all(bytes, room);
                decoded.map_err(|_| Fault::Damaged("a page is no valid zstd"))?
            }
        };
        if given == size {
            Ok(())
        } else {
            Err(WRONG_SIZE)
        }
    }
}

fn gunzip(bytes: &[u8], room: &mut [u8]) -> Result<usize, Fault> {
    let mut decoder = MultiGzDecoder::new(bytes);
    let mut given = 0;
    // One byte more than there may be is asked for at the end.
    let mut more = [0];
    loop {
        let (rest, is_full) = match &mut room[given..] {
            [] => (more.as_mut_slice(), true),
            rest => (rest, false),
        };
        match decoder.read(rest) {
            Ok(0) => return Ok(given),
            Ok(_) if is_full => return Err(WRONG_SIZE),
            Ok(read) => given += read,
            Err(_) => return Err(Fault::Damaged("a page is no valid gzip")),
        }
    }
}

const WRONG_SIZE: Fault = Fault::Damaged("a page is not as long as its header says");
