//! What the texts of a column turn out to be once all of them are known: numbers or dates after all, or text.

use super::Met;
use super::text::Dictionary;
use super::verdict::{Distinct, Tally};
use crate::cell::{As, Cell, How};
use crate::column::Text;
use crate::marks::{Marks, MarksSay};
use crate::number::{self, Parsed};
use crate::number_format::{NumberFormat, is_code, other_form};
use crate::options::Type;
use crate::time::Moment;
use crate::tokens;

/// How the texts of a column may be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts {
    pub how: How,
    /// In a file separated by semicolons a comma may be a decimal one.
    pub with_comma: bool,
    /// Whether thousands are told from decimals by the column's own numbers.
    pub infer: bool,
    /// Whether texts of digits are numbers: not where the file has types of its own.
    pub numbers: bool,
}

/// What the texts are.
pub(super) enum Judgement {
    /// The number of each distinct text; `NaN` is missing.
    Numbers {
        values: Vec<f64>,
        unfit: u64,
        format: Option<NumberFormat>,
        are_durations: bool,
    },
    Times {
        days: Vec<f64>,
        has_time_of_day: bool,
    },
    Text,
}

/// What is written in a distinct text.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Class {
    Token,
    Number(f64),
    Unfit,
    Time(Moment),
    Duration(f64),
    Odd,
}

/// How many cells each distinct text has.
pub(super) fn counts(dictionary: &Dictionary) -> Vec<u64> {
    let mut counts = vec![0; dictionary.distinct.len()];
    for code in &dictionary.codes {
        if let Some(count) = counts.get_mut(*code as usize) {
            *count += 1;
        }
    }
    counts
}

impl Texts {
    /// Judges a column's texts, and notes in `met` what is not of the type that they turn out to be.
    pub fn judge(self, dictionary: &Dictionary, met: &mut Met) -> (Judgement, Tally) {
        let counts = counts(dictionary);
        let marks = if self.infer {
            self.marks(dictionary)
        } else {
            Marks::default()
        };
        let format = self.format(&marks);
        let mut classes = Vec::new();
        let mut tally = Tally::default();
        let (mut times, mut durations, mut odd, mut forms) = (0, 0, 0, 0);
        let mut ids = Ids::default();
        let total: u64 = counts.iter().sum();
        for (text, cells) in dictionary.distinct.iter().zip(&counts) {
            let class = self.class(text, format.as_ref());
            match class {
                Class::Token => {}
                Class::Number(value) => {
                    tally.number(value, *cells);
                    ids.see(text, value);
                }
                Class::Unfit => tally.values += cells,
                Class::Time(moment) => {
                    times += cells;
                    tally.times.see(moment.days());
                }
                Class::Duration(seconds) => {
                    durations += cells;
                    tally.durations.see(seconds);
                }
                Class::Odd => {
                    tally.has_codes |= !self.how.declared && is_code(text.trim().as_bytes());
                    odd += cells;
                    forms += if self.numbers && is_form(text) {
                        *cells
                    } else {
                        0
                    };
                }
            }
            // Most columns of text are nothing else: no need to look at all of it.
            if !self.how.declared && (odd - forms) * 2 > total {
                return (Judgement::Text, Tally::default());
            }
            classes.push(class);
        }
        // Whole numbers that nothing tells apart but their digits.
        if ids.are_all() && !self.how.declared {
            return (Judgement::Text, Tally::default());
        }
        let numbers = tally.values;
        let cells = odd + numbers + times + durations;
        let most = if self.how.declared {
            numbers
        } else {
            numbers.max(times).max(durations)
        };
        let (is_time, are_durations) = (
            most != numbers && most == times,
            most != numbers && most != times,
        );
        if is_time {
            tally.distinct = std::mem::take(&mut tally.times);
        } else if are_durations {
            tally.distinct = std::mem::take(&mut tally.durations);
        }
        (tally.values, tally.odd) = (most, cells - most);
        tally.kind = Some(if is_time { Type::Time } else { Type::Number });
        let is_odd = |class: Class| match class {
            Class::Token => false,
            Class::Time(_) => !is_time,
            Class::Duration(_) => !are_durations,
            Class::Number(_) | Class::Unfit => is_time || are_durations,
            Class::Odd => true,
        };
        for (row, code) in dictionary.codes.iter().enumerate() {
            let Some(class) = classes.get(*code as usize) else {
                continue;
            };
            let text = dictionary.distinct[*code as usize].trim().as_bytes();
            if *class == Class::Token {
                met.token(text, row);
            } else if is_odd(*class) {
                met.odd(text, row);
            }
        }
        met.commit();
        met.marks = marks;
        if tally.values == 0 || !(self.how.declared || tally.odd_is_missing(met)) {
            return (Judgement::Text, tally);
        }
        let judgement = if is_time {
            times_of(&classes)
        } else {
            numbers_of(
                &classes,
                &counts,
                format.filter(|_| !are_durations),
                are_durations,
            )
        };
        (judgement, tally)
    }

