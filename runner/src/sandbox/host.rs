//! Every function of WASI preview 1: passed on to wasmtime-wasi, metered, or answered here.
//!
//! The trait is wasmtime-wasi's own, so that a function that is forgotten does not compile.

use std::collections::HashMap;

use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::types::{
    Advice, Ciovec, Dircookie, Dirent, Errno, Error, Event, Exitcode, Fd, Fdflags, Fdstat,
    Filedelta, Filesize, Filestat, Filetype, Fstflags, Iovec, Lookupflags, Oflags, Prestat,
    Riflags, Rights, Roflags, Sdflags, Siflags, Signal, Size, Subscription, Timestamp,
};
use wasmtime_wasi::p1::types::{Clockid, Whence};
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1 as Wasi;
use wiggle::{GuestMemory, GuestPtr, GuestType};

use super::clock::GuestClock;
use super::grants::{MAX_OPEN, MAX_PATH};
use super::limits::{LimitHit, Limits, MemoryMeter, OutputMeter};
use super::poll;

type Result<T, E = Error> = std::result::Result<T, E>;

/// The guest ended with this status.
#[derive(Debug, thiserror::Error)]
#[error("exit status {0}")]
pub struct Ended(pub u32);

/// One guest's side of the host.
pub struct GuestHost {
    pub(super) wasi: WasiP1Ctx,
    pub(super) clock: GuestClock,
    pub(super) memory: MemoryMeter,
    output: OutputMeter,
    /// The length that was counted of each file, by its inode.
    counted: HashMap<u64, u64>,
    /// Inodes as the guest sees them: numbered by its first look, for the host's differ from run to run.
    inodes: HashMap<u64, u64>,
    next_inode: u64,
    open: usize,
}

impl GuestHost {
    pub fn new(wasi: WasiP1Ctx, clock: GuestClock, limits: &Limits) -> Self {
        Self {
            wasi,
            clock,
            memory: MemoryMeter::new(limits.memory),
            output: OutputMeter::new(limits),
            counted: HashMap::new(),
            inodes: HashMap::new(),
            next_inode: 0,
            open: 0,
        }
    }

    /// Counts what the file behind `fd` has grown by.
    async fn count_growth(&mut self, memory: &mut GuestMemory<'_>, fd: Fd) -> Result<()> {
        let stat = Wasi::fd_filestat_get(&mut self.wasi, memory, fd).await?;
        if stat.filetype != Filetype::RegularFile {
            return Ok(());
        }
        let counted = self.counted.entry(stat.ino).or_default();
        if stat.size > *counted {
            let growth = stat.size - *counted;
            *counted = stat.size;
            self.output.grew(growth).map_err(stop)?;
        }
        Ok(())
    }

    /// What was known of an inode is of a file that is gone: the number was given to a new one, which has grown by nothing
    /// yet. Which numbers come back differs between file systems.
    fn forget(&mut self, inode: u64) {
        self.counted.remove(&inode);
        self.inodes.remove(&inode);
    }

    /// The same for what was just made at `path`.
    async fn forget_at(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dirfd: Fd,
        path: GuestPtr<str>,
    ) -> Result<()> {
        let itself = Lookupflags::empty();
        let made = Wasi::path_filestat_get(&mut self.wasi, memory, dirfd, itself, path).await?;
        self.forget(made.ino);
        Ok(())
    }

    /// What does not depend on where and when the guest runs.
    fn reproducible(&mut self, stat: Filestat) -> Filestat {
        let folder = stat.filetype == Filetype::Directory;
        let time = GuestClock::file_time();
        Filestat {
            dev: 1,
            ino: self.inode(stat.ino),
            filetype: stat.filetype,
            // How a folder is counted and measured differs between file systems.
            nlink: if folder { 1 } else { stat.nlink },
            size: if folder { 0 } else { stat.size },
            atim: time,
            mtim: time,
            ctim: time,
        }
    }

    fn inode(&mut self, host: u64) -> u64 {
        *self.inodes.entry(host).or_insert_with(|| {
            self.next_inode += 1;
            self.next_inode
        })
    }

