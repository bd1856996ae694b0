//! A column's values once all of its cells are known.

use super::judge::{Judgement, Texts, drop_na};
use super::text::Dictionary;
use super::verdict::Tally;
use super::{Builder, Cells, Met};
use crate::column::{Reason, Text, Values};
use crate::error::{Problem, ReadError};
use crate::floats::{Floats, are_merged, narrowed};
use crate::marks::MarksSay;
use crate::notes::{Ambiguous, Note, Outcome, Spellings};
use crate::options::Type;
use crate::room::trim;
use crate::tokens;

/// A column, and what is to be said of it.
pub(crate) struct Finished {
    pub name: String,
    pub values: Result<Values, Reason>,
    pub note: Note,
}

impl Builder {
    /// The values, or why there are none.
    ///
    /// # Errors
    /// When a declared column holds numbers in a form that nobody told.
    pub fn finish(mut self) -> Result<Finished, ReadError> {
        self.met.commit();
        let last = std::mem::replace(&mut self.cells, Cells::Known);
        let cells = self.finished.take().unwrap_or(last);
        let mut note = Note::of(&self.name);
        let values = match cells {
            Cells::Undecided(undecided) => Values::Number {
                values: Floats::missing(undecided.rows),
                unfit: undecided.nans.count,
            },
            Cells::Number(numbers) | Cells::Formatted(numbers) => Values::Number {
                values: trim(numbers.values).into(),
                unfit: numbers.unfit.count,
            },
            Cells::Double(doubles) => Values::Number {
                values: narrowed(trim(doubles.numbers.values), self.wants_double),
                unfit: doubles.numbers.unfit.count,
            },
            Cells::Boolean(values) => Values::Boolean(trim(values)),
            Cells::Time {
                days,
                has_time_of_day,
            } => Values::Time {
                days: match days {
                    Floats::Single(days) => trim(days).into(),
                    Floats::Double(days) => trim(days).into(),
                },
                has_time_of_day,
            },
            Cells::Text(text) => self.finish_text(text, &mut note),
            Cells::LeftOut(reason) => {
                return Ok(Finished {
                    name: self.name,
                    values: Err(reason),
                    note,
                });
            }
            // A second pass leaves neither; an empty column is the neutral answer.
            Cells::Mixed | Cells::Known => Values::Text(Text::default()),
        };
        self.describe(&values, &mut note);
        self.refuse_other_forms(&note)?;
        Ok(Finished {
            name: self.name,
            values: Ok(values),
            note,
        })
    }

    /// Numbers or dates where the texts are nothing else, but for some.
    fn finish_text(&mut self, dictionary: Dictionary, note: &mut Note) -> Values {
        if self.remembers() && self.declared != Some(Type::Text) {
            self.met = Met::default();
            let (judgement, tally) = self.texts().judge(&dictionary, &mut self.met);
            let spread = |distinct: &[f64], in_double: bool| -> Floats {
                let value = |code: &u32| distinct.get(*code as usize).copied().unwrap_or(f64::NAN);
                let values = dictionary.codes.iter().map(value);
                if in_double {
                    values.collect::<Vec<_>>().into()
                } else {
                    let single = values.map(|value| value as f32);
                    single.collect::<Vec<_>>().into()
                }
            };
            match judgement {
                Judgement::Numbers {
                    values,
                    unfit,
                    format,
                    ..
                } => {
                    note.format = format;
                    let in_double = self.wants_double || (self.infer && are_merged(&values));
                    return Values::Number {
                        values: spread(&values, in_double),
                        unfit,
                    };
                }
                Judgement::Times {
                    days,
                    has_time_of_day,
                } => {
                    let is_whole = |day: &f64| day.is_nan() || day.trunc() == *day;
                    return Values::Time {
                        days: spread(&days, !days.iter().all(is_whole)),
                        has_time_of_day,
                    };
                }
                Judgement::Text => note.outcome = self.why_text(&tally),
            }
            // A declared column of numbers of which none is one.
            if self.declared.is_some() {
                return Values::Number {
                    values: Floats::missing(dictionary.codes.len()),
                    unfit: 0,
                };
            }
        }
        let mut text = Text {
            codes: trim(dictionary.codes),
            distinct: trim(dictionary.distinct),
        };
        if self.remembers() {
            self.finish_na(&mut text, note);
        }
        Values::Text(text)
    }

