//! Any bytes are a manifest or one short line that says why not; a manifest is written so that it is read as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runner::platform::NamedFolder;
use runner::store::{check_key, parse_manifest, read_manifest, write_manifest};

fuzz_target!(|bytes: &[u8]| {
    let manifest = match parse_manifest(bytes) {
        Ok(manifest) => manifest,
        Err(damaged) => {
            let problem = damaged.to_string();
            assert!(!problem.is_empty() && problem.chars().count() < 3_000);
            assert!(!problem.contains(char::is_control), "{problem:?}");
            return;
        }
    };
    for file in &manifest.files {
        check_key(&format!("{}/{}", manifest.name, file.path)).ok();
        assert!(!file.path.split('/').any(|part| part == ".."), "{}", file.path);
    }
    let folder = std::env::temp_dir().join(format!("fuzz-manifest-{}", std::process::id()));
    let folder = NamedFolder::open_or_make(&folder).expect("a temporary folder");
    // What grows beyond the bounds by being written is refused then.
    if write_manifest(&folder, &manifest).is_ok() {
        let (again, _) = read_manifest(&folder).expect("what was written is read");
        assert_eq!(again, manifest);
    }
});
