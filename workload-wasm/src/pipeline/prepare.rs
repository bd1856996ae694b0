//! The dataset, ready to be learned from.

use std::collections::BTreeMap;

use contract::{LeftOut, Task, Warning};
use records::{Notes, NumberFormat};

use super::PipelineError;
use super::columns::{check_names, choose, not_read, reading};
use crate::environment::Environment;
use crate::features::NamedSource;
use crate::log::Log;
use crate::specification::{Method, Specification, Split};
use crate::split::{self, Compared, Parts, hold_out};
use crate::table::{
    DataError, Dataset, Table, TargetColumn, Type, kept_rows, read_dataset, totals,
};

/// All that learning needs, and what there is to say about it.
pub(super) struct Prepared {
    pub table: Table,
    pub target: TargetColumn,
    pub parts: Parts,
    pub sources: Vec<NamedSource>,
    pub left_out: Vec<LeftOut>,
    pub read: usize,
    pub kept: usize,
    /// Held-out rows that equal a training row.
    pub duplicates: usize,
    /// What was met in columns besides their values.
    pub notes: Notes,
    /// How the numbers of columns are written, as the specification says.
    pub formats: BTreeMap<String, NumberFormat>,
}

/// Reads the dataset and does to it what the specification says, up to the split.
pub(super) fn prepare(
    environment: &Environment,
    specification: &Specification,
    log: &mut Log<'_>,
) -> Result<Prepared, PipelineError> {
    let dataset = typed_dataset(environment, specification, log)?;
    let mut left_out = not_read(&dataset);
    let Dataset {
        mut table,
        notes,
        index,
        ..
    } = dataset;
    let read = table.rows;
    let mut rows = kept_rows(&table, &specification.keep)?;
    let skip = &specification.data.skip;
    rows.retain(|row| !skip.holds(u64::from(*row)));
    if rows.is_empty() {
        return Err(DataError::NoneKept { read }.into());
    }
    if rows.len() < read {
        let conditions: Vec<&str> = specification
            .keep
            .iter()
            .map(|condition| condition.text.as_str())
            .chain((!skip.is_empty()).then_some("data.skip"))
            .collect();
        log.say(format_args!(
            "kept {} rows: {}",
            rows.len(),
            conditions.join(", ")
        ));
    }
    log.warn(totals(&table, &rows));
    let mut target = TargetColumn::find(&table, &rows, specification)?;
    refuse_ambiguous(&notes, &target.model.column)?;
    log.warn(target.warnings.clone());
    describe_target(&target, log);
    let all = rows.len();
    rows.retain(|row| !target.is_missing(*row));
    let unknown = all - rows.len();
    if unknown > 0 {
        let column = &target.model.column;
        let rows = match unknown {
            1 => "1 row, which is".to_owned(),
            _ => format!("{unknown} rows, which are"),
        };
        let message = format!("{column}: missing in {rows} neither trained on nor tested");
        log.warn([Warning::new("target_missing", message).in_column(column)]);
    }
    let parts = hold_out(&table, &rows, &target, &specification.split)?;
    target.center(&parts.train);
    log.warn(split::warnings(&parts, rows.len(), &specification.split));
    describe_split(&parts, target.model.task, specification, log);
    let choice = choose(&table, rows.len(), &target, &parts, &index, specification)?;
    log.warn(choice.warnings);
    log.warn(split_features(&choice.sources, &specification.split));
    left_out.extend(choice.left_out);
    for column in &left_out {
        log.say(format_args!(
            "left out {}: {}",
            column.column, column.reason
        ));
    }
    if choice.sources.is_empty() {
        return Err(DataError::NoFeatures { left_out }.into());
    }
    let compared = Compared {
        columns: table
            .columns
            .iter()
            .filter(|column| is_read(&choice.sources, &column.name))
            .collect(),
        target: &target,
    };
    let duplicates = compared.duplicates(&parts);
    log.warn(split::duplicates_warning(duplicates, parts.held_out.len()));
    // What nothing reads any more makes room for the features.
    table.columns.retain(|column| {
        let mut split_by = specification.split.method.columns();
        is_read(&choice.sources, &column.name) || split_by.any(|named| named.name == column.name)
    });
    Ok(Prepared {
        kept: rows.len(),
        table,
        target,
        parts,
        sources: choice.sources,
        left_out,
        read,
        duplicates,
        notes,
        formats: reading(specification).formats,
    })
}

