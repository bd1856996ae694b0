//! A file -> a module that can be run.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use contract::ModuleOrigin;
use sha2::{Digest as _, Sha256};
use wasmtime::{ExternType, InstancePre, Linker, UnknownImportError};
use wasmtime_wasi::p1::wasi_snapshot_preview1::add_to_linker;

use super::cache::Cache;
use super::compiled::{self, Digest};
use super::engine::Engine;
use super::estimate::Estimate;
use super::host::GuestHost;
use super::limits::{LimitHit, MAX_PARTS};
use super::trust::{NotTrusted, Trust};
use crate::exit::Exit;
use crate::foreign;
use crate::platform::open_regular;
use crate::size::Size;

/// Larger modules are refused: compiling takes many times their size.
const MAX_BYTES: u64 = 256 << 20;
/// Characters of an import's name that a message shows.
const MAX_NAME: usize = 200;

/// How a `.cwasm` says what it was compiled for, in the words of Nomad's `${attr.cpu.arch}`.
const ARCHITECTURES: [&str; 2] = ["-amd64", "-arm64"];

/// A compiled WASI preview 1 command. Cheap to clone, good for any number of runs.
#[derive(Clone)]
pub struct Module {
    pub(super) ready: InstancePre<GuestHost>,
    origin: ModuleOrigin,
}

impl Module {
    /// What manifests say of it. The digest is that of the `.wasm`.
    #[must_use]
    pub fn origin(&self) -> &ModuleOrigin {
        &self.origin
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("origin", &self.origin)
            .finish()
    }
}

/// A file that can't be run.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    #[error("cannot read the module {path}: {source}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{compiled} is compiled code, and its module must lie beside it: {source}")]
    NoSource {
        compiled: PathBuf,
        #[source]
        source: Box<ModuleError>,
    },
    #[error(transparent)]
    NotTrusted(#[from] NotTrusted),
    #[error("{path} is larger than {} MiB: no training module", MAX_BYTES >> 20)]
    TooLarge { path: PathBuf },
    #[error(
        "{path} is no WebAssembly module: {found}; give the .wasm that `cargo build --target wasm32-wasip1` or the like leaves"
    )]
    NotWasm { path: PathBuf, found: &'static str },
    #[error("{path} is a component; build a core module for WASI preview 1 (wasm32-wasip1)")]
    Component { path: PathBuf },
    #[error("{path} is no valid module, perhaps cut short: {reason}")]
    Invalid { path: PathBuf, reason: String },
    #[error(
        "{path} asks the host for `{import}`, which WASI preview 1 does not have; build it for wasm32-wasip1"
    )]
    UnknownImport { path: PathBuf, import: String },
    #[error("{path} cannot be linked to WASI preview 1: {reason}")]
    Link { path: PathBuf, reason: String },
    #[error(
        "compiling {path} would take about {} of memory, and {} is the limit: build it with smaller functions, or raise --memory",
        Size(*.estimate),
        Size(*.limit)
    )]
    TooMuchToCompile {
        path: PathBuf,
        estimate: u64,
        limit: u64,
    },
    #[error("{path}: {limit}")]
    Limit { path: PathBuf, limit: LimitHit },
    #[error("{path} has no function `_start`: it is a library; build it as a program")]
    NoStart { path: PathBuf },
    #[error(
        "{path} does not export its memory as `memory`, where WASI looks for it; let the linker export it"
    )]
    NoMemory { path: PathBuf },
}

impl ModuleError {
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Read { .. } | Self::NoSource { .. } => Exit::Local,
            Self::NotTrusted(refusal) => refusal.exit(),
            Self::TooMuchToCompile { .. } => Exit::LimitHit,
            Self::Limit { limit, .. } => limit.exit(),
            _ => Exit::NotAModule,
        }
    }
}

