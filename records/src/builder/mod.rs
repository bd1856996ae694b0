//! One column while it is read: its type comes from its first value. Cells of another type are remembered, and whether
//! they are missing or make the column text is judged when all are known.

mod finish;
mod judge;
mod met;
mod settle;
mod take;
mod text;
mod verdict;

use crate::cell::{As, Cell, How};
use crate::column::{Reason, Text};
use crate::error::Problem;
use crate::floats::Floats;
use crate::number_format::NumberFormat;
use crate::options::{Options, Type};
use crate::room::Room;
use crate::rules::Rules;
pub(crate) use finish::Finished;
use met::Met;
use text::Dictionary;

/// The cells of a column so far.
#[derive(Debug)]
pub(crate) enum Cells {
    /// Only missing ones.
    Undecided(Undecided),
    Number(Numbers<f32>),
    /// The same, where texts are read by the format that was declared.
    Formatted(Numbers<f32>),
    Double(Doubles),
    Boolean(Vec<Option<bool>>),
    Time {
        days: Floats,
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
pub(crate) struct Numbers<T> {
    values: Vec<T>,
    unfit: Counter,
}

/// Numbers in double precision.
#[derive(Debug, Default)]
pub(crate) struct Doubles {
    numbers: Numbers<f64>,
    /// Whether they are durations, read as seconds.
    are_durations: bool,
    /// Whether the short way to read a number may be taken: no format is declared, and they are no durations.
    is_plain: bool,
    /// Whether whole numbers were met that no f64 is sure to hold.
    is_beyond: bool,
}

impl Doubles {
    fn plain(is_plain: bool) -> Self {
        Doubles {
            is_plain,
            ..Doubles::default()
        }
    }

    /// The numbers, where they may be read the short way.
    #[inline]
    pub fn short_way(&mut self) -> Option<&mut Numbers<f64>> {
        self.is_plain.then_some(&mut self.numbers)
    }
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

impl<T> Numbers<T> {
    /// Whether the cell of `row` is the next one.
    pub fn is_at(&self, row: usize) -> bool {
        self.values.len() == row
    }

    #[inline(always)]
    pub fn push(&mut self, value: T, room: Room) -> Result<(), Problem> {
        room.push(&mut self.values, value)
    }
}

/// A column that is being read.
#[derive(Debug)]
pub(crate) struct Builder {
    pub name: String,
    declared: Option<Type>,
    format: Option<NumberFormat>,
    rules: Rules,
    /// Whether marks of thousands, and `NA` as a code, are told by the column's own cells.
    infer: bool,
    /// Whether its numbers are wanted in double precision.
    wants_double: bool,
    /// Whether they are read in double precision: they are wanted so, or single precision may merge them.
    in_double: bool,
    /// Whether the column is only to be read again in double precision, not as text.
    widens: bool,
    /// Whether `NA` is known to be a text like others.
    na_is_text: bool,
    /// Whether texts are never numbers, for the file has types of its own.
    keeps_text: bool,
    /// The type that the first block showed.
    likely: Option<Type>,
    /// Whether a comma may be a decimal one.
    with_comma: bool,
    /// Whether JSON strings were met.
    strings: bool,
    pub cells: Cells,
    met: Met,
    /// The cells of an earlier pass, while others are read again.
    finished: Option<Cells>,
}

impl Builder {
    pub fn new(name: String, options: &Options) -> Self {
        let declared = options.types.get(&name).copied();
        let format = options.formats.get(&name).cloned();
        let mut builder = Builder {
            declared,
            format: format.filter(|_| declared == Some(Type::Number)),
            rules: options.rules,
            infer: options.infer,
            wants_double: options.rules >= Rules::Two && options.double.contains(&name),
            in_double: options.rules >= Rules::Two && options.double.contains(&name),
            widens: false,
            na_is_text: options.na_is_text.contains(&name),
            keeps_text: false,
            likely: None,
            with_comma: false,
            strings: false,
            cells: Cells::LeftOut(Reason::Requested),
            met: Met::default(),
            finished: None,
            name,
        };
        if options.columns.hold(&builder.name) {
            builder.cells = builder.start();
        }
        builder
    }

    /// No cells yet.
    fn start(&self) -> Cells {
        match (Cells::of(self.declared.or(self.likely)), &self.format) {
            (Cells::Number(_), format) if self.in_double => {
                Cells::Double(Doubles::plain(format.is_none()))
            }
            (Cells::Number(numbers), Some(_)) => Cells::Formatted(numbers),
            (cells, _) => cells,
        }
    }

    /// Takes the marks of a number of `row` that has no comma.
    #[inline]
    pub fn see_point(&mut self, text: &[u8], row: usize) {
        self.met.marks.see_point(text, row);
    }

    /// Keeps texts for texts, whatever they look like.
    pub fn keep_text(&mut self) {
        self.keeps_text = true;
    }

    fn how(&self) -> How {
        How {
            rules: self.rules,
            declared: self.declared.is_some(),
        }
    }

    fn remembers(&self) -> bool {
        self.rules >= Rules::Two
    }

    /// Drops the cells from `rows` on: at most those of one row, which is read again.
    pub fn truncate(&mut self, rows: usize) {
        self.met.forget(rows);
        match &mut self.cells {
            Cells::Undecided(undecided) => {
                undecided.nans.forget(rows);
                undecided.rows = undecided.rows.min(rows);
            }
            Cells::Number(numbers) | Cells::Formatted(numbers) => {
                numbers.unfit.forget(rows);
                numbers.values.truncate(rows);
            }
            Cells::Double(doubles) => {
                doubles.numbers.unfit.forget(rows);
                doubles.numbers.values.truncate(rows);
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

    /// Whether the column is read as another type than `natural`, the file's own.
    pub fn is_read_as_other_than(&self, natural: Option<Type>) -> bool {
        let is_declared = self.declared.is_some() && self.declared != natural;
        is_declared || (natural.is_some() && matches!(self.cells, Cells::Text(_)))
    }

    /// Whether numbers are read in double precision.
    pub fn is_in_double(&self) -> bool {
        self.in_double
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
        self.met = Met::default();
        let widens = std::mem::take(&mut self.widens);
        match self.cells {
            Cells::Mixed if widens => self.cells = self.start(),
            Cells::Mixed => self.cells = Cells::Text(Dictionary::default()),
            Cells::LeftOut(_) => {}
            _ => self.cells = self.start(),
        }
    }

    /// Keeps what was read, and reads on only where several types were met.
    pub fn read_again(&mut self) {
        if self.is_mixed() {
            self.restart();
        } else if !matches!(self.cells, Cells::Known) {
            let cells = std::mem::replace(&mut self.cells, Cells::Known);
            self.finished = Some(cells);
        }
    }
}

impl Undecided {
    /// The kind of column that `cell`, its first value, makes of it.
    fn decide(
        &mut self,
        cell: Cell<'_>,
        how: How,
        keeps_text: bool,
        in_double: bool,
        room: Room,
    ) -> Result<Cells, Problem> {
        let is_number = !(keeps_text && matches!(cell, Cell::String(_)));
        let mut cells = if is_number && cell.number::<f32>(how) != As::Other {
            let unfit = std::mem::take(&mut self.nans);
            if in_double {
                let mut doubles = Doubles::plain(true);
                doubles.numbers.unfit = unfit;
                Cells::Double(doubles)
            } else {
                Cells::Number(Numbers {
                    values: Vec::new(),
                    unfit,
                })
            }
        } else if cell.boolean(how) != As::Other {
            Cells::of(Some(Type::Boolean))
        } else if cell.time(how) != As::Other {
            Cells::of(Some(Type::Time))
        } else if how.rules >= Rules::Two && cell.duration(how) != As::Other {
            Cells::Double(Doubles {
                are_durations: true,
                ..Doubles::default()
            })
        } else if self.markers {
            Cells::Mixed
        } else {
            Cells::of(Some(Type::Text))
        };
        cells.pad(self.rows, room)?;
        Ok(cells)
    }
}

impl Cells {
    fn of(declared: Option<Type>) -> Cells {
        match declared {
            None => Cells::Undecided(Undecided::default()),
            Some(Type::Number) => Cells::Number(Numbers::default()),
            Some(Type::Boolean) => Cells::Boolean(Vec::new()),
            Some(Type::Time) => Cells::Time {
                days: Floats::default(),
                has_time_of_day: false,
            },
            Some(Type::Text) => Cells::Text(Dictionary::default()),
        }
    }

    fn rows(&self) -> Option<usize> {
        match self {
            Cells::Undecided(undecided) => Some(undecided.rows),
            Cells::Number(numbers) | Cells::Formatted(numbers) => Some(numbers.values.len()),
            Cells::Double(doubles) => Some(doubles.numbers.values.len()),
            Cells::Boolean(values) => Some(values.len()),
            Cells::Time { days, .. } => Some(days.len()),
            Cells::Text(text) => Some(text.codes.len()),
            Cells::Mixed | Cells::LeftOut(_) | Cells::Known => None,
        }
    }

    fn pad(&mut self, rows: usize, room: Room) -> Result<(), Problem> {
        match self {
            Cells::Undecided(undecided) => undecided.rows = undecided.rows.max(rows),
            Cells::Number(numbers) | Cells::Formatted(numbers) => {
                room.pad(&mut numbers.values, rows, f32::NAN)?
            }
            Cells::Double(doubles) => room.pad(&mut doubles.numbers.values, rows, f64::NAN)?,
            Cells::Boolean(values) => room.pad(values, rows, None)?,
            Cells::Time { days, .. } => match days {
                Floats::Single(days) => room.pad(days, rows, f32::NAN)?,
                Floats::Double(days) => room.pad(days, rows, f64::NAN)?,
            },
            Cells::Text(text) => room.pad(&mut text.codes, rows, Text::MISSING)?,
            Cells::Mixed | Cells::LeftOut(_) | Cells::Known => {}
        }
        Ok(())
    }
}
