//! Rows that add up the others.

use contract::Warning;

use super::{Cells, Column, Table, Type};

/// What such a row is called, folded.
const WORDS: [&str; 12] = [
    "total",
    "totals",
    "grand total",
    "subtotal",
    "sum",
    "summe",
    "gesamt",
    "gesamtsumme",
    "insgesamt",
    "somme",
    "totale",
    "suma",
];
/// Fewer rows than this add up to anything by chance.
const LEAST_ROWS: usize = 10;
/// Share of the rows up to which a total's word is no category like others.
const MOST_SHARE: f64 = 0.05;
/// How far a sum of single-precision numbers may lie from the total, in shares of it.
const TOLERANCE: f64 = 1e-5;

/// A warning of the rows among `rows` that are totals of others: by a word, or the last row by a number that is the sum
/// of all above it.
#[must_use]
pub fn totals(table: &Table, rows: &[u32]) -> Option<Warning> {
    if rows.len() < LEAST_ROWS {
        return None;
    }
    by_word(table, rows).or_else(|| by_sum(table, rows))
}

fn by_word(table: &Table, rows: &[u32]) -> Option<Warning> {
    for column in &table.columns {
        let Cells::Text(text) = &column.cells else {
            continue;
        };
        let is_total: Vec<bool> = text
            .distinct
            .iter()
            .map(|word| WORDS.contains(&word.trim().to_lowercase().as_str()))
            .collect();
        let with: Vec<u32> = rows
            .iter()
            .copied()
            .filter(|row| is_total.get(text.codes[*row as usize] as usize) == Some(&true))
            .collect();
        let Some(first) = with.first() else {
            continue;
        };
        if with.len() as f64 <= rows.len() as f64 * MOST_SHARE {
            let word = &text.distinct[text.codes[*first as usize] as usize];
            return Some(warning(&with, format!("`{word}` in {}", column.name)));
        }
    }
    None
}

fn by_sum(table: &Table, rows: &[u32]) -> Option<Warning> {
    let (last, above) = rows.split_last()?;
    let mut columns = table.columns.iter();
    let column = columns.find(|column| is_sum(column, *last, above))?;
    let what = format!("{} is the sum of all rows above it", column.name);
    Some(warning(&[*last], what))
}

fn is_sum(column: &Column, last: u32, above: &[u32]) -> bool {
    let (Cells::Numbers(values), Type::Number) = (&column.cells, column.kind) else {
        return false;
    };
    let total = values.get(last as usize);
    if total.is_nan() || total == 0.0 {
        return false;
    }
    let mut sum = 0.0;
    for row in above {
        let value = values.get(*row as usize);
        // A total lies far beyond every part of it.
        if value.abs() * 2.0 > total.abs() {
            return false;
        }
        sum += if value.is_nan() { 0.0 } else { value };
    }
    (sum - total).abs() <= total.abs() * TOLERANCE
}

fn warning(rows: &[u32], what: String) -> Warning {
    const MOST_SHOWN: usize = 5;
    let numbers: Vec<String> = rows
        .iter()
        .take(MOST_SHOWN)
        .map(|row| (row + 1).to_string())
        .collect();
    let (numbers, more) = (numbers.join(", "), rows.len().saturating_sub(MOST_SHOWN));
    let (subject, verb) = match (rows.len(), more) {
        (1, _) => (format!("row {numbers}"), "looks like a total"),
        (_, 0) => (format!("rows {numbers}"), "look like totals"),
        _ => (
            format!("rows {numbers} and {more} more"),
            "look like totals",
        ),
    };
    Warning::new(
        "total_row",
        format!(
            "{subject} {verb} of others ({what}) and would be learned from like them; `[data] skip = [{numbers}]` passes over rows"
        ),
    )
}

#[cfg(test)]
mod tests {
    use records::Text;

    use super::*;

    fn table(regions: &[&str], amounts: &[f32]) -> Table {
        let mut text = Text::default();
        for region in regions {
            let known = text.distinct.iter().position(|known| known == region);
            let code = known.unwrap_or_else(|| {
                text.distinct.push((*region).to_owned());
                text.distinct.len() - 1
            });
            text.codes.push(code as u32);
        }
        let column = |name: &str, kind, cells| Column {
            name: name.to_owned(),
            kind,
            cells,
        };
        Table {
            rows: regions.len(),
            columns: vec![
                column("region", Type::Category, Cells::Text(text)),
                column(
                    "amount",
                    Type::Number,
                    Cells::Numbers(amounts.to_vec().into()),
                ),
            ],
        }
    }

    fn said(regions: &[&str], amounts: &[f32]) -> Option<String> {
        let rows: Vec<u32> = (0..regions.len() as u32).collect();
        totals(&table(regions, amounts), &rows).map(|warning| warning.message)
    }

    #[test]
    fn a_total_is_told_by_its_word_or_by_its_sum() {
        let mut regions = vec!["north"; 30];
        let mut amounts: Vec<f32> = (1..=30).map(|value| value as f32 * 1.5).collect();
        assert_eq!(said(&regions, &amounts), None);
        amounts[29] = amounts[..29].iter().sum();
        let message = said(&regions, &amounts);
        assert!(message.is_some_and(|message| {
            message.contains("row 30 looks like a total of others (amount is the sum")
        }));
        regions[29] = "Total";
        let message = said(&regions, &amounts);
        assert!(
            message.is_some_and(|message| message.contains("(`Total` in region)")
                && message.contains("skip = [30]"))
        );
        // A category like others.
        regions[..10].fill("total");
        assert!(
            said(&regions, &amounts).is_some_and(|message| message.contains("sum of all rows"))
        );
    }

    #[test]
    fn flags_and_short_tables_are_no_totals() {
        let mut flags = vec![0.0; 30];
        (flags[3], flags[29]) = (1.0, 1.0);
        assert_eq!(said(&["a"; 30], &flags), None);
        assert_eq!(said(&["a"; 3], &[1.0, 1.0, 2.0]), None);
    }
}
