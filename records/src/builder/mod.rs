//! One column while it is read: its type comes from its first value, and gives way to text when a later one is of
//! another type.

mod text;

use crate::cell::{As, Cell};
use crate::column::{Reason, Text, Values};
use crate::error::Problem;
use crate::options::Type;
use crate::room::{Room, trim};
use text::Dictionary;

/// The cells of a column so far.
#[derive(Debug)]
pub(crate) enum Cells {
    /// Only missing ones.
    Undecided(Undecided),
    Number(Numbers),
    Boolean(Vec<Option<bool>>),
    Time {
        days: Vec<f32>,
        has_time_of_day: bool,
    },
    Text(Dictionary),
    /// Of several types, found too late to know the text of those before: read again, as text.
    Mixed,
    LeftOut(Reason),
    /// Known from an earlier pass over the source.
    Known,
}

#[derive(Debug, Default)]
pub(crate) struct Undecided {
    rows: usize,
    /// Whether words for a missing value were met, which are values if this turns out to be text.
    markers: bool,
    nans: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct Numbers {
    values: Vec<f32>,
    unfit: Counter,
}

/// Counts cells, at most one a row, and can take back the one of the last row.
#[derive(Debug, Default)]
struct Counter {
    count: u64,
    last_row: usize,
}

impl Counter {
    fn add(&mut self, row: usize) {
        self.count += 1;
        self.last_row = row;
    }

    fn forget(&mut self, row: usize) {
        if self.count > 0 && self.last_row == row {
            self.count -= 1;
        }
    }
}

impl Numbers {
    /// Whether the cell of `row` is the next one.
    pub fn is_at(&self, row: usize) -> bool {
        self.values.len() == row
    }

    #[inline(always)]
    pub fn push(&mut self, value: f32, room: Room) -> Result<(), Problem> {
        room.push(&mut self.values, value)
    }
}

/// A column that is being read.
#[derive(Debug)]
pub(crate) struct Builder {
    pub name: String,
    declared: Option<Type>,
    pub cells: Cells,
    /// The cells of an earlier pass, while others are read again.
    finished: Option<Cells>,
}

impl Builder {
    pub fn new(name: String, declared: Option<Type>, wanted: bool) -> Self {
        let cells = if wanted {
            Cells::of(declared)
        } else {
            Cells::LeftOut(Reason::Requested)
        };
        Builder {
            name,
            declared,
            cells,
            finished: None,
        }
    }

    /// Takes the cell of `row`; rows that were passed over are missing.
    pub fn push(&mut self, row: usize, cell: Cell<'_>, room: Room) -> Result<(), Problem> {
        if self.cells.rows().is_some_and(|rows| rows > row) {
            return Err(Problem::DuplicateColumn);
        }
        self.cells.pad(row, room)?;
        if matches!(cell, Cell::Array) {
            if !matches!(self.cells, Cells::LeftOut(_) | Cells::Known) {
                self.cells = Cells::LeftOut(Reason::Array);
            }
            return Ok(());
        }
        if cell.is_missing() {
            return self.cells.pad(row + 1, room);
        }
        if let Cells::Undecided(undecided) = &mut self.cells {
            if cell.is_marker() {
                undecided.markers = true;
                undecided.rows += 1;
                if cell.is_nan() {
                    undecided.nans.add(row);
                }
                return Ok(());
            }
            self.cells = undecided.decide(cell, room)?;
        }
        let expected = match self.cells.take(row, cell, self.declared, room)? {
            Taken::Yes => return Ok(()),
            Taken::No(expected) => expected,
        };
        if self.declared.is_some() {
            let text = String::from_utf8_lossy(cell.text());
            let cell = text.chars().take(50).collect();
            return Err(Problem::Unfit { cell, expected });
        }
        self.cells = Cells::Mixed;
        Ok(())
    }

    /// Drops the cells from `rows` on: at most those of one row, which is read again.
    pub fn truncate(&mut self, rows: usize) {
        match &mut self.cells {
            Cells::Undecided(undecided) => {
                undecided.nans.forget(rows);
                undecided.rows = undecided.rows.min(rows);
            }
            Cells::Number(numbers) => {
                numbers.unfit.forget(rows);
                numbers.values.truncate(rows);
            }
            Cells::Boolean(values) => values.truncate(rows),
            Cells::Time { days, .. } => days.truncate(rows),
            Cells::Text(text) => text.codes.truncate(rows),
            Cells::Mixed | Cells::LeftOut(_) | Cells::Known => {}
        }
    }

    pub fn pad(&mut self, rows: usize, room: Room) -> Result<(), Problem> {
        self.cells.pad(rows, room)
    }

    /// Leaves the column out, unless it is anyway.
    pub fn leave_out(&mut self, reason: Reason) {
        if !matches!(self.cells, Cells::LeftOut(_)) {
            self.cells = Cells::LeftOut(reason);
        }
    }

    /// Whether its cells are wanted in this pass.
    pub fn is_read(&self) -> bool {
        !matches!(self.cells, Cells::Mixed | Cells::LeftOut(_) | Cells::Known)
    }

    /// Whether the column was declared to be of another type than `natural`.
    pub fn is_read_as_other_than(&self, natural: Option<Type>) -> bool {
        self.declared.is_some() && self.declared != natural
    }

    pub fn is_mixed(&self) -> bool {
        matches!(self.cells, Cells::Mixed)
    }

    /// Whether no value was met and no type declared.
    pub fn is_undecided(&self) -> bool {
        matches!(&self.cells, Cells::Undecided(undecided) if !undecided.markers)
    }

