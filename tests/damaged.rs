//! One manifest in a store that can't be read is warned of and left out by every verb, and can be removed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gcs/mod.rs"]
mod gcs;
#[path = "support/model.rs"]
mod model;

use std::process::Command;

use contract::NomadOrigin;
use gcs::Gcs;
use model::{Model, Sketch};
use runner::store;
use tempfile::TempDir;

const LONG_AGO: &str = "2025-06-01T08:00:00.000Z";

/// A store in a folder or a bucket, and a working directory for the commands.
struct Shop {
    gcs: Gcs,
    is_folder: bool,
    home: TempDir,
}

impl Shop {
    fn each(test: impl Fn(Self)) {
        for is_folder in [true, false] {
            let gcs = Gcs::start();
            gcs.state().bucket.time = LONG_AGO.to_owned();
            test(Self {
                gcs,
                is_folder,
                home: tempfile::tempdir().unwrap(),
            });
        }
    }

    fn put(&self, model: Sketch) {
        let model = model.write();
        self.run(&["push", model.folder().to_str().unwrap()], 0);
    }

    /// Writes an object as anybody may who may write to the store.
    fn write(&self, key: &str, bytes: &[u8]) {
        if self.is_folder {
            let file = self.home.path().join("store").join(key);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, bytes).unwrap();
        } else {
            self.gcs.put(&format!("sales/{key}"), bytes.to_vec(), 99);
        }
    }

    fn read(&self, key: &str) -> Vec<u8> {
        if self.is_folder {
            std::fs::read(self.home.path().join("store").join(key)).unwrap()
        } else {
            let state = self.gcs.state();
            state.bucket.objects[&format!("sales/{key}")].bytes.clone()
        }
    }

    /// Whether a tombstone stands where the model's manifest was.
    fn is_deleted(&self, name: &str) -> bool {
        let manifest = self.read(&format!("{name}/manifest.json"));
        store::mark::tombstone_in(&manifest).is_some()
    }

    fn is_there(&self, key: &str) -> bool {
        if self.is_folder {
            self.home.path().join("store").join(key).exists()
        } else {
            self.gcs.names().contains(&format!("sales/{key}"))
        }
    }

    /// All in a folder is as old as all in the bucket is.
    fn grows_old(&self) {
        if self.is_folder {
            let found = Command::new("find")
                .arg(self.home.path().join("store"))
                .args(["-type", "f", "-exec", "touch", "-d", LONG_AGO, "{}", "+"])
                .status();
            assert!(found.unwrap().success());
        } else {
            self.gcs.state().bucket.time = jiff::Timestamp::now().to_string();
        }
    }

    #[track_caller]
    fn run(&self, args: &[&str], code: i32) -> (String, String) {
        let store = if self.is_folder {
            "file://./store"
        } else {
            "gs://models/sales"
        };
        let output = Command::new(env!("CARGO_BIN_EXE_runner"))
            .env_clear()
            .env("STORAGE_EMULATOR_HOST", &self.gcs.address)
            .current_dir(self.home.path())
            .args(args)
            .args(["--store", store])
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}\n{stderr}{stdout}"
        );
        assert!(stderr.len() < 20_000, "{args:?}: {} bytes", stderr.len());
        (stdout, stderr)
    }
}

fn of_work(model: Sketch, id: &str) -> Sketch {
    model.nomad(NomadOrigin {
        job_id: format!("sales/dispatch-{id}"),
        alloc_id: id.to_owned(),
        ..NomadOrigin::default()
    })
}

/// What a manifest may be that is none.
fn damages(whole: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8(whole.to_vec()).unwrap();
    let nested = "[".repeat(1 << 20) + &"]".repeat(1 << 20);
    let name = "x\nstored gs://prod\u{1b}[2J".repeat(100_000);
    vec![
        Vec::new(),
        b"no JSON".to_vec(),
        whole[..whole.len() / 2].to_vec(),
        text.replace("\"seed\":42", &format!("\"seed\":{nested}"))
            .into_bytes(),
        text.replace(
            "\"seed\":42",
            &format!("\"seed\":{}", serde_json::json!(name)),
        )
        .into_bytes(),
        text.replacen("\"m_v1_a\"", "\"m_v1_b\"", 1).into_bytes(),
        [whole, &vec![b' '; 17 << 20]].concat(),
    ]
}

