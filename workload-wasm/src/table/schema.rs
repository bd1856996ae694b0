//! Which columns say something: ids, free text and constants do not.

use records::{Floats, Text};

use super::{Cells, Column};

/// A category column with more distinct values than this is left out unless the specification gives its type.
const MOST_CATEGORIES: usize = 10_000;
/// Fewer rows than this show no pattern of ids.
const LEAST_ROWS: usize = 20;
/// From here on, single precision no longer holds every whole number.
const WHOLE_LIMIT: f64 = 16_777_216.0;

/// Epochs in seconds from 2001 to 2038. Those of regular measurements count rows as ids do.
const EPOCHS: std::ops::Range<f64> = 1e9..2_147_483_648.0;

/// Why `column` should not be learned from, looking at `rows`, some of the `kept` ones; `None` if it should.
///
/// `pinned` columns have a type from the specification and are left out only when they are empty or constant.
#[must_use]
pub fn reason_to_leave_out(
    column: &Column,
    rows: &[u32],
    kept: usize,
    pinned: bool,
    max_categories: usize,
) -> Option<String> {
    match &column.cells {
        Cells::Numbers(values) => {
            let summary = NumberSummary::new(values, rows);
            summary
                .nothing_to_learn(|value| super::coerce::written(values, value, column.kind))
                .or_else(|| {
                    (!pinned && column.kind == super::Type::Number)
                        .then(|| summary.looks_like_id(&column.name, values, rows, kept))
                        .flatten()
                })
        }
        Cells::Text(text) => {
            let summary = TextSummary::new(text, rows);
            summary.nothing_to_learn(text).or_else(|| {
                (!pinned)
                    .then(|| summary.looks_like_id_or_text(&column.name, max_categories))
                    .flatten()
            })
        }
    }
}

struct NumberSummary {
    present: usize,
    missing: usize,
    least: f64,
    most: f64,
    whole: bool,
}

impl NumberSummary {
    fn new(values: &Floats, rows: &[u32]) -> Self {
        let mut summary = Self {
            present: 0,
            missing: 0,
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
            whole: true,
        };
        for row in rows {
            let value = values.get(*row as usize);
            if value.is_nan() {
                summary.missing += 1;
                continue;
            }
            summary.present += 1;
            summary.least = summary.least.min(value);
            summary.most = summary.most.max(value);
            summary.whole &= value.fract() == 0.0;
        }
        summary
    }

    fn nothing_to_learn(&self, written: impl Fn(f64) -> String) -> Option<String> {
        if self.present == 0 {
            return Some("empty".to_owned());
        }
        // One value beside missing ones still tells which rows have it.
        (self.least == self.most && self.missing == 0)
            .then(|| format!("constant: always {}", written(self.least)))
    }

    /// A row counter, or whole numbers under an id's name that never repeat. Of a counter of all rows, those in some rows
    /// are distinct and lie within as many numbers as there are rows in all.
    fn looks_like_id(
        &self,
        name: &str,
        values: &Floats,
        rows: &[u32],
        kept: usize,
    ) -> Option<String> {
        if !self.whole || self.present < LEAST_ROWS {
            return None;
        }
        let is_dense = self.most - self.least + 1.0 <= kept as f64;
        let are_epochs = EPOCHS.contains(&self.least) && EPOCHS.contains(&self.most);
        let counts_rows = self.missing == 0 && is_dense && !are_epochs;
        if !counts_rows && !named_like_id(name) {
            return None;
        }
        if self.most >= WHOLE_LIMIT && named_like_id(name) {
            return Some("an id, by its name and its large whole numbers".to_owned());
        }
        let mut sorted: Vec<f64> = rows
            .iter()
            .map(|row| values.get(*row as usize))
            .filter(|value| !value.is_nan())
            .collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let repeats = sorted.windows(2).any(|pair| pair[0] == pair[1]);
        match (repeats, counts_rows) {
            (true, _) => None,
            (false, true) => Some("an id: it counts the rows".to_owned()),
            (false, false) => Some("an id, by its name and its distinct whole numbers".to_owned()),
        }
    }
}

struct TextSummary {
    present: usize,
    missing: usize,
    distinct: usize,
    /// Mean over the distinct values.
    words: f64,
    /// Code of some value.
    some: Option<u32>,
}

impl TextSummary {
    fn new(text: &Text, rows: &[u32]) -> Self {
        let mut seen = vec![false; text.distinct.len()];
        let mut summary = Self {
            present: 0,
            missing: 0,
            distinct: 0,
            words: 0.0,
            some: None,
        };
        let mut words = 0;
        for row in rows {
            let code = text.codes[*row as usize];
            let Some(seen) = seen.get_mut(code as usize) else {
                summary.missing += 1;
                continue;
            };
            summary.present += 1;
            if !*seen {
                *seen = true;
                summary.distinct += 1;
                summary.some = Some(code);
                words += text.distinct[code as usize].split_whitespace().count();
            }
        }
        summary.words = words as f64 / summary.distinct.max(1) as f64;
        summary
    }

    fn nothing_to_learn(&self, text: &Text) -> Option<String> {
        let Some(code) = self.some else {
            return Some("empty".to_owned());
        };
        (self.distinct == 1 && self.missing == 0)
            .then(|| format!("constant: always {}", text.distinct[code as usize]))
    }

