//! Words that stand for a missing value.

/// Since the first reading rules: pandas' words, as they are written there.
const FIRST: [&[u8]; 10] = [
    b"NA",
    b"N/A",
    b"n/a",
    b"NULL",
    b"null",
    b"None",
    b"#N/A",
    b"<NA>",
    b"#NA",
    b"#N/A N/A",
];
/// "Not a number" as the usual tools write it.
const NAN: [&[u8]; 9] = [
    b"NaN",
    b"nan",
    b"NAN",
    b"-NaN",
    b"-nan",
    b"1.#IND",
    b"-1.#IND",
    b"1.#QNAN",
    b"-1.#QNAN",
];
/// Since the second reading rules, in any case: the words above, what databases and people write, and what
/// spreadsheets show in place of a value. The dashes are of every length, and the last is a blank that does not break.
const SECOND: [&str; 34] = [
    "NA",
    "N/A",
    "NULL",
    "None",
    "#N/A",
    "<NA>",
    "#NA",
    "#N/A N/A",
    "?",
    "-",
    "--",
    ".",
    "\\N",
    "(null)",
    "nil",
    "NaT",
    "missing",
    "#REF!",
    "#VALUE!",
    "#DIV/0!",
    "#NAME?",
    "#NUM!",
    "#NULL!",
    "#ERROR!",
    "#SPILL!",
    "#CALC!",
    "#FIELD!",
    "#BLOCKED!",
    "#CONNECT!",
    "#UNKNOWN!",
    "#GETTING_DATA",
    "\u{2013}",
    "\u{2014}",
    "\u{a0}",
];
/// The longest of them, in bytes.
const LONGEST: usize = 13;

/// Whether `text`, without blanks around it, is a word for "not a number".
pub(crate) fn is_nan(text: &[u8]) -> bool {
    text.len() <= LONGEST && NAN.contains(&text)
}

/// Whether it is one of the first rules' words.
pub(crate) fn is_first(text: &[u8]) -> bool {
    FIRST.contains(&text) || is_nan(text)
}

/// Whether it is one of the second rules' words.
pub(crate) fn is_second(text: &[u8]) -> bool {
    // What they begin with, so that most texts are told at once. Dashes and the blank begin with the last two.
    let may_be = |first: &u8| b"NnMm<?-.\\(#1\xe2\xc2".contains(first);
    text.len() <= LONGEST
        && text.first().is_some_and(may_be)
        && (SECOND
            .iter()
            .any(|word| word.as_bytes().eq_ignore_ascii_case(text))
            || is_nan(text))
}

/// How R and pandas write a missing text.
pub(crate) const NA: &str = "NA";

/// Whether `NA` is a code like `others`, such as Namibia's among those of countries: they are of two capital letters,
/// and there are some.
pub(crate) fn is_code_like(others: &[String]) -> bool {
    const LEAST: usize = 3;
    let is_code = |text: &&String| {
        text.len() == NA.len() && text.bytes().all(|byte| byte.is_ascii_uppercase())
    };
    others.len() >= LEAST && others.iter().all(|text| is_code(&text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_longer_than_what_is_looked_at() {
        let longest = SECOND.iter().map(|word| word.len()).max();
        assert_eq!(longest.unwrap(), LONGEST);
        assert!(NAN.iter().all(|word| word.len() <= LONGEST));
        assert!(FIRST.iter().all(|word| is_second(word)));
        assert!(NAN.iter().all(|word| is_second(word)));
        assert!(SECOND.iter().all(|word| is_second(word.as_bytes())));
    }

    #[test]
    fn na_is_a_code_among_codes_alone() {
        let is = |others: &[&str]| {
            is_code_like(
                &others
                    .iter()
                    .map(|text| (*text).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert!(is(&["DE", "US", "FR"]));
        assert!(!is(&["DE", "US", "France"]));
        assert!(!is(&["NO", "YES", "OK"]));
        assert!(!is(&["NO"]));
        assert!(!is(&["yes", "no", "so"]));
    }
}
