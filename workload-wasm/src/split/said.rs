//! What the user should know of a split.

use contract::Warning;

use super::Parts;
use crate::specification::{Method, Split};

/// Shares that differ by less from what was asked for are not spoken of.
const TOLERANCE: f64 = 0.05;

/// Where the parts of `rows` rows are not as the specification asks for them.
#[must_use]
pub fn warnings(parts: &Parts, rows: usize, split: &Split) -> Vec<Warning> {
    let why = match &split.method {
        Method::Stratified | Method::Random => return Vec::new(),
        Method::Time { group: None, .. } => "rows of one instant are in one part",
        Method::Time { .. } | Method::Group(_) => "rows of one group are in one part",
    };
    let mut warnings = Vec::new();
    let rest = parts.train.len() + parts.validation.len();
    let shares = [
        ("held-out", parts.held_out.len(), rows, "test", split.test),
        (
            "validation",
            parts.validation.len(),
            rest,
            "validation",
            split.validation,
        ),
    ];
    for (part, found, of, key, asked) in shares {
        let share = found as f64 / of.max(1) as f64;
        if (share - asked).abs() >= TOLERANCE {
            let message = format!(
                "{share:.0} % of the rows are {part} rows, where split.{key} asks for {asked:.0} %: {why}",
                share = share * 100.0,
                asked = asked * 100.0,
            );
            warnings.push(Warning::new("split_share", message));
        }
    }
    let used = rest + parts.held_out.len();
    if used < rows {
        let message = format!(
            "{} rows are neither trained on nor tested: they are later than the first new group, and of older groups",
            rows - used
        );
        warnings.push(Warning::new("split_left_out", message));
    }
    warnings
}
