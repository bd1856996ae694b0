//! A file -> a module that can be run.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use contract::ModuleOrigin;
use sha2::{Digest, Sha256};
use wasmtime::{ExternType, InstancePre, Linker, UnknownImportError};
use wasmtime_wasi::p1::wasi_snapshot_preview1::add_to_linker;

use super::engine::Engine;
use super::host::GuestHost;
use crate::exit::Exit;

/// Larger modules are refused: compiling takes many times their size.
const MAX_BYTES: u64 = 256 << 20;

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
            Self::Read { .. } => Exit::Local,
            _ => Exit::NotAModule,
        }
    }
}

impl Engine {
    /// Reads, compiles and checks a module. Takes as long as compiling does: not for an async thread.
    ///
    /// # Errors
    /// When the file can't be read, or is no WASI preview 1 command.
    pub fn load(&self, path: &Path) -> Result<Module, ModuleError> {
        let bytes = read(path)?;
        recognize(path, &bytes)?;
        let module =
            wasmtime::Module::new(self.inner(), &bytes).map_err(|error| ModuleError::Invalid {
                path: path.to_owned(),
                reason: format!("{:#}", error.root_cause()),
            })?;
        let mut linker = Linker::new(self.inner());
        add_to_linker(&mut linker, |host: &mut GuestHost| host).map_err(link_error(path))?;
        let ready = linker.instantiate_pre(&module).map_err(link_error(path))?;
        check(path, &module)?;
        Ok(Module {
            ready,
            origin: ModuleOrigin {
                file: path
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned())
                    .unwrap_or_default(),
                bytes: bytes.len() as u64,
                sha256: crate::hex(&Sha256::digest(&bytes)),
            },
        })
    }
}

fn link_error(path: &Path) -> impl Fn(wasmtime::Error) -> ModuleError {
    move |error| match error.downcast_ref::<UnknownImportError>() {
        Some(unknown) => ModuleError::UnknownImport {
            path: path.to_owned(),
            import: format!("{}.{}", unknown.module(), unknown.name()),
        },
        None => ModuleError::Link {
            path: path.to_owned(),
            reason: format!("{:#}", error.root_cause()),
        },
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ModuleError> {
    let failed = |source| ModuleError::Read {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
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