    /// The entries of a folder: `.` and `..`, then the others by name.
    async fn listing(&mut self, fd: Fd) -> Result<Vec<(Dirent, Vec<u8>)>> {
        let mut room: u32 = 16 << 10;
        loop {
            let mut raw = vec![0; room as usize];
            let mut memory = GuestMemory::Unshared(&mut raw);
            let used = Wasi::fd_readdir(&mut self.wasi, &mut memory, fd, GuestPtr::new(0), room, 0)
                .await?;
            if used < room {
                return parse_listing(&memory, used);
            }
            room = room.checked_mul(4).ok_or(Errno::Overflow)?;
        }
    }
}

/// Ends the guest: no status of its own, no way to catch it.
fn stop(limit: LimitHit) -> Error {
    Error::trap(limit.into())
}

/// Reads what `fd_readdir` wrote, sorted by name: the host's order differs from disk to disk.
fn parse_listing(memory: &GuestMemory<'_>, used: u32) -> Result<Vec<(Dirent, Vec<u8>)>> {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < used {
        let entry = memory.read(GuestPtr::<Dirent>::new(at))?;
        at += Dirent::guest_size();
        let name = memory.to_vec(GuestPtr::<[u8]>::new((at, entry.d_namlen)))?;
        at += entry.d_namlen;
        entries.push((entry, name));
    }
    if let Some(others) = entries.get_mut(2..) {
        others.sort_by(|left, right| left.1.cmp(&right.1));
    }
    Ok(entries)
}

fn checked(path: GuestPtr<str>) -> Result<GuestPtr<str>> {
    if path.len() > MAX_PATH {
        return Err(Errno::Nametoolong.into());
    }
    Ok(path)
}

/// Functions that wasmtime-wasi answers as they are.
macro_rules! pass_on {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(fn $name(&mut self, memory: &mut GuestMemory<'_>, $($arg: $kind),*) -> Result<$result> {
            Wasi::$name(&mut self.wasi, memory, $($arg),*)
        })*
    };
}

/// The same, for those that may wait.
macro_rules! pass_on_async {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(async fn $name(&mut self, memory: &mut GuestMemory<'_>, $($arg: $kind),*) -> Result<$result> {
            Wasi::$name(&mut self.wasi, memory, $($arg),*).await
        })*
    };
}

impl Wasi for GuestHost {
    fn set_hostcall_fuel(&mut self, fuel: usize) {
        Wasi::set_hostcall_fuel(&mut self.wasi, fuel);
    }

    pass_on! {
        args_get(argv: GuestPtr<GuestPtr<u8>>, buf: GuestPtr<u8>) -> ();
        args_sizes_get() -> (Size, Size);
        environ_get(environ: GuestPtr<GuestPtr<u8>>, buf: GuestPtr<u8>) -> ();
        environ_sizes_get() -> (Size, Size);
        clock_res_get(id: Clockid) -> Timestamp;
        clock_time_get(id: Clockid, precision: Timestamp) -> Timestamp;
        fd_allocate(fd: Fd, offset: Filesize, len: Filesize) -> ();
        fd_fdstat_set_flags(fd: Fd, flags: Fdflags) -> ();
        fd_fdstat_set_rights(fd: Fd, base: Rights, inheriting: Rights) -> ();
        fd_prestat_get(fd: Fd) -> Prestat;
        fd_prestat_dir_name(fd: Fd, path: GuestPtr<u8>, len: Size) -> ();
        fd_tell(fd: Fd) -> Filesize;
        proc_raise(signal: Signal) -> ();
        sched_yield() -> ();
        random_get(buf: GuestPtr<u8>, len: Size) -> ();
    }

    pass_on_async! {
        fd_advise(fd: Fd, offset: Filesize, len: Filesize, advice: Advice) -> ();
        fd_datasync(fd: Fd) -> ();
        fd_fdstat_get(fd: Fd) -> Fdstat;
        fd_filestat_set_times(fd: Fd, atim: Timestamp, mtim: Timestamp, flags: Fstflags) -> ();
        fd_pread(fd: Fd, iovs: GuestPtr<[Iovec]>, offset: Filesize) -> Size;
        fd_read(fd: Fd, iovs: GuestPtr<[Iovec]>) -> Size;
        fd_seek(fd: Fd, offset: Filedelta, whence: Whence) -> Filesize;
        fd_sync(fd: Fd) -> ();
    }

    // What grows a file is metered: its length counts, holes included.

