//! `[data]`, and the formats of numbers in `[types]`: how the dataset is read.

use std::collections::BTreeSet;

use records::{NumberFormat, Skip};

use super::SpecificationError;
use super::reader::{Entry, Reader};

/// `[data]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataOptions {
    /// Rows that are passed over.
    pub skip: Skip,
    /// The line of `skip`.
    pub line: usize,
}

const SKIP: &str = "how many rows are passed over at the start, or an array with the numbers of rows, counted from 1";

impl DataOptions {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, SpecificationError> {
        reader.only(&["skip"])?;
        let Some(entry) = reader.get("skip") else {
            return Ok(Self::default());
        };
        let mut skip = Skip::default();
        match entry.items() {
            None => skip.first = entry.whole().map_err(|_| entry.wrong_type(SKIP))?,
            Some(items) => skip.rows = rows(&items)?,
        }
        Ok(Self {
            skip,
            line: entry.line,
        })
    }

    /// # Errors
    /// When a row is named that the dataset, of `rows` rows, does not have.
    pub fn check(&self, rows: usize) -> Result<(), SpecificationError> {
        let last = self.skip.last();
        if last <= rows as u64 {
            return Ok(());
        }
        Err(SpecificationError::Unusable {
            line: self.line,
            key: "data.skip".to_owned(),
            reason: format!("it names row {last}, and the dataset has {rows}"),
            remedy: "count rows from 1, without the header".to_owned(),
        })
    }
}

fn rows(items: &[Entry<'_>]) -> Result<BTreeSet<u64>, SpecificationError> {
    let row = |item: &Entry<'_>| match item.whole() {
        Ok(0) | Err(_) => Err(item.wrong_type(SKIP)),
        Ok(row) => Ok(row),
    };
    items.iter().map(row).collect()
}

/// The format that `{ number = "1.234,5" }` shows, where the entry is such a table. Of a dotted name, such as
/// `Account.number = "category"`, TOML makes a table too: an example holds a digit, and no type does.
pub(super) fn number_format(entry: &Entry<'_>) -> Result<Option<NumberFormat>, SpecificationError> {
    let Ok(table) = entry.table() else {
        return Ok(None);
    };
    let entries = table.entries();
    let [number] = entries.as_slice() else {
        return Ok(None);
    };
    let example = match number.string() {
        Ok(example)
            if number.name == "number"
                && example.contains(|character: char| character.is_ascii_digit()) =>
        {
            example
        }
        _ => return Ok(None),
    };
    match example.parse() {
        Ok(format) => Ok(Some(format)),
        Err(reason) => Err(SpecificationError::Unusable {
            line: number.line,
            key: number.key.clone(),
            reason,
            remedy: "give an example with all marks, such as { number = \"1,234.5\" }, { number = \"1.234,5\" } or { number = \"$1,234.50\" }".to_owned(),
        }),
    }
}
