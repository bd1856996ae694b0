//! What `runner dispatch` prints.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;

use super::answers::Job;
use super::campaign::{Campaign, Work};
use super::chain::Chain;
use super::end::{End, Ended, Score};
use crate::exit::Exit;
use crate::foreign::{self, short};

/// Rows of a table before it is cut; `--json` has them all.
const MOST_ROWS: usize = 20;

/// What would be dispatched.
#[must_use]
pub fn plan(campaign: &Campaign, jobs: &[Job], json: bool) -> String {
    if json {
        let work = campaign.work.iter().map(|work| {
            json!({"versions": work.versions, "region": jobs[work.region].region, "meta": work.meta, "token": work.token})
        });
        return one_object(
            &json!({"job": campaign.job, "payload_bytes": campaign.payload.len(), "dispatches": work.collect::<Vec<_>>()}),
        );
    }
    let mut text = format!(
        "{} dispatches of job {}, at most {} unfinished in each region, would train {} versions\n",
        campaign.work.len(),
        campaign.job,
        campaign.window,
        campaign.versions(),
    );
    for job in jobs {
        text.push_str(&format!(
            "region {}: version {} of the job\n",
            job.region, job.version
        ));
    }
    if !campaign.payload.is_empty() {
        text.push_str(&format!(
            "payload: the specification, {} bytes\n",
            campaign.payload.len()
        ));
    }
    let mut table = plain_table();
    table.set_header(["versions", "region", "keys"]);
    for work in campaign.work.iter().take(MOST_ROWS) {
        table.add_row([
            work.label(),
            jobs[work.region].region.clone(),
            own_keys(work),
        ]);
    }
    text.push_str(&format!("\n{}", lines(table)));
    text.push_str(&more(campaign.work.len()));
    if let Some(work) = campaign.work.first() {
        text.push_str("\nkeys of all:\n");
        for (key, value) in work.meta.iter().filter(|(key, _)| !is_own(key)) {
            text.push_str(&format!("  {key} = {value}\n"));
        }
    }
    text
}

fn one_object(value: &serde_json::Value) -> String {
    foreign::json(&value.to_string())
}

/// Keys that differ from dispatch to dispatch.
fn is_own(key: &str) -> bool {
    matches!(key, "model_version" | "points")
}

