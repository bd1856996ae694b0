//! Result -> exit code. Nothing else exits.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use runner::cli::Cli;
use runner::error::Error;
use runner::exit::Exit;
use runner::{commands, logging, version, watchdog};

fn main() -> ExitCode {
    // Before there are threads, whose stacks would count as memory of the process that scores.
    #[cfg(feature = "score")]
    if let Some(exit) = runner::score::serve_if_asked(std::env::args_os()) {
        return exit.into();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.kind() == ErrorKind::DisplayVersion && asks_for_details() => {
            return match std::io::stdout().write_all(version::details().as_bytes()) {
                Ok(()) => Exit::Done.into(),
                Err(_) => Exit::Local.into(),
            };
        }
        Err(error) => {
            // Help and version are no errors: clap knows which stream and which status they get.
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            return match error.print() {
                Ok(()) => exit.into(),
                Err(_) => Exit::Local.into(),
            };
        }
    };
    logging::start(&cli.global);
    let started = watchdog::start().and_then(|()| tokio::runtime::Runtime::new());
    let runtime = match started {
        Ok(runtime) => runtime,
        Err(error) => return finish(&Error::local("cannot start threads", error)).into(),
    };
    let result = runtime.block_on(async {
        tokio::select! {
            biased;
            error = stop_signal() => Err(error),
            result = commands::run(cli) => result,
        }
    });
    // Nobody may read what is left to be said.
    let _watched = match &result {
        Ok(_) => None,
        Err(error) => watchdog::last_words(error),
    };
    // A thread that is still compiling or hashing has nothing left to say once the result is known.
    runtime.shutdown_timeout(Duration::from_millis(50));
    match result {
        Ok(exit) => exit.into(),
        Err(error) => finish(&error).into(),
    }
}

/// Whether `--verbose` stands beside `--version`, which ends the reading of arguments where it is met.
fn asks_for_details() -> bool {
    std::env::args_os()
        .skip(1)
        .any(|argument| argument == "--verbose" || argument == "-v")
}

fn finish(error: &Error) -> Exit {
    logging::report(error);
    error.exit()
}

/// Waits for SIGINT or SIGTERM. Whoever loses the race in `main` is dropped, and cleans up as it goes.
async fn stop_signal() -> Error {
    let signal = watchdog::stop_signal().await;
    signal.unwrap_or_else(|error| Error::local("cannot listen for signals", error))
}
