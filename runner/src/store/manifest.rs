//! A model's `manifest.json`: written, read and not trusted.

use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use contract::{Manifest, files};

use super::{LARGEST_READ, StoreError, check_key};
use crate::names::Name;
use crate::platform::Folder;

/// Writes `manifest.json` into a model's folder, whole or not at all. [`super::publish`] reads it from there.
///
/// # Errors
/// When the folder can't be written.
pub fn write_manifest(folder: &Path, manifest: &Manifest) -> Result<(), StoreError> {
    let path = folder.join(files::MANIFEST_JSON);
    let failed = |source| StoreError::local("write", &path, source);
    let mut text = serde_json::to_vec_pretty(manifest)
        .map_err(|error| failed(std::io::Error::other(error)))?;
    text.push(b'\n');
    let mut temporary = tempfile::Builder::new()
        .prefix(".manifest")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed)?;
    std::io::Write::write_all(&mut temporary, &text).map_err(failed)?;
    // Not forced to the disk, as the files beside it are not: a store does that to its own copies.
    temporary
        .persist(&path)
        .map_err(|error| failed(error.error))?;
    Ok(())
}

/// Reads a model's manifest from its folder, with its bytes as they stand there.
///
/// # Errors
/// When there is none, it is not a regular file, or it is none that a runner could have written.
pub fn read_manifest(folder: &Path) -> Result<(Manifest, Bytes), StoreError> {
    read_manifest_in(&open_model(folder)?, folder)
}

/// Opens a model's folder.
pub(super) fn open_model(folder: &Path) -> Result<Folder, StoreError> {
    let failed = |source| StoreError::local("read", &folder.join(files::MANIFEST_JSON), source);
    Folder::open(folder).map_err(failed)
}

/// The same of a folder that is open, which is shown as `folder`.
pub(super) fn read_manifest_in(
    opened: &Folder,
    folder: &Path,
) -> Result<(Manifest, Bytes), StoreError> {
    let path = folder.join(files::MANIFEST_JSON);
    let failed = |source| StoreError::local("read", &path, source);
    let bad = |problem| StoreError::BadModel {
        folder: folder.to_owned(),
        problem: format!("its {}: {problem}", files::MANIFEST_JSON),
    };
    let file = opened.read(files::MANIFEST_JSON).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(LARGEST_READ + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST_READ {
        return Err(bad(format!("it is larger than {} MiB", LARGEST_READ >> 20)));
    }
    let manifest = parse(&bytes).map_err(bad)?;
    Ok((manifest, bytes.into()))
}

/// Reads a manifest that anybody may have written: what comes out names objects of its own model only.
///
/// # Errors
/// What is wrong with it.
pub fn parse(bytes: &[u8]) -> Result<Manifest, String> {
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if manifest.schema != Manifest::SCHEMA {
        return Err(format!(
            "schema version {} is not {}: use a newer runner",
            manifest.schema,
            Manifest::SCHEMA
        ));
    }
    for part in [&manifest.save_path, &manifest.model_version, &manifest.id] {
        part.parse::<Name>().map_err(|error| error.to_string())?;
    }
    let name = format!(
        "{}_v{}_{}",
        manifest.save_path, manifest.model_version, manifest.id
    );
    if manifest.name != name {
        return Err(format!(
            "name is {:?} and its parts give {name}",
            manifest.name
        ));
    }
    let digest = |text: &str| text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit());
    for file in &manifest.files {
        check_key(&file.path).map_err(|error| error.to_string())?;
        if file.path == files::MANIFEST_JSON || !digest(&file.sha256) {
            return Err(format!("files can't hold {:?} so", file.path));
        }
    }
    if !digest(&manifest.module.sha256) || !digest(&manifest.data.sha256) {
        return Err("module and data need SHA-256 digests".to_owned());
    }
    Ok(manifest)
}
