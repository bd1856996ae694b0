//! The only settings of the engine.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use sha2::{Digest, Sha256};

use wasmtime::{Config, OptLevel, RegallocAlgorithm, WasmFeatures};

use super::cache::Cache;
use crate::exit::Exit;
use crate::stop::Stop;

/// How often a running guest looks whether it is to stop: at a deadline, or for a signal.
const TICK: Duration = Duration::from_millis(5);
/// What the host's own functions need on a guest's stack, beyond the guest's part.
const HOST_STACK: usize = 512 << 10;
/// Below this much address space, memories are reserved as they grow and not 4 GiB at once.
const ROOMY: u64 = 64 << 30;

/// What an engine can be told. All else is fixed.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Run wasmtime's portable interpreter and not machine code: slower, and on any CPU.
    pub interpreter: bool,
    /// Bytes of a guest's stack.
    pub stack: usize,
    /// Where compiled modules are kept.
    pub cache: Cache,
    /// Bytes of memory that compiling a module may take, by an estimate.
    pub compile_memory: u64,
    /// Compile for this target triple and not for this machine; what comes of it may not run here.
    pub target: Option<String>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            interpreter: false,
            stack: 1 << 20,
            cache: Cache::Off,
            compile_memory: 4 << 30,
            target: None,
        }
    }
}

/// The engine could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(
        "the sandbox's engine does not start here: {0}; `runner doctor` says what the machine lacks"
    )]
    Settings(String),
    #[error(
        "cannot compile for {0}: {1}; name a target that this runner was built with, such as {arch}-unknown-linux-gnu",
        arch = std::env::consts::ARCH
    )]
    Target(String, String),
    #[error(
        "cannot start the sandbox's timer thread: {0}; raise the limit on threads or processes (ulimit -u)"
    )]
    Timer(std::io::Error),
}

impl EngineError {
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Target(..) => Exit::Usage,
            Self::Settings(_) | Self::Timer(_) => Exit::Local,
        }
    }
}

/// Compiles modules and runs guests. Cheap to share: one serves a process, and any number of guests at once.
pub struct Engine {
    engine: wasmtime::Engine,
    interpreter: bool,
    cache: Cache,
    compile_memory: u64,
    /// Tells apart engines whose compiled code must not be mixed.
    key: String,
    /// To all guests.
    stop: Stop,
}

impl Engine {
    /// # Errors
    /// When this machine can't run the engine, or no thread can be started.
    pub fn new(options: &EngineOptions) -> Result<Self, EngineError> {
        let engine =
            wasmtime::Engine::new(&config(options, address_space())?).map_err(|error| {
                match &options.target {
                    Some(target) => EngineError::Target(target.clone(), format!("{error:#}")),
                    None => EngineError::Settings(format!("{error:#}")),
                }
            })?;
        start_timer(&engine)?;
        Ok(Self {
            key: key(&engine),
            engine,
            interpreter: options.interpreter,
            cache: options.cache.clone(),
            compile_memory: options.compile_memory,
            stop: Stop::default(),
        })
    }

    /// Tells all guests to end, before they are waited for one by one. None begins any more.
    pub fn stop_guests(&self) {
        self.stop.order();
    }

    /// For a guest.
    pub(super) fn stop(&self) -> Stop {
        self.stop.one_of()
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    pub(super) fn compile_memory(&self) -> u64 {
        self.compile_memory
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn inner(&self) -> &wasmtime::Engine {
        &self.engine
    }

    /// What manifests say of it, as `wasmtime 48, cranelift`.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        if self.interpreter {
            "wasmtime 48, pulley"
        } else {
            "wasmtime 48, cranelift"
        }
    }
}

fn config(options: &EngineOptions, address_space: Option<u64>) -> Result<Config, EngineError> {
    let mut config = Config::new();
    let target = match &options.target {
        None if options.interpreter => Some(format!("pulley{}", usize::BITS)),
        target => target.clone(),
    };
    if let Some(target) = target {
        config
            .target(&target)
            .map_err(|error| EngineError::Target(target, format!("{error:#}")))?;
    }

    // What WebAssembly leaves open is closed where that is cheap: relaxed SIMD rounds in one way on every CPU.
    // The bits of a NaN stay open, for docs/adr/ says what closing them costs.
    config.relaxed_simd_deterministic(true);

    // Off: whatever could make two runs differ, or that no WASI preview 1 program needs.
    for feature in [
        WasmFeatures::THREADS,
        WasmFeatures::SHARED_EVERYTHING_THREADS,
        WasmFeatures::MEMORY64,
        WasmFeatures::MULTI_MEMORY,
        WasmFeatures::CUSTOM_PAGE_SIZES,
        WasmFeatures::STACK_SWITCHING,
        WasmFeatures::COMPONENT_MODEL,
    ] {
        config.wasm_features(feature, false);
    }

    // A guest stops where it loops or calls, soon after the timer ticks.
    config.epoch_interruption(true);
    config.max_wasm_stack(options.stack);
    config.async_stack_size(options.stack.saturating_add(HOST_STACK));

    // Traps name functions, and no lines in their sources; nobody unwinds a guest but wasmtime. Both would be in every
    // `.cwasm`, and read from it whenever a module is loaded.
    config.generate_address_map(false);
    config.native_unwind_info(false);

    config.cranelift_opt_level(OptLevel::Speed);
    config.cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking);
    config.parallel_compilation(true);

    if address_space.is_some_and(|bytes| bytes < ROOMY) {
        // Accesses are then checked one by one, which is slower, but a memory takes little more than it uses.
        config.memory_reservation(0);
        config.memory_reservation_for_growth(16 << 20);
        config.memory_guard_size(64 << 10);
        config.guard_before_linear_memory(false);
    }
    Ok(config)
}

/// A name for wasmtime's version, the settings and the CPU's features together.
fn key(engine: &wasmtime::Engine) -> String {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            // Asked for by nobody here: the digest is taken whole.
            0
        }
    }
    let mut hasher = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    crate::hex(&hasher.0.finalize()[..8])
}

/// The limit on this process's address space (`ulimit -v`), in bytes, if there is one.
fn address_space() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::As).current
}

/// Moves the engine's epoch until the engine is gone.
fn start_timer(engine: &wasmtime::Engine) -> Result<(), EngineError> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("sandbox-timer".into())
        .stack_size(64 << 10)
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })
        .map(drop)
        .map_err(EngineError::Timer)
}
