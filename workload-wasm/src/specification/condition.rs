use super::SpecificationError;

/// A condition that a row must meet to be kept: `IsClosed = true`, `Amount >= 100`, `CloseDate is present`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub column: String,
    pub test: Test,
    /// As it was written, and where.
    pub text: String,
    pub line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    Missing,
    Present,
    /// The value is read as the column's type says. A missing cell meets no comparison.
    Compare(Comparison, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Longer operators stand before those that they begin with.
const OPERATORS: [(&str, Comparison); 7] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("=", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl Condition {
    /// Reads a condition. A column or value that holds an operator or begins with a quote stands in quotes.
    ///
    /// # Errors
    /// When it has no column, no operator or no value.
    pub fn parse(text: &str, line: usize) -> Result<Self, SpecificationError> {
        let refuse = |reason: &str| SpecificationError::Condition {
            line,
            condition: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (column, rest) =
            split_column(text.trim()).ok_or_else(|| refuse("has no operator after the column"))?;
        if column.is_empty() {
            return Err(refuse("names no column"));
        }
        let test = match rest {
            "is missing" => Test::Missing,
            "is present" => Test::Present,
            _ => {
                let (comparison, value) = OPERATORS
                    .iter()
                    .find_map(|(operator, comparison)| {
                        rest.strip_prefix(operator)
                            .map(|value| (*comparison, value))
                    })
                    .ok_or_else(|| refuse("has no operator after the column"))?;
                let value = unquote(value.trim());
                if value.is_empty() {
                    return Err(refuse("compares with nothing"));
                }
                Test::Compare(comparison, value.to_owned())
            }
        };
        Ok(Self {
            column: column.to_owned(),
            test,
            text: text.to_owned(),
            line,
        })
    }
}

/// The column's name, and what follows it.
fn split_column(text: &str) -> Option<(&str, &str)> {
    if let Some(quote) = text
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))
    {
        let (column, rest) = text.get(1..)?.split_once(quote)?;
        return Some((column, rest.trim()));
    }
    for test in [" is missing", " is present"] {
        if let Some(column) = text.strip_suffix(test)
            && !column.contains(['=', '<', '>', '!'])
        {
            return Some((column.trim(), test.trim()));
        }
    }
    let operator = text.find(['=', '<', '>', '!'])?;
    let (column, rest) = text.split_at(operator);
    Some((column.trim(), rest.trim()))
}

fn unquote(text: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parsed(text: &str) -> (String, Test) {
        let condition = Condition::parse(text, 1).unwrap();
        (condition.column, condition.test)
    }

    #[test]
    fn a_condition_has_a_column_an_operator_and_a_value() {
        assert_eq!(
            parsed("IsClosed = true"),
            (
                "IsClosed".to_owned(),
                Test::Compare(Comparison::Equal, "true".to_owned())
            )
        );
        assert_eq!(
            parsed("Amount>=1000"),
            (
                "Amount".to_owned(),
                Test::Compare(Comparison::GreaterOrEqual, "1000".to_owned())
            )
        );
        assert_eq!(
            parsed("\"a = b\" != 'x < y'"),
            (
                "a = b".to_owned(),
                Test::Compare(Comparison::NotEqual, "x < y".to_owned())
            )
        );
        assert_eq!(
            parsed("Close Date is missing"),
            ("Close Date".to_owned(), Test::Missing)
        );
    }

    #[test]
    fn half_a_condition_is_refused() {
        for text in [
            "",
            "IsClosed",
            "= true",
            "IsClosed =",
            "IsClosed ! 3",
            "\"IsClosed = 1",
        ] {
            assert!(Condition::parse(text, 1).is_err(), "{text}");
        }
    }
}
