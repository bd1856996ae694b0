//! A specification with a `[grid]` -> one specification a point, made when it is asked for.
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
/// Bytes that the specifications of all points take that are trained in one process.
pub const MOST_BYTES: usize = 256 << 20;
/// Tables within tables that a key may name. Readers of TOML end at some depth, and not all of them with a message.
const MOST_PARTS: usize = 16;
/// What a point takes for each of its values, beside their text.
const VALUE_BYTES: usize = 128;

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
    #[error("grid.{key}: a key has at most {MOST_PARTS} parts, and this one has {parts}")]
    TooDeep { key: String, parts: usize },
    #[error("the grid has more than {MOST_POINTS} points: shorten its lists, or split it")]
    TooMany,
    #[error(
        "a grid chooses among its points by rows that are neither trained on nor tested on: \
         set split.validation = 0.2 or split.folds = 5"
    )]
    NothingToChooseBy,
}

/// A grid, of which no point is made yet.
pub struct Grid {
    /// The specification without its grid.
    document: DocumentMut,
    axes: Vec<Axis>,
    points: u32,
    /// The digest of the whole specification.
    id: String,
    /// What a point takes, at most.
    point_bytes: usize,
}

impl Grid {
    /// The grid of `specification`; `None` where it has none.
    ///
    /// # Errors
    /// When the grid is malformed, or has too many points.
    pub fn of(specification: &Specification) -> Result<Option<Self>, GridError> {
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
            .and_then(|points| u32::try_from(points).ok())
            .ok_or(GridError::TooMany)?;
        let grid = Self {
            point_bytes: point_bytes(&document, &axes),
            document,
            axes,
            points,
            id: specification.origin.sha256.clone(),
        };
        // What is wrong with one is wrong with all, as a rule: it is told before any is trained.
        grid.point(1)?;
        Ok(Some(grid))
    }

    /// How many points there are.
    #[must_use]
    pub fn points(&self) -> u32 {
        self.points
    }

    /// What a point takes in memory, at most.
    #[must_use]
    pub fn point_bytes(&self) -> usize {
        self.point_bytes
    }

    /// The points that `text` names ([`points`]): what one allocation of many trains.
    ///
    /// # Errors
    /// When there are no such points.
    pub fn named(&self, text: &str) -> Result<Vec<u32>, PlanError> {
        points(text, self.points)
    }

    /// The point of this number, from 1. One that does not exist stands for the one that is left after as many rounds.
    ///
    /// # Errors
    /// When its specification cannot be made, or nothing is there to choose among the points by.
    pub fn point(&self, number: u32) -> Result<Point, GridError> {
        let mut document = self.document.clone();
        let mut values = BTreeMap::new();
        let mut rest = number.saturating_sub(1) as usize;
        for (key, choices) in self.axes.iter().rev() {
            let value = &choices[rest % choices.len()];
            rest /= choices.len();
            set(document.as_table_mut(), key, value)?;
            values.insert(key.clone(), json(value));
        }
        let split = document.get("split").and_then(Item::as_table_like);
        let chooses =
            |split: &dyn TableLike| split.contains_key("validation") || split.contains_key("folds");
        if !split.is_some_and(chooses) {
            return Err(GridError::NothingToChooseBy);
        }
        Ok(Point {
            place: GridPoint {
                id: self.id.clone(),
                point: number,
                points: self.points,
                values,
            },
            specification: Specification::new(document.to_string().into_bytes()),
        })
    }
}

/// FIRST..LAST among the points 1 to `there`, or several such ranges, ascending, with commas between them.
///
/// # Errors
/// When there are no such points.
pub fn points(text: &str, there: u32) -> Result<Vec<u32>, PlanError> {
    let mut points: Vec<u32> = Vec::new();
    for range in text.split(',') {
        let range = range_of("--points", range)?;
        let after = points.last().copied().unwrap_or(0);
        match (u32::try_from(*range.start()), u32::try_from(*range.end())) {
            (Ok(first), Ok(last)) if first > after && last <= there => points.extend(first..=last),
            _ => {
                return Err(PlanError::NoSuchPoints {
                    text: text.to_owned(),
                    points: there,
                });
            }
        }
    }
    Ok(points)
}

