//! Parameters as a specification gives them (`[params]`), checked and completed with defaults.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use contract::Task;
use serde_json::Value;

use super::class_weight::ClassWeight;
use super::names::nearest;

/// Why a learner can't be configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    #[error("there is no algorithm `{name}`{}; known for this task: {}", did_you_mean(.nearest), .known.join(", "))]
    UnknownAlgorithm {
        name: String,
        nearest: Option<&'static str>,
        known: Vec<&'static str>,
    },
    #[error("`{algorithm}` learns {does} only{}; for this task use one of: {}", did_you_mean(.nearest), .known.join(", "))]
    WrongTask {
        algorithm: &'static str,
        does: &'static str,
        nearest: Option<&'static str>,
        known: Vec<&'static str>,
    },
    #[error("`{algorithm}` has no engine `{engine}`{}; it has: {}", did_you_mean(.nearest), .known.join(", "))]
    UnknownEngine {
        algorithm: &'static str,
        engine: String,
        nearest: Option<&'static str>,
        known: Vec<&'static str>,
    },
    #[error(
        "`{algorithm}` (engine {engine}) has no parameter `{name}`{}; it has: {}",
        did_you_mean(.nearest),
        if .known.is_empty() { "none".to_owned() } else { .known.join(", ") }
    )]
    UnknownParameter {
        algorithm: &'static str,
        engine: &'static str,
        name: String,
        nearest: Option<&'static str>,
        known: Vec<&'static str>,
    },
    #[error("parameter `{name}` of `{algorithm}` is {value}; it must be {expected}")]
    OutOfRange {
        algorithm: &'static str,
        name: &'static str,
        value: String,
        expected: String,
    },
}

fn did_you_mean(nearest: &Option<&'static str>) -> String {
    nearest.map_or(String::new(), |name| format!(" (did you mean `{name}`?)"))
}

/// What a specification gives, and what a learner asks of it: each question names a parameter, its default and range.
pub(super) struct Parameters<'a> {
    algorithm: &'static str,
    engine: &'static str,
    given: &'a toml::Table,
    used: BTreeMap<String, Value>,
    known: Vec<&'static str>,
}

impl<'a> Parameters<'a> {
    pub fn new(algorithm: &'static str, engine: &'static str, given: &'a toml::Table) -> Self {
        Parameters {
            algorithm,
            engine,
            given,
            used: BTreeMap::new(),
            known: Vec::new(),
        }
    }

    /// A whole number.
    pub fn integer(
        &mut self,
        name: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Result<u32, ParameterError> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let given = self.ask(name);
        let value = match given {
            None => default,
            Some(given) => {
                whole(given, &range).ok_or_else(|| self.refuse(name, given, expected))?
            }
        };
        self.used.insert(name.to_owned(), value.into());
        Ok(value)
    }

