use super::hold_out::{by_key, groups};
use crate::random::Random;
use crate::specification::{Method, Split};
use crate::table::{Cells, Column, DataError, Table, TargetColumn, TargetValues};

/// Splits the training rows into `split.folds` parts of nearly equal size: each is tested on once, by a model
/// trained on the others. Classes are dealt evenly, groups stay together, and folds of a split by time are spans of it.
///
/// # Errors
/// When there are fewer rows, or groups, than folds.
pub fn folds(
    table: &Table,
    train: &[u32],
    target: &TargetColumn,
    split: &Split,
) -> Result<Vec<Vec<u32>>, DataError> {
    let count = split.folds as usize;
    let units = units(table, train, target, split);
    if units.len() < count {
        return Err(DataError::TooFewRows {
            rows: units.len(),
            least: count,
            purpose: format!("for {count} folds"),
        });
    }
    let spans = matches!(split.method, Method::Time(_));
    let all = units.len();
    let mut folds = vec![Vec::new(); count];
    for (index, unit) in units.into_iter().enumerate() {
        let fold = if spans {
            index * count / all
        } else {
            index % count
        };
        folds[fold].extend(unit);
    }
    for fold in &mut folds {
        fold.sort_unstable();
    }
    Ok(folds)
}

/// What is dealt to the folds, in the order of dealing: rows that stay together.
fn units(table: &Table, train: &[u32], target: &TargetColumn, split: &Split) -> Vec<Vec<u32>> {
    let mut random = Random::for_purpose(split.seed, "folds");
    let alone = |rows: Vec<u32>| rows.into_iter().map(|row| vec![row]).collect();
    let column = match &split.method {
        Method::Group(named) | Method::Time(named) => table.column(&named.name),
        Method::Stratified | Method::Random => None,
    };
    match (&split.method, &target.values, column) {
        (Method::Group(_), _, Some(column)) => {
            let groups = groups(column);
            let mut units = by_key(train.to_vec(), |row| groups[row as usize]);
            random.shuffle(&mut units);
            units
        }
        (
            Method::Time(_),
            _,
            Some(Column {
                cells: Cells::Numbers(days),
                ..
            }),
        ) => {
            let mut rows = train.to_vec();
            rows.sort_by(|left, right| days[*left as usize].total_cmp(&days[*right as usize]));
            alone(rows)
        }
        (Method::Stratified, TargetValues::Classes(codes), _) => {
            let mut rows = Vec::with_capacity(train.len());
            for mut class in by_key(train.to_vec(), |row| codes[row as usize]) {
                random.shuffle(&mut class);
                rows.extend(class);
            }
            alone(rows)
        }
        _ => {
            let mut rows = train.to_vec();
            random.shuffle(&mut rows);
            alone(rows)
        }
    }
}
