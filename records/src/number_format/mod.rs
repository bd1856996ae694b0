//! How the numbers of a column are written: marks of thousands and decimals, and what stands around the digits.

use std::str::FromStr;

/// Marks that only group digits.
const GROUPING: [char; 6] = [' ', '\u{a0}', '\u{202f}', '\u{2009}', '\'', '\u{2019}'];
/// Signs of currencies beyond the block of Unicode that has most of them.
const CURRENCIES: [char; 5] = ['$', '¢', '£', '¤', '¥'];
/// Codes and abbreviations of currencies that stand beside numbers.
const CURRENCY_WORDS: [&str; 28] = [
    "USD", "EUR", "GBP", "JPY", "CHF", "CNY", "INR", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK",
    "PLN", "CZK", "HUF", "BRL", "MXN", "ZAR", "SGD", "HKD", "KRW", "TRY", "RUB", "US$", "R$", "kr",
    "zł",
];

/// How the numbers of a column are written, given by an example such as `1.234,5` or `$1,234.50`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    /// What may stand before the digits, such as a currency's sign.
    prefix: String,
    /// What may stand behind them, such as `%`.
    suffix: String,
    thousands: Option<char>,
    decimal: char,
}

impl NumberFormat {
    /// `1,234.5`
    pub(crate) const POINT: NumberFormat = NumberFormat::plain('.', Some(','));
    /// `1.234,5`
    pub(crate) const COMMA: NumberFormat = NumberFormat::plain(',', Some('.'));

    pub(crate) const fn plain(decimal: char, thousands: Option<char>) -> NumberFormat {
        NumberFormat {
            prefix: String::new(),
            suffix: String::new(),
            thousands,
            decimal,
        }
    }

    /// `text` as a decimal with a point, which [`crate::number::parse`] reads; `None` where it is not written so. What
    /// stands around the digits may be absent, and so may the marks of thousands.
    pub(crate) fn decimal(&self, text: &str) -> Option<String> {
        let (negative, core) = without_sign(text.trim_matches(is_blank))?;
        let core = self.without_affixes(core);
        // A sign stands before the currency or behind it.
        let (inner, core) = without_sign(core)?;
        if negative && inner {
            return None;
        }
        let mut decimal = String::with_capacity(core.len() + 1);
        if negative || inner {
            decimal.push('-');
        }
        self.digits(core, &mut decimal)?;
        Some(decimal)
    }

    fn without_affixes<'t>(&self, text: &'t str) -> &'t str {
        let text = text.strip_prefix(self.prefix.as_str()).unwrap_or(text);
        let text = text.strip_suffix(self.suffix.as_str()).unwrap_or(text);
        text.trim_matches(is_blank)
    }

    /// Appends digits and decimals of `core`, its groups of thousands whole.
    fn digits(&self, core: &str, to: &mut String) -> Option<()> {
        let (whole, fraction) = match core.split_once(self.decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (core, None),
        };
        let is_mark = |character: char| match self.thousands {
            Some(mark) => {
                character == mark
                    || (is_alike(mark)
                        && is_alike(character)
                        && is_space(mark) == is_space(character))
            }
            None => false,
        };
        let mut groups = whole.split(is_mark);
        let first = groups.next()?;
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(first) {
            return None;
        }
        to.push_str(first);
        let mut is_grouped = false;
        for group in groups {
            is_grouped = true;
            if group.len() != 3 || !is_digits(group) {
                return None;
            }
            to.push_str(group);
        }
        if is_grouped && (first.is_empty() || first.len() > 3 || first.starts_with('0')) {
            return None;
        }
        if let Some(fraction) = fraction {
            // An exponent is digits, too.
            let mantissa = fraction.find(['e', 'E']).unwrap_or(fraction.len());
            if !is_digits(&fraction[..mantissa]) || (whole.is_empty() && mantissa == 0) {
                return None;
            }
            to.push('.');
            to.push_str(fraction);
        } else if whole.is_empty() {
            return None;
        }
        Some(())
    }
}

fn is_blank(character: char) -> bool {
    character.is_whitespace()
}

fn is_space(character: char) -> bool {
    character.is_whitespace()
}

fn is_alike(character: char) -> bool {
    GROUPING.contains(&character)
}

/// Whether there is a minus before `text`, and what is behind it; accountants put negative numbers in parentheses.
fn without_sign(text: &str) -> Option<(bool, &str)> {
    if let Some(inner) = text.strip_prefix('(') {
        return inner.strip_suffix(')').map(|inner| (true, inner));
    }
    let rest = text.strip_prefix(['-', '\u{2212}']);
    let is_negative = rest.is_some();
    let rest = rest.or_else(|| text.strip_prefix('+')).unwrap_or(text);
    Some((is_negative, rest.trim_start_matches(is_blank)))
}

impl FromStr for NumberFormat {
    type Err = String;

    /// Reads an example. What it does not show is not read: `1234,5` has no mark of thousands.
    fn from_str(example: &str) -> Result<Self, String> {
        let (_, text) = without_sign(example.trim()).unwrap_or((false, example.trim()));
        let none = || format!("`{example}` shows no number");
        let is_digit = |character: char| character.is_ascii_digit();
        let start = text.find(is_digit).ok_or_else(none)?;
        let end = text.rfind(is_digit).ok_or_else(none)? + 1;
        let (prefix, core, suffix) = (&text[..start], &text[start..end], &text[end..]);
        let marks: Vec<char> = core
            .chars()
            .filter(|character| !is_digit(*character))
            .collect();
        let (thousands, decimal) =
            marks_of(core, &marks).map_err(|why| format!("`{example}` {why}"))?;
        let format = NumberFormat {
            prefix: prefix
                .trim_matches(|character| is_blank(character) || matches!(character, '-' | '+'))
                .to_owned(),
            suffix: suffix.trim_matches(is_blank).to_owned(),
            thousands,
            decimal,
        };
        match format.decimal(example) {
            Some(_) => Ok(format),
            None => Err(format!("`{example}` is not a number in any format")),
        }
    }
}