/// What a target's numbers are is never guessed: a factor of a thousand would be published.
fn refuse_ambiguous(notes: &Notes, target: &str) -> Result<(), DataError> {
    match notes.of(target).and_then(|note| note.ambiguous.as_ref()) {
        Some(ambiguous) => Err(DataError::AmbiguousTarget {
            column: target.to_owned(),
            row: ambiguous.row,
            sentence: ambiguous.sentence(target),
        }),
        None => Ok(()),
    }
}

fn is_read(sources: &[NamedSource], column: &str) -> bool {
    sources
        .iter()
        .any(|named| named.source.columns().contains(&column))
}

/// The columns of the split that are learned from as well.
fn split_features(sources: &[NamedSource], split: &Split) -> Vec<Warning> {
    let (time, group) = match &split.method {
        Method::Stratified | Method::Random => (None, None),
        Method::Time { by, group } => (Some(by), group.as_ref()),
        Method::Group(group) => (None, Some(group)),
    };
    let what = [
        (
            time,
            "the split is by its time",
            "every later row is beyond what was trained on",
        ),
        (
            group,
            "the split keeps its groups together",
            "a group that is new says nothing to the model",
        ),
    ];
    let read = what.into_iter().filter_map(|(column, split, meaning)| {
        let column = &column?.name;
        is_read(sources, column).then(|| {
            let message = format!(
                "{column}: {split}, and the model learns from it too, where {meaning}; drop = [\"{column}\"] leaves it out"
            );
            Warning::new("split_feature", message).in_column(column)
        })
    });
    read.collect()
}

/// The dataset with the specification's types.
fn typed_dataset(
    environment: &Environment,
    specification: &Specification,
    log: &mut Log<'_>,
) -> Result<Dataset, PipelineError> {
    let path = environment.resolve(&environment.data_path);
    let mut dataset = read_dataset(&path, reading(specification))?;
    log.say(format_args!(
        "read {} rows x {} columns from {}",
        dataset.table.rows,
        dataset.names().count(),
        environment.data_path
    ));
    log.warn(std::mem::take(&mut dataset.warnings));
    if dataset.table.rows == 0 {
        return Err(DataError::NoRows.into());
    }
    specification.data.check(dataset.table.rows)?;
    check_names(&dataset, specification)?;
    for (column, kind) in &specification.types {
        let unread = dataset.table.set_type(&column.name, *kind)?;
        if unread > 0 {
            log.warn([unread_cells(&column.name, unread, *kind)]);
        }
    }
    Ok(dataset)
}

/// Cells of a declared type that are no value of it.
pub(super) fn unread_cells(column: &str, count: usize, kind: Type) -> Warning {
    let message = format!(
        "{column}: {count} cells cannot be read as {} and count as missing",
        kind.name()
    );
    Warning::new("unread_cells", message).in_column(column)
}

fn describe_target(target: &TargetColumn, log: &mut Log<'_>) {
    let model = &target.model;
    let meaning = match model.task {
        Task::Binary => format!("binary, positive: {}", model.positive().unwrap_or_default()),
        Task::Multiclass => format!("{} classes", model.classes.len()),
        Task::Regression => "a number".to_owned(),
    };
    log.say(format_args!(
        "target {} ({meaning}): {}",
        model.column, target.why
    ));
}

fn describe_split(parts: &Parts, task: Task, specification: &Specification, log: &mut Log<'_>) {
    let method = match &specification.split.method {
        Method::Stratified if task != Task::Regression => "stratified".to_owned(),
        Method::Stratified | Method::Random => "random".to_owned(),
        Method::Time { by, group: None } => format!("by time, {}", by.name),
        Method::Time {
            by,
            group: Some(group),
        } => format!("by time, {}, and group, {}", by.name, group.name),
        Method::Group(column) => format!("by group, {}", column.name),
    };
    let validation = match parts.validation.len() {
        0 => String::new(),
        rows => format!(", {rows} to validate"),
    };
    log.say(format_args!(
        "split ({method}): {} rows to train{validation}, {} held out",
        parts.train.len(),
        parts.held_out.len()
    ));
}