    async fn fd_write(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        iovs: GuestPtr<[Ciovec]>,
    ) -> Result<Size> {
        let written = Wasi::fd_write(&mut self.wasi, memory, fd, iovs).await?;
        self.count_growth(memory, fd).await?;
        Ok(written)
    }

    async fn fd_pwrite(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        iovs: GuestPtr<[Ciovec]>,
        offset: Filesize,
    ) -> Result<Size> {
        let written = Wasi::fd_pwrite(&mut self.wasi, memory, fd, iovs, offset).await?;
        self.count_growth(memory, fd).await?;
        Ok(written)
    }

    async fn fd_filestat_set_size(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        size: Filesize,
    ) -> Result<()> {
        Wasi::fd_filestat_set_size(&mut self.wasi, memory, fd, size).await?;
        self.count_growth(memory, fd).await
    }

    // What makes a name is counted, and so are open files.

    async fn path_open(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dirfd: Fd,
        dirflags: Lookupflags,
        path: GuestPtr<str>,
        oflags: Oflags,
        base: Rights,
        inheriting: Rights,
        flags: Fdflags,
    ) -> Result<Fd> {
        let path = checked(path)?;
        if self.open >= MAX_OPEN {
            return Err(Errno::Mfile.into());
        }
        let new = oflags.contains(Oflags::CREAT)
            && Wasi::path_filestat_get(&mut self.wasi, memory, dirfd, dirflags, path)
                .await
                .is_err();
        let fd = Wasi::path_open(
            &mut self.wasi,
            memory,
            dirfd,
            dirflags,
            path,
            oflags,
            base,
            inheriting,
            flags,
        )
        .await?;
        self.open += 1;
        if new {
            let made = Wasi::fd_filestat_get(&mut self.wasi, memory, fd).await?;
            self.forget(made.ino);
            self.output.made_file().map_err(stop)?;
        }
        Ok(fd)
    }

    async fn fd_close(&mut self, memory: &mut GuestMemory<'_>, fd: Fd) -> Result<()> {
        Wasi::fd_close(&mut self.wasi, memory, fd).await?;
        self.open = self.open.saturating_sub(1);
        Ok(())
    }

    async fn fd_renumber(&mut self, memory: &mut GuestMemory<'_>, from: Fd, to: Fd) -> Result<()> {
        Wasi::fd_renumber(&mut self.wasi, memory, from, to).await?;
        if u32::from(from) != u32::from(to) {
            self.open = self.open.saturating_sub(1);
        }
        Ok(())
    }

