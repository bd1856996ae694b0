use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use contract::{Manifest, files};
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::RegistryError;
use crate::digest::{self, for_each_chunk};
use crate::platform::{Adopted, NamedFolder, WorkFolder};
use crate::store::mark::{self, Mark};
use crate::store::{ARRIVALS, LocalFile, Store, StoreError, manifest_key, read_manifest};

/// In the folder of an attempt: what has arrived. It becomes the model's folder.
const ARRIVED: &str = "files";

/// Copies a model into the folder `name` in `above`, which appears whole or not at all. Every file has the length and the
/// digest that the manifest gives; what an earlier try brought is not fetched again.
///
/// # Errors
/// When something else is there, it can't be written, or the store lacks a file or holds other bytes.
pub async fn pull(
    store: &dyn Store,
    manifest: &Manifest,
    above: &NamedFolder,
    name: &OsStr,
) -> Result<NamedFolder, RegistryError> {
    let to = above.path().join(name);
    if is_there(above, name) {
        return check_there(above, name, manifest);
    }
    let mut attempt = attempt(above, &to, &manifest.name)?;
    // Whoever was at it before may have come to its end since then.
    if is_there(above, name) {
        return check_there(above, name, manifest);
    }
    // It stays for the next try, whatever ends this one.
    attempt.keep(true);
    let arrived = attempt.path().join(ARRIVED);
    let local = |action, error| RegistryError::local(action, &arrived, error);
    let folder = attempt.folder().make_beneath(ARRIVED);
    let folder = folder.map_err(|error| local("make", error))?;
    for file in &manifest.files {
        let key = format!("{}/{}", manifest.name, file.path);
        let (above, name) = file.path.rsplit_once('/').unwrap_or((".", &file.path));
        let above = folder.make_beneath(above);
        let above = above.map_err(|error| local("make a folder in", error))?;
        fetch(store, &key, file.bytes, &file.sha256, &above, name).await?;
    }
    let object = manifest_as_stored(store, manifest).await?;
    let path = arrived.join(files::MANIFEST_JSON);
    let failed = |error| RegistryError::local("write", &path, error);
    // Last: it marks the copy as whole.
    let mut written = folder
        .read_or_create(files::MANIFEST_JSON, 0o666)
        .map_err(failed)?;
    written
        .set_len(0)
        .and_then(|()| written.write_all(&object))
        .and_then(|()| written.sync_all())
        .map_err(failed)?;
    let moved = attempt.folder().rename_new(ARRIVED, above, name);
    moved.map_err(|error| RegistryError::local("move the model to", &to, error))?;
    attempt.keep(false);
    Ok(folder.moved_to(to))
}

/// Whether anything bears that name, a link that leads nowhere included.
fn is_there(above: &NamedFolder, name: &OsStr) -> bool {
    above.metadata(name).is_ok()
}

/// The bytes of a model's manifest as they stand in the store.
async fn manifest_as_stored(
    store: &dyn Store,
    manifest: &Manifest,
) -> Result<bytes::Bytes, StoreError> {
    let key = manifest_key(&manifest.name);
    let refused = |problem: &str| StoreError::Refused {
        url: store.url(&key),
        problem: problem.to_owned(),
    };
    match mark::find(store, &manifest.name)
        .await?
        .map(|found| found.mark)
    {
        Some(Mark::Model(there)) if there.manifest.same_model(manifest) => Ok(there.bytes),
        Some(Mark::Model(_)) => Err(refused(
            "another model took its name just now: run this again",
        )),
        Some(Mark::Damaged(problem)) => Err(StoreError::Damaged {
            url: store.url(&key),
            problem: problem.to_string(),
        }),
        Some(Mark::Tombstone(_)) | None => Err(refused("it was deleted just now")),
    }
}