/// The marks of thousands and decimals in an example's digits.
fn marks_of(core: &str, marks: &[char]) -> Result<(Option<char>, char), &'static str> {
    let is_decimal = |mark: char| matches!(mark, '.' | ',');
    let other = |mark: char| if mark == '.' { ',' } else { '.' };
    let distinct: Vec<char> = marks.iter().fold(Vec::new(), |mut distinct, mark| {
        if !distinct.contains(mark) {
            distinct.push(*mark);
        }
        distinct
    });
    match (distinct.as_slice(), marks.len()) {
        ([], _) => Ok((None, '.')),
        ([mark], 1) if is_decimal(*mark) && is_ambiguous(core) => Err(
            "does not tell thousands from decimals: give one with both marks, such as `1,234.5` or `1.234,5`, or with no mark of thousands, such as `1234.5` or `1234,5`",
        ),
        ([mark], 1) if is_decimal(*mark) => Ok((None, *mark)),
        ([mark], _) if is_decimal(*mark) => Ok((Some(*mark), other(*mark))),
        ([mark], _) if is_alike(*mark) => Ok((Some(*mark), '.')),
        ([thousands, decimal], _)
            if is_decimal(*decimal) && (is_decimal(*thousands) || is_alike(*thousands)) =>
        {
            Ok((Some(*thousands), *decimal))
        }
        _ => Err(
            "has marks that are not known: thousands are grouped by a point, a comma, a blank or an apostrophe, and decimals follow a point or a comma",
        ),
    }
}

impl std::fmt::Display for NumberFormat {
    /// An example.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.prefix)?;
        if self.prefix.ends_with(char::is_alphabetic) {
            f.write_str(" ")?;
        }
        f.write_str("1")?;
        if let Some(thousands) = self.thousands {
            write!(f, "{thousands}")?;
        }
        write!(f, "234{}5", self.decimal)?;
        if self.suffix.starts_with(char::is_alphabetic) {
            f.write_str(" ")?;
        }
        f.write_str(&self.suffix)
    }
}

/// Whether a number with one mark, a point or a comma, may be thousands as well as decimals: three digits behind the
/// mark, one to three before it, not beginning with 0.
pub(crate) fn is_ambiguous(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let Some(mark) = text.find(['.', ',']) else {
        return false;
    };
    let (whole, fraction) = (&text[..mark], &text[mark + 1..]);
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (1..=3).contains(&whole.len())
        && fraction.len() == 3
        && !whole.starts_with('0')
        && is_digits(whole)
        && is_digits(fraction)
}

/// Whether it is a code rather than a quantity: three digits and more, the first of them 0.
pub(crate) fn is_code(text: &[u8]) -> bool {
    text.len() >= 3 && text[0] == b'0' && text.iter().all(u8::is_ascii_digit)
}

/// The format of a number that is written with a currency, a percent sign, or marks other than a decimal point:
/// `$1,200`, `12 %`, `1 234,5`. `None` for what is a plain number or none at all.
pub(crate) fn other_form(text: &str) -> Option<NumberFormat> {
    let text = text.trim_matches(is_blank);
    // The longest number that people write, with what stands around it.
    if text.len() > 40 || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (_, core) = without_sign(text)?;
    let (prefix, core) = take_affix(core, Side::Before);
    let (suffix, core) = take_affix(core, Side::Behind);
    let (_, core) = without_sign(core)?;
    let usual = [
        NumberFormat::POINT,
        NumberFormat::COMMA,
        NumberFormat::plain(',', Some(' ')),
        NumberFormat::plain('.', Some(' ')),
        NumberFormat::plain('.', Some('\'')),
    ];
    let format = usual
        .into_iter()
        .find(|format| format.decimal(core).is_some())?;
    Some(NumberFormat {
        prefix: prefix.to_owned(),
        suffix: suffix.to_owned(),
        // A mark of thousands is shown where one was met.
        thousands: format.thousands.filter(|mark| {
            core.chars()
                .any(|character| character == *mark || (is_alike(*mark) && is_alike(character)))
        }),
        ..format
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    Behind,
}

/// A currency or percent sign at one side of a number, and the rest.
fn take_affix(text: &str, side: Side) -> (&str, &str) {
    let is_sign = |character: char| {
        CURRENCIES.contains(&character)
            || ('\u{20a0}'..='\u{20cf}').contains(&character)
            || (side == Side::Behind && matches!(character, '%' | '‰'))
    };
    let words = CURRENCY_WORDS.iter().copied();
    match side {
        Side::Before => {
            let word = words
                .filter(|word| text.starts_with(word))
                .max_by_key(|word| word.len());
            let sign = text.chars().next().filter(|first| is_sign(*first));
            let length = word.map(str::len).or(sign.map(char::len_utf8)).unwrap_or(0);
            (&text[..length], text[length..].trim_start_matches(is_blank))
        }
        Side::Behind => {
            let word = words
                .filter(|word| text.ends_with(word))
                .max_by_key(|word| word.len());
            let sign = text.chars().next_back().filter(|last| is_sign(*last));
            let length = word.map(str::len).or(sign.map(char::len_utf8)).unwrap_or(0);
            let at = text.len() - length;
            (&text[at..], text[..at].trim_end_matches(is_blank))
        }
    }
}

#[cfg(test)]
mod tests;
