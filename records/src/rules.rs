/// By which rules cells are read. A model is used by the rules that it was trained by, so that it predicts what it did
/// before; docs/data.md says what changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rules {
    /// Of models that do not say. Cells are taken as they are written, blanks and all; a cell of another type makes its
    /// column text.
    One,
    /// Words for a missing value and a few odd cells are missing, marks of thousands are told from decimal ones, and
    /// what is passed over is counted.
    #[default]
    Two,
}

impl Rules {
    pub const NEWEST: Rules = Rules::Two;

    /// How a model names them.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Rules::One => 1,
            Rules::Two => 2,
        }
    }

    /// The rules of a number; `None` where they are of a later release.
    #[must_use]
    pub fn of(number: u32) -> Option<Rules> {
        match number {
            1 => Some(Rules::One),
            2 => Some(Rules::Two),
            _ => None,
        }
    }
}