#[test]
fn a_damaged_manifest_is_warned_of_and_left_out_by_every_verb() {
    Shop::each(|shop| {
        shop.put(Model::new("m", "1", "a"));
        shop.put(Model::new("m", "2", "a"));
        let whole = shop.read("m_v1_a/manifest.json");
        for damaged in damages(&whole) {
            shop.write("m_v1_a/manifest.json", &damaged);
            let (listed, said) = shop.run(&["list"], 0);
            assert!(listed.contains("m_v2_a") && !listed.contains("m_v1_a"));
            assert!(said.contains("m_v1_a/manifest.json is left out"), "{said}");
            assert!(said.contains("runner delete NAME"), "{said}");
            for line in said.lines() {
                assert!(!line.starts_with("stored"), "{said}");
            }
            assert!(!said.contains('\u{1b}'), "{said}");
            let (shown, _) = shop.run(&["show", "m@latest"], 0);
            assert!(shown.contains("m_v2_a"), "{shown}");
            shop.run(&["compare", "m@2", "m@latest"], 0);
            shop.run(&["promote", "m@2", "--alias", "production"], 0);
            shop.run(&["rollback", "m@production"], 16);
            shop.run(&["pull", "m@latest", "--out", "pulled"], 0);
            shop.put(Model::new("m", "2", "a"));
            shop.run(&["delete", "m@2", "--dry-run", "--keep-promoted"], 0);
            let (_, said) = shop.run(&["show", "m_v1_a"], 16);
            assert!(said.contains("runner delete NAME"), "{said}");
            shop.run(&["gc", "--older-than", "0s"], 0);
            assert!(shop.is_there("m_v1_a/model.json"));
        }
    });
}

#[test]
fn a_run_of_many_goes_on_beside_a_damaged_manifest() {
    Shop::each(|shop| {
        shop.write("m_v1_a/manifest.json", &vec![b'['; 17 << 20]);
        shop.write("m_v2_a/manifest.json", b"no JSON");
        let guest = wat::parse_file(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/guests/keeps_the_contract.wat"
        ));
        std::fs::write(shop.home.path().join("guest.wasm"), guest.unwrap()).unwrap();
        std::fs::write(shop.home.path().join("rows.csv"), "x\n1\n2\n3\n").unwrap();
        let run = [
            "run",
            "guest.wasm",
            "--data",
            "rows.csv",
            "--save-path",
            "m",
            "--versions",
            "1..2",
        ];
        shop.run(&run, 0);
        let (again, _) = shop.run(&run, 0);
        assert!(again.contains("2 published before"), "{again}");
    });
}

#[test]
fn a_damaged_model_is_deleted_by_its_full_name_and_its_work_may_be_done_again() {
    Shop::each(|shop| {
        shop.put(of_work(Model::new("m", "1", "z"), "z"));
        let whole = of_work(Model::new("m", "1", "a0"), "a").write();
        let whole = std::fs::read(whole.folder().join("manifest.json")).unwrap();
        for (number, damaged) in damages(&whole).into_iter().enumerate() {
            // The same piece of work, done anew after each deletion.
            let name = format!("m_v1_a{number}");
            shop.put(of_work(Model::new("m", "1", &format!("a{number}")), "a"));
            shop.write(&format!("{name}/manifest.json"), &damaged);
            let (said, _) = shop.run(&["delete", &name, "--dry-run"], 0);
            assert!(said.contains("would delete"), "{said}");
            shop.run(&["delete", &name], 0);
            assert!(shop.is_deleted(&name));
            assert!(!shop.is_there(&format!("{name}/model.json")));
            shop.run(&["delete", &name], 16);
        }
        assert!(shop.is_there("m_v1_z/manifest.json"));
        shop.put(of_work(Model::new("m", "1", "a"), "a"));
        // One that an alias stands for stays.
        shop.run(&["promote", "m_v1_a", "--alias", "production"], 0);
        shop.write("m_v1_a/manifest.json", b"no JSON");
        let (_, said) = shop.run(&["delete", "m_v1_a"], 16);
        assert!(said.contains("m@production"), "{said}");
        assert!(shop.is_there("m_v1_a/model.json"));
    });
}

