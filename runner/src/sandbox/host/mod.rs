//! One guest's side of the host.
//!
//! | file | what |
//! |---|---|
//! | `functions` | every function of WASI preview 1: passed on to wasmtime-wasi, metered, or answered here |
//! | `inodes` | the files that a guest has seen, and how much of each was counted |
//! | `listing` | folders in an order of their own |
//! | `poll` | sleeps that take no time |
//! | `transfer` | long reads and writes, in parts |

mod functions;
mod inodes;
mod listing;
mod poll;
mod transfer;

use std::collections::BTreeSet;

use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::types::{
    Ciovec, Errno, Error, Fd, Filesize, Filestat, Filetype, Iovec, Lookupflags, Size,
};
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1 as Wasi;
use wiggle::{GuestMemory, GuestPtr};

use super::clock::GuestClock;
use super::grants::MAX_PATH;
use super::limits::{LimitHit, Limits, MemoryMeter, OutputMeter};
use crate::stop::Stop;
use inodes::Inodes;
use listing::Listing;
use transfer::{Buffer, PRINT, READ, WRITE, after_failure, long_buffer, part_of};

type Result<T, E = Error> = std::result::Result<T, E>;

/// Bytes of a folder's listing that are read at first. A folder of a model's size takes less.
const LISTING: u32 = 64 << 10;

/// The guest ended with this status.
#[derive(Debug, thiserror::Error)]
#[error("exit status {0}")]
pub struct Ended(pub u32);

/// One guest's side of the host.
pub struct GuestHost {
    pub(super) wasi: WasiP1Ctx,
    clock: GuestClock,
    pub(super) memory: MemoryMeter,
    pub(super) stop: Stop,
    output: OutputMeter,
    inodes: Inodes,
    listing: Listing,
    /// Descriptors that print: they begin as 1 and 2, and may be renumbered.
    streams: BTreeSet<u32>,
    open: usize,
}

impl GuestHost {
    pub fn new(wasi: WasiP1Ctx, clock: GuestClock, limits: &Limits, stop: Stop) -> Self {
        Self {
            wasi,
            clock,
            memory: MemoryMeter::new(limits.memory),
            stop,
            output: OutputMeter::new(limits),
            inodes: Inodes::default(),
            listing: Listing::default(),
            streams: BTreeSet::from([1, 2]),
            open: 0,
        }
    }

    /// Begins every call: a guest that is to stop changes no file any more.
    fn go_on(&self) -> Result<()> {
        self.stop
            .check()
            .map_err(|stopped| Error::trap(stopped.into()))
    }

    /// Begins every call that takes a path.
    fn checked(&self, path: GuestPtr<str>) -> Result<GuestPtr<str>> {
        self.go_on()?;
        if path.len() > MAX_PATH {
            return Err(Errno::Nametoolong.into());
        }
        Ok(path)
    }

    /// Counts what the file behind `fd` has grown by.
    async fn count_growth(&mut self, memory: &mut GuestMemory<'_>, fd: Fd) -> Result<()> {
        let stat = Wasi::fd_filestat_get(&mut self.wasi, memory, fd).await?;
        if stat.filetype != Filetype::RegularFile {
            return Ok(());
        }
        let growth = self.inodes.growth(stat.ino, stat.size);
        self.output.grew(growth).map_err(ends)
    }

    /// What does not depend on where and when the guest runs.
    fn reproducible(&mut self, stat: Filestat) -> Filestat {
        let folder = stat.filetype == Filetype::Directory;
        let time = GuestClock::file_time();
        Filestat {
            dev: 1,
            ino: self.inodes.number(stat.ino),
            filetype: stat.filetype,
            // How a folder is counted and measured differs between file systems.
            nlink: if folder { 1 } else { stat.nlink },
            size: if folder { 0 } else { stat.size },
            atim: time,
            mtim: time,
            ctim: time,
        }
    }

    /// Reads a folder as a whole.
    async fn list(&mut self, fd: Fd) -> Result<Listing> {
        let mut room = LISTING;
        loop {
            self.go_on()?;
            let mut raw = vec![0; room as usize];
            let mut memory = GuestMemory::Unshared(&mut raw);
            let used = Wasi::fd_readdir(&mut self.wasi, &mut memory, fd, GuestPtr::new(0), room, 0)
                .await?;
            if used < room {
                let listing = Listing::parse(fd.into(), &raw[..used as usize]);
                return listing.ok_or_else(|| Errno::Io.into());
            }
            room = room.checked_mul(4).ok_or(Errno::Overflow)?;
        }
    }

