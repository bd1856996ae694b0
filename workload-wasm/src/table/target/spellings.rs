//! Labels that are one though they are spelled in several ways.

use std::collections::{BTreeMap, BTreeSet};

use contract::Warning;
use records::Text;
use records::spelling::folded;

use crate::table::{Cells, Column};

/// A spelling joins a more frequent one where it has at most this share of the two.
const MOST_JOINED: f64 = 0.01;

/// A target with labels that are equal but for blanks, case and Unicode form.
pub(super) struct Unified {
    /// The column, its rare spellings joined with frequent ones.
    pub column: Column,
    /// The label of each spelling that was joined.
    pub joined: BTreeMap<String, String>,
    /// About these and about spellings that stay apart.
    pub warnings: Vec<Warning>,
}

/// A spelling among `rows`.
struct Spelling {
    code: u32,
    rows: u64,
    /// The first ones, counted from 1.
    first: Vec<u32>,
}

/// Joins rare spellings of the labels of `column` with frequent ones. `None` where no two labels are alike.
pub(super) fn unify(column: &Column, rows: &[u32]) -> Option<Unified> {
    let Cells::Text(text) = &column.cells else {
        return None;
    };
    let alike = alike(text, rows);
    if alike.is_empty() {
        return None;
    }
    let mut label_of: Vec<u32> = (0..text.distinct.len() as u32).collect();
    let mut unified = Unified {
        column: column.clone(),
        joined: BTreeMap::new(),
        warnings: Vec::new(),
    };
    for spellings in &alike {
        let Some((most, rarer)) = spellings.split_first() else {
            continue;
        };
        let is_rare = |spelling: &&Spelling| {
            spelling.rows as f64 <= (spelling.rows + most.rows) as f64 * MOST_JOINED
        };
        let joined: Vec<u32> = rarer.iter().filter(is_rare).map(|rare| rare.code).collect();
        for code in &joined {
            label_of[*code as usize] = most.code;
            let word = |code: u32| text.distinct[code as usize].clone();
            unified.joined.insert(word(*code), word(most.code));
        }
        unified
            .warnings
            .push(warning(&column.name, text, spellings, &joined));
    }
    if let Cells::Text(text) = &mut unified.column.cells {
        for code in &mut text.codes {
            *code = label_of.get(*code as usize).copied().unwrap_or(*code);
        }
    }
    Some(unified)
}

/// The labels among `rows` of which there are several alike, the most frequent first.
fn alike(text: &Text, rows: &[u32]) -> Vec<Vec<Spelling>> {
    const MOST_LABELS: usize = 1_000;
    let used: BTreeSet<u32> = rows
        .iter()
        .map(|row| text.codes[*row as usize])
        .filter(|code| *code != Text::MISSING)
        .collect();
    if used.len() > MOST_LABELS {
        return Vec::new();
    }
    let mut by_folded: BTreeMap<String, Vec<Spelling>> = BTreeMap::new();
    for code in used {
        let key = folded(text.distinct[code as usize].trim());
        by_folded.entry(key).or_default().push(Spelling {
            code,
            rows: 0,
            first: Vec::new(),
        });
    }
    let mut alike: Vec<Vec<Spelling>> = by_folded
        .into_values()
        .filter(|spellings| spellings.len() > 1)
        .collect();
    if alike.is_empty() {
        return alike;
    }
    for row in rows {
        let code = text.codes[*row as usize];
        let mut all = alike.iter_mut().flatten();
        if let Some(spelling) = all.find(|spelling| spelling.code == code) {
            spelling.rows += 1;
            if spelling.first.len() < 3 {
                spelling.first.push(row + 1);
            }
        }
    }
    for spellings in &mut alike {
        // Of equals, the first in the dataset.
        spellings.sort_by_key(|spelling| (std::cmp::Reverse(spelling.rows), spelling.code));
    }
    alike
}

fn warning(column: &str, text: &Text, spellings: &[Spelling], joined: &[u32]) -> Warning {
    let shown: Vec<String> = spellings
        .iter()
        .map(|spelling| {
            let first: Vec<String> = spelling.first.iter().map(u32::to_string).collect();
            let more = if spelling.rows > spelling.first.len() as u64 {
                ", …"
            } else {
                ""
            };
            format!(
                "`{}` {} times (rows {}{more})",
                text.distinct[spelling.code as usize],
                spelling.rows,
                first.join(", ")
            )
        })
        .collect();
    let most = spellings
        .first()
        .map_or("", |most| text.distinct[most.code as usize].as_str());
    let apart = spellings.len() - 1 - joined.len();
    let meaning = match (joined.len(), apart) {
        (_, 0) => format!("they are one class, `{most}`"),
        (0, _) => {
            "they are classes of their own; correct the spellings, or leave the rows out by `keep`"
                .to_owned()
        }
        _ => format!("the rarest are of the class `{most}`, the others are classes of their own"),
    };
    Warning::new(
        "label_spellings",
        format!(
            "{column}: labels differ by blanks, case or Unicode form alone: {}; {meaning}",
            shown.join(", ")
        ),
    )
    .in_column(column)
}
