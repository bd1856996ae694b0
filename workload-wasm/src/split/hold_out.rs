use contract::Task;
use records::Floats;

use super::Parts;
use super::times::Times;
use crate::random::Random;
use crate::specification::{ColumnName, Method, SpecificationError, Split};
use crate::table::{Cells, DataError, Table, TargetColumn, TargetError, TargetValues};

/// Fewer rows than this are no test.
const LEAST_HELD_OUT: usize = 2;
/// Fewer rows than this are no training.
const LEAST_TRAINING: usize = 2;

/// Splits `rows`, all of which have a target. The same rows are held out whatever is trained on the others: the
/// split has a seed of its own.
///
/// # Errors
/// When the specification names a column that does not fit, or a part would be too small to train or test with.
pub fn hold_out(
    table: &Table,
    rows: &[u32],
    target: &TargetColumn,
    split: &Split,
) -> Result<Parts, TargetError> {
    let arranged = Arranged::new(table, rows, target, split)?;
    let (rest, held_out) = arranged.take(rows.to_vec(), split.test, "test", split.seed);
    let (train, validation) = if split.validation > 0.0 {
        arranged.take(rest, split.validation, "validation", split.seed)
    } else {
        (rest, Vec::new())
    };
    let parts = Parts {
        train,
        validation,
        held_out,
    };
    check(&parts, target, split)?;
    Ok(parts)
}

/// A way to take a share of some rows.
enum Arranged<'a> {
    /// Class of each row of the table.
    Stratified(&'a [u32]),
    Random,
    Time(Times),
    /// Group of each row of the table.
    Group(Vec<u32>),
}

impl<'a> Arranged<'a> {
    fn new(
        table: &'a Table,
        rows: &[u32],
        target: &'a TargetColumn,
        split: &Split,
    ) -> Result<Self, TargetError> {
        match (&split.method, &target.values) {
            (Method::Stratified, TargetValues::Classes(codes)) => Ok(Self::Stratified(codes)),
            (Method::Stratified | Method::Random, _) => Ok(Self::Random),
            (Method::Time { by, group: None }, _) => {
                Ok(Self::Time(Times::new(table, rows, by, None)?))
            }
            (
                Method::Time {
                    by,
                    group: Some(group),
                },
                _,
            ) => {
                let groups = groups(table, group)?;
                Ok(Self::Time(Times::new(table, rows, by, Some(&groups))?))
            }
            (Method::Group(named), _) => Ok(Self::Group(groups(table, named)?)),
        }
    }

    /// Takes `share` of `rows`: what remains, and what was taken, both in the order of the dataset.
    fn take(&self, rows: Vec<u32>, share: f64, purpose: &str, seed: u64) -> (Vec<u32>, Vec<u32>) {
        let mut random = Random::for_purpose(seed, purpose);
        let (mut rest, mut taken) = match self {
            Self::Random => take_random(rows, share, &mut random),
            Self::Stratified(codes) => {
                let mut rest = Vec::with_capacity(rows.len());
                let mut taken = Vec::new();
                for class in by_key(rows, |row| codes[row as usize]) {
                    let (class_rest, class_taken) = take_random(class, share, &mut random);
                    rest.extend(class_rest);
                    taken.extend(class_taken);
                }
                (rest, taken)
            }
            Self::Time(times) => take_latest(rows, share, times),
            Self::Group(groups) => take_groups(rows, share, groups, &mut random),
        };
        rest.sort_unstable();
        taken.sort_unstable();
        (rest, taken)
    }
}

fn take_random(mut rows: Vec<u32>, share: f64, random: &mut Random) -> (Vec<u32>, Vec<u32>) {
    let count = share_of(rows.len(), share);
    random.shuffle(&mut rows);
    let rest = rows.split_off(count);
    (rest, rows)
}

/// The latest rows; all rows of the instant on the border are taken, so that no part of it trains. Where groups stay
/// together, the latest groups; what came of the others when these had begun is in neither part.
fn take_latest(mut rows: Vec<u32>, share: f64, times: &Times) -> (Vec<u32>, Vec<u32>) {
    let count = share_of(rows.len(), share);
    rows.sort_by_key(|row| times.start(*row));
    let Some(border) = rows
        .len()
        .checked_sub(count.max(1))
        .and_then(|first| rows.get(first))
        .map(|row| times.start(*row))
    else {
        return (rows, Vec::new());
    };
    let first = rows.partition_point(|row| times.start(*row) < border);
    let taken = rows.split_off(first);
    rows.retain(|row| times.of(*row) < border);
    (rows, taken)
}

