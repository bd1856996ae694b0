//! One file a verb: its arguments, and what it does.

use crate::cli::{Cli, Verb};
use crate::error::Error;
use crate::exit::Exit;
use crate::stdout as output;

pub mod check;
pub mod compare;
pub mod compile;
pub mod delete;
pub mod dispatch;
pub mod doctor;
pub mod exec;
pub mod gc;
pub mod limits;
pub mod list;
pub mod predict;
pub mod promote;
pub mod pull;
pub mod push;
pub mod rollback;
pub mod run;
pub mod show;
pub mod snapshot;
pub mod store;

/// Does what the command line asks for.
///
/// # Errors
/// Whatever ended it, worded for a person.
pub async fn run(cli: Cli) -> Result<Exit, Error> {
    match cli.verb {
        Verb::Check(args) => check::run(*args).await,
        Verb::Compile(args) => compile::run(args).await,
        Verb::Doctor(args) => doctor::run(args).await,
        Verb::Exec(args) => exec::run(*args).await,
        Verb::Run(args) => run::run(*args).await,
        Verb::Dispatch(args) => dispatch::run(*args).await,
        Verb::Predict(args) => predict::run(*args).await,
        Verb::Push(args) => push::run(*args).await,
        Verb::List(args) => list::run(*args).await,
        Verb::Show(args) => show::run(*args).await,
        Verb::Pull(args) => pull::run(*args).await,
        Verb::Compare(args) => compare::run(*args).await,
        Verb::Promote(args) => promote::run(*args).await,
        Verb::Rollback(args) => rollback::run(*args).await,
        Verb::Delete(args) => delete::run(*args).await,
        Verb::Gc(args) => gc::run(*args).await,
        Verb::Snapshot(args) => snapshot::run(*args).await,
    }
}