    async fn path_create_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dirfd: Fd,
        path: GuestPtr<str>,
    ) -> Result<()> {
        let path = checked(path)?;
        Wasi::path_create_directory(&mut self.wasi, memory, dirfd, path).await?;
        self.forget_at(memory, dirfd, path).await?;
        self.output.made_folder().map_err(stop)
    }

    async fn path_link(
        &mut self,
        memory: &mut GuestMemory<'_>,
        from_fd: Fd,
        from_flags: Lookupflags,
        from: GuestPtr<str>,
        to_fd: Fd,
        to: GuestPtr<str>,
    ) -> Result<()> {
        let (from, to) = (checked(from)?, checked(to)?);
        Wasi::path_link(&mut self.wasi, memory, from_fd, from_flags, from, to_fd, to).await?;
        self.output.made_file().map_err(stop)
    }

    async fn path_symlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        target: GuestPtr<str>,
        dirfd: Fd,
        path: GuestPtr<str>,
    ) -> Result<()> {
        let (target, path) = (checked(target)?, checked(path)?);
        Wasi::path_symlink(&mut self.wasi, memory, target, dirfd, path).await?;
        self.forget_at(memory, dirfd, path).await?;
        self.output.made_file().map_err(stop)
    }

    async fn path_rename(
        &mut self,
        memory: &mut GuestMemory<'_>,
        from_fd: Fd,
        from: GuestPtr<str>,
        to_fd: Fd,
        to: GuestPtr<str>,
    ) -> Result<()> {
        let (from, to) = (checked(from)?, checked(to)?);
        Wasi::path_rename(&mut self.wasi, memory, from_fd, from, to_fd, to).await
    }

    async fn path_filestat_set_times(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dirfd: Fd,
        flags: Lookupflags,
        path: GuestPtr<str>,
        atim: Timestamp,
        mtim: Timestamp,
        which: Fstflags,
    ) -> Result<()> {
        let path = checked(path)?;
        Wasi::path_filestat_set_times(
            &mut self.wasi,
            memory,
            dirfd,
            flags,
            path,
            atim,
            mtim,
            which,
        )
        .await
    }

    async fn path_readlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dirfd: Fd,
        path: GuestPtr<str>,
        buf: GuestPtr<u8>,
        len: Size,
    ) -> Result<Size> {
        Wasi::path_readlink(&mut self.wasi, memory, dirfd, checked(path)?, buf, len).await
    }

    async fn path_remove_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dirfd: Fd,
        path: GuestPtr<str>,
    ) -> Result<()> {
        Wasi::path_remove_directory(&mut self.wasi, memory, dirfd, checked(path)?).await
    }

    async fn path_unlink_file(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dirfd: Fd,
        path: GuestPtr<str>,
    ) -> Result<()> {
        Wasi::path_unlink_file(&mut self.wasi, memory, dirfd, checked(path)?).await
    }

    // What would tell one run from another is answered here.

    async fn fd_filestat_get(&mut self, memory: &mut GuestMemory<'_>, fd: Fd) -> Result<Filestat> {
        let stat = Wasi::fd_filestat_get(&mut self.wasi, memory, fd).await?;
        Ok(self.reproducible(stat))
    }

    async fn path_filestat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dirfd: Fd,
        flags: Lookupflags,
        path: GuestPtr<str>,
    ) -> Result<Filestat> {
        let path = checked(path)?;
        let stat = Wasi::path_filestat_get(&mut self.wasi, memory, dirfd, flags, path).await?;
        Ok(self.reproducible(stat))
    }

    async fn fd_readdir(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buf: GuestPtr<u8>,
        len: Size,
        cookie: Dircookie,
    ) -> Result<Size> {
        let skip = usize::try_from(cookie)?;
        let entries = self.listing(fd).await?;
        let mut used = 0;
        for ((entry, name), next) in entries.into_iter().zip(1..).skip(skip) {
            let mut bytes = [0; 24];
            bytes[..8].copy_from_slice(&u64::to_le_bytes(next));
            bytes[8..16].copy_from_slice(&self.inode(entry.d_ino).to_le_bytes());
            bytes[16..20].copy_from_slice(&entry.d_namlen.to_le_bytes());
            bytes[20] = entry.d_type as u8;
            for part in [&bytes[..], &name] {
                let part = &part[..part.len().min((len - used) as usize)];
                let size = u32::try_from(part.len())?;
                memory.copy_from_slice(part, buf.add(used)?.as_array(size))?;
                used += size;
            }
            if used == len {
                break;
            }
        }
        Ok(used)
    }

    async fn poll_oneoff(
        &mut self,
        memory: &mut GuestMemory<'_>,
        subscriptions: GuestPtr<Subscription>,
        events: GuestPtr<Event>,
        count: Size,
    ) -> Result<Size> {
        poll::poll(self, memory, subscriptions, events, count).await
    }

    fn proc_exit(&mut self, _memory: &mut GuestMemory<'_>, status: Exitcode) -> wasmtime::Error {
        Ended(status).into()
    }

    // There are no sockets. wasmtime-wasi says the same, with a line in the log at each call.

    fn sock_accept(&mut self, _: &mut GuestMemory<'_>, _: Fd, _: Fdflags) -> Result<Fd> {
        Err(Errno::Notsock.into())
    }

    fn sock_recv(
        &mut self,
        _: &mut GuestMemory<'_>,
        _: Fd,
        _: GuestPtr<[Iovec]>,
        _: Riflags,
    ) -> Result<(Size, Roflags)> {
        Err(Errno::Notsock.into())
    }

    fn sock_send(
        &mut self,
        _: &mut GuestMemory<'_>,
        _: Fd,
        _: GuestPtr<[Ciovec]>,
        _: Siflags,
    ) -> Result<Size> {
        Err(Errno::Notsock.into())
    }

    fn sock_shutdown(&mut self, _: &mut GuestMemory<'_>, _: Fd, _: Sdflags) -> Result<()> {
        Err(Errno::Notsock.into())
    }
}