    /// Writes at `place`, or where the file stands.
    async fn write(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buffers: GuestPtr<[Ciovec]>,
        place: Option<Filesize>,
    ) -> Result<Size> {
        self.go_on()?;
        let prints = self.streams.contains(&u32::from(fd));
        let length = if prints { PRINT } else { WRITE };
        let Some(buffer) = long_buffer(memory, buffers, length)? else {
            let written = self.pass_write(memory, fd, buffers, place).await?;
            self.count_growth(memory, fd).await?;
            return Ok(written);
        };
        let mut done = 0;
        while done < buffer.len() {
            self.go_on()?;
            let part = part_of(buffer, done, length)?;
            let mut copy = Buffer::holding(&memory.as_cow(part)?)?;
            let (mut own, _, buffers) = copy.parts();
            let place = place.map(|place| place.saturating_add(done.into()));
            let written = match self.pass_write(&mut own, fd, buffers, place).await {
                Ok(written) => written,
                Err(error) => return after_failure(done, error),
            };
            self.count_growth(memory, fd).await?;
            done += written;
            if written < part.len() {
                break;
            }
        }
        Ok(done)
    }

    async fn pass_write(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buffers: GuestPtr<[Ciovec]>,
        place: Option<Filesize>,
    ) -> Result<Size> {
        match place {
            None => Wasi::fd_write(&mut self.wasi, memory, fd, buffers).await,
            Some(place) => Wasi::fd_pwrite(&mut self.wasi, memory, fd, buffers, place).await,
        }
    }

    /// Reads at `place`, or where the file stands.
    async fn read(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buffers: GuestPtr<[Iovec]>,
        place: Option<Filesize>,
    ) -> Result<Size> {
        self.go_on()?;
        let Some(buffer) = long_buffer(memory, buffers.cast(), READ)? else {
            return self.pass_read(memory, fd, buffers, place).await;
        };
        let mut done = 0;
        while done < buffer.len() {
            self.go_on()?;
            let part = part_of(buffer, done, READ)?;
            let mut copy = Buffer::new(part.len())?;
            let (mut own, buffers, _) = copy.parts();
            let place = place.map(|place| place.saturating_add(done.into()));
            let read = match self.pass_read(&mut own, fd, buffers, place).await {
                Ok(read) => read,
                Err(error) => return after_failure(done, error),
            };
            copy.copy_to(memory, part, read)?;
            done += read;
            if read < part.len() {
                break;
            }
        }
        Ok(done)
    }

    async fn pass_read(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buffers: GuestPtr<[Iovec]>,
        place: Option<Filesize>,
    ) -> Result<Size> {
        match place {
            None => Wasi::fd_read(&mut self.wasi, memory, fd, buffers).await,
            Some(place) => Wasi::fd_pread(&mut self.wasi, memory, fd, buffers, place).await,
        }
    }

    /// Something new is at `path`, which may have got an inode that is known.
    async fn made(&mut self, memory: &mut GuestMemory<'_>, dirfd: Fd, path: GuestPtr<str>) {
        let flags = Lookupflags::empty();
        if let Ok(stat) = Wasi::path_filestat_get(&mut self.wasi, memory, dirfd, flags, path).await
        {
            self.inodes.made(stat.ino);
        }
    }

    /// Why a descriptor can't be used as a socket: it is none, or it is not there.
    fn no_socket(&mut self, memory: &mut GuestMemory<'_>, fd: Fd) -> Error {
        if let Err(stopped) = self.go_on() {
            return stopped;
        }
        // No descriptor has a name of no length: this looks for the descriptor alone.
        match Wasi::fd_prestat_dir_name(&mut self.wasi, memory, fd, GuestPtr::new(0), 0)
            .map_err(Error::downcast)
        {
            Err(Ok(Errno::Badf)) => Errno::Badf.into(),
            Err(Err(trap)) => Error::trap(trap),
            _ => Errno::Notsock.into(),
        }
    }

    /// The descriptor `fd` is closed, or stands for something else.
    fn gone(&mut self, fd: Fd) {
        self.listing.forget(fd.into());
        self.streams.remove(&u32::from(fd));
        self.open = self.open.saturating_sub(1);
    }
}

/// Ends the guest: no status of its own, no way to catch it.
fn ends(limit: LimitHit) -> Error {
    Error::trap(limit.into())
}