/// The text that [`points`] reads: ascending points as ranges.
#[must_use]
pub fn points_text(points: &[u32]) -> String {
    let runs = points.chunk_by(|left, right| left.checked_add(1) == Some(*right));
    let ranges = runs.filter_map(|run| Some(format!("{}..{}", run.first()?, run.last()?)));
    ranges.collect::<Vec<_>>().join(",")
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

/// The specification and the values of a point, with the longest value of each key.
fn point_bytes(document: &DocumentMut, axes: &[Axis]) -> usize {
    let values = axes.iter().map(|(key, choices)| {
        let longest = choices.iter().map(|value| value.to_string().len()).max();
        // Both the specification and the point's place hold it.
        2 * (key.len() + longest.unwrap_or(0)) + VALUE_BYTES
    });
    document.to_string().len() + values.sum::<usize>()
}

fn set(table: &mut Table, key: &str, value: &Value) -> Result<(), GridError> {
    let no_place = || GridError::NoPlace(key.to_owned());
    let mut parts: Vec<&str> = key.split('.').collect();
    if parts.len() > MOST_PARTS {
        return Err(GridError::TooDeep {
            key: key.chars().take(40).collect(),
            parts: parts.len(),
        });
    }
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

    fn grid(text: &str) -> Result<Option<Grid>, GridError> {
        Grid::of(&Specification::new(text.as_bytes().to_vec()))
    }

    fn points(text: &str) -> Result<Option<Vec<Point>>, GridError> {
        let Some(grid) = grid(text)? else {
            return Ok(None);
        };
        let points = (1..=grid.points()).map(|number| grid.point(number));
        points.collect::<Result<_, _>>().map(Some)
    }

    fn texts(text: &str) -> Vec<String> {
        points(text)
            .unwrap()
            .unwrap()
            .into_iter()
            .map(|point| String::from_utf8(point.specification.bytes.to_vec()).unwrap())
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
        let grid = grid(text).unwrap().unwrap();
        for (text, sliced) in [("2..4", vec![2, 3, 4]), ("1..2,4..4", vec![1, 2, 4])] {
            assert_eq!(grid.named(text).unwrap(), sliced);
            assert_eq!(points_text(&sliced), text);
        }
        for wrong in [
            "0..2",
            "4..6",
            "3",
            "4..2",
            "a..b",
            "1..2,",
            "1..3,3..4",
            "4..5,1..2",
        ] {
            assert!(grid.named(wrong).is_err(), "{wrong}");
        }
        let refused = super::points("1..2", 0).unwrap_err().to_string();
        assert!(refused.contains("no grid"), "{refused}");
    }

    #[test]
    fn what_cannot_be_a_grid_is_refused_with_the_remedy() {
        let refused = |text: &str| match grid(text) {
            Err(error) => error,
            Ok(_) => unreachable!("it is a grid"),
        };
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

    #[test]
    fn a_key_of_many_parts_is_refused_before_it_becomes_as_many_tables() {
        let deep = "a.".repeat(200_000) + "a";
        assert!(matches!(
            grid(&format!("[split]\nfolds = 3\n[grid]\n\"{deep}\" = [1]\n")),
            Err(GridError::TooDeep { parts: 200_001, .. })
        ));
    }

    #[test]
    fn only_the_points_that_are_asked_for_are_made() {
        let list: Vec<String> = (0..316).map(|number| number.to_string()).collect();
        let (list, comment) = (list.join(","), "# a long specification\n".repeat(500));
        let text = format!("{comment}[split]\nfolds = 3\n[grid]\na = [{list}]\nb = [{list}]\n");
        let started = std::time::Instant::now();
        let grid = grid(&text).unwrap().unwrap();
        assert_eq!(grid.points(), 316 * 316);
        let last = grid.point(grid.points()).unwrap();
        assert_eq!(last.place.values["a"], 315);
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
    }
}
