//! Which columns are learned from.

use contract::{LeftOut, Warning};

use crate::features::{NamedSource, sources};
use crate::leakage::{Leak, Verdict, leaks};
use crate::specification::{Derived, Operation, Specification, SpecificationError};
use crate::split::Parts;
use crate::table::{
    Column, Dataset, Reading, Table, TargetColumn, Type, reason_to_leave_out, row_labels,
};

const DROPPED: &str = "dropped by the specification";

/// What to read: columns that are dropped and that nothing else asks for are skipped.
pub(super) fn reading(specification: &Specification) -> Reading {
    let conditions = specification.keep.iter().map(|keep| &keep.column);
    let needed: Vec<&String> = specification
        .derive
        .iter()
        .flat_map(|derived| &derived.columns)
        .chain(&specification.target)
        .chain(specification.split.method.columns())
        .map(|named| &named.name)
        .chain(conditions)
        .collect();
    Reading {
        types: specification
            .types
            .iter()
            .map(|(column, kind)| (column.name.clone(), *kind))
            .collect(),
        formats: specification
            .formats
            .iter()
            .map(|(column, format)| (column.name.clone(), format.clone()))
            .collect(),
        // What conditions, target, split and derived columns read is compared and computed with as it is written.
        double: needed.iter().map(|name| (*name).clone()).collect(),
        skip_rows: specification.data.skip.clone(),
        skip: specification
            .drop
            .iter()
            .filter(|drop| !needed.iter().any(|needed| drop.covers(needed)))
            .map(|drop| drop.name.clone())
            .collect(),
        ..Reading::default()
    }
}

/// The columns that are not in the table.
pub(super) fn not_read(dataset: &Dataset) -> Vec<LeftOut> {
    let skipped = dataset.skipped.iter().map(|column| LeftOut {
        column: column.clone(),
        reason: DROPPED.to_owned(),
    });
    let unreadable = dataset.unreadable.iter().map(|(column, reason)| LeftOut {
        column: column.clone(),
        reason: reason.clone(),
    });
    skipped.chain(unreadable).collect()
}

/// Refuses a specification that names columns which the dataset does not have.
pub(super) fn check_names(
    dataset: &Dataset,
    specification: &Specification,
) -> Result<(), SpecificationError> {
    let types = specification.types.iter().map(|(column, _)| column);
    let derived = specification
        .derive
        .iter()
        .flat_map(|derived| &derived.columns);
    let named = types
        .chain(derived)
        .chain(specification.split.method.columns())
        .chain(&specification.target);
    for column in named {
        if !dataset.names().any(|known| known == column.name) {
            return Err(column.unknown(dataset.names()));
        }
    }
    for drop in &specification.drop {
        if !dataset.names().any(|known| drop.covers(known)) {
            return Err(drop.unknown(dataset.names()));
        }
    }
    Ok(())
}

/// What is learned from.
pub(super) struct Choice {
    pub sources: Vec<NamedSource>,
    pub left_out: Vec<LeftOut>,
    pub warnings: Vec<Warning>,
}

/// The sources of features, and the columns that are none, with the reason. Only training rows are looked at; `kept` are
/// all rows that could be.
pub(super) fn choose(
    table: &Table,
    kept: usize,
    target: &TargetColumn,
    parts: &Parts,
    index: &[String],
    specification: &Specification,
) -> Result<Choice, SpecificationError> {
    let rows = Rows {
        train: &parts.train,
        kept,
    };
    for derived in &specification.derive {
        check_derived(table, target, derived)?;
    }
    let mut used = Vec::new();
    let mut left_out = Vec::new();
    for column in &table.columns {
        if column.name == target.model.column {
            continue;
        }
        match reason(column, rows, index, specification) {
            Some(reason) => left_out.push(LeftOut {
                column: column.name.clone(),
                reason,
            }),
            None => used.push(column),
        }
    }
    let sources = sources(&used, &specification.derive, specification.features);
    check_allow_leaky(table, &sources, specification)?;
    // What a derived column is made of is used after all.
    left_out.retain(|left_out: &LeftOut| {
        !sources
            .iter()
            .any(|named| named.source.columns().contains(&left_out.column.as_str()))
    });
    let mut choice = Choice {
        sources,
        left_out,
        warnings: Vec::new(),
    };
    choice.guard(table, target, parts, specification);
    Ok(choice)
}

impl Choice {
    /// Leaves out what alone tells the target, unless the specification allows it.
    fn guard(
        &mut self,
        table: &Table,
        target: &TargetColumn,
        parts: &Parts,
        specification: &Specification,
    ) {
        let seed = specification.split.seed;
        let verdict = leaks(table, &parts.train, target, &self.sources, seed);
        self.warnings.extend(not_judged(&verdict, target));
        for leak in verdict.leaks.iter().rev() {
            let name = self.sources[leak.index].name.clone();
            let tells = describe_leak(leak, target);
            let mut allowed = specification.allow_leaky.iter();
            if allowed.any(|allowed| allowed.name == name) {
                let message = format!("{name}: {tells}; allow_leaky keeps it");
                self.warnings
                    .push(Warning::new("leak_allowed", message).in_column(&name));
            } else if leak.only_suspected {
                let message = format!(
                    "{name}: {tells}, and orders the other classes as well; if it is not known when the model is used, drop it, else `allow_leaky` silences this"
                );
                self.warnings
                    .push(Warning::new("leak_suspected", message).in_column(&name));
            } else {
                self.sources.remove(leak.index);
                self.left_out.push(LeftOut {
                    column: name,
                    reason: format!("{tells}: a leak, unless allow_leaky lists it"),
                });
            }
        }
    }
}

