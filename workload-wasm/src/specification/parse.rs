//! Text to [`Specification`].

use toml::de::DeTable;

use super::reader::{Entry, Reader, line_of};
use super::{
    ColumnName, Condition, Derived, Gate, Label, Method, Operation, Specification,
    SpecificationError, Split, TaskChoice, Threshold,
};
use crate::evaluation::{SCORES, Score, score};
use crate::table::Type;

const TASKS: [(&str, TaskChoice); 2] = [
    ("classification", TaskChoice::Classification),
    ("regression", TaskChoice::Regression),
];

const OPERATIONS: [(&str, Operation); 3] = [
    ("sum", Operation::Sum),
    ("difference", Operation::Difference),
    ("ratio", Operation::Ratio),
];

impl Specification {
    /// Reads a specification.
    ///
    /// # Errors
    /// When it is no TOML, or has an unknown key, a value of the wrong type, or one out of range; with the line.
    pub fn parse(text: &str) -> Result<Self, SpecificationError> {
        let syntax = |error: toml::de::Error| SpecificationError::Syntax {
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            message: error.message().replace('\n', ", "),
        };
        let document = DeTable::parse(text).map_err(syntax)?;
        let reader = Reader::new(text, document.get_ref());
        refuse_grid(&reader)?;
        reader.only(&[
            "target",
            "task",
            "positive",
            "types",
            "drop",
            "keep",
            "derive",
            "features",
            "split",
            "algorithm",
            "engine",
            "params",
            "seed",
            "gate",
            "allow_leaky",
            "importance",
        ])?;
        let mut specification = Self::default();
        specification.read_columns(&reader)?;
        specification.read_learner(&reader)?;
        if let Some(split) = reader.table("split")? {
            specification.split = read_split(&split)?;
        }
        if let Some(gate) = reader.table("gate")? {
            specification.gate = read_gate(&gate)?;
        }
        if reader.table("params")?.is_some() {
            let mut values: toml::Table = toml::from_str(text).map_err(syntax)?;
            if let Some(toml::Value::Table(params)) = values.remove("params") {
                specification.params = params;
            }
        }
        Ok(specification)
    }

    fn read_columns(&mut self, reader: &Reader<'_>) -> Result<(), SpecificationError> {
        self.target = reader
            .get("target")
            .map(|entry| column(&entry))
            .transpose()?;
        if let Some(entry) = reader.get("task") {
            self.task = Some(entry.choice(&TASKS)?);
        }
        if let Some(entry) = reader.get("positive") {
            self.positive = Some(Label {
                text: entry.label()?,
                line: entry.line,
            });
        }
        if let Some(types) = reader.table("types")? {
            for entry in types.by_column()? {
                let column = ColumnName {
                    name: entry.name.clone(),
                    key: "types".to_owned(),
                    line: entry.line,
                };
                self.types.push((column, entry.choice(&Type::NAMES)?));
            }
        }
        self.drop = columns(reader, "drop")?;
        self.allow_leaky = columns(reader, "allow_leaky")?;
        if let Some(entry) = reader.get("keep") {
            for condition in entry.strings()? {
                self.keep
                    .push(Condition::parse(&condition.string()?, condition.line)?);
            }
        }
        if let Some(derive) = reader.table("derive")? {
            for entry in derive.entries() {
                self.derive.push(read_derived(&entry)?);
            }
        }
        if let Some(features) = reader.table("features")? {
            features.only(&["max_categories", "date_parts", "date_differences"])?;
            if let Some(entry) = features.get("max_categories") {
                self.features.max_categories = entry.whole_between(1, 1000)?;
            }
            if let Some(entry) = features.get("date_parts") {
                self.features.date_parts = entry.boolean()?;
            }
            if let Some(entry) = features.get("date_differences") {
                self.features.date_differences = entry.boolean()?;
            }
        }
        Ok(())
    }

    fn read_learner(&mut self, reader: &Reader<'_>) -> Result<(), SpecificationError> {
        self.algorithm = reader
            .get("algorithm")
            .map(|entry| entry.string())
            .transpose()?;
        self.engine = reader
            .get("engine")
            .map(|entry| entry.string())
            .transpose()?;
        self.seed = reader.get("seed").map(|entry| entry.whole()).transpose()?;
        if let Some(entry) = reader.get("importance") {
            self.importance = entry.whole_between(0, 100)?;
        }
        Ok(())
    }
}

/// A grid belongs to the runner, which gives each point its specification without it.
fn refuse_grid(reader: &Reader<'_>) -> Result<(), SpecificationError> {
    let Some(entry) = reader.get("grid") else {
        return Ok(());
    };
    Err(SpecificationError::Unusable {
        line: entry.line,
        key: "grid".to_owned(),
        reason: "a single version is trained here, a grid is many".to_owned(),
        remedy: "give the specification to `runner run`, which trains every point of it".to_owned(),
    })
}