#[test]
fn a_manifest_in_another_models_place_leads_nobody_there() {
    Shop::each(|shop| {
        shop.put(Model::new("m", "1", "a"));
        shop.write("m_v9_z/manifest.json", &shop.read("m_v1_a/manifest.json"));
        let (listed, said) = shop.run(&["list"], 0);
        assert_eq!(listed.matches("m_v1_a").count(), 1, "{listed}");
        assert!(said.contains("m_v9_z/manifest.json is left out"), "{said}");
        shop.run(&["show", "m_v9_z"], 16);
        shop.run(&["delete", "m_v9_z"], 0);
        assert!(shop.is_deleted("m_v9_z"));
        assert!(shop.is_there("m_v1_a/manifest.json"));
        shop.run(&["pull", "m@1"], 0);
    });
}

#[test]
fn gc_removes_what_is_damaged_when_it_is_told_to_and_nothing_of_a_newer_runner() {
    Shop::each(|shop| {
        let claim = |id: &str| format!("_claims/global/default/sales~2Fdispatch-{id}/0/1.json");
        shop.put(of_work(Model::new("m", "1", "a"), "a"));
        for (version, manifest) in [
            ("2", &b"no JSON"[..]),
            ("3", b"{\"schema\":2,\"new\":true}"),
            ("4", b"{}"),
            ("5", b"{}"),
        ] {
            shop.put(Model::new("m", version, "a"));
            if version == "5" {
                shop.run(&["promote", "m_v5_a", "--alias", "production"], 0);
            }
            shop.write(&format!("m_v{version}_a/manifest.json"), manifest);
        }
        shop.write("_rejected/m_v6_a.json", b"{}");
        shop.write("_rejected/notes.txt", b"somebody else's");
        shop.write("_rejected/m_v7_a.json", b"{\"schema\":2}");
        shop.write(&claim("x"), b"{}");
        shop.write(&claim("y"), b"{\"schema\":2}");
        shop.write("_claims/notes.txt", b"somebody else's");
        shop.write("others/manifest.json", b"somebody else's");
        // Young: it may be on its way.
        let (kept, _) = shop.run(&["gc", "--damaged", "--older-than", "100000d"], 0);
        assert_eq!(kept, "");
        shop.grows_old();
        let (kept, _) = shop.run(&["gc"], 0);
        assert_eq!(kept, "");
        let (would, _) = shop.run(&["gc", "--damaged", "--dry-run"], 0);
        let (gone, said) = shop.run(&["gc", "--damaged"], 0);
        assert_eq!(would, gone);
        assert!(
            said.contains("m_v5_a stays: an alias stands for it"),
            "{said}"
        );
        for removed in [
            "m_v2_a/model.json",
            "m_v4_a/metrics.json",
            "_rejected/m_v6_a.json",
            &claim("x"),
        ] {
            assert!(!shop.is_there(removed), "{removed}");
            assert!(gone.contains(removed), "{gone}");
        }
        assert!(shop.is_deleted("m_v2_a") && shop.is_deleted("m_v4_a"));
        for kept in [
            "m_v1_a/model.json",
            "m_v3_a/manifest.json",
            "m_v3_a/model.json",
            "m_v5_a/manifest.json",
            "m_v5_a/model.json",
            "_rejected/m_v7_a.json",
            "_rejected/notes.txt",
            &claim("a"),
            &claim("y"),
            "_claims/notes.txt",
            "others/manifest.json",
        ] {
            assert!(shop.is_there(kept), "{kept}");
        }
    });
}