    /// A whole number, or `"none"`.
    pub fn optional_integer(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, ParameterError> {
        let expected = format!(
            "a whole number from {} to {}, or \"none\"",
            range.start(),
            range.end()
        );
        let given = self.ask(name);
        let value = match given {
            None => None,
            Some(given) if given.as_str() == Some("none") => None,
            Some(given) => {
                Some(whole(given, &range).ok_or_else(|| self.refuse(name, given, expected))?)
            }
        };
        self.used.insert(name.to_owned(), value.into());
        Ok(value)
    }

    /// A list of whole numbers, or a single one.
    pub fn integers(
        &mut self,
        name: &'static str,
        default: &[u32],
        range: RangeInclusive<u32>,
    ) -> Result<Vec<u32>, ParameterError> {
        let given = self.ask(name);
        let values = match given {
            None => default.to_vec(),
            Some(given) => {
                let values = match given {
                    toml::Value::Array(values) => values.as_slice(),
                    single => std::slice::from_ref(single),
                };
                let values: Option<Vec<u32>> =
                    values.iter().map(|value| whole(value, &range)).collect();
                values.filter(|values| !values.is_empty()).ok_or_else(|| {
                    let (start, end) = (range.start(), range.end());
                    let expected = format!("a list of whole numbers from {start} to {end}");
                    self.refuse(name, given, expected)
                })?
            }
        };
        self.used.insert(name.to_owned(), values.clone().into());
        Ok(values)
    }

    /// True or false.
    pub fn boolean(&mut self, name: &'static str, default: bool) -> Result<bool, ParameterError> {
        let value = match self.ask(name) {
            None => default,
            Some(given) => given
                .as_bool()
                .ok_or_else(|| self.refuse(name, given, "true or false".to_owned()))?,
        };
        self.used.insert(name.to_owned(), value.into());
        Ok(value)
    }

    /// A number.
    pub fn number(
        &mut self,
        name: &'static str,
        default: f64,
        range: RangeInclusive<f64>,
    ) -> Result<f64, ParameterError> {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        let given = self.ask(name);
        let value = match given {
            None => default,
            Some(given) => number(given)
                .filter(|value| range.contains(value))
                .ok_or_else(|| self.refuse(name, given, expected))?,
        };
        self.used.insert(name.to_owned(), value.into());
        Ok(value)
    }

    /// A number, or the one word that stands for a number that the data gives (`None`).
    pub fn number_or_word(
        &mut self,
        name: &'static str,
        word: &'static str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, ParameterError> {
        let given = self.ask(name);
        let value = match given {
            None => None,
            Some(given) if given.as_str() == Some(word) => None,
            Some(given) => Some(number(given).filter(|v| range.contains(v)).ok_or_else(|| {
                let (start, end) = (range.start(), range.end());
                self.refuse(
                    name,
                    given,
                    format!("\"{word}\" or a number from {start} to {end}"),
                )
            })?),
        };
        let used = value.map_or_else(|| word.into(), Value::from);
        self.used.insert(name.to_owned(), used);
        Ok(value)
    }

    /// One of some words.
    pub fn choice(
        &mut self,
        name: &'static str,
        default: &'static str,
        words: &[&'static str],
    ) -> Result<&'static str, ParameterError> {
        let expected = format!("one of \"{}\"", words.join("\", \""));
        let given = self.ask(name);
        let value = match given {
            None => default,
            Some(given) => words
                .iter()
                .copied()
                .find(|word| given.as_str() == Some(word))
                .ok_or_else(|| self.refuse(name, given, expected))?,
        };
        self.used.insert(name.to_owned(), value.into());
        Ok(value)
    }

    /// How many of the columns a tree may look at in each node, as scikit-learn's `max_features` has it.
    pub fn max_features(&mut self, default: MaxFeatures) -> Result<MaxFeatures, ParameterError> {
        let name = "max_features";
        let expected = "\"sqrt\", \"log2\", a whole number from 1, or a share from 0.0 to 1.0";
        let given = self.ask(name);
        let value = match given {
            None => default,
            Some(given) => MaxFeatures::from_toml(given)
                .ok_or_else(|| self.refuse(name, given, expected.to_owned()))?,
        };
        self.used.insert(name.to_owned(), value.to_json());
        Ok(value)
    }

    /// `"none"`, `"balanced"`, or a weight for each class.
    pub fn class_weight(&mut self) -> Result<Option<ClassWeight>, ParameterError> {
        let name = "class_weight";
        let expected = "\"none\", \"balanced\", or a list of numbers from 0 to 1e6, one a class";
        let given = self.ask(name);
        let each = |values: &[toml::Value]| -> Option<Vec<f64>> {
            let values = values.iter().map(number).collect::<Option<Vec<f64>>>()?;
            let sound = values.iter().all(|value| (0.0..=1e6).contains(value));
            (sound && values.iter().any(|value| *value > 0.0)).then_some(values)
        };
        let value = match given {
            None => None,
            Some(toml::Value::String(word)) if word == "none" => None,
            Some(toml::Value::String(word)) if word == "balanced" => Some(ClassWeight::Balanced),
            Some(given) => {
                let values = given.as_array().and_then(|values| each(values));
                let refusal = || self.refuse(name, given, expected.to_owned());
                Some(ClassWeight::Each(values.ok_or_else(refusal)?))
            }
        };
        let used = match &value {
            None => "none".into(),
            Some(ClassWeight::Balanced) => "balanced".into(),
            Some(ClassWeight::Each(values)) => values.clone().into(),
        };
        self.used.insert(name.to_owned(), used);
        Ok(value)
    }

    /// Every parameter as it is used.
    ///
    /// # Errors
    /// When the specification gives one that was never asked for.
    pub fn finish(self) -> Result<BTreeMap<String, Value>, ParameterError> {
        for name in self.given.keys() {
            if !self.known.contains(&name.as_str()) {
                return Err(ParameterError::UnknownParameter {
                    algorithm: self.algorithm,
                    engine: self.engine,
                    name: name.clone(),
                    nearest: nearest(name, &self.known),
                    known: self.known,
                });
            }
        }
        Ok(self.used)
    }

    fn ask(&mut self, name: &'static str) -> Option<&'a toml::Value> {
        self.known.push(name);
        self.given.get(name)
    }

    fn refuse(&self, name: &'static str, given: &toml::Value, expected: String) -> ParameterError {
        ParameterError::OutOfRange {
            algorithm: self.algorithm,
            name,
            value: given.to_string(),
            expected,
        }
    }
}

fn whole(value: &toml::Value, range: &RangeInclusive<u32>) -> Option<u32> {
    let value = u32::try_from(value.as_integer()?).ok()?;
    range.contains(&value).then_some(value)
}

fn number(value: &toml::Value) -> Option<f64> {
    match value {
        toml::Value::Float(value) => Some(*value),
        toml::Value::Integer(value) => Some(*value as f64),
        _ => None,
    }
}

/// How many of the columns a tree may look at in each node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum MaxFeatures {
    Sqrt,
    Log2,
    Count(u32),
    /// Of all columns, rounded down.
    Share(f64),
}

impl MaxFeatures {
    fn from_toml(value: &toml::Value) -> Option<Self> {
        match value {
            toml::Value::String(word) if word == "sqrt" => Some(MaxFeatures::Sqrt),
            toml::Value::String(word) if word == "log2" => Some(MaxFeatures::Log2),
            toml::Value::Integer(count) => {
                let count = u32::try_from(*count).ok()?;
                (count > 0).then_some(MaxFeatures::Count(count))
            }
            toml::Value::Float(share) => {
                (*share > 0.0 && *share <= 1.0).then_some(MaxFeatures::Share(*share))
            }
            _ => None,
        }
    }

