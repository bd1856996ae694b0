use super::hold_out::{by_key, groups};
use super::times::Times;
use crate::random::Random;
use crate::specification::{Method, Split};
use crate::table::{DataError, Table, TargetColumn, TargetError, TargetValues};

/// One part of a cross-validation: a model that is trained on some rows is tested on others. Rows of the table, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fold {
    pub train: Vec<u32>,
    pub test: Vec<u32>,
}

/// Splits the training rows into `split.folds` folds of nearly equal size: each is tested on once, by a model that is
/// trained on the others. Classes are dealt evenly, groups stay together. By time, a model is trained on the rows before
/// those that it is tested on (forward chaining): the earliest of `split.folds` + 1 spans is trained on alone.
///
/// # Errors
/// When there are too few rows, groups or instants, or a class is missing in what a fold trains or tests on.
pub fn folds(
    table: &Table,
    train: &[u32],
    target: &TargetColumn,
    split: &Split,
) -> Result<Vec<Fold>, TargetError> {
    let folds = match &split.method {
        Method::Time { by, group } => {
            let groups = match group {
                Some(named) => Some(groups(table, named)?),
                None => None,
            };
            let times = Times::new(table, train, by, groups.as_deref())?;
            chained(train, &times, split.folds as usize, &by.name)?
        }
        _ => dealt(table, train, target, split)?,
    };
    check_classes(&folds, target)?;
    Ok(folds)
}

/// Folds that are tested on by a model of all others.
fn dealt(
    table: &Table,
    train: &[u32],
    target: &TargetColumn,
    split: &Split,
) -> Result<Vec<Fold>, TargetError> {
    let count = split.folds as usize;
    let units = units(table, train, target, split)?;
    let of = match &split.method {
        Method::Group(named) => format!("groups of `{}`", named.name),
        _ => "rows".to_owned(),
    };
    check_enough(units.len(), count, count, of)?;
    let mut tests = vec![Vec::new(); count];
    for (index, unit) in units.into_iter().enumerate() {
        tests[index % count].extend(unit);
    }
    let fold = |mut test: Vec<u32>| {
        test.sort_unstable();
        let is_rest = |row: &u32| test.binary_search(row).is_err();
        let train = train.iter().copied().filter(is_rest).collect();
        Fold { train, test }
    };
    Ok(tests.into_iter().map(fold).collect())
}

/// What is dealt to the folds, in the order of dealing: rows that stay together.
fn units(
    table: &Table,
    train: &[u32],
    target: &TargetColumn,
    split: &Split,
) -> Result<Vec<Vec<u32>>, TargetError> {
    let mut random = Random::for_purpose(split.seed, "folds");
    let mut rows = match (&split.method, &target.values) {
        (Method::Group(named), _) => {
            let groups = groups(table, named)?;
            let mut units = by_key(train.to_vec(), |row| groups[row as usize]);
            random.shuffle(&mut units);
            return Ok(units);
        }
        (Method::Stratified, TargetValues::Classes(codes)) => {
            by_key(train.to_vec(), |row| codes[row as usize])
        }
        _ => vec![train.to_vec()],
    };
    rows.iter_mut().for_each(|rows| random.shuffle(rows));
    let rows = rows.into_iter().flatten();
    Ok(rows.map(|row| vec![row]).collect())
}

/// Spans of time: each is tested on by a model of what was known when it began.
fn chained(
    train: &[u32],
    times: &Times,
    count: usize,
    column: &str,
) -> Result<Vec<Fold>, DataError> {
    let mut rows = train.to_vec();
    rows.sort_by_key(|row| times.start(*row));
    let instants: Vec<&[u32]> = rows
        .chunk_by(|left, right| times.start(*left) == times.start(*right))
        .collect();
    let of = format!("instants of `{column}`");
    check_enough(instants.len(), count + 1, count, of)?;
    let borders: Vec<u32> = borders(&instants, rows.len(), count)
        .into_iter()
        .map(|instant| times.start(instants[instant][0]))
        .collect();
    let span = |fold: usize| {
        let end = borders.get(fold + 1).copied().unwrap_or(u32::MAX);
        borders[fold]..end
    };
    let fold = |fold: usize| {
        let span = span(fold);
        let test = |row: &u32| span.contains(&times.start(*row));
        // Of a group that began earlier, what came later is left out: it is neither past nor a group that is new.
        let past = |row: &u32| times.start(*row) < span.start && times.of(*row) < span.start;
        Fold {
            train: train.iter().copied().filter(past).collect(),
            test: train.iter().copied().filter(test).collect(),
        }
    };
    Ok((0..count).map(fold).collect())
}

/// The instant at which each of `count` spans begins: behind equal shares of the rows, as far as whole instants allow it, and behind one
/// instant at least.
fn borders(instants: &[&[u32]], rows: usize, count: usize) -> Vec<usize> {
    let mut borders = Vec::with_capacity(count);
    let (mut instant, mut before) = (0, 0);
    for fold in 1..=count {
        let wanted = rows * fold / (count + 1);
        // Each later span needs an instant of its own.
        let last = instants.len() - 1 - (count - fold);
        loop {
            before += instants[instant].len();
            instant += 1;
            if before >= wanted || instant >= last {
                break;
            }
        }
        borders.push(instant);
    }
    borders
}

