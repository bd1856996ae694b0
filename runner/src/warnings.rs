//! What there is to warn of in a run that went well: shown whatever the log level, to people and to collectors.

use contract::Warning;

use crate::foreign;
use crate::logline::Style;

/// Warnings of one run that are shown. The manifest has them all.
const MAX_SHOWN: usize = 20;
/// Columns of a terminal.
const WIDTH: usize = 80;
/// Characters of a kind and of a column's name.
const MAX_NAME: usize = 200;

/// Logs each warning as a line of its own, with its kind and column for collectors.
pub fn log<'a>(warnings: impl IntoIterator<Item = &'a Warning>) {
    let mut warnings = warnings.into_iter();
    for warning in warnings.by_ref().take(MAX_SHOWN) {
        let kind = foreign::shortened(&warning.kind, MAX_NAME);
        let column = warning.column.as_deref();
        let column = column.map(|column| foreign::shortened(column, MAX_NAME));
        tracing::warn!(
            kind,
            column = column.as_deref(),
            "{}",
            foreign::line(&warning.message)
        );
    }
    match warnings.count() {
        0 => {}
        rest => tracing::warn!("{}", more(rest)),
    }
}

/// Logs the warnings of a result where nobody reads them in it: collectors read log lines, and JSON is for programs.
pub fn log_beside_result(warnings: &[Warning], json: bool) {
    if json || Style::current() == Style::Json {
        log(warnings);
    }
}

/// The warnings as a part of a result for people: lines of at most 80 columns behind a label. Empty when there are none.
#[must_use]
pub fn block(warnings: &[Warning]) -> String {
    let mut items: Vec<String> = warnings
        .iter()
        .take(MAX_SHOWN)
        .map(|warning| foreign::line(&warning.message))
        .collect();
    if warnings.len() > MAX_SHOWN {
        items.push(more(warnings.len() - MAX_SHOWN));
    }
    let mut text = String::new();
    for (index, item) in items.iter().enumerate() {
        let label = if index == 0 { "warnings" } else { "" };
        for (line, words) in wrapped(item, WIDTH - 12).iter().enumerate() {
            let (label, mark) = if line == 0 { (label, "-") } else { ("", "") };
            text.push_str(&format!("{label:<10}{mark:<2}{words}\n"));
        }
    }
    text
}

/// Warnings of many runs, each message once and with the number of runs where that is not all of them.
#[must_use]
pub fn of_all(runs: &[Vec<Warning>]) -> Vec<Warning> {
    let mut found: Vec<(&Warning, usize)> = Vec::new();
    for warning in runs.iter().flatten() {
        // Many that are not shown need not be told apart.
        let is_full = found.len() >= 10 * MAX_SHOWN;
        match found.iter_mut().find(|(known, _)| *known == warning) {
            Some((_, count)) => *count += 1,
            None if is_full => {}
            None => found.push((warning, 1)),
        }
    }
    let of_all = |(warning, count): (&Warning, usize)| {
        let mut warning = warning.clone();
        if count < runs.len() {
            warning.message = format!("{} ({count} of {} versions)", warning.message, runs.len());
        }
        warning
    };
    found.into_iter().map(of_all).collect()
}

fn more(count: usize) -> String {
    format!("and {count} more, which the manifest has")
}

/// Lines of at most `width` characters, broken between words where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + word.len() > width {
            lines.push(String::new());
            length = 0;
        }
        while word.len() > width {
            let rest = word.split_off(width);
            push(&mut lines, &word, 0);
            lines.push(String::new());
            word = rest;
        }
        length = push(&mut lines, &word, length);
    }
    lines
}

/// Appends a word to the last line, which has `length` characters. Returns how many it has then.
fn push(lines: &mut [String], word: &[char], length: usize) -> usize {
    let Some(line) = lines.last_mut() else {
        return length;
    };
    let blank = usize::from(length > 0);
    if blank > 0 {
        line.push(' ');
    }
    line.extend(word);
    length + blank + word.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(message: &str) -> Warning {
        Warning::new("kind", message)
    }

    #[test]
    fn a_block_has_eighty_columns_and_an_end() {
        let long = "word ".repeat(40) + &"x".repeat(200);
        let many = vec![warning(&long); MAX_SHOWN + 3];
        let text = block(&many);
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        assert!(text.starts_with("warnings  - word word"));
        assert_eq!(text.matches("- word").count(), MAX_SHOWN);
        assert!(text.contains("- and 3 more, which the manifest has"));
        let words = |text: &str| text.replace(char::is_whitespace, "");
        assert!(words(&text).contains(&words(&long)), "nothing is lost");
        assert_eq!(block(&[]), "");
    }

    #[test]
    fn what_a_module_wrote_begins_no_line_of_its_own() {
        let text = block(&[warning("a\nstored    gs://prod\u{202e}")]);
        assert_eq!(text, "warnings  - a stored gs://prod\u{fffd}\n");
    }

    #[test]
    fn equal_warnings_of_many_versions_are_one() {
        let runs = [
            vec![warning("a"), warning("b")],
            vec![warning("a")],
            vec![warning("a")],
        ];
        let messages: Vec<String> = of_all(&runs)
            .into_iter()
            .map(|warning| warning.message)
            .collect();
        assert_eq!(messages, ["a", "b (1 of 3 versions)"]);
    }
}
