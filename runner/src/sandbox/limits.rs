//! What stops a guest, and how much it has used.

use std::time::Duration;

use crate::exit::Exit;
use crate::size::Size;

/// Memories, tables and instances that one guest may have. A WASI command needs one of each.
pub(super) const MAX_PARTS: usize = 8;
/// What an entry of a table takes on the host.
const TABLE_ENTRY: usize = 16;
/// Folders that a guest may make: a model has few, and each level of a deep tree costs an open file to remove.
const MAX_FOLDERS: u64 = 256;

/// Where WebAssembly of 32 bits ends.
const ADDRESSES: u64 = 1 << 32;

/// Limits of one guest.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of linear memory and tables together.
    pub memory: u64,
    /// Wall-clock time; compiling the module has as much, once more.
    pub timeout: Option<Duration>,
    /// Bytes by which its files may grow, those of files that it removes again included.
    pub output_bytes: u64,
    /// Files, folders and links that it may make.
    pub output_files: u64,
    /// Bytes of the log lines that both of its streams become.
    pub log_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 4 << 30,
            timeout: None,
            output_bytes: 1 << 30,
            output_files: 10_000,
            log_bytes: 16 << 20,
        }
    }
}

impl Limits {
    /// Under Nomad nobody watches, and a task shares its machine: a training that hangs gives its place back within a
    /// day, a model fits the task's disk beside the data, and a log fits the files that Nomad keeps of it.
    #[must_use]
    pub fn of_task() -> Self {
        Self {
            timeout: Some(Duration::from_secs(24 * 3600)),
            output_bytes: 512 << 20,
            log_bytes: 4 << 20,
            ..Self::default()
        }
    }
}

/// The limit that ended a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitHit {
    #[error("the guest needed more than {} of memory; raise --memory, or train on fewer rows", Size(*.0))]
    Memory(u64),
    #[error("the guest needed more than the {} of memory that it was built for; build it with a greater maximum (--max-memory of its linker), or train on fewer rows", Size(*.0))]
    OwnMaximum(u64),
    #[error("this machine has no more memory for the guest; give it more, or train on fewer rows")]
    Machine,
    #[error(
        "the guest needed more than 4 GiB of memory, where WebAssembly of 32 bits ends; train on fewer rows"
    )]
    Addresses,
    #[error("the guest ran for longer than {} s; raise --timeout, or give it less to do", .0.as_secs_f64())]
    Timeout(Duration),
    #[error("compiling the module took longer than {} s; raise --timeout, or build it smaller", .0.as_secs_f64())]
    Compiling(Duration),
    #[error("checking and writing what the module predicted took longer than {} s; raise --timeout, or have it read sooner", .0.as_secs_f64())]
    Predictions(Duration),
    #[error("the guest wrote more than {} of files; raise --max-output-bytes, or let it leave less", Size(*.0))]
    OutputBytes(u64),
    #[error("the guest made more than {0} files; raise --max-output-files, or let it leave fewer")]
    OutputFiles(u64),
    #[error("the guest made more than {MAX_FOLDERS} folders; a model must do with fewer")]
    OutputFolders,
    #[error(
        "the guest asks for {0} tables, and {MAX_PARTS} is the most; a program for WASI needs one: build it anew"
    )]
    Tables(u32),
    #[error("the guest printed more than {} of log lines; raise --max-log-bytes, or let it say less", Size(*.0))]
    Log(u64),
    #[error(
        "the guest's stack is full: it recurses too deeply; raise --stack, or mend the recursion"
    )]
    Stack,
}

impl LimitHit {
    #[must_use]
    pub fn exit(&self) -> Exit {
        Exit::LimitHit
    }
}

/// How much memory a guest has, and whether it was refused more.
pub struct MemoryMeter {
    limit: u64,
    used: u64,
    refused: Option<LimitHit>,
}

impl MemoryMeter {
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            used: 0,
            refused: None,
        }
    }

    /// Why the guest did not get the memory that it asked for last, if it did not.
    pub fn refused(&self) -> Option<LimitHit> {
        self.refused
    }

    /// Allows or refuses growth. A guest that is refused may go on; one that fails then failed for lack of memory.
    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let used = self
            .used
            .saturating_add(desired.saturating_sub(current) as u64);
        if used > self.limit {
            self.refused = Some(LimitHit::Memory(self.limit));
            return false;
        }
        self.used = used;
        self.refused = None;
        true
    }
}

impl wasmtime::ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Without a maximum of its own, a memory's is what 32 bits can address.
        if let Some(maximum) = maximum.filter(|maximum| desired > *maximum) {
            let maximum = maximum as u64;
            self.refused = Some(if maximum < ADDRESSES {
                LimitHit::OwnMaximum(maximum)
            } else {
                LimitHit::Addresses
            });
            return Ok(false);
        }
        Ok(self.grow(current, desired))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // We allowed it: then the machine has no more.
        self.refused = Some(LimitHit::Machine);
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(
            current.saturating_mul(TABLE_ENTRY),
            desired.saturating_mul(TABLE_ENTRY),
        ))
    }

    fn instances(&self) -> usize {
        MAX_PARTS
    }

    fn tables(&self) -> usize {
        MAX_PARTS
    }

    fn memories(&self) -> usize {
        MAX_PARTS
    }
}

/// How much a guest has written.
pub struct OutputMeter {
    limits: Limits,
    bytes: u64,
    files: u64,
    folders: u64,
}

impl OutputMeter {
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            bytes: 0,
            files: 0,
            folders: 0,
        }
    }

    /// Counts growth of a file: its length, holes included.
    pub fn grew(&mut self, bytes: u64) -> Result<(), LimitHit> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.output_bytes {
            return Err(LimitHit::OutputBytes(self.limits.output_bytes));
        }
        Ok(())
    }

    /// Counts a new file or link.
    pub fn made_file(&mut self) -> Result<(), LimitHit> {
        self.files = self.files.saturating_add(1);
        if self.files > self.limits.output_files {
            return Err(LimitHit::OutputFiles(self.limits.output_files));
        }
        Ok(())
    }

    /// Counts a new folder.
    pub fn made_folder(&mut self) -> Result<(), LimitHit> {
        self.folders = self.folders.saturating_add(1);
        if self.folders > MAX_FOLDERS {
            return Err(LimitHit::OutputFolders);
        }
        self.made_file()
    }
}
