use contract::{CategoryCounts, KnownCategories};
use records::Text;
use records::spelling::Categories;

use super::{Encoder, Encoding, Source};
use crate::table::{Cells, Table};

/// Finds values among an encoder's categories.
pub enum Finder<'a> {
    Exact(&'a [String]),
    /// In another spelling, too.
    Spelled(Categories),
}

impl<'a> Finder<'a> {
    #[must_use]
    pub fn new(encoder: &'a Encoder) -> Self {
        let categories = encoder.encoding.categories();
        match &encoder.matching {
            None => Self::Exact(categories),
            Some(matching) => Self::Spelled(Categories::new(categories, &matching.apart)),
        }
    }

    /// The index of the category that `value` is.
    #[must_use]
    pub fn find(&self, value: &str) -> Option<u32> {
        match self {
            Self::Exact(categories) => {
                let found = categories.iter().position(|category| category == value);
                found.map(|code| code as u32)
            }
            Self::Spelled(categories) => categories.find(value),
        }
    }
}

impl Encoding {
    /// The categories that are told apart; none of a number.
    #[must_use]
    pub fn categories(&self) -> &[String] {
        match self {
            Self::Number { .. } => &[],
            Self::OneHot { categories, .. } | Self::Codes { categories } => categories,
        }
    }
}

impl Encoder {
    /// The column of text that it reads, and its name.
    pub(super) fn text<'a>(&self, table: &'a Table) -> Option<(&str, &'a Text)> {
        let Source::Column(name) = &self.source else {
            return None;
        };
        match &table.column(name)?.cells {
            Cells::Text(text) => Some((name, text)),
            Cells::Numbers(_) => None,
        }
    }

    /// What the model knows of the values of the column that it reads, and that column's name; `None` for numbers, and in
    /// models that know exact values alone.
    #[must_use]
    pub fn known_categories(&self) -> Option<(&str, KnownCategories)> {
        let (Source::Column(name), Some(matching)) = (&self.source, &self.matching) else {
            return None;
        };
        let known = KnownCategories {
            values: self.encoding.categories().to_vec(),
            apart: matching.apart.clone(),
            unknown: matching.unknown,
        };
        Some((name, known))
    }

    /// Counts the values in `rows` that are none of the categories, where the model knows how many to expect.
    #[must_use]
    pub fn count_unknown(&self, table: &Table, rows: &[u32]) -> Option<CategoryCounts> {
        let (column, known) = self.known_categories()?;
        let (_, text) = self.text(table)?;
        let mut cells = vec![0_u64; text.distinct.len()];
        let mut order = Vec::new();
        for row in rows {
            let code = text.codes[*row as usize] as usize;
            if let Some(count) = cells.get_mut(code) {
                if *count == 0 {
                    order.push(code);
                }
                *count += 1;
            }
        }
        let finder = Finder::new(self);
        let mut counts = CategoryCounts::new(column, &known);
        for code in order {
            let value = &text.distinct[code];
            counts.add(value, finder.find(value).is_some(), cells[code]);
        }
        Some(counts)
    }

    /// Learns how many unknown values to expect from rows that it was not fitted on.
    pub fn expect_unknown(&mut self, table: &Table, rows: &[u32]) {
        let counts = self.count_unknown(table, rows);
        if let (Some(counts), Some(matching)) = (counts, &mut self.matching) {
            matching.unknown = counts.unknown as f64 / counts.values.max(1) as f64;
        }
    }
}
