use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use contract::{Manifest, files};
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::RegistryError;
use crate::digest::{self, for_each_chunk};
use crate::platform::{Adopted, Folder, WorkFolder};
use crate::store::mark::{self, Mark};
use crate::store::{LocalFile, Store, StoreError, manifest_key, read_manifest};

/// In the folder of an attempt: what has arrived. It becomes the model's folder.
const ARRIVED: &str = "files";

/// Copies a model into the folder `to`, which appears whole or not at all. Every file has the digest that the
/// manifest gives; what an earlier try brought is not fetched again.
///
/// # Errors
/// When something else is at `to`, it can't be written, or the store lacks a file or holds other bytes.
pub async fn pull(store: &dyn Store, manifest: &Manifest, to: &Path) -> Result<(), RegistryError> {
    if is_there(to) {
        return check_there(to, manifest);
    }
    let mut attempt = attempt(to, &manifest.name)?;
    // Whoever was at it before may have come to its end since then.
    if is_there(to) {
        return check_there(to, manifest);
    }
    // It stays for the next try, whatever ends this one.
    attempt.keep(true);
    let arrived = attempt.path().join(ARRIVED);
    let local = |action, error| RegistryError::local(action, &arrived, error);
    let folder = attempt
        .folder()
        .make_folders(ARRIVED, 0o777, &mut |_| Ok(()));
    let folder = folder.map_err(|error| local("make", error))?;
    for file in &manifest.files {
        let key = format!("{}/{}", manifest.name, file.path);
        let (above, name) = file.path.rsplit_once('/').unwrap_or((".", &file.path));
        let above = folder.make_folders(above, 0o777, &mut |_| Ok(()));
        let above = above.map_err(|error| local("make a folder in", error))?;
        let place = Place {
            folder: &above,
            name,
            shown: &arrived.join(&file.path),
        };
        fetch_into(store, &key, file.bytes, &file.sha256, &place).await?;
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
    let name = to.file_name().unwrap_or_default();
    let moved = attempt.folder().rename_new(ARRIVED, attempt.above(), name);
    moved.map_err(|error| RegistryError::local("move the model to", to, error))?;
    attempt.keep(false);
    Ok(())
}

/// Whether anything bears that name, a link that leads nowhere included.
fn is_there(to: &Path) -> bool {
    std::fs::symlink_metadata(to).is_ok()
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
        Some(Mark::Damaged(problem)) => Err(refused(&format!("it is damaged: {problem}"))),
        Some(Mark::Tombstone(_)) | None => Err(refused("it was deleted just now")),
    }
}

/// A hidden folder beside the target: what an earlier try left, else a fresh one.
fn attempt(to: &Path, name: &str) -> Result<WorkFolder, RegistryError> {
    let parent = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = |action| move |error| RegistryError::local(action, parent, error);
    let above = Folder::open_or_make(parent, 0o777, &mut |_| Ok(())).map_err(failed("make"))?;
    let prefix = format!(".{name}.part-");
    for entry in above.names().map_err(failed("list"))? {
        match WorkFolder::adopt(parent, &entry, &prefix) {
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
    WorkFolder::make(parent, &prefix).map_err(failed("write in"))
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

/// A model that was pulled before must still be what it was.
fn check_folder(folder: &Path, manifest: &Manifest) -> Result<(), RegistryError> {
    let opened = Folder::open(folder);
    let opened = opened.map_err(|error| RegistryError::local("read", folder, error))?;
    let opened = Arc::new(opened);
    for file in &manifest.files {
        let file_there = LocalFile::beneath(&opened, folder, &file.path);
        let path = file_there.path();
        let found = file_there.open().and_then(digest::sha256);
        let (_, found) = found.map_err(|error| RegistryError::local("read", path, error))?;
        if found != file.sha256 {
            return Err(RegistryError::Occupied {
                path: path.to_owned(),
                problem: "it was changed since it was pulled: remove the folder and pull again"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// Where a file arrives.
struct Place<'a> {
    folder: &'a Folder,
    name: &'a str,
    /// For people.
    shown: &'a Path,
}

impl Place<'_> {
    fn failed(&self, error: io::Error) -> RegistryError {
        RegistryError::local("write", self.shown, error)
    }
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
    let folder = path.parent().unwrap_or(Path::new("."));
    let folder = Folder::open_or_make(folder, 0o777, &mut |_| Ok(())).map_err(local)?;
    let name = path.file_name().and_then(|name| name.to_str());
    let place = Place {
        folder: &folder,
        name: name.ok_or_else(|| local(io::ErrorKind::InvalidInput.into()))?,
        shown: path,
    };
    fetch_into(store, key, length, sha256, &place).await
}

async fn fetch_into(
    store: &dyn Store,
    key: &str,
    length: u64,
    sha256: &str,
    place: &Place<'_>,
) -> Result<(), RegistryError> {
    let local = |error| place.failed(error);
    // Once more from the start, if what was there, or what came, turns out to be wrong.
    for _ in 0..2 {
        let mut out = place
            .folder
            .read_or_create(place.name, 0o666)
            .map_err(local)?;
        let (start, mut digest) = go_on(&mut out, length).map_err(local)?;
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
        place.folder.remove_file(place.name).map_err(local)?;
    }
    Err(StoreError::Damaged {
        url: store.url(key),
        problem: "its bytes do not have the digest that the manifest gives".to_owned(),
    }
    .into())
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
