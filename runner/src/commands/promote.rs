//! `runner promote`: give a model a name such as `production`.

use super::{output, store};
use crate::error::Error;
use crate::exit::Exit;
use crate::foreign;
use crate::registry;

#[derive(clap::Args)]
pub struct Args {
    /// SAVE_PATH@ALIAS, SAVE_PATH@VERSION or a full name
    #[arg(value_name = "REF")]
    pub reference: String,

    /// What it is from now on, such as production
    #[arg(long, value_name = "NAME")]
    pub alias: String,

    #[command(flatten)]
    pub store: store::Args,

    /// Print the alias and its history as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// When there is no such model, or the store refuses or fails.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let target = args.store.required()?;
    let store = target.open()?;
    let model = registry::resolve(&*store, &args.reference).await?;
    let patience = target.options.timeout;
    let (save_path, name) = (&model.save_path, &model.name);
    let alias = registry::promote(&*store, save_path, &args.alias, name, patience).await?;
    print(&alias, args.json)?;
    Ok(Exit::Done)
}

/// What an alias stands for, and what it stood for.
pub fn print(alias: &registry::Alias, json: bool) -> Result<(), Error> {
    if json {
        return output::print_json(alias);
    }
    let mut table = output::table(&[]);
    for change in alias.history.iter().rev() {
        let note = if change.rollback { "(rollback)" } else { "" };
        table.add_row([change.since.as_str(), &change.name, note]);
    }
    let [save_path, name, current] =
        [&alias.save_path, &alias.alias, alias.current()].map(foreign::line);
    output::print(format!("{save_path}@{name} is {current}\n{table}"))
}