/// A hidden folder beside the target `to`: what an earlier try left, else a fresh one.
fn attempt(above: &NamedFolder, to: &Path, name: &str) -> Result<WorkFolder, RegistryError> {
    let shown = match above.path().as_os_str().is_empty() {
        true => Path::new("."),
        false => above.path(),
    };
    let failed = |action| move |error| RegistryError::local(action, shown, error);
    let prefix = format!(".{name}.part-");
    for entry in above.names().map_err(failed("list"))? {
        match WorkFolder::adopt(above, &entry, &prefix) {
            Adopted::Ours(left) => return Ok(left),
            Adopted::Busy => {
                return Err(RegistryError::Occupied {
                    path: to.to_owned(),
                    problem: "another process is pulling this model to here".to_owned(),
                });
            }
            Adopted::Other => {}
        }
    }
    WorkFolder::make(above, &prefix).map_err(failed("write in"))
}

/// What is at the target must be this very model.
fn check_there(
    above: &NamedFolder,
    name: &OsStr,
    manifest: &Manifest,
) -> Result<NamedFolder, RegistryError> {
    // A link is something else, wherever it leads.
    let there = above.beneath(name).ok();
    let read = there.as_ref().and_then(|there| read_manifest(there).ok());
    match (there, read) {
        (Some(there), Some((read, _))) if read == *manifest => check_folder(there, manifest),
        _ => Err(RegistryError::Occupied {
            path: above.path().join(name),
            problem: "there is something else already: choose another folder with --out".to_owned(),
        }),
    }
}

/// A model that was pulled before must still be what it was.
fn check_folder(folder: NamedFolder, manifest: &Manifest) -> Result<NamedFolder, RegistryError> {
    for file in &manifest.files {
        let file_there = LocalFile::beneath(&folder, &file.path);
        let path = file_there.path();
        let found = file_there.open().and_then(digest::sha256);
        let found = found.map_err(|error| RegistryError::local("read", path, error))?;
        if found != (file.bytes, file.sha256.clone()) {
            return Err(RegistryError::Occupied {
                path: path.to_owned(),
                problem: "it was changed since it was pulled: remove the folder and pull again"
                    .to_owned(),
            });
        }
    }
    Ok(folder)
}

/// Copies an object of `length` bytes into the file `name` in `folder`, or what it lacks. The file has that length and the
/// digest `sha256` then, or is not there.
///
/// # Errors
/// When the file can't be written, or the store lacks the object or holds other bytes.
pub async fn fetch(
    store: &dyn Store,
    key: &str,
    length: u64,
    sha256: &str,
    folder: &NamedFolder,
    name: &str,
) -> Result<(), RegistryError> {
    let path = folder.path().join(name);
    let local = |error| RegistryError::local("write", &path, error);
    let damaged = |problem: String| StoreError::Damaged {
        url: store.url(key),
        problem,
    };
    // Once more from the start, if what was there, or what came, turns out to be wrong.
    for _ in 0..ARRIVALS {
        let mut out = folder.read_or_create(name, 0o666).map_err(local)?;
        let (start, mut digest) = go_on(&mut out, length).map_err(local)?;
        if start < length || length == 0 {
            let missing = || damaged("the manifest names it, and it is not there".to_owned());
            let download = store.download(key, start).await?.ok_or_else(missing)?;
            if download.bytes != length {
                folder.remove_file(name).map_err(local)?;
                let there = download.bytes;
                let problem = format!("it has {there} bytes, and the manifest gives {length}");
                return Err(damaged(problem).into());
            }
            let mut chunks = download.chunks;
            let mut bytes = start;
            loop {
                let chunk = match chunks.try_next().await {
                    Ok(Some(chunk)) => chunk,
                    // Its digest tells, too.
                    Ok(None) | Err(StoreError::Garbled { .. }) => break,
                    Err(error) => return Err(error.into()),
                };
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
        folder.remove_file(name).map_err(local)?;
    }
    Err(damaged("its bytes do not have the digest that the manifest gives".to_owned()).into())
}

/// The end of what has arrived of `length` bytes, and the digest so far, to go on with.
fn go_on(file: &mut File, length: u64) -> io::Result<(u64, Sha256)> {
    let mut digest = Sha256::new();
    let there = file.metadata()?.len();
    if there > length {
        file.set_len(0)?;
        return Ok((0, digest));
    }
    file.seek(SeekFrom::Start(0))?;
    let start = for_each_chunk(&*file, |chunk| {
        digest.update(chunk);
        Ok(())
    })?;
    Ok((start, digest))
}
