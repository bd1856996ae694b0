//! Every function of WASI preview 1: passed on to wasmtime-wasi, metered, or answered here.
//!
//! The trait is wasmtime-wasi's own, so that a function that is forgotten does not compile.

use wasmtime_wasi::p1::types::{
    Advice, Ciovec, Clockid, Dircookie, Errno, Event, Exitcode, Fd, Fdflags, Fdstat, Filedelta,
    Filesize, Filestat, Fstflags, Iovec, Lookupflags, Oflags, Prestat, Riflags, Rights, Roflags,
    Sdflags, Siflags, Signal, Size, Subscription, Timestamp, Whence,
};
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1 as Wasi;
use wiggle::{GuestMemory, GuestPtr};

use super::{Ended, GuestHost, Result, ends, poll};
use crate::sandbox::grants::MAX_OPEN;

/// Random bytes that are made between two looks at whether the guest is to stop.
const RANDOM: u32 = 1 << 20;

/// Functions that wasmtime-wasi answers as they are.
macro_rules! pass_on {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(fn $name(&mut self, memory: &mut GuestMemory<'_>, $($arg: $kind),*) -> Result<$result> {
            self.go_on()?;
            Wasi::$name(&mut self.wasi, memory, $($arg),*)
        })*
    };
}

/// The same, for those that may wait.
macro_rules! pass_on_async {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(async fn $name(&mut self, memory: &mut GuestMemory<'_>, $($arg: $kind),*) -> Result<$result> {
            self.go_on()?;
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
    }

    pass_on_async! {
        fd_advise(fd: Fd, offset: Filesize, len: Filesize, advice: Advice) -> ();
        fd_datasync(fd: Fd) -> ();
        fd_fdstat_get(fd: Fd) -> Fdstat;
        fd_filestat_set_times(fd: Fd, atim: Timestamp, mtim: Timestamp, flags: Fstflags) -> ();
        fd_seek(fd: Fd, offset: Filedelta, whence: Whence) -> Filesize;
        fd_sync(fd: Fd) -> ();
    }

    // What reads and writes does so in parts of a bounded length.

    async fn fd_read(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        iovs: GuestPtr<[Iovec]>,
    ) -> Result<Size> {
        self.read(memory, fd, iovs, None).await
    }

    async fn fd_pread(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        iovs: GuestPtr<[Iovec]>,
        offset: Filesize,
    ) -> Result<Size> {
        self.read(memory, fd, iovs, Some(offset)).await
    }

    fn random_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        buf: GuestPtr<u8>,
        len: Size,
    ) -> Result<()> {
        let mut made = 0;
        while made < len {
            self.go_on()?;
            let part = (len - made).min(RANDOM);
            Wasi::random_get(&mut self.wasi, memory, buf.add(made)?, part)?;
            made += part;
        }
        Ok(())
    }

    // What grows a file is metered: its length counts, holes included.

    async fn fd_write(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        iovs: GuestPtr<[Ciovec]>,
    ) -> Result<Size> {
        self.write(memory, fd, iovs, None).await
    }

    async fn fd_pwrite(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        iovs: GuestPtr<[Ciovec]>,
        offset: Filesize,
    ) -> Result<Size> {
        self.write(memory, fd, iovs, Some(offset)).await
    }

    async fn fd_filestat_set_size(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        size: Filesize,
    ) -> Result<()> {
        self.go_on()?;
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
        let path = self.checked(path)?;
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
            let stat = Wasi::fd_filestat_get(&mut self.wasi, memory, fd).await?;
            self.inodes.made(stat.ino);
            self.output.made_file().map_err(ends)?;
        }
        Ok(fd)
    }

    async fn fd_close(&mut self, memory: &mut GuestMemory<'_>, fd: Fd) -> Result<()> {
        self.go_on()?;
        Wasi::fd_close(&mut self.wasi, memory, fd).await?;
        self.gone(fd);
        Ok(())
    }

    async fn fd_renumber(&mut self, memory: &mut GuestMemory<'_>, from: Fd, to: Fd) -> Result<()> {
        self.go_on()?;
        Wasi::fd_renumber(&mut self.wasi, memory, from, to).await?;
        let (source, target) = (u32::from(from), u32::from(to));
        if source != target {
            let prints = self.streams.remove(&source);
            self.listing.forget(source);
            self.gone(to);
            if prints {
                self.streams.insert(target);
            }
        }
        Ok(())
    }

    async fn path_create_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dirfd: Fd,
        path: GuestPtr<str>,
    ) -> Result<()> {
        let path = self.checked(path)?;
        Wasi::path_create_directory(&mut self.wasi, memory, dirfd, path).await?;
        self.made(memory, dirfd, path).await;
        self.output.made_folder().map_err(ends)
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
        let (from, to) = (self.checked(from)?, self.checked(to)?);
        Wasi::path_link(&mut self.wasi, memory, from_fd, from_flags, from, to_fd, to).await?;
        self.output.made_file().map_err(ends)
    }

    async fn path_symlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        target: GuestPtr<str>,
        dirfd: Fd,
        path: GuestPtr<str>,
    ) -> Result<()> {
        let (target, path) = (self.checked(target)?, self.checked(path)?);
        Wasi::path_symlink(&mut self.wasi, memory, target, dirfd, path).await?;
        self.made(memory, dirfd, path).await;
        self.output.made_file().map_err(ends)
    }

    async fn path_rename(
        &mut self,
        memory: &mut GuestMemory<'_>,
        from_fd: Fd,
        from: GuestPtr<str>,
        to_fd: Fd,
        to: GuestPtr<str>,
    ) -> Result<()> {
        let (from, to) = (self.checked(from)?, self.checked(to)?);
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
        let path = self.checked(path)?;
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
        let path = self.checked(path)?;
        Wasi::path_readlink(&mut self.wasi, memory, dirfd, path, buf, len).await
    }

    async fn path_remove_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dirfd: Fd,
        path: GuestPtr<str>,
    ) -> Result<()> {
        let path = self.checked(path)?;
        Wasi::path_remove_directory(&mut self.wasi, memory, dirfd, path).await
    }

    async fn path_unlink_file(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dirfd: Fd,
        path: GuestPtr<str>,
    ) -> Result<()> {
        let path = self.checked(path)?;
        Wasi::path_unlink_file(&mut self.wasi, memory, dirfd, path).await
    }

    // What would tell one run from another is answered here.

    async fn fd_filestat_get(&mut self, memory: &mut GuestMemory<'_>, fd: Fd) -> Result<Filestat> {
        self.go_on()?;
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
        let path = self.checked(path)?;
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
        self.go_on()?;
        let skip = usize::try_from(cookie)?;
        if skip == 0 || !self.listing.is_of(fd.into()) {
            self.listing = self.list(fd).await?;
        }
        let mut used = 0;
        for (entry, next) in self.listing.entries.iter().zip(1..).skip(skip) {
            let bytes = entry.bytes(next, self.inodes.number(entry.inode));
            let size = u32::try_from(bytes.len())?.min(len - used);
            let place = buf.add(used)?.as_array(size);
            memory.copy_from_slice(&bytes[..size as usize], place)?;
            used += size;
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
        self.go_on()?;
        poll::poll(self, memory, subscriptions, events, count).await
    }

    fn proc_exit(&mut self, _memory: &mut GuestMemory<'_>, status: Exitcode) -> wasmtime::Error {
        Ended(status).into()
    }

    // There are no sockets. wasmtime-wasi says the same, with a line in the log at each call.

    fn sock_accept(&mut self, memory: &mut GuestMemory<'_>, fd: Fd, _: Fdflags) -> Result<Fd> {
        Err(self.no_socket(memory, fd))
    }

    fn sock_recv(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        _: GuestPtr<[Iovec]>,
        _: Riflags,
    ) -> Result<(Size, Roflags)> {
        Err(self.no_socket(memory, fd))
    }

    fn sock_send(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        _: GuestPtr<[Ciovec]>,
        _: Siflags,
    ) -> Result<Size> {
        Err(self.no_socket(memory, fd))
    }

    fn sock_shutdown(&mut self, memory: &mut GuestMemory<'_>, fd: Fd, _: Sdflags) -> Result<()> {
        Err(self.no_socket(memory, fd))
    }
}
