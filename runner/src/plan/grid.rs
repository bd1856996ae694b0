//! A specification with a `[grid]` -> one specification a point.
//!
//! The grid holds dotted keys of the specification with lists of values; the points are all combinations, in the
//! order of the file, the last key changing fastest. Of the rest of the specification only one thing is looked at:
//! whether it keeps rows to choose among the points by.

use std::collections::BTreeMap;

use contract::GridPoint;
use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use super::specification::Specification;
use super::{PlanError, range_of};

/// More points than this are a mistake in the file rather than a wish.
pub const MOST_POINTS: usize = 100_000;

/// A point: what it sets, and the specification that its guest is given.
#[derive(Clone, Debug)]
pub struct Point {
    pub place: GridPoint,
    pub specification: Specification,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GridError {
    #[error("the specification is no TOML: {0}")]
    Syntax(String),
    #[error(
        "[grid] must be a table of dotted keys with lists of values, like \"params.n_estimators\" = [10, 50]"
    )]
    NotATable,
    #[error("[grid] is empty: give it a key with a list of values, or remove it")]
    Empty,
    #[error("grid.{0}: give a list of values that is not empty")]
    NotAList(String),
    #[error("grid.{0}: no such place, as a part of this key is not a table in the specification")]
    NoPlace(String),
    #[error("the grid has more than {MOST_POINTS} points: shorten its lists, or split it")]
    TooMany,
    #[error(
        "a grid chooses among its points by rows that are neither trained on nor tested on: \
         set split.validation = 0.2 or split.folds = 5"
    )]
    NothingToChooseBy,
}

/// The points of `specification`; `None` where it has no grid.
///
/// # Errors
/// When the grid is malformed, or nothing is there to choose among its points by.
pub fn expand(specification: &Specification) -> Result<Option<Vec<Point>>, GridError> {
    let text = std::str::from_utf8(&specification.bytes)
        .map_err(|error| GridError::Syntax(error.to_string()))?;
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| GridError::Syntax(error.to_string()))?;
    let Some(grid) = document.remove("grid") else {
        return Ok(None);
    };
    let axes = axes(grid.as_table_like().ok_or(GridError::NotATable)?)?;
    let points = axes
        .iter()
        .try_fold(1_usize, |points, (_, values)| {
            points.checked_mul(values.len())
        })
        .filter(|points| *points <= MOST_POINTS)
        .ok_or(GridError::TooMany)?;
    (0..points)
        .map(|index| point(&document, &axes, index, points, specification))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// The points FIRST..LAST of a grid: what one allocation of many trains.
///
/// # Errors
/// When there are no such points.
pub fn slice(points: Vec<Point>, text: &str) -> Result<Vec<Point>, PlanError> {
    let asked = range_of("--points", text)?;
    let there = 1..=points.len() as u64;
    if !there.contains(asked.start()) || !there.contains(asked.end()) {
        return Err(PlanError::NoSuchPoints {
            text: text.to_owned(),
            points: points.len(),
        });
    }
    Ok(points
        .into_iter()
        .filter(|point| asked.contains(&u64::from(point.place.point)))
        .collect())
}

type Axis = (String, Vec<Value>);

fn axes(grid: &dyn TableLike) -> Result<Vec<Axis>, GridError> {
    let mut axes = Vec::new();
    collect(grid, "", &mut axes)?;
    if axes.is_empty() {
        Err(GridError::Empty)
    } else {
        Ok(axes)
    }
}

/// `"params.depth" = […]`, `params.depth = […]` and `[grid.params]` all say the same.
fn collect(table: &dyn TableLike, prefix: &str, axes: &mut Vec<Axis>) -> Result<(), GridError> {
    for (key, item) in table.iter() {
        let key = format!("{prefix}{key}");
        if let Some(nested) = item.as_table_like() {
            collect(nested, &format!("{key}."), axes)?;
            continue;
        }
        match item.as_array() {
            Some(values) if !values.is_empty() => {
                axes.push((key, values.iter().cloned().collect()))
            }
            _ => return Err(GridError::NotAList(key)),
        }
    }
    Ok(())
}

fn point(
    document: &DocumentMut,
    axes: &[Axis],
    index: usize,
    points: usize,
    whole: &Specification,
) -> Result<Point, GridError> {
    let mut document = document.clone();
    let mut values = BTreeMap::new();
    let mut rest = index;
    for (key, choices) in axes.iter().rev() {
        let value = &choices[rest % choices.len()];
        rest /= choices.len();
        set(document.as_table_mut(), key, value)?;
        values.insert(key.clone(), json(value));
    }
    let split = document.get("split").and_then(Item::as_table_like);
    if !split.is_some_and(|split| split.contains_key("validation") || split.contains_key("folds")) {
        return Err(GridError::NothingToChooseBy);
    }
    Ok(Point {
        place: GridPoint {
            id: whole.origin.sha256.clone(),
            // Bounded by MOST_POINTS.
            point: index as u32 + 1,
            points: points as u32,
            values,
        },
        specification: Specification::new(document.to_string().into_bytes()),
    })
}