    /// Starts over, as text where several types were met.
    pub fn restart(&mut self) {
        match self.cells {
            Cells::Mixed => self.cells = Cells::Text(Dictionary::default()),
            Cells::LeftOut(_) => {}
            _ => self.cells = Cells::of(self.declared),
        }
    }

    /// Keeps what was read, and reads on only where several types were met.
    pub fn read_again(&mut self) {
        if self.is_mixed() {
            self.restart();
        } else {
            let cells = std::mem::replace(&mut self.cells, Cells::Known);
            self.finished = Some(cells);
        }
    }

    /// The values, or why there are none.
    pub fn finish(self) -> (String, Result<Values, Reason>) {
        let values = match self.finished.unwrap_or(self.cells) {
            Cells::Undecided(undecided) => Ok(Values::Number {
                values: vec![f32::NAN; undecided.rows],
                unfit: undecided.nans.count,
            }),
            Cells::Number(numbers) => Ok(Values::Number {
                values: trim(numbers.values),
                unfit: numbers.unfit.count,
            }),
            Cells::Boolean(values) => Ok(Values::Boolean(trim(values))),
            Cells::Time {
                days,
                has_time_of_day,
            } => Ok(Values::Time {
                days: trim(days),
                has_time_of_day,
            }),
            Cells::Text(text) => Ok(Values::Text(Text {
                codes: trim(text.codes),
                distinct: trim(text.distinct),
            })),
            Cells::LeftOut(reason) => Err(reason),
            // A second pass leaves neither; an empty column is the neutral answer.
            Cells::Mixed | Cells::Known => Ok(Values::Text(Text::default())),
        };
        (self.name, values)
    }
}

impl Undecided {
    /// The kind of column that `cell`, its first value, makes of it.
    fn decide(&mut self, cell: Cell<'_>, room: Room) -> Result<Cells, Problem> {
        let mut cells = if cell.number(false) != As::Other {
            Cells::Number(Numbers {
                values: Vec::new(),
                unfit: std::mem::take(&mut self.nans),
            })
        } else if cell.boolean(false) != As::Other {
            Cells::of(Some(Type::Boolean))
        } else if cell.time() != As::Other {
            Cells::of(Some(Type::Time))
        } else if self.markers {
            Cells::Mixed
        } else {
            Cells::of(Some(Type::Text))
        };
        cells.pad(self.rows, room)?;
        Ok(cells)
    }
}

/// Whether a cell was of the column's type, and if not, what that is.
enum Taken {
    Yes,
    No(Type),
}

impl Cells {
    fn of(declared: Option<Type>) -> Cells {
        match declared {
            None => Cells::Undecided(Undecided::default()),
            Some(Type::Number) => Cells::Number(Numbers::default()),
            Some(Type::Boolean) => Cells::Boolean(Vec::new()),
            Some(Type::Time) => Cells::Time {
                days: Vec::new(),
                has_time_of_day: false,
            },
            Some(Type::Text) => Cells::Text(Dictionary::default()),
        }
    }

    fn rows(&self) -> Option<usize> {
        match self {
            Cells::Undecided(undecided) => Some(undecided.rows),
            Cells::Number(numbers) => Some(numbers.values.len()),
            Cells::Boolean(values) => Some(values.len()),
            Cells::Time { days, .. } => Some(days.len()),
            Cells::Text(text) => Some(text.codes.len()),
            Cells::Mixed | Cells::LeftOut(_) | Cells::Known => None,
        }
    }

    fn pad(&mut self, rows: usize, room: Room) -> Result<(), Problem> {
        match self {
            Cells::Undecided(undecided) => undecided.rows = undecided.rows.max(rows),
            Cells::Number(numbers) => room.pad(&mut numbers.values, rows, f32::NAN)?,
            Cells::Boolean(values) => room.pad(values, rows, None)?,
            Cells::Time { days, .. } => room.pad(days, rows, f32::NAN)?,
            Cells::Text(text) => room.pad(&mut text.codes, rows, Text::MISSING)?,
            Cells::Mixed | Cells::LeftOut(_) | Cells::Known => {}
        }
        Ok(())
    }

    /// Takes a cell that is not missing.
    fn take(
        &mut self,
        row: usize,
        cell: Cell<'_>,
        declared: Option<Type>,
        room: Room,
    ) -> Result<Taken, Problem> {
        let declared = declared.is_some();
        match self {
            Cells::Number(numbers) => {
                let value = match cell.number(declared) {
                    As::Value(value) => value,
                    As::Missing => f32::NAN,
                    As::Unfit => {
                        numbers.unfit.add(row);
                        f32::NAN
                    }
                    As::Other => return Ok(Taken::No(Type::Number)),
                };
                numbers.push(value, room)?;
            }
            Cells::Boolean(values) => {
                let value = match cell.boolean(declared) {
                    As::Value(value) => Some(value),
                    As::Missing | As::Unfit => None,
                    As::Other => return Ok(Taken::No(Type::Boolean)),
                };
                room.push(values, value)?;
            }
            Cells::Time {
                days,
                has_time_of_day,
            } => {
                let value = match cell.time() {
                    As::Value(moment) => {
                        *has_time_of_day |= moment.has_time_of_day;
                        moment.days
                    }
                    As::Missing | As::Unfit => f32::NAN,
                    As::Other => return Ok(Taken::No(Type::Time)),
                };
                room.push(days, value)?;
            }
            Cells::Text(text) => text.push(cell.text(), room)?,
            Cells::Undecided(_) | Cells::Mixed | Cells::LeftOut(_) | Cells::Known => {}
        }
        Ok(Taken::Yes)
    }
}
