//! What is said where no column is left to learn from.

use contract::LeftOut;

/// Reasons that are named; of more, the number of their columns.
const MOST_REASONS: usize = 10;
/// Columns that are named of one reason.
const MOST_COLUMNS: usize = 5;

/// The columns that were left out, those of one reason together, in the order of the first of each.
pub(super) fn sentence(left_out: &[LeftOut]) -> String {
    if left_out.is_empty() {
        return "no column is left to learn from: the dataset has none besides the target"
            .to_owned();
    }
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for LeftOut { column, reason } in left_out {
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, columns)) => columns.push(column),
            None => reasons.push((reason, vec![column])),
        }
    }
    let named = reasons.iter().take(MOST_REASONS);
    let mut parts: Vec<String> = named
        .map(|(reason, columns)| format!("{} ({reason})", names(columns)))
        .collect();
    let rest = reasons.iter().skip(MOST_REASONS);
    match rest.map(|(_, columns)| columns.len()).sum() {
        0 => {}
        1 => parts.push("1 more column".to_owned()),
        more => parts.push(format!("{more} more columns")),
    }
    format!(
        "no column is left to learn from; left out: {}",
        parts.join("; ")
    )
}

fn names(columns: &[&str]) -> String {
    let named = columns.iter().take(MOST_COLUMNS);
    let mut names: Vec<String> = named.map(|column| format!("`{column}`")).collect();
    if columns.len() > MOST_COLUMNS {
        names.push(format!("{} more", columns.len() - MOST_COLUMNS));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(columns: &[(&str, &str)]) -> Vec<LeftOut> {
        let left_out = columns.iter().map(|(column, reason)| LeftOut {
            column: (*column).to_owned(),
            reason: (*reason).to_owned(),
        });
        left_out.collect()
    }

    #[test]
    fn columns_of_one_reason_stand_together() {
        let columns = left_out(&[
            ("a", "constant: always 5"),
            ("b", "empty"),
            ("c", "constant: always 5"),
        ]);
        assert_eq!(
            sentence(&columns),
            "no column is left to learn from; left out: `a`, `c` (constant: always 5); `b` (empty)"
        );
    }

    #[test]
    fn a_table_of_a_target_alone_and_one_of_very_many_columns() {
        assert!(sentence(&[]).ends_with("the dataset has none besides the target"));
        let names: Vec<String> = (0..40).map(|index| format!("c{index}")).collect();
        let columns: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "empty")).collect();
        assert!(sentence(&left_out(&columns)).ends_with("`c4`, 35 more (empty)"));
        let columns: Vec<(&str, &str)> = names.iter().map(|name| (&**name, &**name)).collect();
        assert!(sentence(&left_out(&columns)).ends_with("`c9` (c9); 30 more columns"));
    }
}
