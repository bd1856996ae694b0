//! Compiled code in a file: what it was compiled from, a checksum, and the code. Cache entries and `.cwasm` alike.
//!
//! Compiled code is not sandboxed code: whoever writes it runs as the runner does. The checksum is against damage
//! alone; `cache` and `trust` decide whose files are taken.

use wasmtime::Module;

/// Names the layout: 8 bytes of this, 32 of the module's digest, 4 of the code's CRC-32C, 4 of zero, then the code.
const MAGIC: [u8; 8] = *b"cwasm\0\0\x01";
const HEADER: usize = 48;

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
}

/// The file that holds `code`, compiled from the module with this digest.
pub fn seal(module: &Digest, code: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEADER + code.len());
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(module);
    file.extend_from_slice(&crc32c::crc32c(code).to_le_bytes());
    file.extend_from_slice(&[0; 4]);
    file.extend_from_slice(code);
    file
}

/// The code of a file that was compiled from the module with this digest.
fn unseal<'a>(file: &'a [u8], module: &Digest) -> Result<&'a [u8], Unusable> {
    let (header, code) = file.split_at_checked(HEADER).ok_or(Unusable::Damaged)?;
    if header[..8] != MAGIC || header[40..44] != crc32c::crc32c(code).to_le_bytes() {
        return Err(Unusable::Damaged);
    }
    if header[8..40] != *module {
        return Err(Unusable::OtherModule);
    }
    Ok(code)
}

/// Makes a module of a file that [`seal`] made. The caller vouches that nobody else could have written it.
///
/// # Errors
/// When it is damaged, or belongs to another module, engine or machine.
pub fn load(engine: &wasmtime::Engine, file: &[u8], module: &Digest) -> Result<Module, Unusable> {
    let code = unseal(file, module)?;
    // SAFETY: wasmtime asks that these bytes be what it wrote itself. `cache` takes a file only from a folder that
    // nobody but this user can write to, `trust` only with the operator's word; the checksum holds off damage, and
    // wasmtime refuses what another version, configuration or machine wrote.
    #[allow(unsafe_code)]
    let loaded = unsafe { Module::deserialize(engine, code) };
    loaded.map_err(|error| Unusable::OtherEngine(format!("{:#}", error.root_cause())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_damaged_byte_is_noticed() {
        let module = [7; 32];
        let file = seal(&module, b"code");
        assert_eq!(unseal(&file, &module), Ok(&b"code"[..]));
        for at in (0..file.len()).filter(|at| !(44..48).contains(at)) {
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
