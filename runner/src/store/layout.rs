//! Which object is where. Nobody parses these names: a manifest holds the parts of its model's.

use contract::{Manifest, files};
use sha2::{Digest, Sha256};

use super::StoreError;
use crate::names::Name;

/// Refuses what can't be one object below the store on every kind of store.
///
/// # Errors
/// For an absolute key, an empty part, `.`, `..`, white space at the end of a part, a control character, a backslash, or more
/// than 1,000 bytes.
pub fn check_key(key: &str) -> Result<(), StoreError> {
    let problem = if key.len() > 1000 {
        "it is longer than 1,000 bytes"
    } else if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "a part of it is empty, `.` or `..`"
    } else if key.split('/').any(|part| part.len() > 255) {
        "a part of it is longer than 255 bytes"
    } else if key.split('/').any(|part| part.trim() != part) {
        // Servers and libraries take it away, and two names become one.
        "a part of it begins or ends with white space"
    } else if key.chars().any(|each| each.is_control() || each == '\\') {
        "it holds a control character or a backslash"
    } else {
        return Ok(());
    };
    Err(StoreError::BadKey {
        key: key.chars().take(100).collect(),
        problem,
    })
}

/// Where versions that missed a gate are: their records in a store, their folders where they are kept on a machine.
pub const REJECTED: &str = "_rejected";

/// Below a folder of models that a runner kept: those whose own place is taken by what a failed publication left.
pub const UNPUBLISHED: &str = "_unpublished";

/// One model for one piece of Nomad's work: [`ClaimKey`].
pub const CLAIMS: &str = "_claims/";

/// Names of models that were deleted, or are being deleted: an empty object each, so that `gc` finds what is left of them.
pub const DELETED: &str = "_deleted";

/// The entry of a name among them.
#[must_use]
pub fn deleted_key(name: &str) -> String {
    format!("{DELETED}/{name}")
}
/// Which model bears a name, and which ones did.
pub const ALIASES: &str = "_aliases/";

/// Marks of publishers and of `gc`: who counts on what no manifest names yet.
pub const USES: &str = "_uses";

/// The commit mark of a model.
#[must_use]
pub fn manifest_key(name: &str) -> String {
    format!("{name}/{}", files::MANIFEST_JSON)
}

/// The record of a version that missed a gate.
#[must_use]
pub fn rejected_key(name: &str) -> String {
    format!("{REJECTED}/{name}.json")
}

/// A dataset by the SHA-256 of its bytes.
#[must_use]
pub fn data_key(sha256: &str) -> String {
    format!("_data/{sha256}")
}

/// A module by the SHA-256 of its `.wasm`.
#[must_use]
pub fn module_key(sha256: &str) -> String {
    format!("_modules/{sha256}.wasm")
}

/// Whether a key is one of [`data_key`] and [`module_key`].
#[must_use]
pub fn is_shared(key: &str) -> bool {
    let digest = |text: &str| {
        text.len() == 64
            && text
                .bytes()
                .all(|each| matches!(each, b'0'..=b'9' | b'a'..=b'f'))
    };
    match key.split_once('/') {
        Some(("_data", sha256)) => digest(sha256),
        Some(("_modules", module)) => module.strip_suffix(".wasm").is_some_and(digest),
        _ => false,
    }
}

/// Whether a folder may be a model's: `<save path>_v<version>_<id>`. A guard against taking away what somebody else keeps in
/// the same place; what is in it is for its manifest to say.
#[must_use]
pub fn may_be_model(folder: &str) -> bool {
    let name = |text: &str| text.parse::<Name>().is_ok();
    folder.match_indices("_v").any(|(at, mark)| {
        let (save_path, rest) = (&folder[..at], &folder[at + mark.len()..]);
        let mut splits = rest.match_indices('_');
        name(save_path) && splits.any(|(at, _)| name(&rest[..at]) && name(&rest[at + 1..]))
    })
}

/// The save path and the name of an alias, where `key` is that of one: `_aliases/<save path>/<alias>.json`.
#[must_use]
pub fn alias_at(key: &str) -> Option<(&str, &str)> {
    let (save_path, file) = key.strip_prefix(ALIASES)?.split_once('/')?;
    let alias = file.strip_suffix(".json")?;
    let names = [save_path, alias];
    let all = names.iter().all(|name| name.parse::<Name>().is_ok());
    all.then_some((save_path, alias))
}

/// Whether a key may be a claim's ([`ClaimKey`]).
#[must_use]
pub fn may_be_claim(key: &str) -> bool {
    key.starts_with(CLAIMS) && key.ends_with(".json") && key.split('/').count() == 6
}

/// Whether `key` is the place of a manifest, a record, a claim or an alias. Where a store is a folder, a folder of that name
/// holds nothing of the store's.
#[must_use]
pub fn is_small_object(key: &str) -> bool {
    let record = |key: &str| {
        let name = key.strip_prefix(REJECTED)?.strip_prefix('/')?;
        name.strip_suffix(".json").map(may_be_model)
    };
    may_be_claim(key)
        || alias_at(key).is_some()
        || record(key) == Some(true)
        || matches!(key.split_once('/'), Some((name, files::MANIFEST_JSON)) if may_be_model(name))
}

/// One piece of Nomad's work, whichever allocation does it: there is one model for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimKey(String);