/// Labels that a message shows.
const MOST_LABELS: usize = 5;

fn labels(classes: &[u32], target: &TargetColumn) -> String {
    let label = |class: &u32| target.model.classes.get(*class as usize);
    let shown = classes.iter().filter_map(label).take(MOST_LABELS);
    let mut shown: Vec<String> = shown.map(|label| format!("`{label}`")).collect();
    if classes.len() > MOST_LABELS {
        shown.push(format!("{} more", classes.len() - MOST_LABELS));
    }
    shown.join(", ")
}

fn describe_leak(leak: &Leak, target: &TargetColumn) -> String {
    let what = match leak.classes.as_slice() {
        [] => "the target".to_owned(),
        classes => format!("{} from the other classes", labels(classes, target)),
    };
    format!("it alone tells {what} ({} {:.4})", leak.score, leak.value)
}

/// What the leakage guard could not look at, and why.
fn not_judged(verdict: &Verdict, target: &TargetColumn) -> Option<Warning> {
    let message = match verdict.not_judged.as_slice() {
        [] if verdict.too_few_rows => {
            "too few training rows to tell whether a column gives the target away".to_owned()
        }
        [] => return None,
        classes => {
            let rows: usize = classes.iter().map(|(_, rows)| rows).sum();
            let classes: Vec<u32> = classes.iter().map(|(class, _)| *class).collect();
            format!(
                "too few training rows ({rows}) of {} to tell whether a column gives it away",
                labels(&classes, target)
            )
        }
    };
    Some(Warning::new("leakage_not_judged", message))
}

/// The rows that columns are judged by.
#[derive(Clone, Copy)]
struct Rows<'a> {
    train: &'a [u32],
    /// How many rows training, validation and held-out ones are.
    kept: usize,
}

fn reason(
    column: &Column,
    rows: Rows<'_>,
    index: &[String],
    specification: &Specification,
) -> Option<String> {
    if specification
        .drop
        .iter()
        .any(|drop| drop.covers(&column.name))
    {
        return Some(DROPPED.to_owned());
    }
    let pinned = specification
        .types
        .iter()
        .any(|(pinned, _)| pinned.name == column.name);
    if !pinned && let Some(reason) = row_labels(column, rows.train, index) {
        return Some(reason);
    }
    reason_to_leave_out(
        column,
        rows.train,
        rows.kept,
        pinned,
        specification.features.max_categories as usize,
    )
}

/// What `allow_leaky` lists is a column, or a feature made of columns.
fn check_allow_leaky(
    table: &Table,
    sources: &[NamedSource],
    specification: &Specification,
) -> Result<(), SpecificationError> {
    let known = || {
        let features = sources.iter().map(|named| named.name.as_str());
        table.names().chain(features)
    };
    match specification
        .allow_leaky
        .iter()
        .find(|allowed| !known().any(|name| name == allowed.name))
    {
        Some(allowed) => Err(allowed.unknown(known())),
        None => Ok(()),
    }
}

/// A derived column is made of numbers, or is the difference of two dates; never of the target.
fn check_derived(
    table: &Table,
    target: &TargetColumn,
    derived: &Derived,
) -> Result<(), SpecificationError> {
    let refuse = |reason: String, remedy: &str| SpecificationError::Unusable {
        line: derived.line,
        key: format!("derive.{}", derived.name),
        reason,
        remedy: remedy.to_owned(),
    };
    if table.column(&derived.name).is_some() {
        return Err(refuse(
            "the data has a column of that name".to_owned(),
            "give the derived column another name",
        ));
    }
    let kinds: Vec<Type> = derived
        .columns
        .iter()
        .filter_map(|named| table.column(&named.name))
        .map(|column| column.kind)
        .collect();
    if derived
        .columns
        .iter()
        .any(|named| named.name == target.model.column)
    {
        return Err(refuse(
            "it is made of the target, which is not known when the model is used".to_owned(),
            "make it of other columns",
        ));
    }
    let times = kinds.iter().filter(|kind| kind.is_time()).count();
    let dates = derived.operation == Operation::Difference && times == kinds.len();
    let numbers = times == 0 && !kinds.contains(&Type::Category);
    if dates || numbers {
        return Ok(());
    }
    let held: Vec<String> = derived
        .columns
        .iter()
        .zip(&kinds)
        .map(|(named, kind)| format!("{} is a {}", named.name, kind.name()))
        .collect();
    Err(refuse(
        held.join(", "),
        "numbers have sums, differences and ratios, dates have differences; [types] changes a column's type",
    ))
}