/// Whole groups in random order, until their rows are the share.
fn take_groups(
    rows: Vec<u32>,
    share: f64,
    groups: &[u32],
    random: &mut Random,
) -> (Vec<u32>, Vec<u32>) {
    let count = share_of(rows.len(), share);
    let mut members = by_key(rows, |row| groups[row as usize]);
    random.shuffle(&mut members);
    let mut rest = Vec::new();
    let mut taken = Vec::new();
    for group in members {
        if taken.len() < count {
            taken.extend(group);
        } else {
            rest.extend(group);
        }
    }
    (rest, taken)
}

/// The rows of each key, keys in ascending order.
pub(super) fn by_key(mut rows: Vec<u32>, key: impl Fn(u32) -> u32) -> Vec<Vec<u32>> {
    rows.sort_by_key(|row| key(*row));
    rows.chunk_by(|left, right| key(*left) == key(*right))
        .map(<[u32]>::to_vec)
        .collect()
}

/// A group for each value of the column; all rows without one are a group, too.
pub(super) fn groups(table: &Table, named: &ColumnName) -> Result<Vec<u32>, SpecificationError> {
    let column = table
        .column(&named.name)
        .ok_or_else(|| named.unknown(table.names()))?;
    Ok(match &column.cells {
        Cells::Text(text) => text.codes.clone(),
        Cells::Numbers(values) => groups_of_numbers(values),
    })
}

/// Equal for equal numbers, and in the order of their bits; all that is missing is one.
fn groups_of_numbers(values: &Floats) -> Vec<u32> {
    let bits = |value: f64| {
        if value.is_nan() {
            f64::NAN
        } else {
            value + 0.0
        }
        .to_bits()
    };
    let mut distinct: Vec<u64> = values.iter().map(bits).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let group = |value: f64| distinct.partition_point(|known| *known < bits(value)) as u32;
    values.iter().map(group).collect()
}

/// `share` of `count` rows, rounded; at least one stays behind.
fn share_of(count: usize, share: f64) -> usize {
    ((count as f64 * share).round() as usize).min(count.saturating_sub(1))
}

fn check(parts: &Parts, target: &TargetColumn, split: &Split) -> Result<(), DataError> {
    let too_few = |rows: usize, least: usize, purpose: &str| DataError::TooFewRows {
        rows,
        least,
        purpose: purpose.to_owned(),
    };
    if parts.held_out.len() < LEAST_HELD_OUT {
        return Err(too_few(parts.held_out.len(), LEAST_HELD_OUT, "to test on"));
    }
    if parts.train.len() < LEAST_TRAINING {
        return Err(too_few(parts.train.len(), LEAST_TRAINING, "to train on"));
    }
    if split.validation > 0.0 && parts.validation.len() < LEAST_HELD_OUT {
        return Err(too_few(
            parts.validation.len(),
            LEAST_HELD_OUT,
            "to validate on",
        ));
    }
    let TargetValues::Classes(codes) = &target.values else {
        return Ok(());
    };
    check_classes(&parts.train, codes, target)?;
    if target.model.task == Task::Binary {
        for (part, rows) in [
            ("held-out", &parts.held_out),
            ("validation", &parts.validation),
        ] {
            let mut found = rows.iter().map(|row| codes[*row as usize]);
            if let Some(first) = found.next()
                && found.all(|class| class == first)
            {
                return Err(DataError::OneClass {
                    part,
                    column: target.model.column.clone(),
                    class: target.model.classes[first as usize].clone(),
                });
            }
        }
    }
    Ok(())
}

/// Every class must be trained on.
fn check_classes(train: &[u32], codes: &[u32], target: &TargetColumn) -> Result<(), DataError> {
    let mut seen = vec![false; target.model.classes.len()];
    for row in train {
        seen[codes[*row as usize] as usize] = true;
    }
    match seen.iter().position(|seen| !seen) {
        Some(class) => Err(DataError::ClassNotTrained {
            column: target.model.column.clone(),
            class: target.model.classes[class].clone(),
        }),
        None => Ok(()),
    }
}