    /// scikit-learn's default for forests.
    pub fn of_forest(task: Task) -> Self {
        match task {
            Task::Binary | Task::Multiclass => MaxFeatures::Sqrt,
            Task::Regression => MaxFeatures::Share(1.0),
        }
    }

    fn to_json(self) -> Value {
        match self {
            MaxFeatures::Sqrt => "sqrt".into(),
            MaxFeatures::Log2 => "log2".into(),
            MaxFeatures::Count(count) => count.into(),
            MaxFeatures::Share(share) => share.into(),
        }
    }

    /// The number out of `features` columns: at least one, at most all.
    pub fn of(self, features: usize) -> usize {
        let wanted = match self {
            MaxFeatures::Sqrt => (features as f64).sqrt() as usize,
            MaxFeatures::Log2 => features.max(1).ilog2() as usize,
            MaxFeatures::Count(count) => count as usize,
            MaxFeatures::Share(share) => (share * features as f64) as usize,
        };
        wanted.clamp(1, features.max(1))
    }
}

impl std::fmt::Display for MaxFeatures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MaxFeatures::Sqrt => f.write_str("sqrt"),
            MaxFeatures::Log2 => f.write_str("log2"),
            MaxFeatures::Count(count) => count.fmt(f),
            MaxFeatures::Share(share) => write!(f, "{share:?}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn table(text: &str) -> toml::Table {
        text.parse().unwrap()
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_the_range() {
        let given = table("n_estimators = 0");
        let mut parameters = Parameters::new("random_forest", "smartcore", &given);
        let error = parameters
            .integer("n_estimators", 100, 1..=65535)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "parameter `n_estimators` of `random_forest` is 0; it must be a whole number from 1 to 65535"
        );
    }

    #[test]
    fn a_misspelt_parameter_is_refused_with_the_nearest_one() {
        let given = table("n_estimator = 10");
        let mut parameters = Parameters::new("random_forest", "smartcore", &given);
        parameters.integer("n_estimators", 100, 1..=65535).unwrap();
        let message = parameters.finish().unwrap_err().to_string();
        assert!(
            message.contains("did you mean `n_estimators`?"),
            "{message}"
        );
    }

    #[test]
    fn not_a_number_is_out_of_every_range() {
        let given = table("alpha = nan");
        let mut parameters = Parameters::new("ridge", "smartcore", &given);
        assert!(parameters.number("alpha", 1.0, 0.0..=1e10).is_err());
    }

    #[test]
    fn max_features_is_a_word_a_count_or_a_share() {
        let cases = [
            ("\"sqrt\"", 4),
            ("\"log2\"", 4),
            ("7", 7),
            ("100", 20),
            ("0.5", 10),
            ("0.001", 1),
        ];
        for (text, expected) in cases {
            let given = table(&format!("max_features = {text}"));
            let mut parameters = Parameters::new("random_forest", "smartcore", &given);
            let value = parameters.max_features(MaxFeatures::Sqrt).unwrap();
            assert_eq!(value.of(20), expected, "{text}");
        }
        for text in ["0", "0.0", "1.5", "\"all\""] {
            let given = table(&format!("max_features = {text}"));
            let mut parameters = Parameters::new("random_forest", "smartcore", &given);
            assert!(
                parameters.max_features(MaxFeatures::Sqrt).is_err(),
                "{text}"
            );
        }
    }
}
