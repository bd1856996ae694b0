//! Long reads and writes, in parts: between two of them it is seen whether the guest is to stop, and what it wrote is
//! counted.

use wasmtime_wasi::p1::types::{Ciovec, Errno, Error, Iovec};
use wiggle::{GuestMemory, GuestPtr};

/// Bytes that are read at a time.
pub(super) const READ: u32 = 4 << 20;
/// Bytes of a file that are written at a time.
pub(super) const WRITE: u32 = 1 << 20;
/// Bytes that are printed at a time: each may be a line of the log.
pub(super) const PRINT: u32 = 4 << 10;
/// Buffers of one call, as Linux has it.
const MAX_BUFFERS: u32 = 1024;
/// What describes a buffer: its address and its length.
const HEAD: u32 = 8;

/// The first buffer that is not empty, if it is longer than `part`: a call transfers that one alone.
///
/// # Errors
/// `inval` for too many buffers; a trap where they or the first are not in the guest's memory.
pub(super) fn long_buffer(
    memory: &GuestMemory<'_>,
    buffers: GuestPtr<[Ciovec]>,
    part: u32,
) -> Result<Option<GuestPtr<[u8]>>, Error> {
    if buffers.len() > MAX_BUFFERS {
        return Err(Errno::Inval.into());
    }
    for place in buffers.iter() {
        let Ciovec { buf, buf_len } = memory.read(place?)?;
        if buf_len > part {
            let buffer = buf.as_array(buf_len);
            memory.as_slice(buffer)?;
            return Ok(Some(buffer));
        }
        if buf_len > 0 {
            break;
        }
    }
    Ok(None)
}

/// The part of a buffer from `start` on, `length` bytes of it at most.
pub(super) fn part_of(
    buffer: GuestPtr<[u8]>,
    start: u32,
    length: u32,
) -> Result<GuestPtr<[u8]>, Error> {
    let end = start.saturating_add(length).min(buffer.len());
    buffer.get_range(start..end).ok_or(Errno::Overflow.into())
}

/// What a call says that has transferred `done` bytes before it failed: a failure is told when nothing was, and a guest
/// that is to end ends.
pub(super) fn after_failure(done: u32, error: Error) -> Result<u32, Error> {
    match error.downcast() {
        Ok(_) if done > 0 => Ok(done),
        Ok(number) => Err(number.into()),
        Err(trap) => Err(Error::trap(trap)),
    }
}

/// A buffer of the host's, in a memory of its own that holds nothing else: WASI's functions take no other.
pub(super) struct Buffer {
    memory: Vec<u8>,
    /// Where the description of the buffer lies; the buffer follows it.
    start: u32,
    length: u32,
}

impl Buffer {
    pub fn new(length: u32) -> Result<Self, Error> {
        let align = align_of::<u32>();
        let mut memory = vec![0; align + HEAD as usize + length as usize];
        let start = u32::try_from(memory.as_ptr().align_offset(align))?;
        let description = Iovec {
            buf: GuestPtr::new(start.saturating_add(HEAD)),
            buf_len: length,
        };
        GuestMemory::Unshared(&mut memory).write(GuestPtr::<Iovec>::new(start), description)?;
        Ok(Self {
            memory,
            start,
            length,
        })
    }

    /// A copy of `bytes`, to be written.
    pub fn holding(bytes: &[u8]) -> Result<Self, Error> {
        let mut buffer = Self::new(u32::try_from(bytes.len())?)?;
        let start = buffer.content();
        buffer.memory[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(buffer)
    }

    /// The memory, and the one buffer in it for reading into and for writing from.
    pub fn parts(&mut self) -> (GuestMemory<'_>, GuestPtr<[Iovec]>, GuestPtr<[Ciovec]>) {
        let (into, from) = (GuestPtr::new(self.start), GuestPtr::new(self.start));
        (
            GuestMemory::Unshared(&mut self.memory),
            GuestPtr::<Iovec>::as_array(&into, 1),
            GuestPtr::<Ciovec>::as_array(&from, 1),
        )
    }

    /// Hands the guest the first `read` bytes.
    pub fn copy_to(
        &self,
        memory: &mut GuestMemory<'_>,
        to: GuestPtr<[u8]>,
        read: u32,
    ) -> Result<(), Error> {
        let (start, read) = (self.content(), read.min(self.length));
        let to = part_of(to, 0, read)?;
        memory.copy_from_slice(&self.memory[start..start + read as usize], to)?;
        Ok(())
    }

    fn content(&self) -> usize {
        (self.start + HEAD) as usize
    }
}
