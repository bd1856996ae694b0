//! Compiled code in a file: what it was compiled from, a checksum, and the code. Cache entries and `.cwasm` alike.
//!
//! Compiled code is not sandboxed code: whoever writes it runs as the runner does. The checksum is against damage
//! alone; `cache` and `trust` decide whose files are taken.

use std::fs::File;
use std::io::{self, Read};

use wasmtime::{Engine, Module};

use crate::digest::for_each_chunk;

/// Names the layout: the code, as wasmtime wrote it, and behind it 8 bytes of this, 32 of the module's digest, 4 of the
/// code's CRC-32C and 4 of zero. So the file can be mapped into memory as it is.
const MAGIC: [u8; 8] = *b"cwasm\0\0\x02";
const TRAILER: usize = 48;

/// SHA-256.
pub type Digest = [u8; 32];

/// Why compiled code can't be used. The module can always be compiled anew.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("it is damaged, or no file of this runner's")]
    Damaged,
    #[error("it was compiled from another module")]
    OtherModule,
    #[error("it was compiled for another engine or machine ({0})")]
    OtherEngine(String),
    #[error("it cannot be read: {0}")]
    Unread(String),
}

/// The file that holds `code`, compiled from the module with this digest.
pub fn seal(module: &Digest, mut code: Vec<u8>) -> Vec<u8> {
    let checksum = crc32c::crc32c(&code);
    code.extend_from_slice(&MAGIC);
    code.extend_from_slice(module);
    code.extend_from_slice(&checksum.to_le_bytes());
    code.extend_from_slice(&[0; 4]);
    code
}

/// Checks the end of a file against the checksum of what lies before it, and the module that it should belong to.
fn check(trailer: &[u8], checksum: u32, module: &Digest) -> Result<(), Unusable> {
    let whole = trailer[..8] == MAGIC
        && trailer[40..44] == checksum.to_le_bytes()
        && trailer[44..] == [0; 4];
    if !whole {
        return Err(Unusable::Damaged);
    }
    if trailer[8..40] != *module {
        return Err(Unusable::OtherModule);
    }
    Ok(())
}

/// The code of a file that was compiled from the module with this digest.
fn unseal<'a>(file: &'a [u8], module: &Digest) -> Result<&'a [u8], Unusable> {
    let length = file.len().checked_sub(TRAILER).ok_or(Unusable::Damaged)?;
    let (code, trailer) = file.split_at(length);
    check(trailer, crc32c::crc32c(code), module)?;
    Ok(code)
}

/// Makes a module of the bytes of a file that [`seal`] made. The caller vouches for who wrote them.
///
/// # Errors
/// When it is damaged, or belongs to another module, engine or machine.
pub fn load(engine: &Engine, file: &[u8], module: &Digest) -> Result<Module, Unusable> {
    let code = unseal(file, module)?;
    // SAFETY: wasmtime asks that these bytes be what it wrote itself. `trust` takes them only with the operator's
    // word; the checksum holds off damage, and wasmtime refuses what another version, configuration or machine wrote.
    #[allow(unsafe_code)]
    let loaded = unsafe { Module::deserialize(engine, code) };
    loaded.map_err(other_engine)
}

/// The same of a file that is mapped, not copied: its pages come as they are needed, and all processes share them.
/// The caller vouches that nobody else could have written it, nor will while the module is used.
///
/// # Errors
/// Those of [`load`], or when it can't be read.
pub fn map(engine: &Engine, mut file: File, module: &Digest) -> Result<Module, Unusable> {
    let unread = |error: io::Error| Unusable::Unread(error.to_string());
    let length = file.metadata().map_err(unread)?.len();
    let length = length
        .checked_sub(TRAILER as u64)
        .ok_or(Unusable::Damaged)?;
    let mut checksum = 0;
    for_each_chunk((&file).take(length), |chunk| {
        checksum = crc32c::crc32c_append(checksum, chunk);
        Ok(())
    })
    .map_err(unread)?;
    let mut trailer = [0; TRAILER];
    file.read_exact(&mut trailer).map_err(unread)?;
    check(&trailer, checksum, module)?;
    // SAFETY: as above, but that `cache` takes a file only from a folder that nobody but this user can write to; and
    // entries there are replaced as a whole, so that what is mapped stays as it is.
    #[allow(unsafe_code)]
    let loaded = unsafe { Module::deserialize_open_file(engine, file) };
    loaded.map_err(other_engine)
}

fn other_engine(error: wasmtime::Error) -> Unusable {
    Unusable::OtherEngine(format!("{:#}", error.root_cause()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_damaged_byte_is_noticed() {
        let module = [7; 32];
        let file = seal(&module, b"code".to_vec());
        assert_eq!(unseal(&file, &module), Ok(&b"code"[..]));
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert!(unseal(&damaged, &module).is_err(), "byte {at}");
        }
        for length in 0..file.len() {
            assert!(unseal(&file[..length], &module).is_err(), "{length} bytes");
        }
        assert_eq!(unseal(&file, &[8; 32]), Err(Unusable::OtherModule));
    }
}
