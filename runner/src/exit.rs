//! Exit codes: one table, here and in docs/exit-codes.md.

/// How a `runner` process ends.
///
/// 3, 4 and 5 are the contract's own statuses of a guest, so that they mean the same on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done: what was asked for is there.
    Done = 0,
    /// A local file or folder could not be read or written, or the machine lacks something.
    Local = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The specification (`pipeline.toml`) is wrong.
    BadSpecification = 3,
    /// The data was fetched and cannot be trained on.
    BadData = 4,
    /// The model was trained and misses a gate. It is not published.
    GateNotMet = 5,
    /// The data could not be fetched.
    DataNotFetched = 10,
    /// The module is no WASI preview 1 command.
    NotAModule = 11,
    /// The guest trapped.
    Trapped = 12,
    /// The guest hit a limit: memory, time, output, log or stack.
    LimitHit = 13,
    /// The guest ended with a status of its own.
    GuestFailed = 14,
    /// What the guest left breaks the contract.
    BadOutput = 15,
    /// The store answered and refused: credentials, rights, or another model under the same name.
    StoreRefused = 16,
    /// The store could not be reached, or failed for longer than the deadline.
    StoreUnreachable = 17,
    /// The operator does not allow it: module, data or path.
    NotAllowed = 18,
    /// SIGINT.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
