//! Columns that only label rows: the index that pandas writes beside the data.

use super::{Cells, Column};

/// What pandas calls an index without a name, once it is a column.
const UNNAMED: &str = "Unnamed: 0";

/// Why `column` says nothing but which row it is; `None` if it may say more. `index` are the columns that stand where an
/// index does.
#[must_use]
pub fn row_labels(column: &Column, rows: &[u32], index: &[String]) -> Option<String> {
    if is_pandas_index(&column.name) {
        return Some("the index that pandas wrote".to_owned());
    }
    let is_where_an_index_is = column.name == UNNAMED || index.contains(&column.name);
    (is_where_an_index_is && is_rising(column, rows))
        .then(|| "row labels: an index of distinct, rising whole numbers".to_owned())
}

/// `__index_level_0__` and so on: the levels without a name.
fn is_pandas_index(name: &str) -> bool {
    let level = name
        .strip_prefix("__index_level_")
        .and_then(|rest| rest.strip_suffix("__"));
    level.is_some_and(|level| !level.is_empty() && level.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_rising(column: &Column, rows: &[u32]) -> bool {
    let Cells::Numbers(values) = &column.cells else {
        return false;
    };
    let values = || rows.iter().map(|row| values.get(*row as usize));
    column.kind == super::Type::Number
        && values().all(|value| value.fract() == 0.0)
        && values()
            .zip(values().skip(1))
            .all(|(value, next)| value < next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Type;

    fn reason(name: &str, values: &[f32], index: &[&str]) -> Option<String> {
        let column = Column {
            name: name.to_owned(),
            kind: Type::Number,
            cells: Cells::Numbers(values.to_vec().into()),
        };
        let rows: Vec<u32> = (0..values.len() as u32).collect();
        let index: Vec<String> = index.iter().map(|name| (*name).to_owned()).collect();
        row_labels(&column, &rows, &index)
    }

    #[test]
    fn an_index_is_told_by_its_place_and_its_values() {
        for (name, values, index, expected) in [
            ("column_1", &[0.0, 3.0, 7.0][..], &["column_1"][..], true),
            ("Unnamed: 0", &[1.0, 2.0], &[], true),
            ("__index_level_0__", &[2.0, 1.0], &[], true),
            ("__index_level_x__", &[2.0, 1.0], &[], false),
            ("column_1", &[0.0, 3.0], &[], false),
            ("column_1", &[3.0, 0.0], &["column_1"], false),
            ("column_1", &[1.0, 1.0], &["column_1"], false),
            ("column_1", &[0.5, 1.5], &["column_1"], false),
            ("column_1", &[f32::NAN, 1.0], &["column_1"], false),
        ] {
            assert_eq!(
                reason(name, values, index).is_some(),
                expected,
                "{name} {values:?}"
            );
        }
    }
}
