//! Typed access to a TOML table that says, for whatever is wrong with it, the line and what was expected.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{SpecificationError, nearest};

/// One table of the specification.
pub(super) struct Reader<'a> {
    text: &'a str,
    /// Dotted path of the table and a dot, empty for the whole document.
    prefix: String,
    table: &'a DeTable<'a>,
}

/// A value and where it stands.
pub(super) struct Entry<'a> {
    /// Dotted path.
    pub key: String,
    /// The last part of the path.
    pub name: String,
    pub line: usize,
    value: &'a DeValue<'a>,
    text: &'a str,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str, table: &'a DeTable<'a>) -> Self {
        Self {
            text,
            prefix: String::new(),
            table,
        }
    }

    /// Refuses every key that is not in `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), SpecificationError> {
        let Some(key) = self
            .table
            .keys()
            .find(|key| !known.contains(&key.get_ref().as_ref()))
        else {
            return Ok(());
        };
        let name = key.get_ref().as_ref();
        Err(SpecificationError::UnknownKey {
            line: line_of(self.text, key.span().start),
            key: format!("{}{name}", self.prefix),
            place: match self.prefix.strip_suffix('.') {
                Some(table) => format!("[{table}]"),
                None => "the specification".to_owned(),
            },
            nearest: nearest(name, known.iter().copied()),
            known: known.join(", "),
        })
    }

    pub fn get(&self, key: &str) -> Option<Entry<'a>> {
        self.table.get(key).map(|value| self.entry(key, value))
    }

    pub fn entries(&self) -> Vec<Entry<'a>> {
        self.table
            .iter()
            .map(|(key, value)| self.entry(key.get_ref(), value))
            .collect()
    }

    /// The entries of a table whose keys are names of columns.
    pub fn by_column(&self) -> Result<Vec<Entry<'a>>, SpecificationError> {
        let mut entries = Vec::new();
        for entry in self.entries() {
            entries.extend(entry.columns()?);
        }
        Ok(entries)
    }

    fn entry(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Entry<'a> {
        Entry {
            key: format!("{}{key}", self.prefix),
            name: key.to_owned(),
            line: line_of(self.text, value.span().start),
            value: value.get_ref(),
            text: self.text,
        }
    }

    /// The table at `key`, if there is one.
    pub fn table(&self, key: &str) -> Result<Option<Reader<'a>>, SpecificationError> {
        self.get(key).map(|entry| entry.table()).transpose()
    }
}

