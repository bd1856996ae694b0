//! How a model's data is read, as the metadata of its ONNX form says.

use records::{Options, Rules};

use crate::foreign;
use crate::score::Signature;

/// What the module's exporter writes; nothing for the models of others.
pub(super) struct Written {
    inputs: Vec<Input>,
    /// The number of the reading rules.
    rules: Option<String>,
}

#[derive(serde::Deserialize)]
struct Schema {
    inputs: Vec<Input>,
}

#[derive(serde::Deserialize)]
struct Input {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// An example of how its numbers are written.
    format: Option<String>,
    /// `NA` is one of its texts.
    #[serde(default)]
    na_is_text: bool,
}

impl Written {
    pub fn of(signature: &Signature) -> Self {
        let schema: Option<Schema> = signature
            .metadata
            .get("schema")
            .and_then(|text| serde_json::from_str(text).ok());
        Self {
            inputs: schema.map(|schema| schema.inputs).unwrap_or_default(),
            rules: signature.metadata.get("reading_rules").cloned(),
        }
    }

    /// The type that an input had in training.
    pub fn kind(&self, name: &str) -> Option<&str> {
        let input = self.inputs.iter().rfind(|input| input.name == name);
        input.map(|input| input.kind.as_str())
    }

    /// The rules, and what the model knows of its columns.
    ///
    /// # Errors
    /// When the rules are of a later runner.
    pub fn options(&self) -> Result<Options, String> {
        let mut options = Options {
            rules: self.rules()?,
            infer: false,
            ..Options::default()
        };
        for input in &self.inputs {
            let format = input.format.as_ref().and_then(|text| text.parse().ok());
            let format = format.map(|format| (input.name.clone(), format));
            options.formats.extend(format);
            if input.na_is_text {
                options.na_is_text.insert(input.name.clone());
            }
        }
        Ok(options)
    }

    /// The first rules where the model notes none.
    fn rules(&self) -> Result<Rules, String> {
        let Some(number) = &self.rules else {
            return Ok(Rules::One);
        };
        let rules = number.parse().ok().and_then(Rules::of);
        rules.ok_or_else(|| {
            format!(
                "the model was made by reading rules {}, and this runner knows rules up to {}: use a newer one",
                foreign::line(number),
                Rules::NEWEST.number()
            )
        })
    }
}
