use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, fsync, mkdirat, openat, renameat, unlinkat};

use super::open::{REACH, beneath, regular, step};
use super::remove::remove_inside;
use super::rename::rename_new;

/// How often a folder is made again that somebody removes while something is put into it.
const TIMES_GONE: u32 = 1000;

/// A folder that is held open. Paths are relative to it and stay beneath it.
#[derive(Debug)]
pub struct Folder(OwnedFd);

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Folder {
    /// Opens a folder that the operator named: links in its path are followed.
    ///
    /// # Errors
    /// When there is none, or it can't be reached.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = REACH | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// The same, but that it must not be a link itself.
    ///
    /// # Errors
    /// As [`Folder::open`], and when it is a link.
    pub fn open_no_link(path: &Path) -> io::Result<Self> {
        let flags = REACH | OFlags::CLOEXEC;
        step(CWD, path.as_os_str(), flags, Mode::empty()).map(Self)
    }

    /// Opens a folder that the operator named, and makes it and those above it where they are missing. `made` is told of
    /// each folder in which one was made.
    ///
    /// # Errors
    /// When it can't be opened or made.
    pub fn open_or_make(
        path: &Path,
        mode: u32,
        made: &mut dyn FnMut(&Self) -> io::Result<()>,
    ) -> io::Result<Self> {
        match Self::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
        let Some(parent) = path.parent() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let above = Self::open_or_make(parent_or_here(parent), mode, made)?;
        // A path that ends in `..` leads to a folder that is there by now.
        if let Some(name) = path.file_name() {
            match above.make_folder(name, mode) {
                Ok(_) => made(&above)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Self::open(path)
    }

    /// A folder beneath this one.
    ///
    /// # Errors
    /// When there is none, or a link lies on the way.
    pub fn folder(&self, path: impl AsRef<Path>) -> io::Result<Self> {
        beneath(self.as_fd(), path.as_ref(), REACH, Mode::empty()).map(Self)
    }

    /// Makes a folder, which must not exist.
    ///
    /// # Errors
    /// When something is there already, or it can't be made.
    pub fn make_folder(&self, name: impl AsRef<OsStr>, mode: u32) -> io::Result<Self> {
        mkdirat(self, name.as_ref(), Mode::from_raw_mode(mode))?;
        self.folder(name.as_ref())
    }

    /// Opens a folder beneath this one, and makes it and those above it where they are missing. `made` is told of each
    /// folder in which one was made.
    ///
    /// # Errors
    /// When it can't be opened or made, or a link lies on the way.
    pub fn make_folders(
        &self,
        path: impl AsRef<Path>,
        mode: u32,
        made: &mut dyn FnMut(&Self) -> io::Result<()>,
    ) -> io::Result<Self> {
        let path = path.as_ref();
        let mut gone = 0;
        loop {
            match self.make_each(path, mode, made) {
                // Somebody removed one of them, since it was empty, before there was anything in it.
                Err(error) if error.kind() == io::ErrorKind::NotFound && gone < TIMES_GONE => {
                    gone += 1;
                }
                result => return result,
            }
        }
    }

    fn make_each(
        &self,
        path: &Path,
        mode: u32,
        made: &mut dyn FnMut(&Self) -> io::Result<()>,
    ) -> io::Result<Self> {
        match self.folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
        let mut folder = self.folder(".")?;
        for name in path {
            let next = match folder.folder(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    match folder.make_folder(name, mode) {
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                            folder.folder(name)
                        }
                        result => result.and_then(|next| made(&folder).map(|()| next)),
                    }
                }
                result => result,
            };
            folder = next?;
        }
        Ok(folder)
    }

    /// A regular file, for reading.
    ///
    /// # Errors
    /// When there is none, a link lies on the way, or it is something else ([`super::Foreign`]).
    pub fn read(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.file(path.as_ref(), OFlags::RDONLY, 0)
    }

    /// A regular file, for reading and writing, made if it is missing.
    ///
    /// # Errors
    /// As [`Folder::read`], and when it can't be made.
    pub fn read_or_create(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<File> {
        self.file(path.as_ref(), OFlags::RDWR | OFlags::CREATE, mode)
    }

    /// A regular file that is there, for reading and writing.
    ///
    /// # Errors
    /// As [`Folder::read`], and when it can't be written.
    pub fn read_or_write(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.file(path.as_ref(), OFlags::RDWR, 0)
    }

    /// A new file, for writing.
    ///
    /// # Errors
    /// When something is there already, or it can't be made.
    pub fn create(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        self.file(path.as_ref(), flags, mode)
    }

    fn file(&self, path: &Path, flags: OFlags, mode: u32) -> io::Result<File> {
        regular(beneath(
            self.as_fd(),
            path,
            flags,
            Mode::from_raw_mode(mode),
        )?)
    }

    /// What is known of something beneath this folder; of a link, the link.
    ///
    /// # Errors
    /// When nothing is there, or a link lies on the way.
    pub fn metadata(&self, path: impl AsRef<Path>) -> io::Result<Metadata> {
        let (above, name) = self.place(path.as_ref())?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        File::from(openat(above, name, flags, Mode::empty())?).metadata()
    }

    /// What is known of this folder.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn own_metadata(&self) -> io::Result<Metadata> {
        File::from(self.0.try_clone()?).metadata()
    }

    /// The names in this folder, in no order.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::new(self.listable()?)? {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn listable(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        beneath(self.as_fd(), Path::new("."), flags, Mode::empty())
    }

    /// Makes what was created, renamed or removed in this folder outlive a power failure.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&self) -> io::Result<()> {
        Ok(fsync(self.listable()?)?)
    }

    /// Removes a file, a link, a pipe: whatever is not a folder.
    ///
    /// # Errors
    /// When there is none, or it can't be removed.
    pub fn remove_file(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let (above, name) = self.place(path.as_ref())?;
        Ok(unlinkat(above, name, AtFlags::empty())?)
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// When there is none, it holds something, or it can't be removed.
    pub fn remove_folder(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let (above, name) = self.place(path.as_ref())?;
        Ok(unlinkat(above, name, AtFlags::REMOVEDIR)?)
    }

    /// Removes a folder and all that lies in it.
    ///
    /// # Errors
    /// When something in it can't be removed. The rest is.
    pub fn remove_whole(&self, path: impl AsRef<Path>) -> io::Result<()> {
        remove_inside(&self.folder(path.as_ref())?, None)?;
        self.remove_folder(path)
    }

    /// Removes all that lies in this folder, but for `keep`.
    ///
    /// # Errors
    /// When something can't be removed. The rest is.
    pub fn remove_inside(&self, keep: Option<&OsStr>) -> io::Result<()> {
        remove_inside(self, keep)
    }

    /// Moves something to where nothing is.
    ///
    /// # Errors
    /// `AlreadyExists` when something is there.
    pub fn rename_new(
        &self,
        from: impl AsRef<Path>,
        to: &Self,
        name: impl AsRef<Path>,
    ) -> io::Result<()> {
        let (from, to) = (self.place(from.as_ref())?, to.place(name.as_ref())?);
        rename_new((from.0.as_fd(), from.1), (to.0.as_fd(), to.1))
    }

    /// Moves a file to where another one may be, which is gone then.
    ///
    /// # Errors
    /// When it can't be moved.
    pub fn rename_over(
        &self,
        from: impl AsRef<Path>,
        to: &Self,
        name: impl AsRef<Path>,
    ) -> io::Result<()> {
        let (from, to) = (self.place(from.as_ref())?, to.place(name.as_ref())?);
        Ok(renameat(from.0, from.1, to.0, to.1)?)
    }

    /// The folder that a path's last part lies in, and that part.
    fn place<'a>(&self, path: &'a Path) -> io::Result<(Self, &'a OsStr)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let above = path.parent().unwrap_or(Path::new("."));
        Ok((self.folder(parent_or_here(above))?, name))
    }
}

/// The parent of a relative path of one part, and so the folder that a process works in, is written as nothing.
pub(super) fn parent_or_here(parent: &Path) -> &Path {
    match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    }
}
