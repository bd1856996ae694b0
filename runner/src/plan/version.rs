//! Which version a run makes, and the seed that belongs to it.

use std::ops::RangeInclusive;

use sha2::{Digest, Sha256};

use super::PlanError;
use super::grid::MOST_POINTS;
use crate::commands::run::Args;
use crate::names::Name;
use crate::nomad::Nomad;

/// The parts of a model's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub save_path: Name,
    pub model_version: Name,
    /// The Nomad allocation, else a fresh unique id.
    pub id: Name,
}

impl Version {
    /// `<save_path>_v<model_version>_<id>`: the model's folder in a store.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}_v{}_{}", self.save_path, self.model_version, self.id)
    }

    /// The version of a point of a grid: `<model_version>.<point>`.
    pub(super) fn point(&self, point: u32) -> Result<Self, PlanError> {
        let model_version = format!("{}.{point}", self.model_version);
        let model_version = model_version.parse().map_err(|source| PlanError::Name {
            flag: "--model-version",
            source,
        })?;
        Ok(Self {
            model_version,
            ..self.clone()
        })
    }
}

/// Seeds that we derive stay exact in readers that take every JSON number for a double.
const SEED_BITS: u32 = 53;

/// A thousand dispatches, each with index 0, and one job of many allocations both get seeds that differ and that
/// can be had again.
#[must_use]
pub fn derived_seed(model_version: &str, alloc_index: u32) -> u64 {
    let digest = Sha256::digest(format!("{model_version}\n{alloc_index}"));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first) >> (u64::BITS - SEED_BITS)
}

/// The versions that are asked for: one, or a range.
pub fn versions(args: &Args, nomad: &Nomad) -> Result<Vec<Version>, PlanError> {
    let name = |flag, given: Option<&String>, default: &str| -> Result<Name, PlanError> {
        let text = given.map_or(default, String::as_str);
        text.parse()
            .map_err(|source| PlanError::Name { flag, source })
    };
    let save_path = args.save_path.as_ref().or(nomad.meta.save_path.as_ref());
    let save_path = name("--save-path", save_path, "model")?;
    let fresh = uuid::Uuid::now_v7().to_string();
    let id = name("NOMAD_ALLOC_ID", nomad.alloc_id.as_ref(), &fresh)?;
    let numbered = |model_version: Name| Version {
        save_path: save_path.clone(),
        model_version,
        id: id.clone(),
    };
    if let Some(range) = &args.versions {
        let names = range_of("--versions", range)?
            .map(|number| name("--versions", Some(&number.to_string()), ""));
        return names.map(|name| name.map(numbered)).collect();
    }
    let model_version = args
        .model_version
        .as_ref()
        .or(nomad.meta.model_version.as_ref());
    Ok(vec![numbered(name("--model-version", model_version, "1")?)])
}

/// `1..1000`, both ends included.
///
/// # Errors
/// When it is no range, or one of more than [`MOST_POINTS`] numbers.
pub fn range_of(flag: &'static str, text: &str) -> Result<RangeInclusive<u64>, PlanError> {
    let wrong = || PlanError::Range {
        flag,
        text: text.to_owned(),
    };
    let (first, last) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    let (first, last) = (number(first)?, number(last)?);
    let few_enough = last
        .checked_sub(first)
        .is_some_and(|more| more < MOST_POINTS as u64);
    if few_enough {
        Ok(first..=last)
    } else {
        Err(wrong())
    }
}
