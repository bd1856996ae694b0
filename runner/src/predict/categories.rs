//! Values of a column as the model spells them: what the module does by itself, for its ONNX form.

use std::collections::BTreeMap;

use contract::{CategoryCounts, KnownCategories};
use records::Text;
use records::spelling::Categories;

/// The columns of categories that a model knows, by name.
pub(super) struct Known(BTreeMap<String, Column>);

struct Column {
    categories: Categories,
    values: Vec<String>,
    counts: CategoryCounts,
}

impl Known {
    /// From `categories` in a model's metadata, as the module's exporter writes it. A model without it takes values as
    /// they are.
    pub fn from_metadata(text: Option<&String>) -> Self {
        let known: BTreeMap<String, KnownCategories> = text
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let column = |(name, known): (String, KnownCategories)| {
            let column = Column {
                categories: Categories::new(&known.values, &known.apart),
                counts: CategoryCounts::new(&name, &known),
                values: known.values,
            };
            (name, column)
        };
        Self(known.into_iter().map(column).collect())
    }

    /// Spells the values of the column `name` as the model does, and counts those that it does not know.
    pub fn spell(&mut self, name: &str, text: &mut Text) {
        let Some(column) = self.0.get_mut(name) else {
            return;
        };
        let mut cells = vec![0; text.distinct.len()];
        for code in &text.codes {
            if let Some(count) = cells.get_mut(*code as usize) {
                *count += 1;
            }
        }
        for (value, count) in text.distinct.iter_mut().zip(cells) {
            if count == 0 {
                continue;
            }
            let known = column.categories.find(value);
            column.counts.add(value, known.is_some(), count);
            if let Some(known) = known.and_then(|code| column.values.get(code as usize)) {
                value.clone_from(known);
            }
        }
    }

    /// What was counted.
    pub fn counts(&self) -> Vec<CategoryCounts> {
        let counted = self.0.values().map(|column| column.counts.clone());
        counted.filter(|counts| counts.values > 0).collect()
    }
}
