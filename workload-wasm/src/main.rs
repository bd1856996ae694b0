//! The WASI command: arguments and variables in, exit status out.

use std::ffi::OsString;
use std::io::stderr;
use std::path::Path;
use std::process::exit;

use workload::log::Log;
use workload::pipeline::run;

fn main() {
    let mut stderr = stderr().lock();
    let status = run(
        std::env::args_os().map(text),
        std::env::vars_os().map(|(name, value)| (text(name), text(value))),
        Path::new("/"),
        &mut Log::new(&mut stderr),
    );
    exit(status);
}

/// What is no UTF-8 is nothing that the contract knows, and will be refused as such.
fn text(raw: OsString) -> String {
    raw.to_string_lossy().into_owned()
}