fn set(table: &mut Table, key: &str, value: &Value) -> Result<(), GridError> {
    let no_place = || GridError::NoPlace(key.to_owned());
    let mut parts: Vec<&str> = key.split('.').collect();
    let last = parts
        .pop()
        .filter(|last| !last.is_empty())
        .ok_or_else(no_place)?;
    let mut table: &mut dyn TableLike = table;
    for part in parts {
        if part.is_empty() {
            return Err(no_place());
        }
        table = table
            .entry(part)
            .or_insert_with(|| Item::Table(Table::new()))
            .as_table_like_mut()
            .ok_or_else(no_place)?;
    }
    let mut value = value.clone();
    value.decor_mut().clear();
    table.insert(last, Item::Value(value));
    Ok(())
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::String(text) => text.value().as_str().into(),
        Value::Integer(number) => (*number.value()).into(),
        Value::Float(number) => (*number.value()).into(),
        Value::Boolean(truth) => (*truth.value()).into(),
        Value::Array(values) => values.iter().map(json).collect(),
        Value::Datetime(_) | Value::InlineTable(_) => value.to_string().trim().into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn points(text: &str) -> Result<Option<Vec<Point>>, GridError> {
        expand(&Specification::new(text.as_bytes().to_vec()))
    }

    fn texts(text: &str) -> Vec<String> {
        points(text)
            .unwrap()
            .unwrap()
            .into_iter()
            .map(|point| String::from_utf8(point.specification.bytes).unwrap())
            .collect()
    }

    #[test]
    fn a_specification_without_a_grid_is_no_grid() {
        assert!(points("target = \"IsWon\"\n").unwrap().is_none());
    }

    #[test]
    fn points_are_all_combinations_in_the_order_of_the_file() {
        let text = "target = \"y\" # kept\n[split]\nvalidation = 0.2\n[params]\nn_estimators = 5\n\
                    [grid]\n\"params.n_estimators\" = [10, 50]\nparams.max_depth = [3, 4, 5]\n";
        let points = points(text).unwrap().unwrap();
        assert_eq!(points.len(), 6);
        let values: Vec<(i64, i64)> = points
            .iter()
            .map(|point| {
                let value = |key: &str| point.place.values[key].as_i64().unwrap();
                (value("params.n_estimators"), value("params.max_depth"))
            })
            .collect();
        assert_eq!(
            values,
            [(10, 3), (10, 4), (10, 5), (50, 3), (50, 4), (50, 5)]
        );
        assert_eq!(points[4].place.point, 5);
        assert_eq!(points[4].place.points, 6);
        let parsed: toml::Table = toml::from_str(&texts(text)[4]).unwrap();
        assert_eq!(parsed["params"]["n_estimators"].as_integer(), Some(50));
        assert_eq!(parsed["params"]["max_depth"].as_integer(), Some(4));
        assert!(!parsed.contains_key("grid"));
        assert!(texts(text)[4].contains("# kept"));
    }

    #[test]
    fn a_grid_may_set_what_it_chooses_by() {
        let text = "[grid]\n\"split.folds\" = [3, 5]\n";
        assert_eq!(texts(text).len(), 2);
    }

    #[test]
    fn a_slice_holds_the_points_it_names_and_no_others() {
        let text = "[split]\nfolds = 3\n[grid]\nseed = [1, 2, 3, 4, 5]\n";
        let all = || points(text).unwrap().unwrap();
        let sliced = slice(all(), "2..4").unwrap();
        let numbers: Vec<u32> = sliced.iter().map(|point| point.place.point).collect();
        assert_eq!(numbers, [2, 3, 4]);
        for wrong in ["0..2", "4..6", "3", "4..2", "a..b"] {
            assert!(slice(all(), wrong).is_err(), "{wrong}");
        }
        let refused = slice(Vec::new(), "1..2").unwrap_err().to_string();
        assert!(refused.contains("no grid"), "{refused}");
    }

    #[test]
    fn what_cannot_be_a_grid_is_refused_with_the_remedy() {
        let refused = |text: &str| points(text).unwrap_err();
        assert_eq!(refused("[grid]\na = [1]\n"), GridError::NothingToChooseBy);
        assert_eq!(refused("[grid]\n"), GridError::Empty);
        assert_eq!(refused("grid = 3\n"), GridError::NotATable);
        assert_eq!(
            refused("[grid]\nseed = 3\n"),
            GridError::NotAList("seed".to_owned())
        );
        assert_eq!(
            refused("[grid]\nseed = []\n"),
            GridError::NotAList("seed".to_owned())
        );
        assert_eq!(
            refused("target = \"y\"\n[split]\nfolds = 3\n[grid]\n\"target.x\" = [1]\n"),
            GridError::NoPlace("target.x".to_owned())
        );
        let list: Vec<String> = (0..400).map(|number| number.to_string()).collect();
        let list = list.join(",");
        assert_eq!(
            refused(&format!(
                "[split]\nfolds = 3\n[grid]\na = [{list}]\nb = [{list}]\n"
            )),
            GridError::TooMany
        );
        assert!(matches!(refused("a = "), GridError::Syntax(_)));
    }
}
