//! Flags for the sandbox, shared by the verbs that run a module.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::nomad::Nomad;
use crate::sandbox::{Cache, EngineOptions, Limits, Sha256Digest, Trust};
use crate::size::{self, Size};

/// What the runner itself needs of a task's memory: code, buffers, the compiler.
const OWN_MEMORY: u64 = 96 << 20;
/// No module is given less, whatever the task has.
const LEAST_MEMORY: u64 = 32 << 20;
/// What a module is expected to need, where nobody says: with less, most trainings fail.
const USUAL_MEMORY: u64 = 256 << 20;
/// Compiling is allowed no less than this, whatever the task has: the estimate is rather too high.
const LEAST_COMPILE_MEMORY: u64 = 1 << 30;

/// Which modules may run, by what engine, and with how much memory and time.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "Sandbox")]
pub struct EngineArgs {
    /// Memory that the module may use, such as 512MiB, and that compiling it may take, which is never less than 1GiB
    /// [default: $NOMAD_MEMORY_LIMIT less 96 MiB for the runner, else 4GiB]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Size>,

    /// Time that the module may take, such as 90s, 10m or 2h; compiling it may take as long, and so may checking and
    /// writing what it predicts
    /// [default: no limit; a training, a check or a prediction under Nomad 24h]
    #[arg(long, value_name = "TIME", value_parser = size::duration)]
    pub timeout: Option<Duration>,

    /// The module's call stack [default: 1MiB]
    #[arg(long, value_name = "SIZE", value_parser = stack)]
    pub stack: Option<Size>,

    /// What executes the module
    #[arg(long, value_enum, default_value_t = EngineKind::Compiler)]
    pub engine: EngineKind,

    /// Run no module but this, by the SHA-256 of its .wasm (repeatable)
    #[arg(long = "module-sha256", value_name = "DIGEST")]
    pub modules: Vec<Sha256Digest>,

    /// Run this compiled code (.cwasm), by its SHA-256 (repeatable)
    #[arg(long = "compiled-sha256", value_name = "DIGEST")]
    pub compiled: Vec<Sha256Digest>,

    /// Run any compiled code (.cwasm): no sandbox holds it, so its maker must be trusted
    #[arg(long)]
    pub trust_compiled: bool,

    /// Keep compiled modules here, in a folder `compiled` [default: the user's cache folder; under Nomad nowhere]
    #[arg(long, value_name = "FOLDER", conflicts_with = "no_cache")]
    pub cache_dir: Option<PathBuf>,

    /// Compile the module even if it was compiled before
    #[arg(long)]
    pub no_cache: bool,
}

/// How far a guest that leaves a model may go.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "Sandbox")]
pub struct Args {
    #[command(flatten)]
    pub engine: EngineArgs,

    /// Bytes of files that the module may leave [default: 1GiB; under Nomad 512MiB]
    #[arg(long, value_name = "SIZE")]
    pub max_output_bytes: Option<Size>,

    /// Files that the module may leave [default: 10000]
    #[arg(long, value_name = "N")]
    pub max_output_files: Option<u64>,

    /// Log lines that the module may print, as they are written [default: 16MiB; under Nomad 4MiB]
    #[arg(long, value_name = "SIZE")]
    pub max_log_bytes: Option<Size>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineKind {
    /// Machine code, made by Cranelift
    Compiler,
    /// wasmtime's portable interpreter, Pulley: slow, and on any CPU
    Interpreter,
    /// The model's ONNX form, without a module: of `runner predict` alone
    #[value(skip)]
    Onnx,
}

impl EngineArgs {
    #[must_use]
    pub fn options(&self, nomad: &Nomad) -> EngineOptions {
        let default = EngineOptions::default();
        let cache = match &self.cache_dir {
            _ if self.no_cache => Cache::Off,
            Some(folder) => Cache::Folder(folder.clone()),
            // A task's folder dies with it.
            None if nomad.is_task() => Cache::Off,
            None => Cache::of_user(),
        };
        EngineOptions {
            interpreter: self.engine == EngineKind::Interpreter,
            stack: self.stack.map_or(default.stack, |stack| {
                usize::try_from(stack.0).unwrap_or(usize::MAX)
            }),
            cache,
            compile_memory: compile_memory(self.memory, nomad),
            target: None,
        }
    }

    /// What these flags let run.
    #[must_use]
    pub fn trust(&self) -> Trust {
        Trust {
            modules: self.modules.clone(),
            compiled: self.compiled.clone(),
            any_compiled: self.trust_compiled,
        }
    }

    /// Memory of each of `guests` that run at a time, in bytes.
    fn memory(&self, nomad: &Nomad, guests: usize) -> u64 {
        let share =
            |task: u64| (task.saturating_sub(OWN_MEMORY) / guests.max(1) as u64).max(LEAST_MEMORY);
        match (self.memory, nomad.memory_limit) {
            (Some(given), _) => given.0,
            (None, Some(task)) => share(task),
            (None, None) => Limits::default().memory,
        }
    }

    /// Guests that a task's memory holds side by side; one in any case. Each is counted with what it is given, else
    /// with what a module usually needs, or with the least where as many as possible were `asked` for.
    #[must_use]
    pub fn most_guests(&self, nomad: &Nomad, asked: bool) -> usize {
        let Some(task) = nomad.memory_limit else {
            return usize::MAX;
        };
        let each = match self.memory {
            Some(given) => given.0.max(1),
            None if asked => LEAST_MEMORY,
            None => USUAL_MEMORY,
        };
        usize::try_from(task.saturating_sub(OWN_MEMORY) / each)
            .map_or(usize::MAX, |most| most.max(1))
    }