impl ClaimKey {
    /// The claim of the work that a manifest came from; `None` for a model that was not trained under Nomad.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Option<Self> {
        let nomad = manifest.nomad.as_ref()?;
        if nomad.job_id.is_empty() {
            return None;
        }
        Some(Self::new(
            nomad.region.as_deref().unwrap_or("global"),
            nomad.namespace.as_deref().unwrap_or("default"),
            &nomad.job_id,
            nomad.alloc_index.unwrap_or(0),
            &manifest.model_version,
        ))
    }

    /// The claim of one version, by the dispatched job and the allocation's index that were to make it.
    #[must_use]
    pub fn new(
        region: &str,
        namespace: &str,
        job: &str,
        alloc_index: u32,
        model_version: &str,
    ) -> Self {
        Self(format!(
            "{CLAIMS}{}/{}/{}/{alloc_index}/{}.json",
            one_part(region),
            one_part(namespace),
            one_part(job),
            one_part(model_version),
        ))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The claim that counts where the models of so many before it were deleted: 1 is the first.
    #[must_use]
    pub fn nth(&self, number: usize) -> String {
        if number <= 1 {
            return self.0.clone();
        }
        let start = self.0.strip_suffix(".json").unwrap_or(&self.0);
        // No part of a key holds this: what is behind two `~` there is nothing or a digest.
        format!("{start}{AGAIN}{number}.json")
    }

    /// Whether an object of this name is one of these claims.
    #[must_use]
    pub fn is_at(&self, key: &str) -> bool {
        self.number(key).is_some()
    }

    /// The claim that follows the one at `key`.
    #[must_use]
    pub fn after(&self, key: &str) -> Option<String> {
        self.number(key).map(|number| self.nth(number + 1))
    }

    fn number(&self, key: &str) -> Option<usize> {
        if key == self.0 {
            return Some(1);
        }
        let (_, number) = key.strip_suffix(".json")?.rsplit_once(AGAIN)?;
        let number = number.parse().ok()?;
        (key == self.nth(number)).then_some(number)
    }
}

const AGAIN: &str = "~~again";

/// Any text as one part of a key, distinct for distinct texts: all but letters, digits and `. _ -` becomes
/// `~` and two hexadecimal digits (`%` would be decoded by one store or another on the way). Job ids may be
/// longer than a file's name may be: then the end is a digest.
fn one_part(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut part = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'.' if at > 0 => part.push('.'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => part.push(char::from(byte)),
            _ => part.push_str(&format!("~{byte:02X}")),
        }
    }
    if part.is_empty() {
        // An escape that nothing else gives.
        part.push_str("~~");
    }
    if part.len() > LONGEST {
        part.truncate(100);
        part.push_str("~~");
        part.push_str(&crate::hex(&Sha256::digest(text)));
    }
    part
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn any_job_id_is_one_part_of_a_key() {
        assert_eq!(
            one_part("sales/dispatch-1700000000-ab"),
            "sales~2Fdispatch-1700000000-ab"
        );
        assert_eq!(one_part(".."), "~2E.");
        assert_eq!(one_part("é~"), "~C3~A9~7E");
        let long = |end: &str| format!("{}{end}", "j".repeat(1000));
        assert!(one_part(&long("a")).len() < 255);
        assert_ne!(one_part(&long("a")), one_part(&long("b")));
        for text in ["", "..", "a/b", "a\\b", "a\nb", &long("x")] {
            check_key(&format!("_claims/{}", one_part(text))).unwrap();
        }
    }

    #[test]
    fn a_claim_after_a_deleted_model_has_a_place_of_its_own() {
        let claim = |version| ClaimKey::new("global", "default", "sales", 0, version);
        let first = claim("3");
        assert_eq!(first.nth(1), first.as_str());
        assert_eq!(
            first.nth(2),
            "_claims/global/default/sales/0/3~~again2.json"
        );
        for at in [first.nth(1), first.nth(2), first.nth(30)] {
            assert!(first.is_at(&at) && !claim("4").is_at(&at), "{at}");
        }
        for other in [
            "_claims/global/default/sales/0/3~~again1.json",
            "_claims/x.json",
        ] {
            assert!(!first.is_at(other), "{other}");
        }
    }

    #[test]
    fn what_is_not_named_like_ours_is_not_taken_for_ours() {
        for model in ["m_v1_a", "m_v2_v1_0198-ab", "a.b_v4.1_x_y"] {
            assert!(may_be_model(model), "{model}");
        }
        for other in ["datasets", "m_v1", "m_v_a", "_v1_a", "m_v1_", "m v1 a"] {
            assert!(!may_be_model(other), "{other}");
        }
        let sha256 = "0a".repeat(32);
        assert!(is_shared(&data_key(&sha256)) && is_shared(&module_key(&sha256)));
        for other in ["_data/rows.csv", "_modules/0a.wasm", &sha256] {
            assert!(!is_shared(other), "{other}");
        }
    }

    #[test]
    fn places_of_small_objects_are_known() {
        for place in [
            "m_v1_a/manifest.json",
            "_rejected/m_v1_a.json",
            "_claims/global/default/sales~2Fdispatch-1/0/1.json",
            "_aliases/m/production.json",
        ] {
            assert!(is_small_object(place), "{place}");
        }
        for other in [
            "m_v1_a/model.json",
            "m_v1_a/inner/manifest.json",
            "others/manifest.json",
            "_rejected/m_v1_a",
            "_rejected/m_v1_a/manifest.json",
            "_claims/global",
            "_aliases/m",
            "_aliases/m/more/production.json",
        ] {
            assert!(!is_small_object(other), "{other}");
        }
    }

    #[test]
    fn keys_stay_below_the_store() {
        for good in ["a", "a/b.json", "_claims/x/y~2Fz/0/3.json", "a b/é"] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        let long = "a".repeat(256);
        for bad in [
            "a ", " a", "a /b", "a/ b", "a\u{a0}", "", "/a", "a/", "a//b", "..", "a/../b", "./a",
            "a\nb", "a\\b", &long,
        ] {
            assert!(check_key(bad).is_err(), "{bad:?}");
        }
    }
}
