#![allow(clippy::unwrap_used)]
use super::*;
use crate::table::Type;

fn table(columns: &[(&str, &[f32])]) -> Table {
    Table {
        rows: columns[0].1.len(),
        columns: columns
            .iter()
            .map(|(name, values)| Column {
                name: (*name).to_owned(),
                kind: Type::Number,
                cells: Cells::Numbers(values.to_vec().into()),
            })
            .collect(),
    }
}

fn find(table: &Table, specification: &str) -> Result<TargetColumn, TargetError> {
    let rows: Vec<u32> = (0..table.rows as u32).collect();
    TargetColumn::find(table, &rows, &Specification::parse(specification).unwrap())
}

#[test]
fn the_last_boolean_like_column_of_a_usual_name_is_the_target() {
    let table = table(&[
        ("label", &[0.0, 1.0, 1.0]),
        ("Is Won", &[1.0, 0.0, 0.0]),
        ("y", &[1.5, 2.5, 3.5]),
        ("other", &[0.0, 1.0, 0.0]),
    ]);
    let target = find(&table, "").unwrap();
    assert_eq!(target.model.column, "Is Won");
    assert_eq!(target.model.classes, ["0", "1"]);
    assert_eq!(target.model.task, Task::Binary);
    assert_eq!(target.values, TargetValues::Classes(vec![1, 0, 0]));
    assert!(target.why.contains("usual"), "{}", target.why);
}

#[test]
fn a_usual_name_alone_is_enough_where_no_column_is_boolean_like() {
    let table = table(&[("a", &[0.0, 1.0, 0.0]), ("target", &[1.5, 2.5, 3.5])]);
    let target = find(&table, "").unwrap();
    assert_eq!(target.model.task, Task::Regression);
    assert_eq!(target.model.column, "target");
}

#[test]
fn the_positive_class_comes_second() {
    let table = table(&[("y", &[0.0, 1.0, f32::NAN])]);
    let target = find(&table, "positive = 0").unwrap();
    assert_eq!(target.model.classes, ["1", "0"]);
    assert_eq!(target.model.positive(), Some("0"));
    assert_eq!(
        target.values,
        TargetValues::Classes(vec![1, 0, Text::MISSING])
    );
    assert!(target.is_missing(2));
}

#[test]
fn a_task_from_the_specification_wins() {
    let table = table(&[("y", &[-2.0, 1.0, 2.0])]);
    assert_eq!(find(&table, "").unwrap().model.classes, ["-2", "1", "2"]);
    let target = find(&table, "task = \"regression\"").unwrap();
    assert_eq!(
        target.values,
        TargetValues::Numbers(vec![-2.0_f32, 1.0, 2.0].into())
    );
}

#[test]
fn a_target_that_says_nothing_is_refused() {
    let message = |values: &[f32], specification: &str| {
        find(&table(&[("y", values)]), specification)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(&[f32::NAN, f32::NAN], ""),
        "the target `y` is missing in every row"
    );
    assert_eq!(message(&[4.0, 4.0], ""), "the target `y` is 4 in every row");
    let many: Vec<f32> = (0..100_000).map(|row| row as f32).collect();
    assert_eq!(
        message(&many, "task = \"classification\""),
        "the target `y` has 100000 classes, more than 200"
    );
}
