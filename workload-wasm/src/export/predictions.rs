use std::fmt::Write;

use crate::evaluation::labels;
use crate::forms::Predictions;
use crate::table::ModelTarget;

/// Predictions as CSV: `row`, `actual` where it is given, `predicted`, and for a classification `p_<class>` of each
/// class. `rows` are indices of the dataset's rows; they are written from 1, as people count.
#[must_use]
pub fn predictions_csv(
    rows: &[u32],
    actual: Option<&[String]>,
    predictions: &Predictions,
    target: &ModelTarget,
) -> String {
    let classes = &target.classes;
    let mut csv = String::from("row");
    if actual.is_some() {
        csv.push_str(",actual");
    }
    csv.push_str(",predicted");
    for class in classes {
        csv.push(',');
        push_cell(&mut csv, &format!("p_{class}"));
    }
    csv.push('\n');
    let predicted: Vec<u32> = match predictions {
        Predictions::Probabilities { values, classes } => labels(values, *classes).collect(),
        Predictions::Values(_) => Vec::new(),
    };
    for (index, row) in rows.iter().enumerate() {
        push_number(&mut csv, u64::from(*row) + 1);
        if let Some(actual) = actual {
            csv.push(',');
            push_cell(&mut csv, &actual[index]);
        }
        csv.push(',');
        match predictions {
            Predictions::Probabilities {
                values,
                classes: count,
            } => {
                push_cell(&mut csv, &classes[predicted[index] as usize]);
                for probability in &values[index * count..(index + 1) * count] {
                    csv.push(',');
                    push_number(&mut csv, probability);
                }
            }
            Predictions::Values(values) => csv.push_str(&target.written(values[index])),
        }
        csv.push('\n');
    }
    csv
}

fn push_number(csv: &mut String, number: impl std::fmt::Display) {
    // Writing to a String never fails.
    let _ = write!(csv, "{number}");
}

/// In quotes where it needs them (RFC 4180).
fn push_cell(csv: &mut String, cell: &str) {
    if cell.contains(['"', ',', '\n', '\r']) {
        csv.push('"');
        csv.push_str(&cell.replace('"', "\"\""));
        csv.push('"');
    } else {
        csv.push_str(cell);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use contract::Task;

    use super::*;

    fn target(task: Task, classes: &[&str]) -> ModelTarget {
        ModelTarget {
            column: "y".to_owned(),
            task,
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
            offset: None,
            spellings: BTreeMap::new(),
        }
    }

    #[test]
    fn a_classification_has_a_probability_of_each_class() {
        let predictions = Predictions::Probabilities {
            values: vec![0.25, 0.75, 0.5, 0.5],
            classes: 2,
        };
        let target = target(Task::Binary, &["no", "yes, \"sure\""]);
        let actual = ["no".to_owned(), "no".to_owned()];
        assert_eq!(
            predictions_csv(&[4, 0], Some(&actual), &predictions, &target),
            "row,actual,predicted,p_no,\"p_yes, \"\"sure\"\"\"\n\
             5,no,\"yes, \"\"sure\"\"\",0.25,0.75\n\
             1,no,no,0.5,0.5\n"
        );
    }

    #[test]
    fn a_regression_has_the_value_alone() {
        let predictions = Predictions::Values(vec![1.5, -2.0]);
        assert_eq!(
            predictions_csv(&[0, 1], None, &predictions, &target(Task::Regression, &[])),
            "row,predicted\n1,1.5\n2,-2\n"
        );
        let target = ModelTarget {
            offset: Some(1_600_000_000.25),
            ..target(Task::Regression, &[])
        };
        assert_eq!(
            predictions_csv(&[0, 1], None, &predictions, &target),
            "row,predicted\n1,1600000001.75\n2,1599999998.25\n"
        );
    }
}
