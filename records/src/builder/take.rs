//! Taking the cells of a column.

use super::{Builder, Cells, Doubles};
use crate::cell::{As, Cell, How};
use crate::column::Reason;
use crate::error::Problem;
use crate::floats::{Floats, WHOLE_IN_DOUBLE};
use crate::number_format::{NumberFormat, is_code};
use crate::options::Type;
use crate::room::Room;
use crate::rules::Rules;
use crate::time::{MILLIS_OF_A_DAY, Moment};

/// Whether a cell was of the column's type, and if not, what that is.
enum Taken {
    Yes,
    No(Type),
}

impl Builder {
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
        self.with_comma |= matches!(cell, Cell::PlainWithComma(_));
        self.strings |= matches!(cell, Cell::String(_));
        let how = self.how();
        if let Cells::Undecided(undecided) = &mut self.cells {
            if cell.is_token(how.rules) {
                undecided.markers = true;
                undecided.rows += 1;
                if cell.is_nan() {
                    undecided.nans.add(row);
                } else if self.rules >= Rules::Two {
                    self.met.token(cell.text(), row);
                }
                return Ok(());
            }
            self.cells = undecided.decide(cell, how, self.keeps_text, self.in_double, room)?;
        }
        match self.take(row, cell, room)? {
            Taken::Yes => Ok(()),
            Taken::No(expected) => self.take_odd(row, cell, expected, room),
        }
    }

    /// Takes a cell that is not of the column's type.
    #[cold]
    fn take_odd(
        &mut self,
        row: usize,
        cell: Cell<'_>,
        expected: Type,
        room: Room,
    ) -> Result<(), Problem> {
        if !self.remembers() && self.declared.is_some() {
            let text = String::from_utf8_lossy(cell.text());
            let cell = text.chars().take(50).collect();
            return Err(Problem::Unfit { cell, expected });
        }
        let text = cell.text().trim_ascii();
        // Booleans are two words: any other makes them text. So does a code among numbers.
        let is_text = expected == Type::Boolean
            || (expected == Type::Number && is_code(text))
            || self.met.is_mostly_odd(row);
        if !self.remembers() || (self.declared.is_none() && is_text) {
            self.cells = Cells::Mixed;
            return Ok(());
        }
        self.met.odd(text, row);
        self.cells.pad(row + 1, room)
    }

    /// Takes a cell that is not missing.
    fn take(&mut self, row: usize, cell: Cell<'_>, room: Room) -> Result<Taken, Problem> {
        let how = self.how();
        let mut is_token = false;
        match &mut self.cells {
            Cells::Number(numbers) | Cells::Formatted(numbers) => {
                let number = match &self.format {
                    Some(format) => cell.formatted(format, how),
                    None => cell.number(how),
                };
                let value = match number {
                    As::Value(value) => value,
                    As::Missing => {
                        is_token = true;
                        f32::NAN
                    }
                    As::Unfit => {
                        numbers.unfit.add(row);
                        f32::NAN
                    }
                    As::Other => return Ok(Taken::No(Type::Number)),
                };
                numbers.push(value, room)?;
                if let Cell::PlainWithComma(text) = cell
                    && self.format.is_none()
                {
                    self.met.marks.see(text, row);
                }
            }
            Cells::Double(doubles) => {
                let value = match doubles.read(cell, self.format.as_ref(), how) {
                    As::Value(value) => value,
                    As::Missing => {
                        is_token = true;
                        f64::NAN
                    }
                    As::Unfit => {
                        doubles.numbers.unfit.add(row);
                        f64::NAN
                    }
                    As::Other => return Ok(Taken::No(Type::Number)),
                };
                doubles.numbers.push(value, room)?;
                if let Cell::PlainWithComma(text) = cell
                    && doubles.is_plain
                {
                    self.met.marks.see(text, row);
                }
            }
            Cells::Boolean(values) => {
                let value = match cell.boolean(how) {
                    As::Value(value) => Some(value),
                    As::Missing | As::Unfit => {
                        is_token = true;
                        None
                    }
                    As::Other => return Ok(Taken::No(Type::Boolean)),
                };
                room.push(values, value)?;
            }
            Cells::Time {
                days,
                has_time_of_day,
            } => {
                let moment = match cell.time(how) {
                    As::Value(moment) => {
                        *has_time_of_day |= moment.has_time_of_day;
                        Some(moment)
                    }
                    As::Missing | As::Unfit => {
                        is_token = true;
                        None
                    }
                    As::Other => return Ok(Taken::No(Type::Time)),
                };
                push_moment(days, moment, how.rules, room)?;
            }
            Cells::Text(text) => text.push(cell.text(), room)?,
            Cells::Undecided(_) | Cells::Mixed | Cells::LeftOut(_) | Cells::Known => {}
        }
        if is_token && self.remembers() {
            self.met.token(cell.text().trim_ascii(), row);
        }
        Ok(Taken::Yes)
    }
}

impl Doubles {
    /// The number that a cell is.
    fn read(&mut self, cell: Cell<'_>, format: Option<&NumberFormat>, how: How) -> As<f64> {
        let number = match format {
            _ if self.are_durations => cell.duration(how),
            Some(format) => cell.formatted(format, how),
            None => cell.number(how),
        };
        if let As::Value(value) = number
            && value.abs() >= WHOLE_IN_DOUBLE
        {
            self.is_beyond |= cell.is_beyond_double();
        }
        number
    }
}

/// Takes an instant. Whole days are what single precision holds; the first of another makes all of the column double.
fn push_moment(
    days: &mut Floats,
    moment: Option<Moment>,
    rules: Rules,
    room: Room,
) -> Result<(), Problem> {
    let is_whole = |moment: Moment| moment.millis % MILLIS_OF_A_DAY == 0;
    if rules >= Rules::Two && !moment.is_none_or(is_whole) {
        days.widen();
    }
    match days {
        Floats::Single(days) => room.push(days, moment.map_or(f32::NAN, |moment| moment.single)),
        Floats::Double(days) => room.push(days, moment.map_or(f64::NAN, Moment::days)),
    }
}
