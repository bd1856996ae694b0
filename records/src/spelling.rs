//! Values that are one though they are spelled in two ways: in another case or Unicode form, as another form of a number,
//! as another word for true or false.

use std::borrow::Cow;
use std::collections::HashMap;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The words for true and for false that go together, folded.
const BOOLEANS: [[&str; 2]; 5] = [
    ["true", "false"],
    ["yes", "no"],
    ["y", "n"],
    ["t", "f"],
    ["1", "0"],
];

/// Text in Unicode's composed form (NFC).
#[must_use]
pub fn composed(text: &str) -> Cow<'_, str> {
    if is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// Text without what case and Unicode form make of it: equal for texts that differ in these alone.
#[must_use]
pub fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Lower case may come apart: once more.
    composed(&composed(text).to_lowercase()).into_owned()
}

/// The categories that a model knows, to find a dataset's values among.
pub struct Categories {
    exact: HashMap<String, u32>,
    /// By the folded value; `None` where several values fold to it.
    folded: HashMap<String, Option<u32>>,
    /// The categories that mean true and false, where there are these two and no others.
    booleans: Option<[u32; 2]>,
}

impl Categories {
    /// `apart` are values that are no categories though they may be spelled like one: training saw both.
    #[must_use]
    pub fn new(categories: &[String], apart: &[String]) -> Self {
        let exact: HashMap<String, u32> = categories.iter().cloned().zip(0..).collect();
        let mut folded: HashMap<String, Option<u32>> = HashMap::new();
        let known = categories.iter().zip((0..).map(Some));
        for (value, code) in known.chain(apart.iter().map(|value| (value, None))) {
            folded
                .entry(key(value))
                .and_modify(|code| *code = None)
                .or_insert(code);
        }
        let booleans = match categories {
            [_, _] if apart.is_empty() => booleans(&folded),
            _ => None,
        };
        Self {
            exact,
            folded,
            booleans,
        }
    }

    /// The category that `value` is: as it stands, or spelled in another way where that is unambiguous.
    #[must_use]
    pub fn find(&self, value: &str) -> Option<u32> {
        if let Some(code) = self.exact.get(value) {
            return Some(*code);
        }
        let key = key(value);
        match self.folded.get(&key) {
            Some(code) => *code,
            None => {
                let [yes, no] = self.booleans?;
                let pair = |word: usize| BOOLEANS.iter().any(|pair| pair[word] == key);
                pair(0).then_some(yes).or_else(|| pair(1).then_some(no))
            }
        }
    }
}

fn booleans(folded: &HashMap<String, Option<u32>>) -> Option<[u32; 2]> {
    BOOLEANS.iter().find_map(|[yes, no]| {
        let code = |word: &str| folded.get(word).copied().flatten();
        Some([code(yes)?, code(no)?])
    })
}

fn key(value: &str) -> String {
    match number(value) {
        Some(number) => number.to_owned(),
        None => folded(value),
    }
}

/// A decimal without the zeros at its end: `1.0` is `1`, and `2.50` is `2.5`. A code with leading zeros is no number.
fn number(value: &str) -> Option<&str> {
    let (whole, fraction) = value.split_once('.')?;
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(digits) || !is_digits(fraction) || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    let number = value.trim_end_matches('0').trim_end_matches('.');
    Some(if number == "-0" { "0" } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(categories: &[&str], apart: &[&str], value: &str) -> Option<String> {
        let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        let categories: Vec<String> = owned(categories);
        let apart: Vec<String> = owned(apart);
        let code = Categories::new(&categories, &apart).find(value)?;
        Some(categories[code as usize].clone())
    }

    fn is(categories: &[&str], value: &str, category: Option<&str>) {
        assert_eq!(
            found(categories, &[], value).as_deref(),
            category,
            "{value} among {categories:?}"
        );
    }

    #[test]
    fn numbers_are_the_categories_that_they_are() {
        let stores = ["1", "2", "10", "2.5", "-3"];
        for (value, category) in [
            ("1.0", "1"),
            ("10.000", "10"),
            ("2.50", "2.5"),
            ("-3.0", "-3"),
        ] {
            is(&stores, value, Some(category));
        }
        for value in [
            "1.5", "01", "1e0", "1.", ".0", "11", "100", "1.0.0", "1,0", "+1",
        ] {
            is(&stores, value, None);
        }
        is(&["1.0", "2.0"], "1", Some("1.0"));
        is(&["0"], "-0.0", Some("0"));
        // Codes with leading zeros are no numbers.
        is(&["007", "7"], "7.0", Some("7"));
        is(&["007"], "7.0", None);
        is(&["7"], "007.0", None);
    }

    #[test]
    fn booleans_are_the_words_of_training_where_it_has_such_words() {
        for (categories, yes, no) in [
            (["No", "Yes"], "Yes", "No"),
            (["false", "true"], "true", "false"),
            (["N", "Y"], "Y", "N"),
            (["0", "1"], "1", "0"),
        ] {
            for value in ["True", "true", "YES", "y", "T", "1", "1.0"] {
                is(&categories, value, Some(yes));
            }
            for value in ["False", "no", "N", "f", "0", "0.0"] {
                is(&categories, value, Some(no));
            }
            is(&categories, "maybe", None);
        }
        // Letters that are no words: a tumor and a normal one, north and south, yes with an unknown.
        for categories in [
            &["N", "T"][..],
            &["N", "S"],
            &["No", "Unknown", "Yes"],
            &["Yes"],
        ] {
            is(categories, "True", None);
            is(categories, "1", None);
        }
        assert_eq!(found(&["No", "Yes"], &["yes"], "True"), None);
    }

    #[test]
    fn case_and_unicode_form_do_not_count_where_that_is_unambiguous() {
        let cities = ["Zürich", "Köln", "Łódź", "Bern"];
        for value in ["ZÜRICH", "zu\u{308}rich", "ko\u{308}LN", "łódź", "bern"] {
            assert!(found(&cities, &[], value).is_some(), "{value}");
        }
        is(&cities, "Zurich", None);
        // Training told these apart.
        let both = ["US", "us", "It"];
        is(&both, "us", Some("us"));
        is(&both, "Us", None);
        is(&both, "IT", Some("It"));
        // One of them was too rare to be a category.
        assert_eq!(found(&["US"], &["us"], "us"), None);
        assert_eq!(found(&["US"], &["us"], "Us"), None);
        assert_eq!(found(&["US"], &["us"], "US").as_deref(), Some("US"));
    }
}
