//! Ten thousand guests in one process, one in ten hostile: memory stays flat, and no file, folder or thread is left.
//! `just soak` runs it; SOAK_GUESTS sets another number.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use runner::platform::NamedFolder;
use runner::sandbox::{
    Engine, EngineOptions, Grants, Guest, Limits, Mode, Module, SandboxError, Trust, run_guest,
};
use support::assemble;

const HOSTILE: [&str; 8] = [
    "deep_folder",
    "endless_loop",
    "endless_recursion",
    "fills_the_disk",
    "memory_without_end",
    "open_files_without_end",
    "stdout_flood",
    "traps",
];

/// What a process holds: resident bytes, open files, threads.
#[derive(Debug)]
struct Held {
    memory: u64,
    files: usize,
    threads: usize,
}

impl Held {
    fn now() -> Self {
        let count = |folder| std::fs::read_dir(folder).unwrap().count();
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let resident: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            memory: resident * 4096,
            files: count("/proc/self/fd"),
            threads: count("/proc/self/task"),
        }
    }
}

async fn run(
    engine: &Engine,
    module: &Module,
    parent: &std::path::Path,
) -> Result<i32, SandboxError> {
    let model = tempfile::tempdir_in(parent).unwrap();
    let [data, granted] = [parent, model.path()].map(|path| NamedFolder::open(path).unwrap());
    let guest = Guest {
        mode: Mode::Train,
        grants: Grants {
            data: &data,
            job: None,
            model: &granted,
            predictions: None,
            env: BTreeMap::new(),
            seed: 1,
        },
    };
    let limits = Limits {
        memory: 64 << 20,
        timeout: Some(Duration::from_millis(20)),
        output_bytes: 1 << 20,
        output_files: 1000,
        log_bytes: 1 << 10,
    };
    run_guest(engine, module, &guest, &limits).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: `just soak`"]
async fn many_guests_leave_nothing_behind() {
    let guests: usize = std::env::var("SOAK_GUESTS")
        .ok()
        .map_or(10_000, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::new(&EngineOptions::default()).unwrap();
    let load = |name: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), assemble(name)).unwrap();
        engine.load(file.path(), &Trust::default()).unwrap()
    };
    let good = load("keeps_the_contract");
    let hostile = HOSTILE.map(load);
    let mut settled = None;
    for number in 0..guests {
        if number % 10 == 9 {
            let ended = run(
                &engine,
                &hostile[number / 10 % HOSTILE.len()],
                folder.path(),
            )
            .await;
            assert!(!matches!(ended, Ok(0)), "{ended:?}");
        } else {
            let ended = run(&engine, &good, folder.path()).await;
            // On a busy machine even an honest guest may miss so short a deadline.
            assert!(
                matches!(ended, Ok(0) | Err(SandboxError::Limit(_))),
                "{ended:?}"
            );
        }
        if number == guests / 10 {
            settled = Some(Held::now());
        }
    }
    let (settled, now) = (settled.unwrap(), Held::now());
    println!("after a tenth: {settled:?}; at the end: {now:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(now.files <= settled.files, "open files grew");
    assert!(now.threads <= settled.threads, "threads grew");
    assert!(now.memory < settled.memory + (16 << 20), "memory grew");
}