fn own_keys(work: &Work) -> String {
    let own = work.meta.iter().filter(|(key, _)| is_own(key));
    own.map(|(key, value)| format!("{key} = {value}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// What was dispatched, without waiting for it.
#[must_use]
pub fn started(chains: &[Chain<'_>], json: bool) -> String {
    // Of what has a model or a verdict already, nothing was dispatched.
    let (chains, there): (Vec<&Chain>, Vec<&Chain>) =
        chains.iter().partition(|chain| !chain.jobs.is_empty());
    if json {
        let all = chains.iter().map(|chain| {
            json!({"versions": chain.work.versions, "region": chain.region, "job": chain.job(), "already": chain.already})
        });
        let there = there
            .iter()
            .map(|chain| json!({"versions": chain.work.versions, "region": chain.region}));
        return one_object(
            &json!({"dispatched": all.collect::<Vec<_>>(), "stored": there.collect::<Vec<_>>()}),
        );
    }
    let mut table = plain_table();
    table.set_header(["versions", "dispatched job"]);
    for chain in chains.iter().take(MOST_ROWS) {
        table.add_row([chain.work.label(), short(chain.job())]);
    }
    let already = chains.iter().filter(|chain| chain.already).count();
    let mut text = format!(
        "{}{}\n{} dispatched",
        lines(table),
        more(chains.len()),
        chains.len() - already
    );
    if already > 0 {
        text.push_str(&format!(
            ", {already} were already (with --store, --retry-failed dispatches again those that have neither a model nor a \
             verdict; --campaign NAME dispatches all once more)"
        ));
    }
    if !there.is_empty() {
        text.push_str(&format!(", {} have a model or a verdict", there.len()));
    }
    text
}

/// What became of all versions.
#[must_use]
pub fn ended(ended: &[Ended], json: bool) -> String {
    if json {
        let counts: BTreeMap<_, _> = counts(ended).into_iter().collect();
        return one_object(&json!({"counts": counts, "versions": ended}));
    }
    let mut text = String::new();
    let stored = stored(ended);
    if !stored.is_empty() {
        text.push_str(&format!(
            "{}{}",
            lines(stored_table(&stored)),
            more(stored.len())
        ));
    }
    let problems = problems(ended);
    if !problems.is_empty() {
        let mut table = plain_table();
        for (what, versions) in problems.iter().take(MOST_ROWS) {
            table.add_row([what.clone(), list(versions)]);
        }
        text.push_str(&format!("\n{}{}", lines(table), more(problems.len())));
    }
    let counts = counts(ended).into_iter().filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(what, count)| format!("{count} {}", words(what)))
        .collect();
    text.push_str(&format!("\n{}\n", counts.join(", ")));
    if exit(ended) == Exit::VersionsFailed {
        text.push_str(
            "\nthe same command with --retry-failed and --store dispatches again what has neither a model nor a verdict\n",
        );
    }
    text
}

/// The status that the command ends with.
#[must_use]
pub fn exit(ended: &[Ended]) -> Exit {
    let any = |which: fn(&End) -> bool| ended.iter().any(|ended| which(&ended.end));
    if any(|end| !end.is_result()) {
        Exit::VersionsFailed
    } else if any(|end| matches!(end, End::GateNotMet { .. })) {
        Exit::GateNotMet
    } else {
        Exit::Done
    }
}

/// Stored versions, the best first by the validation value of the primary score; held-out values are shown and never
/// sorted by.
fn stored(ended: &[Ended]) -> Vec<(&Ended, Option<&Score>)> {
    let mut stored: Vec<_> = ended
        .iter()
        .filter_map(|ended| match &ended.end {
            End::Stored { score, .. } => Some((ended, score.as_ref())),
            _ => None,
        })
        .collect();
    stored.sort_by(|(_, left), (_, right)| rank(*left).total_cmp(&rank(*right)));
    stored
}

fn rank(score: Option<&Score>) -> f64 {
    match score.and_then(|score| Some((score.validation?, score.higher_is_better))) {
        Some((value, true)) => -value,
        Some((value, false)) => value,
        None => f64::MAX,
    }
}

fn stored_table(stored: &[(&Ended, Option<&Score>)]) -> Table {
    let mut table = plain_table();
    let shown = stored.iter().take(MOST_ROWS);
    let Some(metric) = stored.iter().find_map(|(_, score)| *score) else {
        // Only Nomad was asked: it knows that models are there, and no more of them.
        table.set_header(["version", "dispatched job"]);
        table.add_rows(shown.map(|(ended, _)| [&ended.model_version, &ended.job]));
        return table;
    };
    table.set_header([
        "version".to_owned(),
        "validation".to_owned(),
        format!("held-out {}", metric.metric),
        "model".to_owned(),
    ]);
    let figure = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.4}"));
    for (ended, score) in shown {
        let name = match &ended.end {
            End::Stored { name, .. } => name.clone(),
            _ => None,
        };
        table.add_row([
            ended.model_version.clone(),
            figure(score.and_then(|score| score.validation)),
            figure(score.map(|score| score.held_out)),
            name.unwrap_or_default(),
        ]);
    }
    for column in table.column_iter_mut().skip(1).take(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What went wrong, and the versions that it went wrong for.
fn problems(ended: &[Ended]) -> BTreeMap<String, Vec<&str>> {
    let mut problems: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for ended in ended {
        let what = match &ended.end {
            End::Stored { .. } => continue,
            End::GateNotMet { missed, .. } if missed.is_empty() => "missed a gate".to_owned(),
            End::GateNotMet { missed, .. } => format!("missed a gate: {}", missed.join("; ")),
            End::Failed {
                task,
                exit_code,
                reason,
            } => match exit_code {
                Some(code) => format!("{task} failed ({code}): {reason}"),
                // No task of it was started.
                None if task.is_empty() => format!("failed: {reason}"),
                None => format!("{task} failed: {reason}"),
            },
            End::Stopped { reason, .. } | End::NotPlaced { reason } | End::Unknown { reason } => {
                reason.clone()
            }
        };
        problems.entry(what).or_default().push(&ended.model_version);
    }
    problems
}

/// `4, 17, 32 and 5 more`.
fn list(versions: &[&str]) -> String {
    const MOST: usize = 10;
    let mut text = versions
        .iter()
        .take(MOST)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if versions.len() > MOST {
        text.push_str(&format!(" and {} more", versions.len() - MOST));
    }
    text
}

fn counts(ended: &[Ended]) -> [(&'static str, usize); 6] {
    let count = |which: fn(&End) -> bool| ended.iter().filter(|ended| which(&ended.end)).count();
    [
        ("stored", count(|end| matches!(end, End::Stored { .. }))),
        (
            "gate_not_met",
            count(|end| matches!(end, End::GateNotMet { .. })),
        ),
        ("failed", count(|end| matches!(end, End::Failed { .. }))),
        ("stopped", count(|end| matches!(end, End::Stopped { .. }))),
        (
            "not_placed",
            count(|end| matches!(end, End::NotPlaced { .. })),
        ),
        ("unknown", count(|end| matches!(end, End::Unknown { .. }))),
    ]
}

fn words(status: &'static str) -> &'static str {
    match status {
        "gate_not_met" => "missed a gate",
        "not_placed" => "without a place",
        "unknown" => "without a trace",
        other => other,
    }
}

fn more(rows: usize) -> String {
    if rows > MOST_ROWS {
        format!("… and {} more\n", rows - MOST_ROWS)
    } else {
        String::new()
    }
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

/// A table as text, without blanks at either end of its lines.
fn lines(mut table: Table) -> String {
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}
