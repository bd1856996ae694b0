#![allow(clippy::unwrap_used)]

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

use super::open::{beneath, one_by_one};
use super::rename::{rename_new, rename_new_without_flag};
use super::*;

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// By the kernel, and as it is done where the kernel can't.
fn both_ways(folder: &Folder, path: &str, flags: OFlags) -> [io::Result<OwnedFd>; 2] {
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK;
    [beneath, one_by_one].map(|open| open(folder.as_fd(), Path::new(path), flags, Mode::empty()))
}

#[test]
fn no_link_is_followed_and_nothing_above_is_reached() {
    let (shared, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(other.path().join("secret"), "secret").unwrap();
    fs::create_dir(shared.path().join("a")).unwrap();
    fs::write(shared.path().join("a/file"), "text").unwrap();
    symlink(other.path(), shared.path().join("link")).unwrap();
    symlink(other.path().join("secret"), shared.path().join("a/link")).unwrap();
    symlink("loop", shared.path().join("loop")).unwrap();
    symlink("file", shared.path().join("a/inside")).unwrap();
    let folder = Folder::open(shared.path()).unwrap();
    for opened in both_ways(&folder, "a/file", OFlags::RDONLY) {
        assert_eq!(
            io::read_to_string(regular(opened.unwrap()).unwrap()).unwrap(),
            "text"
        );
    }
    for path in ["link/secret", "a/link", "loop", "loop/x", "a/inside"] {
        for opened in both_ways(&folder, path, OFlags::RDONLY) {
            assert!(is_foreign(&opened.unwrap_err()), "{path}");
        }
        assert!(is_foreign(&folder.read(path).unwrap_err()), "{path}");
    }
    for opened in both_ways(&folder, "link", OFlags::RDONLY | OFlags::DIRECTORY) {
        assert!(is_foreign(&opened.unwrap_err()));
    }
    for path in ["..", "../x", "a/../../x", "/etc/passwd"] {
        for opened in both_ways(&folder, path, OFlags::RDONLY) {
            assert!(opened.is_err(), "{path}");
        }
    }
    for path in ["link/new", "a/link"] {
        assert!(folder.create(path, 0o600).is_err(), "{path}");
        assert!(folder.read_or_create(path, 0o600).is_err(), "{path}");
    }
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1);
    let missing = folder.read("a/none").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let not_a_folder = folder.folder("a/file").unwrap_err();
    assert_eq!(not_a_folder.kind(), ErrorKind::NotADirectory);
}

#[test]
fn a_pipe_is_not_waited_for() {
    let shared = tempfile::tempdir().unwrap();
    pipe(&shared.path().join("pipe"));
    let folder = Folder::open(shared.path()).unwrap();
    for error in [
        folder.read("pipe").unwrap_err(),
        folder.read_or_create("pipe", 0o600).unwrap_err(),
        open_regular(&shared.path().join("pipe")).unwrap_err(),
    ] {
        assert!(is_foreign(&error));
        assert!(error.to_string().contains("a named pipe"), "{error}");
    }
    folder.remove_file("pipe").unwrap();
    assert_eq!(folder.names().unwrap().len(), 0);
}

#[test]
fn nothing_is_renamed_onto_something_else() {
    for rename in [rename_new, rename_new_without_flag] {
        let shared = tempfile::tempdir().unwrap();
        let path = |name: &str| shared.path().join(name);
        let folder = Folder::open(shared.path()).unwrap();
        let rename = |from: &str, to: &str| {
            let (from, to) = (OsStr::new(from), OsStr::new(to));
            rename((folder.as_fd(), from), (folder.as_fd(), to))
        };
        fs::write(path("file"), "file").unwrap();
        fs::create_dir(path("folder")).unwrap();
        fs::write(path("folder/inner"), "inner").unwrap();
        fs::write(path("taken"), "taken").unwrap();
        fs::create_dir(path("empty")).unwrap();
        fs::create_dir(path("full")).unwrap();
        fs::write(path("full/inner"), "theirs").unwrap();
        symlink("none", path("dangling")).unwrap();
        for from in ["file", "folder"] {
            for to in ["taken", "empty", "full", "dangling"] {
                let error = rename(from, to).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{from} {to}");
            }
        }
        rename("file", "new file").unwrap();
        rename("folder", "new folder").unwrap();
        assert!(!path("file").exists() && !path("folder").exists());
        assert_eq!(fs::read_to_string(path("new file")).unwrap(), "file");
        assert_eq!(
            fs::read_to_string(path("new folder/inner")).unwrap(),
            "inner"
        );
        assert_eq!(fs::read_to_string(path("full/inner")).unwrap(), "theirs");
    }
}

#[test]
fn folders_are_made_beneath_and_of_each_the_one_above_is_told() {
    let home = tempfile::tempdir().unwrap();
    let mut told = 0;
    let mut made = |_: &Folder| {
        told += 1;
        Ok(())
    };
    let root = home.path().join("a/../b/c");
    let folder = Folder::open_or_make(&root, 0o755, &mut made).unwrap();
    folder.make_folders("d/e", 0o755, &mut made).unwrap();
    folder.make_folders("d/e", 0o755, &mut made).unwrap();
    assert!(home.path().join("b/c/d/e").is_dir());
    assert_eq!(told, 5);
    symlink(home.path(), home.path().join("b/c/link")).unwrap();
    assert!(
        folder
            .make_folders("link/x", 0o755, &mut |_| Ok(()))
            .is_err()
    );
    assert!(!home.path().join("x").exists());
}

#[test]
fn a_folder_that_is_exchanged_for_a_link_stays_the_folder_that_was_opened() {
    let home = tempfile::tempdir().unwrap();
    let (ours, theirs) = (home.path().join("ours"), home.path().join("theirs"));
    for folder in [&ours, &theirs] {
        fs::create_dir(folder).unwrap();
        fs::write(
            folder.join("file"),
            folder.file_name().unwrap().as_encoded_bytes(),
        )
        .unwrap();
    }
    let folder = Folder::open(&ours).unwrap();
    fs::rename(&ours, home.path().join("moved")).unwrap();
    symlink(&theirs, &ours).unwrap();
    let mut text = String::new();
    folder
        .read("file")
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "ours");
    folder.remove_inside(None).unwrap();
    assert!(theirs.join("file").exists());
    assert_eq!(fs::read_dir(home.path().join("moved")).unwrap().count(), 0);
}
