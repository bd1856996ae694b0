//! What the runner tells the module: the contract's variables, and where its folders are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The variables of the contract, typed, and the folder that stands for `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// What `/` of the contract's paths is: `/` in the sandbox.
    pub root: PathBuf,
    /// The dataset, a guest path.
    pub data_path: String,
    /// Where predictions are written, a guest path.
    pub prediction_path: String,
    /// The specification, a guest path; absent when none was given.
    pub specification: Option<String>,
    /// As the user named the model.
    pub save_path: Option<String>,
    pub model_version: Option<String>,
    pub seed: Option<Setting<u64>>,
    pub batch_size: Option<Setting<u32>>,
    pub epochs: Option<Setting<u32>>,
}

/// A value that a specification may also have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    pub value: T,
    /// It was a flag of the user's, which beats the specification; otherwise the specification beats it.
    pub flag: bool,
}

/// Why the variables are not those of the contract: the runner's fault, not the user's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    #[error("the variable `{0}` is missing; run this module by `runner run`")]
    Missing(&'static str),
    #[error("the variable `{name}` is `{value}`, no {expected}")]
    Malformed {
        name: &'static str,
        value: String,
        expected: &'static str,
    },
    #[error("the module speaks version {speaks} of the contract, the runner version {given}", speaks = contract::CONTRACT)]
    Contract { given: String },
}

impl Environment {
    /// Reads the variables. An empty one counts as absent.
    ///
    /// # Errors
    /// When a variable is missing or malformed, or the contract is another one.
    pub fn from_variables(
        root: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, EnvironmentError> {
        let variables: BTreeMap<String, String> = variables
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let text = |name: &'static str| variables.get(name).cloned();
        let required = |name: &'static str| text(name).ok_or(EnvironmentError::Missing(name));
        let given = required("CONTRACT")?;
        if given != contract::CONTRACT.to_string() {
            return Err(EnvironmentError::Contract { given });
        }
        let flags = text("FLAGS").unwrap_or_default();
        let is_flag = |name: &str| flags.split(',').any(|flag| flag.trim() == name);
        Ok(Self {
            root: root.to_owned(),
            data_path: required("DATA_PATH")?,
            prediction_path: required("PREDICTION_PATH")?,
            specification: text("PIPELINE_SPEC"),
            save_path: text("SAVE_PATH"),
            model_version: text("MODEL_VERSION"),
            seed: setting("SEED", text("SEED"), is_flag("SEED"))?,
            batch_size: setting("BATCH_SIZE", text("BATCH_SIZE"), is_flag("BATCH_SIZE"))?,
            epochs: setting("EPOCHS", text("EPOCHS"), is_flag("EPOCHS"))?,
        })
    }

    /// Where a guest path is.
    #[must_use]
    pub fn resolve(&self, guest_path: &str) -> PathBuf {
        self.root.join(guest_path.trim_start_matches('/'))
    }
}

fn setting<T: std::str::FromStr>(
    name: &'static str,
    text: Option<String>,
    flag: bool,
) -> Result<Option<Setting<T>>, EnvironmentError> {
    text.map(|text| {
        text.parse()
            .map(|value| Setting { value, flag })
            .map_err(|_| EnvironmentError::Malformed {
                name,
                value: text,
                expected: "whole number in its range",
            })
    })
    .transpose()
}

impl<T: Copy> Setting<T> {
    /// The value that holds beside one of the specification's.
    #[must_use]
    pub fn or_specified(setting: Option<Self>, specified: Option<T>) -> Option<T> {
        match (setting, specified) {
            (Some(setting), Some(_)) if setting.flag => Some(setting.value),
            (_, Some(specified)) => Some(specified),
            (setting, None) => setting.map(|setting| setting.value),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(more: &[(&str, &str)]) -> Result<Environment, EnvironmentError> {
        let variables = [
            ("CONTRACT", "1"),
            ("DATA_PATH", "/data/d.csv"),
            ("PREDICTION_PATH", "/model/predictions.txt"),
        ];
        let all = variables
            .iter()
            .chain(more)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Environment::from_variables(Path::new("/root-of-test"), all)
    }

    #[test]
    fn paths_are_the_guests() {
        let environment = read(&[]).unwrap();
        assert_eq!(
            environment.resolve(&environment.data_path),
            Path::new("/root-of-test/data/d.csv")
        );
    }

    #[test]
    fn a_flag_beats_the_specification_which_beats_a_variable() {
        let seed = |flags| read(&[("SEED", "7"), ("FLAGS", flags)]).unwrap().seed;
        assert_eq!(Setting::or_specified(seed("EPOCHS,SEED"), Some(1)), Some(7));
        assert_eq!(Setting::or_specified(seed("EPOCHS"), Some(1)), Some(1));
        assert_eq!(Setting::or_specified(seed(""), None), Some(7));
        assert_eq!(Setting::<u64>::or_specified(None, None), None);
    }

    #[test]
    fn an_empty_variable_is_absent_and_a_malformed_one_refused() {
        assert_eq!(read(&[("EPOCHS", "")]).unwrap().epochs, None);
        assert!(matches!(
            read(&[("EPOCHS", "-3")]),
            Err(EnvironmentError::Malformed { name: "EPOCHS", .. })
        ));
        assert!(matches!(
            read(&[("CONTRACT", "2")]),
            Err(EnvironmentError::Contract { .. })
        ));
    }
}