fn column(entry: &Entry<'_>) -> Result<ColumnName, SpecificationError> {
    Ok(ColumnName {
        name: entry.string()?,
        key: entry.key.clone(),
        line: entry.line,
    })
}

fn columns(reader: &Reader<'_>, key: &str) -> Result<Vec<ColumnName>, SpecificationError> {
    match reader.get(key) {
        Some(entry) => entry.strings()?.iter().map(column).collect(),
        None => Ok(Vec::new()),
    }
}

fn read_derived(entry: &Entry<'_>) -> Result<Derived, SpecificationError> {
    let table = entry.table()?;
    table.only(&OPERATIONS.map(|(name, _)| name))?;
    let mut given = OPERATIONS
        .iter()
        .filter_map(|(name, operation)| Some((*operation, table.get(name)?)));
    let (Some((operation, columns)), None) = (given.next(), given.next()) else {
        return Err(SpecificationError::Unusable {
            line: entry.line,
            key: entry.key.clone(),
            reason: "a derived column is one operation".to_owned(),
            remedy: "give one of sum, difference and ratio, as in { ratio = [\"A\", \"B\"] }"
                .to_owned(),
        });
    };
    let names: Vec<ColumnName> = columns
        .strings()?
        .iter()
        .map(column)
        .collect::<Result<_, _>>()?;
    let enough = match operation {
        Operation::Sum => names.len() >= 2,
        Operation::Difference | Operation::Ratio => names.len() == 2,
    };
    if !enough {
        return Err(columns.not_allowed(
            format!("{} columns", names.len()),
            match operation {
                Operation::Sum => "two columns or more".to_owned(),
                Operation::Difference | Operation::Ratio => "two columns".to_owned(),
            },
            None,
        ));
    }
    Ok(Derived {
        name: entry.name.clone(),
        operation,
        columns: names,
        line: entry.line,
    })
}

fn read_split(reader: &Reader<'_>) -> Result<Split, SpecificationError> {
    reader.only(&[
        "method",
        "time",
        "group",
        "test",
        "validation",
        "folds",
        "seed",
    ])?;
    let mut split = Specification::default().split;
    let time = reader.get("time");
    let group = reader.get("group");
    let conflict = |entry: &Entry<'_>, key, other| SpecificationError::Conflict {
        line: entry.line,
        key,
        other,
        reason: "rows are split in one way",
    };
    if let Some(entry) = reader.get("method") {
        let method = entry.choice(&[("stratified", true), ("random", false)])?;
        split.method = if method {
            Method::Stratified
        } else {
            Method::Random
        };
        if time.is_some() {
            return Err(conflict(&entry, "split.method", "split.time"));
        }
        if group.is_some() {
            return Err(conflict(&entry, "split.method", "split.group"));
        }
    }
    match (time, group) {
        (Some(time), group) => {
            split.method = Method::Time {
                by: column(&time)?,
                group: group.map(|group| column(&group)).transpose()?,
            };
        }
        (None, Some(entry)) => split.method = Method::Group(column(&entry)?),
        (None, None) => {}
    }
    if let Some(entry) = reader.get("test") {
        split.test = entry.share(false)?;
    }
    if let Some(entry) = reader.get("validation") {
        split.validation = entry.share(true)?;
    }
    if let Some(entry) = reader.get("folds") {
        split.folds = entry.whole_between(0, 100)?;
        if split.folds == 1 {
            return Err(entry.not_allowed(
                "1".to_owned(),
                "0 (none), or 2 to 100".to_owned(),
                None,
            ));
        }
    }
    if let Some(entry) = reader.get("seed") {
        split.seed = entry.whole()?;
    }
    Ok(split)
}

fn read_gate(reader: &Reader<'_>) -> Result<Gate, SpecificationError> {
    let mut known = vec!["baseline"];
    known.extend(SCORES.iter().map(|score| score.name));
    reader.only(&known)?;
    let mut thresholds = Vec::new();
    for entry in reader.entries() {
        if let Some(score) = score(&entry.name) {
            thresholds.push(Threshold {
                score,
                value: threshold(&entry, score)?,
                line: entry.line,
            });
        }
    }
    let baseline = match reader.get("baseline") {
        Some(entry) => entry.boolean()?,
        None => thresholds.is_empty(),
    };
    Ok(Gate {
        baseline,
        thresholds,
    })
}

/// A value that the score can have.
fn threshold(entry: &Entry<'_>, score: Score) -> Result<f64, SpecificationError> {
    let value = entry.number()?;
    let (least, most) = score.range();
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let allowed = match (least.is_finite(), most.is_finite()) {
        (true, true) => format!("{least} to {most}"),
        (true, false) => format!("at least {least}"),
        (false, _) => format!("at most {most}"),
    };
    let is_percent = most == 1.0 && value > 1.0 && value <= 100.0;
    let nearest = is_percent.then(|| (value / 100.0).to_string());
    Err(entry.not_allowed(value.to_string(), allowed, nearest))
}
