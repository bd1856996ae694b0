/// What was refused, why, and which flag would allow it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} may not be {verb}: {why}. {remedy}")]
pub struct Refusal {
    what: String,
    /// `read` or `used`.
    verb: &'static str,
    why: String,
    remedy: String,
}

impl Refusal {
    /// Data that may not be read.
    pub(crate) fn read(what: String, why: String, remedy: String) -> Self {
        Self {
            what,
            verb: "read",
            why,
            remedy,
        }
    }

    /// Credentials that may not be used.
    pub(crate) fn used(what: String, why: String, remedy: String) -> Self {
        Self {
            what,
            verb: "used",
            why,
            remedy,
        }
    }
}
