//! Exit codes: one table, here and in docs/exit-codes.md.

/// How a `runner` process ends.
///
/// 3, 4 and 5 are the contract's own statuses of a guest, so that they mean the same on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done: what was asked for is there.
    Done,
    /// A local file or folder could not be read or written, or the machine lacks something.
    Local,
    /// The command line is wrong.
    Usage,
    /// The specification (`pipeline.toml`) is wrong.
    BadSpecification,
    /// The data was fetched and cannot be trained on.
    BadData,
    /// The model was trained and misses a gate. It is not published.
    GateNotMet,
    /// The data could not be fetched.
    DataNotFetched,
    /// The module is no WASI preview 1 command.
    NotAModule,
    /// The guest trapped.
    Trapped,
    /// The guest hit a limit: memory, time, output, log or stack.
    LimitHit,
    /// The guest ended with a status of its own.
    GuestFailed,
    /// What the guest left breaks the contract.
    BadOutput,
    /// The store answered and refused: credentials, rights, or another model under the same name.
    StoreRefused,
    /// The store could not be reached, or failed for longer than the deadline.
    StoreUnreachable,
    /// The operator does not allow it: module, data, path or credentials.
    NotAllowed,
    /// Nomad answered and refused, or its job is not what was to be dispatched.
    NomadRefused,
    /// Nomad could not be reached, or kept failing.
    NomadUnreachable,
    /// Of the versions that were dispatched, some failed.
    VersionsFailed,
    /// `runner exec`: what the program ended with.
    Program(u8),
    /// What the store holds or answers can't be right: a damaged object, or something else than a store's answer.
    StoreFaulty,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl Exit {
    /// The process's exit status.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Local => 1,
            Self::Usage => 2,
            Self::BadSpecification => 3,
            Self::BadData => 4,
            Self::GateNotMet => 5,
            Self::DataNotFetched => 10,
            Self::NotAModule => 11,
            Self::Trapped => 12,
            Self::LimitHit => 13,
            Self::GuestFailed => 14,
            Self::BadOutput => 15,
            Self::StoreRefused => 16,
            Self::StoreUnreachable => 17,
            Self::NotAllowed => 18,
            Self::NomadRefused => 19,
            Self::NomadUnreachable => 20,
            Self::VersionsFailed => 21,
            Self::StoreFaulty => 22,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Program(status) => status,
        }
    }
}

/// Every code of our own, with what it means in a few words: the table of `--help` and of docs/exit-codes.md.
pub const TABLE: [(Exit, &str); 21] = [
    (Exit::Done, "done: what was asked for is there"),
    (
        Exit::Local,
        "a local file or folder could not be read or written, or the machine lacks something",
    ),
    (Exit::Usage, "the command line is wrong"),
    (
        Exit::BadSpecification,
        "the specification (pipeline.toml) is wrong",
    ),
    (Exit::BadData, "the data was fetched and cannot be used"),
    (
        Exit::GateNotMet,
        "the model misses a gate; it is kept to look at, and not published",
    ),
    (Exit::DataNotFetched, "the data could not be fetched"),
    (Exit::NotAModule, "the module is no WASI preview 1 command"),
    (Exit::Trapped, "the module trapped"),
    (
        Exit::LimitHit,
        "the module hit a limit: memory, time, output, log or stack",
    ),
    (
        Exit::GuestFailed,
        "the module ended with a status that is not the contract's",
    ),
    (Exit::BadOutput, "what the module left breaks the contract"),
    (
        Exit::StoreRefused,
        "the store refused: credentials, rights, or another model of that name",
    ),
    (
        Exit::StoreUnreachable,
        "the store could not be reached, or failed until the deadline",
    ),
    (
        Exit::NotAllowed,
        "the operator does not allow it: module, data, path or credentials",
    ),
    (
        Exit::NomadRefused,
        "Nomad answered and refused, or its job is not what was to be dispatched",
    ),
    (
        Exit::NomadUnreachable,
        "Nomad could not be reached, or kept failing",
    ),
    (
        Exit::VersionsFailed,
        "of the versions that were dispatched, some failed",
    ),
    (
        Exit::StoreFaulty,
        "what the store holds or answers cannot be right: a damaged object, or no answer of a store",
    ),
    (Exit::Interrupted, "stopped by SIGINT"),
    (Exit::Terminated, "stopped by SIGTERM"),
];

/// What a process that ended with `code` says by it, if it is one of ours.
#[must_use]
pub fn meaning(code: i32) -> Option<&'static str> {
    let row = TABLE
        .iter()
        .find(|(exit, _)| i32::from(exit.code()) == code)?;
    Some(row.1)
}

/// The table as `--help` shows it.
#[must_use]
pub fn help() -> String {
    let rows = TABLE
        .iter()
        .map(|(exit, meaning)| format!("  {:>3}  {meaning}\n", exit.code()));
    format!("Exit codes:\n{}", rows.collect::<String>())
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_documented_table_is_this_one() {
        let page = std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../docs/exit-codes.md"
        ))
        .unwrap();
        let rows: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("| "))
            .skip(1)
            .collect();
        assert_eq!(rows.len(), TABLE.len(), "{rows:#?}");
        for (row, (exit, meaning)) in rows.iter().zip(TABLE) {
            assert!(
                row.starts_with(&format!("| {} | {meaning} |", exit.code())),
                "{row}"
            );
        }
    }
}