impl Engine {
    /// Reads, compiles and checks a module, or takes its compiled code: from the cache, or from a `.cwasm`, beside
    /// which its `.wasm` must lie. Takes as long as compiling does: not for an async thread.
    ///
    /// # Errors
    /// When a file can't be read, is no WASI preview 1 command, or is not trusted.
    pub fn load(&self, path: &Path, trust: &Trust) -> Result<Module, ModuleError> {
        let given = is_compiled(path).then_some(path);
        let source = source_of(path);
        let bytes = read(&source).map_err(|error| match given {
            Some(compiled) => ModuleError::NoSource {
                compiled: compiled.to_owned(),
                source: Box::new(error),
            },
            None => error,
        })?;
        recognize(&source, &bytes)?;
        let digest: Digest = Sha256::digest(&bytes).into();
        trust.module(&source, &digest)?;
        let module = match given {
            Some(path) => self.compiled(path, &source, &bytes, &digest, trust)?,
            None => self.compile_once(&source, &bytes, &digest)?,
        };
        let mut linker = Linker::new(self.inner());
        add_to_linker(&mut linker, |host: &mut GuestHost| host).map_err(link_error(&source))?;
        let ready = linker
            .instantiate_pre(&module)
            .map_err(link_error(&source))?;
        check(&source, &module)?;
        Ok(Module {
            ready,
            origin: ModuleOrigin {
                file: source
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned())
                    .unwrap_or_default(),
                bytes: bytes.len() as u64,
                sha256: crate::hex(&digest),
            },
        })
    }

    /// The file (`.cwasm`) that holds a module's code for this engine's target, and the module's digest.
    ///
    /// # Errors
    /// When the module can't be read, is not valid, or is not trusted.
    pub fn precompile(&self, path: &Path, trust: &Trust) -> Result<Vec<u8>, ModuleError> {
        let bytes = read(path)?;
        recognize(path, &bytes)?;
        let digest: Digest = Sha256::digest(&bytes).into();
        trust.module(path, &digest)?;
        self.check_size(path, &bytes)?;
        let code =
            self.inner()
                .precompile_module(&bytes)
                .map_err(|error| ModuleError::Invalid {
                    path: path.to_owned(),
                    reason: reason(&error),
                })?;
        Ok(compiled::seal(&digest, code))
    }

    /// A module from its `.cwasm`, or compiled when that one does not fit.
    fn compiled(
        &self,
        path: &Path,
        source: &Path,
        bytes: &[u8],
        digest: &Digest,
        trust: &Trust,
    ) -> Result<wasmtime::Module, ModuleError> {
        let file = read(path)?;
        trust.compiled(path, &Sha256::digest(&file).into())?;
        match compiled::load(self.inner(), &file, digest) {
            Ok(module) => Ok(module),
            Err(reason) => {
                tracing::warn!(
                    "{} is not used: {reason}; compiling {}",
                    path.display(),
                    source.display()
                );
                self.compile_once(source, bytes, digest)
            }
        }
    }

    /// A module from the cache, or compiled and kept there.
    fn compile_once(
        &self,
        source: &Path,
        bytes: &[u8],
        digest: &Digest,
    ) -> Result<wasmtime::Module, ModuleError> {
        let invalid = |error: wasmtime::Error| ModuleError::Invalid {
            path: source.to_owned(),
            reason: reason(&error),
        };
        if let Some(file) = self.cache().get(self.key(), digest) {
            match compiled::map(self.inner(), file, digest) {
                Ok(module) => return Ok(module),
                Err(reason) => tracing::warn!("a cached module is compiled anew: {reason}"),
            }
        }
        self.check_size(source, bytes)?;
        let module = wasmtime::Module::new(self.inner(), bytes).map_err(invalid)?;
        if *self.cache() != Cache::Off {
            let code = module.serialize().map_err(invalid)?;
            self.cache()
                .put(self.key(), digest, &compiled::seal(digest, code));
        }
        Ok(module)
    }

    /// Refuses what would take more memory to compile than it may, and what could not be run.
    fn check_size(&self, path: &Path, bytes: &[u8]) -> Result<(), ModuleError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let limit = self.compile_memory();
        let estimate = Estimate::of(bytes, threads, limit);
        if estimate.tables > MAX_PARTS {
            let tables = u32::try_from(estimate.tables).unwrap_or(u32::MAX);
            return Err(ModuleError::Limit {
                path: path.to_owned(),
                limit: LimitHit::Tables(tables),
            });
        }
        if estimate.memory > limit {
            return Err(ModuleError::TooMuchToCompile {
                path: path.to_owned(),
                estimate: estimate.memory,
                limit,
            });
        }
        Ok(())
    }
}

fn is_compiled(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "cwasm")
}

/// The module that a file stands for. Beside `workload.cwasm` lies `workload.wasm`; so it does beside
/// `workload-amd64.cwasm` and `workload-arm64.cwasm`, one of which each architecture downloads.
#[must_use]
pub fn source_of(path: &Path) -> PathBuf {
    if !is_compiled(path) {
        return path.to_owned();
    }
    let beside = path.with_extension("wasm");
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    match ARCHITECTURES
        .iter()
        .find_map(|suffix| stem.strip_suffix(suffix))
    {
        Some(name) if !beside.exists() => path.with_file_name(format!("{name}.wasm")),
        _ => beside,
    }
}

fn link_error(path: &Path) -> impl Fn(wasmtime::Error) -> ModuleError {
    move |error| match error.downcast_ref::<UnknownImportError>() {
        Some(unknown) => ModuleError::UnknownImport {
            path: path.to_owned(),
            import: foreign::shortened(
                &format!("{}.{}", unknown.module(), unknown.name()),
                MAX_NAME,
            ),
        },
        None => ModuleError::Link {
            path: path.to_owned(),
            reason: reason(&error),
        },
    }
}

/// The compiler's and linker's own words, which quote names out of the module.
fn reason(error: &wasmtime::Error) -> String {
    foreign::line(&format!("{:#}", error.root_cause()))
}

fn read(path: &Path) -> Result<Vec<u8>, ModuleError> {
    let failed = |source| ModuleError::Read {
        path: path.to_owned(),
        source,
    };
    let file = open_regular(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ModuleError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

/// Tells a core module from what is often given by mistake.
fn recognize(path: &Path, bytes: &[u8]) -> Result<(), ModuleError> {
    let found = match bytes {
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => return Ok(()),
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => {
            return Err(ModuleError::Component {
                path: path.to_owned(),
            });
        }
        [] => "the file is empty",
        [0x7f, b'E', b'L', b'F', ..] => "it is machine code (a .cwasm, or a native program)",
        [b'(', ..] | [b';', ..] => "it is WebAssembly text, which wants assembling first",
        [b'\0', b'a', b's', b'm', ..] => "it is of an unknown version, or cut short",
        _ => "it does not start like one",
    };
    Err(ModuleError::NotWasm {
        path: path.to_owned(),
        found,
    })
}

/// What a WASI command must export.
fn check(path: &Path, module: &wasmtime::Module) -> Result<(), ModuleError> {
    let path = || path.to_owned();
    match module.get_export("_start") {
        Some(ExternType::Func(start))
            if start.params().len() == 0 && start.results().len() == 0 => {}
        _ => return Err(ModuleError::NoStart { path: path() }),
    }
    match module.get_export("memory") {
        Some(ExternType::Memory(_)) => Ok(()),
        _ if module.imports().len() == 0 => Ok(()),
        _ => Err(ModuleError::NoMemory { path: path() }),
    }
}
