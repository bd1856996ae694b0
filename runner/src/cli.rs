//! Arguments. Each verb's own are in `commands/`.

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;

#[derive(Parser)]
#[command(
    name = "runner",
    version,
    about = "Trains a tabular model in a WebAssembly sandbox, tests it and publishes it, versioned and immutable",
    after_help = "`runner --help` lists the exit codes.",
    after_long_help = crate::exit::help(),
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

/// Flags that every verb has.
#[derive(Args, Clone, Copy, Debug)]
pub struct Global {
    /// How log lines on stderr are written
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Say more: which credentials, which addresses, every retry
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// Say nothing but warnings, errors and the result
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line, for log collectors
    Json,
}

#[derive(Subcommand)]
pub enum Verb {
    /// Fetch data, train in the sandbox, test, publish
    Run(Box<commands::run::Args>),
    /// Predict rows with a model: by its module in the sandbox, or as ONNX
    Predict(Box<commands::predict::Args>),
    /// Try a module against the contract, and say what it breaks
    Check(Box<commands::check::Args>),
    /// Compile a module ahead of its runs
    Compile(commands::compile::Args),
    /// Say what this machine lacks, and how to mend it
    Doctor(commands::doctor::Args),
    /// Run any WASI program, as the `wasmtime` command does
    Exec(Box<commands::exec::Args>),
    /// Train many versions on a Nomad cluster
    Dispatch(Box<commands::dispatch::Args>),
    /// Publish what `run` left in a folder
    Push(Box<commands::push::Args>),
    /// List the models of a store
    List(Box<commands::list::Args>),
    /// Show all that is known of a model
    Show(Box<commands::show::Args>),
    /// Copy a model from a store into a folder
    Pull(Box<commands::pull::Args>),
    /// Show models side by side: scores and parameters
    Compare(Box<commands::compare::Args>),
    /// Give a model a name, such as production
    Promote(Box<commands::promote::Args>),
    /// Take a promotion back
    Rollback(Box<commands::rollback::Args>),
    /// Delete models
    Delete(Box<commands::delete::Args>),
    /// Remove what was never committed and snapshots that no model names
    Gc(Box<commands::gc::Args>),
    /// Put a dataset into a store, by its digest
    Snapshot(Box<commands::snapshot::Args>),
}