fn check_enough(found: usize, least: usize, folds: usize, of: String) -> Result<(), DataError> {
    if found >= least {
        return Ok(());
    }
    Err(DataError::TooFewForFolds {
        found,
        of,
        folds,
        least,
    })
}

/// Every class must be trained on and tested on in every fold, or the scores of the folds are no scores of one thing.
fn check_classes(folds: &[Fold], target: &TargetColumn) -> Result<(), DataError> {
    let TargetValues::Classes(codes) = &target.values else {
        return Ok(());
    };
    let seen = |rows: &[u32]| {
        let mut seen = vec![false; target.model.classes.len()];
        rows.iter()
            .for_each(|row| seen[codes[*row as usize] as usize] = true);
        seen
    };
    let trained: Vec<_> = folds.iter().map(|fold| seen(&fold.train)).collect();
    let tested: Vec<_> = folds.iter().map(|fold| seen(&fold.test)).collect();
    for (class, name) in target.model.classes.iter().enumerate() {
        let lacking = |seen: &[Vec<bool>]| -> Vec<usize> {
            let folds = seen.iter().zip(1..);
            let lacking = folds.filter(|(seen, _)| !seen[class]);
            lacking.map(|(_, number)| number).collect()
        };
        let (untrained, untested) = (lacking(&trained), lacking(&tested));
        let (part, lacking) = if untrained.is_empty() {
            ("test on", untested)
        } else {
            ("train on", untrained)
        };
        if !lacking.is_empty() {
            return Err(DataError::FoldWithoutClass {
                column: target.model.column.clone(),
                class: name.clone(),
                part,
                lacking,
                folds: folds.len(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::specification::{ColumnName, Specification, TaskChoice};
    use crate::table::{Cells, Column, Type};

    fn column(name: &str, values: &[f32]) -> Column {
        Column {
            name: name.to_owned(),
            kind: Type::Number,
            cells: Cells::Numbers(values.to_vec().into()),
        }
    }

    fn named(name: &str) -> ColumnName {
        ColumnName {
            name: name.to_owned(),
            key: "split.time".to_owned(),
            line: 1,
        }
    }

    /// The folds of rows at `times`, in groups where there are some.
    fn by_time(
        times: &[f32],
        groups: Option<&[f32]>,
        count: u64,
    ) -> Result<Vec<Fold>, TargetError> {
        let mut columns = vec![column("t", times)];
        columns.extend(groups.map(|groups| column("g", groups)));
        let table = Table {
            columns,
            rows: times.len(),
        };
        let split = Split {
            method: Method::Time {
                by: named("t"),
                group: groups.map(|_| named("g")),
            },
            folds: count,
            ..Specification::default().split
        };
        let rows: Vec<u32> = (0..times.len() as u32).collect();
        let specification = Specification {
            target: Some(named("t")),
            task: Some(TaskChoice::Regression),
            ..Specification::default()
        };
        let target = TargetColumn::find(&table, &rows, &specification)?;
        folds(&table, &rows, &target, &split)
    }

    #[test]
    fn folds_by_time_are_those_of_scikit_learn() {
        // TimeSeriesSplit(n_splits=4).split(range(20)): train 4, 8, 12, 16 rows, test the next 4.
        let times: Vec<f32> = (0..20).map(|row| (19 - row) as f32).collect();
        for (number, fold) in by_time(&times, None, 4).unwrap().into_iter().enumerate() {
            let at = |row: &u32| times[*row as usize] as usize;
            let (mut train, mut test): (Vec<_>, Vec<_>) = (
                fold.train.iter().map(at).collect(),
                fold.test.iter().map(at).collect(),
            );
            train.sort_unstable();
            test.sort_unstable();
            let first = 4 * (number + 1);
            assert_eq!(train, (0..first).collect::<Vec<_>>());
            assert_eq!(test, (first..first + 4).collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_instant_is_cut_and_each_fold_has_one() {
        // Nine of twelve rows in the first year.
        let times = [1., 1., 1., 1., 1., 1., 1., 1., 1., 2., 3., 4.];
        let folds = by_time(&times, None, 3).unwrap();
        let tests: Vec<Vec<u32>> = folds.iter().map(|fold| fold.test.clone()).collect();
        assert_eq!(tests, [vec![9], vec![10], vec![11]]);
        assert_eq!(folds[2].train.len(), 11);
        let error = by_time(&times, None, 4).unwrap_err();
        assert_eq!(
            error.to_string(),
            "4 instants of `t` are too few for 4 folds: it takes 5"
        );
    }

    #[test]
    fn groups_are_tested_on_when_they_are_new_and_never_trained_on_later() {
        let times = [0., 1., 2., 3., 4., 5., 6., 7.];
        let groups = [0., 0., 1., 0., 1., 2., 0., 2.];
        let folds = by_time(&times, Some(&groups), 2).unwrap();
        // Group 1 begins at 2: rows 3 and 6 of group 0 are later, and out.
        assert_eq!(
            (&folds[0].train, &folds[0].test),
            (&vec![0, 1], &vec![2, 4])
        );
        assert_eq!(
            (&folds[1].train, &folds[1].test),
            (&vec![0, 1, 2, 3, 4], &vec![5, 7])
        );
    }
}