    fn looks_like_id_or_text(&self, name: &str, max_categories: usize) -> Option<String> {
        if self.distinct <= max_categories || self.present < LEAST_ROWS {
            return None;
        }
        let share = self.distinct as f64 / self.present as f64;
        let counts = format!("{} distinct values in {} rows", self.distinct, self.present);
        if named_like_id(name) {
            return Some(format!("an id, by its name and {counts}"));
        }
        if self.words >= 4.0 && share > 0.3 {
            return Some(format!("free text: {counts}"));
        }
        if share > 0.9 {
            return Some(if self.words >= 2.0 {
                format!("free text: {counts}")
            } else {
                format!("an id: {counts}")
            });
        }
        (self.distinct > MOST_CATEGORIES).then(|| {
            format!("too many categories: {counts}; `category` in [types] keeps the most frequent")
        })
    }
}

/// `Id`, `AccountId`, `account_id`, `uuid`, the last part of a dotted name.
fn named_like_id(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let lower = last.to_lowercase();
    if matches!(lower.as_str(), "id" | "uuid" | "guid") {
        return true;
    }
    if ["_id", "-id", " id", "_uuid", "_guid"]
        .iter()
        .any(|ending| lower.ends_with(ending))
    {
        return true;
    }
    // accountId and accountID, but neither COVID nor paid.
    last.strip_suffix("Id")
        .or_else(|| last.strip_suffix("ID"))
        .and_then(|before| before.chars().last())
        .is_some_and(char::is_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Type;

    fn numbers(name: &str, values: Vec<f32>) -> Column {
        Column {
            name: name.to_owned(),
            kind: Type::Number,
            cells: Cells::Numbers(values.into()),
        }
    }

    fn text(name: &str, cells: impl Iterator<Item = String>) -> Column {
        let mut text = Text::default();
        for cell in cells {
            let code = text.distinct.iter().position(|known| *known == cell);
            text.codes.push(code.unwrap_or(text.distinct.len()) as u32);
            if code.is_none() {
                text.distinct.push(cell);
            }
        }
        Column {
            name: name.to_owned(),
            kind: Type::Category,
            cells: Cells::Text(text),
        }
    }

    fn reason(column: &Column) -> String {
        let rows: Vec<u32> = (0..100).collect();
        reason_to_leave_out(column, &rows, rows.len(), false, 20).unwrap_or_default()
    }

    #[test]
    fn ids_constants_and_free_text_are_left_out_with_the_reason() {
        assert_eq!(
            reason(&numbers("n", (0..100).map(|row| row as f32).collect())),
            "an id: it counts the rows"
        );
        assert_eq!(reason(&numbers("n", vec![3.0; 100])), "constant: always 3");
        assert_eq!(reason(&numbers("n", vec![f32::NAN; 100])), "empty");
        assert_eq!(
            reason(&numbers(
                "order_id",
                (0..100).map(|row| (row * 7) as f32).collect()
            )),
            "an id, by its name and its distinct whole numbers"
        );
        assert_eq!(
            reason(&text("Key", (0..100).map(|row| format!("K{row}")))),
            "an id: 100 distinct values in 100 rows"
        );
        assert_eq!(
            reason(&text(
                "AccountId",
                (0..100).map(|row| format!("K{}", row % 30))
            )),
            "an id, by its name and 30 distinct values in 100 rows"
        );
        assert_eq!(
            reason(&text(
                "Notes",
                (0..100).map(|row| format!("called again on day {row}"))
            )),
            "free text: 100 distinct values in 100 rows"
        );
    }

    #[test]
    fn numbers_and_categories_stay() {
        assert_eq!(
            reason(&numbers(
                "Amount",
                (0..100).map(|row| (row * 7) as f32).collect()
            )),
            ""
        );
        assert_eq!(
            reason(&text(
                "Industry",
                (0..100).map(|row| format!("I{}", row % 15))
            )),
            ""
        );
        let mut sparse = vec![f32::NAN; 100];
        sparse[3] = 1.0;
        assert_eq!(reason(&numbers("present here and there", sparse)), "");
    }

    #[test]
    fn a_type_from_the_specification_keeps_a_column_that_looks_like_an_id() {
        let rows: Vec<u32> = (0..100).collect();
        let column = text("AccountId", (0..100).map(|row| format!("K{row}")));
        assert_eq!(
            reason_to_leave_out(&column, &rows, rows.len(), true, 20),
            None
        );
    }

    #[test]
    fn a_counter_is_told_by_some_of_its_rows() {
        let rows: Vec<u32> = (0..100).filter(|row| row % 5 != 2).collect();
        let reason = |column: Column| reason_to_leave_out(&column, &rows, 100, false, 20);
        // In another order: 37 and 100 have no divisor in common.
        let counter = numbers("n", (0..100).map(|row| (row * 37 % 100) as f32).collect());
        assert_eq!(
            reason(counter).unwrap_or_default(),
            "an id: it counts the rows"
        );
        let ages = numbers("age", (0..100).map(|row| (row * 37 % 90) as f32).collect());
        assert_eq!(reason(ages), None);
        let amounts = numbers("amount", (0..100).map(|row| (row * 37) as f32).collect());
        assert_eq!(reason(amounts), None);
        let epochs = Column {
            cells: Cells::Numbers(
                (0..100)
                    .map(|row| 1.7e9 + f64::from(row))
                    .collect::<Vec<_>>()
                    .into(),
            ),
            ..numbers("t", vec![])
        };
        assert_eq!(reason(epochs), None);
    }

    #[test]
    fn only_whole_words_name_ids() {
        for name in [
            "Id",
            "AccountId",
            "accountID",
            "account_id",
            "Owner.Id",
            "uuid",
        ] {
            assert!(named_like_id(name), "{name}");
        }
        for name in ["paid", "COVID", "GRID", "Idea", "valid"] {
            assert!(!named_like_id(name), "{name}");
        }
    }
}