    pub(super) fn texts(&self) -> Texts {
        Texts {
            how: self.how(),
            with_comma: self.with_comma,
            infer: self.infer,
            numbers: !self.keeps_text || self.declared.is_some(),
        }
    }

    /// Why the column is text though many of its cells are of another type.
    fn why_text(&self, tally: &Tally) -> Outcome {
        // Codes are text by what they are.
        if tally.has_codes || tally.kind.is_none() {
            return Outcome::Missing;
        }
        let share = tally.share();
        match (&self.met.form, tally.kind) {
            (Some((_, _, format)), Some(Type::Number)) => Outcome::Text {
                share,
                form: Some(format.clone()),
            },
            _ if share >= 0.5 => Outcome::Text { share, form: None },
            _ => Outcome::Missing,
        }
    }

    /// `NA` among texts is missing, unless it is a code like the others.
    fn finish_na(&mut self, text: &mut Text, note: &mut Note) {
        // What is missing among numbers is text here.
        self.met.tokens = Spellings::default();
        if matches!(note.outcome, Outcome::Missing) {
            self.met = Met::default();
        }
        let Some(na) = text.distinct.iter().position(|known| known == tokens::NA) else {
            return;
        };
        let is_text = if self.infer {
            let mut others = text.distinct.clone();
            others.remove(na);
            tokens::is_code_like(&others)
        } else {
            self.na_is_text
        };
        if is_text {
            note.na_is_text = true;
            return;
        }
        for (row, code) in text.codes.iter().enumerate() {
            if *code as usize == na {
                self.met.token(tokens::NA.as_bytes(), row);
            }
        }
        self.met.commit();
        drop_na(text, na);
    }

    /// Fills in what was met beside the values.
    fn describe(&mut self, values: &Values, note: &mut Note) {
        let met = std::mem::take(&mut self.met);
        note.kind = match values {
            Values::Number { .. } => Type::Number,
            Values::Boolean(_) => Type::Boolean,
            Values::Time { .. } => Type::Time,
            Values::Text(_) => Type::Text,
        };
        // Counting is for what is told alone.
        if self.declared.is_some() || !met.odd.is_empty() || !met.tokens.is_empty() {
            note.cells = values.present();
        }
        if note.kind != Type::Text {
            note.cells += met.odd.cells();
        }
        note.is_declared = self.declared.is_some();
        note.numbers_in_strings = self.strings && note.kind == Type::Number && !note.is_declared;
        if note.kind == Type::Number
            && self.format.is_none()
            && met.marks.say() == MarksSay::Ambiguous
            && (self.with_comma || met.marks.has_commas())
            && let Some((example, row)) = met.marks.example()
        {
            note.ambiguous = Some(Ambiguous {
                text: example.clone(),
                row: *row,
                is_thousands: note.format.is_some(),
            });
        }
        note.other_form = met.form.filter(|_| note.kind != Type::Time);
        note.tokens = met.tokens;
        note.odd = met.odd;
    }

    /// Numbers in another form are never missing in a column of numbers.
    fn refuse_other_forms(&self, note: &Note) -> Result<(), ReadError> {
        match &note.other_form {
            Some((row, cell, format)) if note.kind == Type::Number => {
                let problem = Problem::OtherForm {
                    cell: cell.chars().take(50).collect(),
                    column: self.name.clone(),
                    example: format.to_string(),
                    is_known: !self.infer,
                };
                Err(ReadError::from(problem)
                    .in_column(&self.name)
                    .at_row(*row as usize))
            }
            _ => Ok(()),
        }
    }
}