    /// What the numbers among the texts show of their marks.
    fn marks(self, dictionary: &Dictionary) -> Marks {
        let mut marks = Marks::default();
        for (index, text) in dictionary.distinct.iter().enumerate() {
            let text = text.trim();
            let is_of_number = |byte: u8| byte.is_ascii_digit() || b".,-+eE".contains(&byte);
            if !text.contains(['.', ',']) || !text.bytes().all(is_of_number) {
                continue;
            }
            let formats = [NumberFormat::POINT, NumberFormat::COMMA];
            if formats.iter().any(|format| format.decimal(text).is_some()) {
                let row = || {
                    dictionary
                        .codes
                        .iter()
                        .position(|code| *code as usize == index)
                };
                let row = if marks.example().is_none() {
                    row()
                } else {
                    None
                };
                marks.see(text.as_bytes(), row.unwrap_or(0));
            }
        }
        marks
    }

    /// The format by which the numbers are read, where a plain reading would be wrong.
    fn format(self, marks: &Marks) -> Option<NumberFormat> {
        match marks.say() {
            MarksSay::Point if marks.has_commas() => Some(NumberFormat::POINT),
            MarksSay::Comma if marks.has_points() && self.with_comma => Some(NumberFormat::COMMA),
            MarksSay::Ambiguous if marks.has_commas() && !self.with_comma => {
                Some(NumberFormat::POINT)
            }
            _ => None,
        }
    }

    fn class(self, text: &str, format: Option<&NumberFormat>) -> Class {
        let cell = if self.with_comma {
            Cell::PlainWithComma(text.as_bytes())
        } else {
            Cell::Plain(text.as_bytes())
        };
        if tokens::is_second(text.trim().as_bytes()) && !cell.is_nan() {
            return Class::Token;
        }
        if self.numbers {
            let formatted = format.filter(|_| text.contains(['.', ',']));
            let number = match formatted.map(|format| format.decimal(text)) {
                Some(None) => As::Other,
                Some(Some(decimal)) => match number::parse::<f64>(decimal.as_bytes()) {
                    Parsed::Finite(value) => As::Value(value),
                    Parsed::Unfit => As::Unfit,
                    Parsed::NotANumber => As::Other,
                },
                None => cell.number(self.how),
            };
            match number {
                As::Value(value) => return Class::Number(value),
                As::Unfit => return Class::Unfit,
                As::Missing | As::Other => {}
            }
        }
        match cell.time(self.how) {
            As::Value(moment) => Class::Time(moment),
            _ => match cell.duration(self.how) {
                As::Value(seconds) => Class::Duration(seconds),
                _ => Class::Odd,
            },
        }
    }
}

/// Whether it is a number in another form. Words and ids are told at once: little stands around the digits of a number,
/// and no letter among them.
fn is_form(text: &str) -> bool {
    const MOST_AROUND: usize = 6;
    let bytes = text.as_bytes();
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let (Some(first), Some(last)) = (
        bytes.iter().position(is_digit),
        bytes.iter().rposition(is_digit),
    ) else {
        return false;
    };
    first <= MOST_AROUND
        && bytes.len() - last - 1 <= MOST_AROUND
        && !bytes[first..last].iter().any(u8::is_ascii_alphabetic)
        && other_form(text).is_some()
}

fn times_of(classes: &[Class]) -> Judgement {
    let mut has_time_of_day = false;
    let days = classes
        .iter()
        .map(|class| match class {
            Class::Time(moment) => {
                has_time_of_day |= moment.has_time_of_day;
                moment.days()
            }
            _ => f64::NAN,
        })
        .collect();
    Judgement::Times {
        days,
        has_time_of_day,
    }
}

/// Whether all numbers are whole ones of which some are beyond what an f64 holds.
#[derive(Default)]
struct Ids {
    are_some: bool,
    is_other: bool,
}

impl Ids {
    fn see(&mut self, text: &str, value: f64) {
        self.are_some |= number::is_beyond_double(text.as_bytes());
        self.is_other |= value.trunc() != value;
    }

    fn are_all(&self) -> bool {
        self.are_some && !self.is_other
    }
}

fn numbers_of(
    classes: &[Class],
    counts: &[u64],
    format: Option<NumberFormat>,
    are_durations: bool,
) -> Judgement {
    let mut unfit = 0;
    let values = classes
        .iter()
        .zip(counts)
        .map(|(class, cells)| match class {
            Class::Number(value) if !are_durations => *value,
            Class::Duration(seconds) if are_durations => *seconds,
            Class::Unfit => {
                unfit += cells;
                f64::NAN
            }
            _ => f64::NAN,
        })
        .collect();
    Judgement::Numbers {
        values,
        unfit,
        format,
        are_durations,
    }
}

/// Takes `NA` for missing, unless it is a code like the other texts: with the number of its cells.
pub(super) fn drop_na(text: &mut Text, na: usize) {
    text.distinct.remove(na);
    for code in &mut text.codes {
        match (*code as usize).cmp(&na) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => *code = Text::MISSING,
            std::cmp::Ordering::Greater if *code != Text::MISSING => *code -= 1,
            std::cmp::Ordering::Greater => {}
        }
    }
}

impl Distinct {
    /// Takes a value.
    pub fn see(&mut self, value: f64) {
        if !self.is_enough() && !value.is_nan() && !self.0.contains(&value.to_bits()) {
            self.0.push(value.to_bits());
        }
    }
}