impl<'a> Entry<'a> {
    /// The entries of a table whose keys are column names: a dotted name needs no quotes, though TOML reads tables
    /// in it.
    fn columns(self) -> Result<Vec<Entry<'a>>, SpecificationError> {
        let DeValue::Table(_) = self.value else {
            return Ok(vec![self]);
        };
        let mut entries = Vec::new();
        for entry in self.table()?.entries() {
            let name = format!("{}.{}", self.name, entry.name);
            entries.extend(Entry { name, ..entry }.columns()?);
        }
        Ok(entries)
    }

    pub fn table(&self) -> Result<Reader<'a>, SpecificationError> {
        let table = self
            .value
            .as_table()
            .ok_or_else(|| self.wrong_type("a table"))?;
        Ok(Reader {
            text: self.text,
            prefix: format!("{}.", self.key),
            table,
        })
    }

    pub fn string(&self) -> Result<String, SpecificationError> {
        self.value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| self.wrong_type("a string"))
    }

    /// A string, number or boolean as text: how a class is named.
    pub fn label(&self) -> Result<String, SpecificationError> {
        match self.value {
            DeValue::String(text) => Ok(text.to_string()),
            DeValue::Integer(number) => Ok(number.to_string()),
            DeValue::Boolean(flag) => Ok(flag.to_string()),
            _ => Err(self.wrong_type("a string, a whole number or a boolean")),
        }
    }

    pub fn boolean(&self) -> Result<bool, SpecificationError> {
        self.value
            .as_bool()
            .ok_or_else(|| self.wrong_type("true or false"))
    }

    /// A whole number of at least 0.
    pub fn whole(&self) -> Result<u64, SpecificationError> {
        self.value
            .as_integer()
            .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok())
            .ok_or_else(|| self.wrong_type("a whole number of at least 0"))
    }

    /// A whole number between two bounds, both allowed.
    pub fn whole_between(&self, least: u64, most: u64) -> Result<u64, SpecificationError> {
        let number = self.whole()?;
        if (least..=most).contains(&number) {
            return Ok(number);
        }
        Err(self.not_allowed(number.to_string(), format!("{least} to {most}"), None))
    }

    pub fn number(&self) -> Result<f64, SpecificationError> {
        let text = match self.value {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return Err(self.wrong_type("a number")),
        };
        text.parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .ok_or_else(|| self.wrong_type("a finite number"))
    }

    /// A share of the rows, less than 1; 0 where that may be.
    pub fn share(&self, may_be_none: bool) -> Result<f64, SpecificationError> {
        let share = self.number()?;
        if (0.0..1.0).contains(&share) && (may_be_none || share > 0.0) {
            return Ok(share);
        }
        let allowed = if may_be_none {
            "at least 0 and less than 1"
        } else {
            "more than 0 and less than 1"
        };
        let is_percent = share > 1.0 && share < 100.0;
        let nearest = is_percent.then(|| (share / 100.0).to_string());
        Err(self.not_allowed(share.to_string(), allowed.to_owned(), nearest))
    }

    /// A string, or an array of strings.
    pub fn strings(&self) -> Result<Vec<Entry<'a>>, SpecificationError> {
        const EXPECTED: &str = "a string or an array of strings";
        match self.value {
            DeValue::String(_) => Ok(vec![Entry {
                key: self.key.clone(),
                name: self.name.clone(),
                line: self.line,
                value: self.value,
                text: self.text,
            }]),
            DeValue::Array(items) => items
                .iter()
                .map(|item| {
                    let entry = Entry {
                        key: self.key.clone(),
                        name: self.name.clone(),
                        line: line_of(self.text, item.span().start),
                        value: item.get_ref(),
                        text: self.text,
                    };
                    match entry.value {
                        DeValue::String(_) => Ok(entry),
                        _ => Err(entry.wrong_type(EXPECTED)),
                    }
                })
                .collect(),
            _ => Err(self.wrong_type(EXPECTED)),
        }
    }

    /// The item of `choices` that the string names.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, SpecificationError> {
        let given = self.string()?;
        choices
            .iter()
            .find(|(name, _)| *name == given)
            .map(|(_, choice)| *choice)
            .ok_or_else(|| {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                let nearest = nearest(&given, names.iter().copied());
                self.not_allowed(format!("\"{given}\""), names.join(", "), nearest)
            })
    }

    pub fn not_allowed(
        &self,
        found: String,
        allowed: String,
        nearest: Option<String>,
    ) -> SpecificationError {
        SpecificationError::NotAllowed {
            line: self.line,
            key: self.key.clone(),
            found,
            allowed,
            nearest,
        }
    }

    fn wrong_type(&self, expected: &'static str) -> SpecificationError {
        SpecificationError::WrongType {
            line: self.line,
            key: self.key.clone(),
            expected,
            found: match self.value {
                DeValue::String(text) => format!("the string \"{text}\""),
                DeValue::Integer(number) => format!("the number {number}"),
                DeValue::Float(number) => format!("the number {number}"),
                DeValue::Boolean(flag) => flag.to_string(),
                DeValue::Datetime(time) => format!("the time {time}"),
                DeValue::Array(_) => "an array".to_owned(),
                DeValue::Table(_) => "a table".to_owned(),
            },
        }
    }
}

/// The line of a byte, counted from 1.
pub(super) fn line_of(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().get(..byte).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}
