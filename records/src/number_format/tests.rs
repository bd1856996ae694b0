#![allow(clippy::unwrap_used)]

use super::*;

fn read(example: &str, cell: &str) -> Option<String> {
    example.parse::<NumberFormat>().unwrap().decimal(cell)
}

#[test]
fn a_format_is_what_its_example_shows() {
    for (example, cell, expected) in [
        ("1.234,5", "2.411", Some("2411")),
        ("1.234,5", "1.234.567,25", Some("1234567.25")),
        ("1.234,5", "-7,5", Some("-7.5")),
        ("1.234,5", "12345", Some("12345")),
        ("1.234,5", "1.5", None),
        ("1,234.5", "1,234", Some("1234")),
        ("1,234.5", "0,123", None),
        ("1234,5", "2,411", Some("2.411")),
        ("1234,5", "2.411", None),
        ("1234.5", "2.411", Some("2.411")),
        ("$1,234.50", "$1,200", Some("1200")),
        ("$1,234.50", "-$1,200.5", Some("-1200.5")),
        ("$1,234.50", "$-3", Some("-3")),
        ("$1,234.50", "($3)", Some("-3")),
        ("$1,234.50", "7", Some("7")),
        ("12.5 %", "3%", Some("3")),
        ("12.5%", "3.25 %", Some("3.25")),
        ("EUR 1 234,5", "EUR 2\u{a0}500,75", Some("2500.75")),
        ("1'234.5", "1’234’567", Some("1234567")),
        ("12 kg", "7 kg", Some("7")),
        ("1,234.5", "1,2345", None),
        ("1,234.5", "", None),
        ("1,234.5", "abc", None),
        ("1,234.5", "-", None),
        ("1,234.5", ".", None),
        ("1,234.5", "1.5e3", Some("1.5e3")),
    ] {
        assert_eq!(
            read(example, cell).as_deref(),
            expected,
            "{example}: {cell}"
        );
    }
}

#[test]
fn an_example_that_tells_nothing_is_refused() {
    for (example, says) in [
        ("1,234", "does not tell thousands from decimals"),
        ("1.234", "does not tell thousands from decimals"),
        ("", "shows no number"),
        ("abc", "shows no number"),
        ("1.234,5.6", "not a number in any format"),
        ("1/2", "marks that are not known"),
    ] {
        let error = example.parse::<NumberFormat>().unwrap_err();
        assert!(error.contains(says), "{example}: {error}");
    }
}

#[test]
fn an_example_made_of_a_format_gives_that_format() {
    for example in [
        "1,234.5",
        "1.234,5",
        "1234,5",
        "1234.5",
        "$1,234.50",
        "12.5 %",
        "CHF 1'234.5",
        "1 234,5 kr",
    ] {
        let format: NumberFormat = example.parse().unwrap();
        assert_eq!(format.to_string().parse(), Ok(format), "{example}");
    }
}

#[test]
fn numbers_in_another_form_are_told_from_codes_and_words() {
    for (text, example) in [
        ("$1,200", "$1,234.5"),
        ("12 %", "1234.5%"),
        ("12,5 %", "1234,5%"),
        ("€ 5", "€1234.5"),
        ("1 234,5", "1 234,5"),
        ("USD 5.50", "USD 1234.5"),
        ("-£3", "£1234.5"),
        ("1,5", "1234,5"),
    ] {
        assert_eq!(other_form(text).unwrap().to_string(), example, "{text}");
    }
    for text in [
        "V27",
        "27V",
        "12 kg",
        "2023-02-29",
        "1:30",
        "?",
        "",
        "$",
        "%",
        "A$",
        "1,2,3",
    ] {
        assert_eq!(other_form(text), None, "{text}");
    }
}

#[test]
fn one_mark_with_three_digits_behind_it_is_ambiguous() {
    for (text, expected) in [
        ("1.234", true),
        ("-999,001", true),
        ("0.123", false),
        ("1234.567", false),
        ("1.23", false),
        ("1.2345", false),
        ("1.234,5", false),
        ("1234", false),
        (".234", false),
    ] {
        assert_eq!(is_ambiguous(text), expected, "{text}");
    }
}

#[test]
fn leading_zeros_make_codes_of_three_digits_and_more() {
    for (text, expected) in [
        ("001", true),
        ("000", true),
        ("01", false),
        ("100", false),
        ("-001", false),
        ("00.5", false),
    ] {
        assert_eq!(is_code(text.as_bytes()), expected, "{text}");
    }
}
