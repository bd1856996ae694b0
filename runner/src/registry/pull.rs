use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use contract::{Manifest, files};
use futures_util::TryStreamExt;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sha2::{Digest, Sha256};

use super::RegistryError;
use crate::digest::for_each_chunk;
use crate::store::{Store, StoreError, manifest_key, parse_manifest, read_manifest};

/// Copies a model into the folder `to`, which appears whole or not at all. Every file has the digest that the
/// manifest gives; what an earlier try brought is not fetched again.
///
/// # Errors
/// When something else is at `to`, it can't be written, or the store lacks a file or holds other bytes.
pub async fn pull(store: &dyn Store, manifest: &Manifest, to: &Path) -> Result<(), RegistryError> {
    if to.exists() {
        return check_there(to, manifest);
    }
    let parts = parts_folder(to, &manifest.name)?;
    fs::create_dir_all(&parts).map_err(|error| RegistryError::local("make", &parts, error))?;
    let lock_path = parts.with_extension("lock");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(|error| RegistryError::local("write", &lock_path, error))?;
    if lock.try_lock().is_err() {
        return Err(RegistryError::Occupied {
            path: to.to_owned(),
            problem: "another process is pulling this model to here".to_owned(),
        });
    }
    // Who held the lock before may have come to its end since then, and have taken its file away.
    if to.exists() {
        return check_there(to, manifest);
    }
    for file in &manifest.files {
        let key = format!("{}/{}", manifest.name, file.path);
        let path = parts.join(&file.path);
        fetch(store, &key, file.bytes, &file.sha256, &path).await?;
    }
    // As it stands in the store, and last: it marks the copy as whole.
    let key = manifest_key(&manifest.name);
    let object = store.read(&key).await?.ok_or_else(|| StoreError::Refused {
        url: store.url(&key),
        problem: "it was deleted just now".to_owned(),
    })?;
    if !parse_manifest(&object.bytes).is_ok_and(|there| there.same_model(manifest)) {
        return Err(StoreError::Refused {
            url: store.url(&key),
            problem: "another model took its name just now: run this again".to_owned(),
        }
        .into());
    }
    let path = parts.join(files::MANIFEST_JSON);
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&object.bytes)?;
        file.sync_all()
    });
    written.map_err(|error| RegistryError::local("write", &path, error))?;
    renameat_with(CWD, &parts, CWD, to, RenameFlags::NOREPLACE)
        .map_err(|error| RegistryError::local("move the model to", to, error.into()))?;
    let _ = fs::remove_file(&lock_path);
    Ok(())
}

/// What is at the target must be this very model.
fn check_there(to: &Path, manifest: &Manifest) -> Result<(), RegistryError> {
    match read_manifest(to) {
        Ok((there, _)) if there == *manifest => check_folder(to, manifest),
        _ => Err(RegistryError::Occupied {
            path: to.to_owned(),
            problem: "there is something else already: choose another folder with --out".to_owned(),
        }),
    }
}

/// Hidden, beside the target, the same for each try.
fn parts_folder(to: &Path, name: &str) -> Result<PathBuf, RegistryError> {
    let parent = match to.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(|error| RegistryError::local("make", parent, error))?;
    Ok(parent.join(format!(".{name}.part")))
}

/// A model that was pulled before must still be what it was.
fn check_folder(folder: &Path, manifest: &Manifest) -> Result<(), RegistryError> {
    for file in &manifest.files {
        let path = folder.join(&file.path);
        let found = digest(&path).map_err(|error| RegistryError::local("read", &path, error))?;
        if crate::hex(&found.finalize()) != file.sha256 {
            return Err(RegistryError::Occupied {
                path,
                problem: "it was changed since it was pulled: remove the folder and pull again"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// Copies an object of `length` bytes into the file `path`, or what it lacks. The file has the digest `sha256` then, or
/// is not there.
///
/// # Errors
/// When the file can't be written, or the store lacks the object or holds other bytes.
pub async fn fetch(
    store: &dyn Store,
    key: &str,
    length: u64,
    sha256: &str,
    path: &Path,
) -> Result<(), RegistryError> {
    let local = |error| RegistryError::local("write", path, error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(local)?;
    }
    // Once more from the start, if what was there, or what came, turns out to be wrong.
    for _ in 0..2 {
        let there = fs::metadata(path).map_or(0, |found| found.len());
        let start = if there > length { 0 } else { there };
        let mut digest = if start > 0 {
            digest(path).map_err(local)?
        } else {
            Sha256::new()
        };
        let mut out = OpenOptions::new()
            .create(true)
            .append(start > 0)
            .write(true)
            .truncate(start == 0)
            .open(path)
            .map_err(local)?;
        if start < length || length == 0 {
            let missing = || StoreError::Damaged {
                url: store.url(key),
                problem: "the manifest names it, and it is not there".to_owned(),
            };
            let download = store.download(key, start).await?.ok_or_else(missing)?;
            let mut chunks = download.chunks;
            let mut bytes = start;
            while let Some(chunk) = chunks.try_next().await? {
                bytes += chunk.len() as u64;
                if bytes > length {
                    break;
                }
                digest.update(&chunk);
                out.write_all(&chunk).map_err(local)?;
            }
            out.sync_all().map_err(local)?;
        }
        if crate::hex(&digest.finalize()) == sha256 {
            return Ok(());
        }
        fs::remove_file(path).map_err(local)?;
    }
    Err(StoreError::Damaged {
        url: store.url(key),
        problem: "its bytes do not have the digest that the manifest gives".to_owned(),
    }
    .into())
}

/// The digest of what is there, to go on with.
fn digest(path: &Path) -> std::io::Result<Sha256> {
    let mut digest = Sha256::new();
    for_each_chunk(File::open(path)?, |chunk| {
        digest.update(chunk);
        Ok(())
    })?;
    Ok(digest)
}