    /// The limits of a command that leaves no model: it writes where its user lets it.
    #[must_use]
    pub fn limits(&self, nomad: &Nomad) -> Limits {
        Limits {
            memory: self.memory(nomad, 1),
            timeout: self.timeout,
            ..Limits::default()
        }
    }
}

impl Args {
    /// The limits of each of `guests` that run at a time.
    #[must_use]
    pub fn limits(&self, nomad: &Nomad, guests: usize) -> Limits {
        let default = if nomad.is_task() {
            Limits::of_task()
        } else {
            Limits::default()
        };
        let size = |given: Option<Size>, default: u64| given.map_or(default, |size| size.0);
        Limits {
            memory: self.engine.memory(nomad, guests),
            timeout: self.engine.timeout.or(default.timeout),
            output_bytes: size(self.max_output_bytes, default.output_bytes),
            output_files: self.max_output_files.unwrap_or(default.output_files),
            log_bytes: size(self.max_log_bytes, default.log_bytes),
        }
    }
}

/// Bytes that compiling a module may take, where `given` is what its user says.
#[must_use]
pub fn compile_memory(given: Option<Size>, nomad: &Nomad) -> u64 {
    given
        .map(|given| given.0)
        .or(nomad.memory_limit)
        .unwrap_or(EngineOptions::default().compile_memory)
        .max(LEAST_COMPILE_MEMORY)
}

/// Less holds no program, and more is reserved for each guest.
fn stack(text: &str) -> Result<Size, String> {
    match text.parse()? {
        size if (Size(64 << 10)..=Size(512 << 20)).contains(&size) => Ok(size),
        _ => Err("a stack is 64KiB to 512MiB".to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        sandbox: Args,
    }

    fn parse(flags: &[&str]) -> Result<Args, clap::Error> {
        Line::try_parse_from(std::iter::once(&"line").chain(flags)).map(|line| line.sandbox)
    }

    fn task() -> Nomad {
        Nomad {
            alloc_id: Some("a".to_owned()),
            memory_limit: Some(1024 << 20),
            ..Nomad::default()
        }
    }

    #[test]
    fn guests_get_less_than_their_task_has() {
        let limits = parse(&[]).unwrap().limits(&task(), 1);
        assert_eq!(limits.memory, (1024 << 20) - OWN_MEMORY);
        let limits = parse(&[]).unwrap().limits(&task(), 2);
        assert_eq!(limits.memory, ((1024 << 20) - OWN_MEMORY) / 2);
        let limits = parse(&["--memory", "2GiB"]).unwrap().limits(&task(), 2);
        assert_eq!(limits.memory, 2 << 30);
    }

    #[test]
    fn a_task_has_limits_of_its_own_and_a_flag_beats_each() {
        let here = parse(&[]).unwrap().limits(&Nomad::default(), 1);
        assert_eq!(here.timeout, None);
        let limits = parse(&[]).unwrap().limits(&task(), 1);
        assert_eq!(limits.timeout, Some(Duration::from_secs(86_400)));
        assert!(limits.output_bytes < here.output_bytes && limits.log_bytes < here.log_bytes);
        let flags = [
            "--timeout=1s",
            "--max-output-bytes=2",
            "--max-output-files=3",
            "--max-log-bytes=4",
        ];
        let limits = parse(&flags).unwrap().limits(&task(), 1);
        assert_eq!(limits.timeout, Some(Duration::from_secs(1)));
        let rest = (limits.output_bytes, limits.output_files, limits.log_bytes);
        assert_eq!(rest, (2, 3, 4));
    }

    #[test]
    fn no_more_guests_run_than_their_task_has_memory_for() {
        let most = |flags: &[&str], asked| parse(flags).unwrap().engine.most_guests(&task(), asked);
        assert_eq!(most(&[], false), 3);
        assert_eq!(most(&[], true), (1024 - 96) / 32);
        for asked in [false, true] {
            assert_eq!(most(&["--memory", "300MiB"], asked), 3);
            assert_eq!(most(&["--memory", "2GiB"], asked), 1);
            let at_home = parse(&[]).unwrap().engine;
            assert_eq!(at_home.most_guests(&Nomad::default(), asked), usize::MAX);
        }
        let small = Nomad {
            memory_limit: Some(128 << 20),
            ..task()
        };
        assert_eq!(parse(&[]).unwrap().engine.most_guests(&small, false), 1);
    }

    #[test]
    fn compiling_may_take_what_the_task_has_and_a_gibibyte_in_any_case() {
        let may = |flags: &[&str], nomad: &Nomad| {
            parse(flags).unwrap().engine.options(nomad).compile_memory
        };
        assert_eq!(may(&[], &Nomad::default()), 4 << 30);
        assert_eq!(may(&["--memory", "64MiB"], &Nomad::default()), 1 << 30);
        assert_eq!(may(&["--memory", "6GiB"], &task()), 6 << 30);
        assert_eq!(may(&[], &task()), 1 << 30);
    }

    #[test]
    fn a_task_keeps_no_cache_unless_it_is_given_a_folder() {
        let cache = |flags: &[&str]| parse(flags).unwrap().engine.options(&task()).cache;
        assert_eq!(cache(&[]), Cache::Off);
        assert_eq!(cache(&["--cache-dir", "/c"]), Cache::Folder("/c".into()));
    }

    #[test]
    fn a_digest_and_a_stack_are_checked_when_they_are_given() {
        let digest = "0123456789abcdef".repeat(4);
        let trust = parse(&["--module-sha256", &digest]).unwrap().engine.trust();
        assert_eq!(crate::hex(&trust.modules[0].0), digest);
        for wrong in [["--module-sha256", "abc"], ["--stack", "1"]] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }
}
