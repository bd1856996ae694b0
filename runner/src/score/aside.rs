//! The process that scores: this program again, started by [`super::Scorer`] with a pipe and nothing else.
//!
//! A model is bytes that a module left, and parsing and running it is native code that was not written for hostile
//! ones. So it happens here, where a panic, a full stack or an endless loop ends nothing but this process, where
//! memory is limited, where no file and no socket can be opened, and where the environment is empty.

use std::ffi::OsString;
use std::io::{self, BufReader, BufWriter, Read, Write};

use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
};

use super::session::Session;
use super::signature::{Values, read_text, write_text};
use super::{MAX_MODEL, ScoreError};
use crate::exit::Exit;
use crate::foreign;

/// How much of a message is told. Characters.
const MAX_MESSAGE: usize = 1_000;

/// The first argument of the process that scores. The bytes of memory follow.
pub(super) const VERB: &str = "score-aside";

/// How an answer begins.
const ACCEPTED: u8 = 1;
const REFUSED: u8 = 0;
const MACHINE_REFUSED: u8 = 2;

/// Is the process that scores, if `arguments` ask for it: reads a model (its length, the rows of a block, itself) and
/// then blocks of rows on stdin, and answers on stdout, first that it is ready, until stdin ends.
#[must_use]
pub fn serve_if_asked(arguments: impl IntoIterator<Item = OsString>) -> Option<Exit> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != VERB {
        return None;
    }
    let memory = arguments.next()?.to_str()?.parse().ok()?;
    // Whoever asked may be gone.
    Some(serve(memory).map_or(Exit::Local, |()| Exit::Done))
}

fn serve(memory: u64) -> io::Result<()> {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{}", short(panic.payload_as_str().unwrap_or("it panicked")));
    }));
    if let Err(error) = lock(memory) {
        let reason = format!("it cannot be limited: {error}");
        return refuse(&mut io::stdout().lock(), MACHINE_REFUSED, &reason);
    }
    answer()
}

/// Gives up what is not needed here.
fn lock(memory: u64) -> rustix::io::Result<()> {
    // Whatever ends the runner ends this.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    for (resource, limit) in [
        (Resource::Data, memory),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        // Descriptors from here on are refused, so that nothing can be opened.
        (Resource::Nofile, 0),
    ] {
        // Whoever started the runner may have set a lower one, which nobody raises.
        let limit = Some(getrlimit(resource).maximum.unwrap_or(u64::MAX).min(limit));
        let limit = Rlimit {
            current: limit,
            maximum: limit,
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

fn answer() -> io::Result<()> {
    let mut from = BufReader::with_capacity(1 << 16, io::stdin().lock());
    let mut to = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    // It is ready.
    accept(&mut to)?;
    to.flush()?;
    let mut number = || {
        let mut number = [0; 8];
        from.read_exact(&mut number)?;
        io::Result::Ok(u64::from_le_bytes(number))
    };
    let (length, rows) = (number()?, number()?);
    let rows = usize::try_from(rows).map_err(io::Error::other)?;
    let mut model = Vec::with_capacity(usize::try_from(length.min(MAX_MODEL)).unwrap_or(0));
    from.by_ref().take(length).read_to_end(&mut model)?;
    let session = Session::load(&model, rows);
    drop(model);
    let session = match session {
        Ok(session) => session,
        Err(error) => return refuse(&mut to, REFUSED, &format!("{error:#}")),
    };
    accept(&mut to)?;
    write_text(&mut to, &serde_json::to_string(&session.signature)?)?;
    to.flush()?;
    while !io::BufRead::fill_buf(&mut from)?.is_empty() {
        let ports = session.signature.inputs.iter();
        let block = ports
            .map(|port| Values::read(port.kind, rows * port.columns, &mut from))
            .collect::<io::Result<_>>()?;
        match session.run(block) {
            Ok(outputs) => {
                accept(&mut to)?;
                outputs
                    .iter()
                    .try_for_each(|values| values.write(&mut to))?;
                to.flush()?;
            }
            Err(error) => return refuse(&mut to, REFUSED, &format!("{error:#}")),
        }
    }
    Ok(())
}

fn accept(to: &mut impl Write) -> io::Result<()> {
    to.write_all(&[ACCEPTED])
}

fn refuse(to: &mut impl Write, how: u8, message: &str) -> io::Result<()> {
    to.write_all(&[how])?;
    write_text(to, &short(message))?;
    to.flush()
}

/// Reads the answer that [`accept`] or [`refuse`] begins.
///
/// # Errors
/// When there is none.
pub(super) fn read_answer(from: &mut impl Read) -> io::Result<Result<(), ScoreError>> {
    let mut how = [0];
    from.read_exact(&mut how)?;
    if how == [ACCEPTED] {
        return Ok(Ok(()));
    }
    let reason = foreign::line(&read_text(from)?);
    Ok(Err(match how {
        [MACHINE_REFUSED] => ScoreError::Start(io::Error::other(reason)),
        _ => ScoreError::Model(reason),
    }))
}

/// Errors of tract hold whole nodes.
fn short(message: &str) -> String {
    let one_line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match one_line.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &one_line[..end]),
        None => one_line,
    }
}
