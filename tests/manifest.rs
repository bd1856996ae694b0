//! docs/manifest.schema.json says what a manifest is, and is right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/model.rs"]
mod model;

use contract::NomadOrigin;
use model::Model;
use regex_lite::Regex;
use serde_json::{Value, json};

fn schema() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/manifest.schema.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn fits(manifest: &Value) -> bool {
    valid(&schema(), manifest)
}

/// As much of JSON Schema as that file uses. A keyword that is not known here fails, so that none is passed over.
fn valid(schema: &Value, value: &Value) -> bool {
    let fields = value.as_object();
    let known = |field: &String| !schema["properties"][field].is_null();
    schema
        .as_object()
        .unwrap()
        .iter()
        .all(|(keyword, asked)| match keyword.as_str() {
            "$schema" | "title" | "description" => true,
            "type" => match asked.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "number" => value.is_number(),
                "integer" => value.is_i64() || value.is_u64(),
                other => panic!("type {other}"),
            },
            "const" => value == asked,
            "enum" => asked.as_array().unwrap().contains(value),
            "not" => !valid(asked, value),
            "minimum" => value.as_f64() >= asked.as_f64(),
            "minLength" => value
                .as_str()
                .is_some_and(|text| text.len() as u64 >= asked.as_u64().unwrap()),
            "pattern" => Regex::new(asked.as_str().unwrap())
                .unwrap()
                .is_match(value.as_str().unwrap_or_default()),
            "format" => value
                .as_str()
                .is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()),
            "required" => asked
                .as_array()
                .unwrap()
                .iter()
                .all(|name| value.get(name.as_str().unwrap()).is_some()),
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .all(|item| valid(asked, item)),
            "properties" => asked
                .as_object()
                .unwrap()
                .iter()
                .all(|(name, schema)| value.get(name).is_none_or(|field| valid(schema, field))),
            "additionalProperties" => fields.into_iter().flatten().all(|(name, field)| {
                known(name) || asked == &json!(true) || (asked.is_object() && valid(asked, field))
            }),
            other => panic!("this test does not know the keyword {other}"),
        })
}

/// A manifest that says everything that one can say.
fn full() -> Value {
    let model = Model::new("m", "1.2", "alloc-1")
        .nomad(NomadOrigin {
            job_id: "sales/dispatch-1-a".to_owned(),
            alloc_id: "alloc-1".to_owned(),
            alloc_index: Some(0),
            namespace: Some("default".to_owned()),
            region: Some("global".to_owned()),
            datacenter: Some("dc1".to_owned()),
            node_class: Some("large".to_owned()),
        })
        .with(|manifest| {
            manifest.data.generation = Some("1700000000000001".to_owned());
            manifest.runner.sha256 = Some("0".repeat(64));
            manifest.parameters.batch_size = Some(32);
            manifest.parameters.epochs = Some(10);
            manifest.parameters.env = [("LEVEL".to_owned(), "2".to_owned())].into();
            manifest.specification = Some(contract::SpecificationOrigin {
                bytes: 10,
                sha256: "0".repeat(64),
            });
            manifest.grid = Some(contract::GridPoint {
                id: "0".repeat(64),
                point: 2,
                points: 9,
                values: [("params.depth".to_owned(), json!(3))].into(),
            });
            manifest.parity = Some(contract::Parity::Differs {
                rows: 800,
                ties: 1,
                differing: 2,
                largest_difference: Some(0.5),
                worst: vec!["check row 7: 0.1 by the module, 0.6 by model.onnx".to_owned()],
            });
            manifest.times.stages_ms = [("train".to_owned(), 12.5)].into();
        })
        .write();
    serde_json::to_value(model.manifest()).unwrap()
}

#[test]
fn every_manifest_fits_the_schema() {
    assert!(fits(&full()));
    let least = Model::new("m", "1", "a").write();
    assert!(fits(&serde_json::to_value(least.manifest()).unwrap()));
    for parity in [
        contract::Parity::Equal {
            rows: 800,
            ties: 0,
            largest_difference: 1e-7,
        },
        contract::Parity::Failed {
            reason: "signal 6".to_owned(),
        },
        contract::Parity::NotChecked {
            reason: "the module left no model.onnx".to_owned(),
        },
    ] {
        let model = Model::new("m", "1", "a")
            .with(|manifest| manifest.parity = Some(parity))
            .write();
        assert!(fits(&serde_json::to_value(model.manifest()).unwrap()));
    }
}

#[test]
fn the_schema_knows_every_field() {
    let schema = schema();
    for (name, value) in full().as_object().unwrap() {
        let described = &schema["properties"][name];
        assert!(described.is_object(), "{name}");
        // Metrics have a home of their own, and maps have keys of the user's.
        let closed = described["additionalProperties"] == json!(false);
        if let (true, Some(fields)) = (closed, value.as_object()) {
            for field in fields.keys() {
                assert!(described["properties"][field].is_object(), "{name}.{field}");
            }
        }
    }
}

#[test]
fn what_is_no_manifest_does_not_fit() {
    for (path, wrong) in [
        ("/schema", json!(2)),
        ("/name", json!("m")),
        ("/save_path", json!("../m")),
        ("/id", json!("_x")),
        ("/files/0/sha256", json!("abc")),
        ("/files/0/bytes", json!(-1)),
        ("/data/source", json!("https://user:password@host/rows.csv")),
        ("/times/started", json!("yesterday")),
        ("/metrics/task", json!("guess")),
        ("/parity/status", json!("perhaps")),
        ("/seed", json!("7")),
    ] {
        let mut manifest = full();
        *manifest.pointer_mut(path).unwrap() = wrong;
        assert!(!fits(&manifest), "{path}");
    }
    for field in [
        "name", "files", "module", "data", "seed", "metrics", "times",
    ] {
        let mut manifest = full();
        manifest.as_object_mut().unwrap().remove(field);
        assert!(!fits(&manifest), "without {field}");
    }
}