#[test]
fn a_folder_whose_manifest_no_store_would_read_is_not_pushed() {
    Shop::each(|shop| {
        let model = Model::new("m", "1", "a").write();
        let manifest = model.folder().join("manifest.json");
        let mut bytes = std::fs::read(&manifest).unwrap();
        bytes.resize(17 << 20, b' ');
        std::fs::write(&manifest, bytes).unwrap();
        let (_, said) = shop.run(&["push", model.folder().to_str().unwrap()], 1);
        assert!(said.contains("larger than 16 MiB"), "{said}");
        assert!(!shop.is_there("m_v1_a/model.json"));
    });
}

#[test]
fn what_a_newer_runner_wrote_is_neither_changed_nor_deleted() {
    Shop::each(|shop| {
        for version in ["1", "2"] {
            shop.put(Model::new("m", version, "a"));
        }
        shop.run(&["promote", "m@1", "--alias", "production"], 0);
        let alias = "_aliases/m/production.json";
        let text = String::from_utf8(shop.read(alias)).unwrap();
        // A field that this runner does not know stays.
        let more = text.replace("\"schema\":1", "\"schema\":1,\"reason\":\"best\"");
        shop.write(alias, more.as_bytes());
        shop.run(&["promote", "m@2", "--alias", "production"], 0);
        let kept = String::from_utf8(shop.read(alias)).unwrap();
        assert!(kept.contains("\"reason\":\"best\""), "{kept}");

        let newer = text.replace("\"schema\":1", "\"schema\":2");
        shop.write(alias, newer.as_bytes());
        for refused in [
            &["promote", "m@2", "--alias", "production"][..],
            &["rollback", "m@production"],
            &["delete", "m_v2_a"],
            &["delete", "--older-than", "0s"],
        ] {
            let (_, said) = shop.run(refused, 16);
            assert!(
                said.contains(alias) && said.contains("newer runner"),
                "{said}"
            );
        }
        shop.grows_old();
        shop.run(&["gc", "--damaged"], 0);
        assert_eq!(shop.read(alias), newer.as_bytes());

        // The alias is of another save path: it does not stand in the way.
        shop.put(Model::new("n", "1", "a"));
        let manifest = "n_v1_a/manifest.json";
        shop.write(manifest, b"{\"schema\":2,\"new\":true}");
        let (_, said) = shop.run(&["delete", "n_v1_a"], 16);
        assert!(
            said.contains(manifest) && said.contains("newer runner"),
            "{said}"
        );
        assert!(shop.is_there(manifest) && shop.is_there("n_v1_a/model.json"));
    });
}

#[test]
fn an_alias_stays_readable_however_often_it_changes() {
    Shop::each(|shop| {
        for version in ["1", "2"] {
            shop.put(Model::new("m", version, "a"));
        }
        let promote = |version: &str| {
            let model = format!("m@{version}");
            shop.run(&["promote", &model, "--alias", "production"], 0);
        };
        promote("1");
        // As older runners left it: indented, and with all that ever was.
        let alias = "_aliases/m/production.json";
        let mut found: serde_json::Value = serde_json::from_slice(&shop.read(alias)).unwrap();
        let change = found["history"][0].clone();
        found["history"] = vec![change; 50_000].into();
        shop.write(alias, &serde_json::to_vec_pretty(&found).unwrap());
        promote("2");
        let text = shop.read(alias);
        let found: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(found["history"].as_array().unwrap().len(), 1_000);
        assert!(text.len() < 100_000, "{}", text.len());
        shop.run(&["rollback", "m@production"], 0);
        let (shown, _) = shop.run(&["show", "m@production", "--json"], 0);
        assert!(shown.contains("m_v1_a"), "{shown}");
    });
}
