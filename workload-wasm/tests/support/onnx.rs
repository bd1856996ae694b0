//! Data of every kind for exported models, rows that are unlike it, and forms that no learner makes alone.

use std::collections::BTreeMap;
use std::path::Path;

use contract::Task;
use workload::export::{Model, PublishedAs, check, onnx};
use workload::features::{Encoder, Encoding, Input, Source};
use workload::forms::{Aggregate, CategorySet, Form, Link, Node, Trees};
use workload::table::{ModelTarget, Table, Type, read_dataset};

use super::{csv, noise};

const HEADER: &str =
    "seats,usage,active,plan,industry,region,created,signed,epoch,length,won,stage,amount,far";

/// Numbers, booleans, categories (more than are told apart), dates and timestamps, with missing cells.
pub fn training() -> String {
    csv(HEADER, 400, |row| {
        let random = |column: u32| noise(row * 16 + column);
        let some = |column: u32, cell: String| match noise(row * 16 + column + 8192) < 0.1 {
            true => String::new(),
            false => cell,
        };
        let seats = (random(0) * 60.0).floor();
        let usage = random(1) * 1000.0 - 300.0;
        let active = random(2) < 0.6;
        let plan = (random(3) * 4.0).floor();
        let industry = (random(4).powi(2) * 30.0).floor();
        let day = (random(6) * 28.0).floor() as u32 + 1;
        let month = (random(7) * 12.0).floor() as u32 + 1;
        let year = 2015 + (random(8) * 9.0) as u32;
        let signal = seats / 30.0 + usage / 500.0 + f32::from(u8::from(active)) + plan / 2.0
            - industry / 10.0
            + month as f32 / 6.0
            + random(9) * 1.5;
        let won = if signal > 3.0 { "yes" } else { "no" };
        let stage = ["lost", "open", "won"][(signal.max(0.0) as usize).min(5) / 2];
        let region = ["APAC", "EMEA", "US"][(random(5) * 3.0) as usize % 3];
        let signed = format!(
            "{year}-{month:02}-{day:02}T{:02}:{:02}:00Z",
            (random(10) * 24.0) as u32 % 24,
            (random(11) * 60.0) as u32 % 60
        );
        [
            some(0, seats.to_string()),
            some(1, usage.to_string()),
            some(2, active.to_string()),
            some(3, plan.to_string()),
            some(4, format!("Industry {industry}")),
            region.to_owned(),
            format!("{year}-{month:02}-{day:02}"),
            some(7, signed),
            some(
                8,
                format!(
                    "{}",
                    1_700_000_000 + (random(12) * 1000.0) as i64 - month as i64 * 7
                ),
            ),
            some(
                12,
                format!(
                    "{:02}:{:02}:{:02}",
                    month,
                    day,
                    (random(13) * 60.0) as u32 % 60
                ),
            ),
            won.to_owned(),
            stage.to_owned(),
            (signal * 1000.0).to_string(),
            (1.6e9 + f64::from(signal)).to_string(),
        ]
        .join(",")
    })
}

/// Rows that training did not show: ends of single precision, new categories, far dates, nothing at all.
pub fn strange_rows() -> String {
    let numbers = [
        "",
        "0",
        "-0",
        "1e-45",
        "-1.2e-38",
        "3.4028235e38",
        "-3.4028235e38",
        "1e30",
        "16777217",
        "0.1",
        "1e400",
        "30",
        "29.999999",
    ];
    let booleans = ["", "true", "false"];
    let texts = [
        "",
        "Industry 3",
        "Industry 0",
        "never seen",
        "\"comma, quote \"\"\"",
        "Ünïcode 🦀",
        "industry 3",
    ];
    let days = [
        "",
        "1970-01-01",
        "1969-12-31",
        "0001-01-01",
        "9999-12-31",
        "2000-02-29",
        "1900-03-01",
        "2024-02-29",
        "2023-12-31",
        "2024-03-01",
        "2100-02-28",
    ];
    let times = [
        "",
        "00:00:00Z",
        "23:59:59.999Z",
        "12:00:00+09:00",
        "00:59:59Z",
        "07:00:00Z",
    ];
    let epochs = [
        "",
        "0",
        "1700000000",
        "1700000001",
        "1699999999.5",
        "-1700000000",
        "9007199254740993",
        "3e38",
        "1e39",
    ];
    let lengths = [
        "",
        "PT1H30M",
        "00:00:00.25",
        "5400",
        "1 days 00:00:01",
        "-00:00:01",
    ];
    csv(HEADER, 600, |row| {
        let pick = |cells: &[&str], column: u32| {
            let at = noise(row * 32 + column + 1_000_000) * cells.len() as f32;
            cells[(at as usize).min(cells.len() - 1)].to_owned()
        };
        // Some rows stay near the training's, with one strange cell.
        let usual = |column: u32, cell: &str| match (row < 200 && row % 11 != column, row) {
            (true, _) => Some(cell.to_owned()),
            (false, 599) => Some(String::new()),
            (false, _) => None,
        };
        let signed = match (pick(&days, 7), pick(&times, 8)) {
            (day, time) if day.is_empty() || time.is_empty() => String::new(),
            (day, time) => format!("{day}T{time}"),
        };
        [
            usual(0, "12").unwrap_or_else(|| pick(&numbers, 0)),
            usual(1, "55.5").unwrap_or_else(|| pick(&numbers, 1)),
            usual(2, "true").unwrap_or_else(|| pick(&booleans, 2)),
            usual(3, "2").unwrap_or_else(|| pick(&numbers, 3)),
            usual(4, "Industry 1").unwrap_or_else(|| pick(&texts, 4)),
            usual(5, "US").unwrap_or_else(|| pick(&["US", "EMEA", "MARS", ""], 5)),
            usual(6, "2020-05-17").unwrap_or_else(|| pick(&days, 6)),
            usual(7, "2020-05-18T10:30:00Z").unwrap_or(signed),
            usual(8, "1700000500").unwrap_or_else(|| pick(&epochs, 9)),
            usual(9, "03:00:00").unwrap_or_else(|| pick(&lengths, 10)),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
        ]
        .join(",")
    })
}

/// Rows as mode `predict` reads them for `model`.
pub fn table(model: &Model, rows: &str) -> Table {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, rows).unwrap();
    let reading = model.reading().unwrap();
    let mut table = read_dataset(&path, reading).unwrap().table;
    for input in &model.inputs {
        table.set_type(&input.name, input.kind).unwrap();
    }
    table
}

/// Ensembles that are made by hand: category sets, outputs of their own for each tree, no trees, very many trees.
pub fn forms(cases: &Path) {
    for (name, task, trees) in [
        ("form-category-sets", Task::Binary, category_sets()),
        ("form-softmax", Task::Multiclass, boosted(3, 40)),
        ("form-softmax-of-two", Task::Binary, boosted(2, 40)),
        (
            "form-no-trees",
            Task::Regression,
            Trees::new(Link::Identity, Aggregate::Sum, vec![2.5], 1),
        ),
        ("form-many-trees", Task::Regression, many()),
        ("form-single-leaves", Task::Binary, single_leaves()),
    ] {
        form(cases, name, task, trees);
    }
}

/// A number with missing cells, and a category of three: codes 0 to 2, others 3.
fn form(cases: &Path, name: &str, task: Task, trees: Trees) {
    let input = |name: &str, kind: Type| Input {
        name: name.to_owned(),
        kind,
        double: false,
        format: None,
        na_is_text: false,
    };
    let encoder = |name: &str, encoding: Encoding| Encoder {
        matching: None,
        name: name.to_owned(),
        source: Source::Column(name.to_owned()),
        encoding,
    };
    let classes = match task {
        Task::Binary => &["no", "yes"][..],
        Task::Multiclass => &["a", "b", "c"],
        Task::Regression => &[],
    };
    let model = Model {
        format: Model::FORMAT,
        reading_rules: 2,
        fitted_by: None,
        target: ModelTarget {
            column: "target".to_owned(),
            task,
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
            offset: None,
            spellings: BTreeMap::new(),
        },
        // An input may have the name of an output, or of what is inside.
        inputs: vec![
            input("label", Type::Category),
            input("_Cast_1", Type::Number),
        ],
        features: vec![
            encoder(
                "label",
                Encoding::Codes {
                    categories: ["x", "y", "z"].map(str::to_owned).to_vec(),
                },
            ),
            encoder(
                "_Cast_1",
                Encoding::Number {
                    offset: None,
                    fill: None,
                    scale: None,
                    indicator: false,
                },
            ),
        ],
        model: Form::Trees(trees),
    };
    let rows = csv("label,_Cast_1", 200, |row| {
        let text = ["x", "y", "z", "w", ""][row as usize % 5];
        let number = match row % 7 {
            0 => String::new(),
            _ => (noise(row) * 4.0 - 2.0).to_string(),
        };
        format!("{text},{number}")
    });
    let table = table(&model, &rows);
    let rows: Vec<u32> = (0..table.rows as u32).collect();
    let folder = cases.join(name);
    std::fs::create_dir(&folder).unwrap();
    // Of a model that is sound, as one that is read back is known to be.
    let model = Model::from_json(&model.to_json().unwrap()).unwrap();
    std::fs::write(
        folder.join("model.onnx"),
        onnx(&model, &PublishedAs::default()).unwrap(),
    )
    .unwrap();
    std::fs::write(folder.join("metrics.json"), r#"{"baseline":{"rmse":1.0}}"#).unwrap();
    let said =
        serde_json::to_vec(&check(&table, &model, &rows, &model.predict(&table, &rows))).unwrap();
    std::fs::write(folder.join("rows.rows.json"), said).unwrap();
}

fn categories(categories: u32, left: &[u32], missing_left: bool, children: (usize, usize)) -> Node {
    Node::Categories {
        feature: 0,
        set: CategorySet {
            categories,
            left: left.to_vec(),
        },
        missing_left,
        left: children.0,
        right: children.1,
    }
}

fn threshold(threshold: f32, missing_left: bool, children: (usize, usize)) -> Node {
    Node::Threshold {
        feature: 1,
        threshold,
        missing_left,
        left: children.0,
        right: children.1,
    }
}

/// Log-odds by sets of categories, some of which know that there were others, with missing ones to both sides.
fn category_sets() -> Trees {
    let mut trees = Trees::new(Link::Logistic, Aggregate::Sum, vec![-0.25], 1);
    for tree in 0..12_u32 {
        let left: Vec<u32> = (0..4).filter(|code| tree >> code & 1 == 1).collect();
        let leaf = |value: f32| Node::Leaf(vec![value * (tree + 1) as f32 / 13.0]);
        trees.push(
            0,
            &[
                categories(3 + tree % 2, &left, tree % 3 == 0, (1, 2)),
                threshold(0.25, tree % 2 == 0, (3, 4)),
                categories(4, &[tree % 4], tree % 2 == 1, (5, 6)),
                leaf(-0.5),
                leaf(0.75),
                leaf(0.3),
                leaf(-1.1),
            ],
        );
    }
    trees
}

/// Trees that add to one class each; in the first rounds to some classes only.
fn boosted(classes: u32, count: u32) -> Trees {
    let base = (0..classes).map(|class| f64::from(class) * 0.1).collect();
    let mut trees = Trees::new(Link::Softmax, Aggregate::Sum, base, 1);
    for tree in 0..count {
        let leaf = |value: f32| Node::Leaf(vec![value * noise(tree)]);
        let root = threshold(noise(tree + 99) * 4.0 - 2.0, tree % 2 == 0, (1, 2));
        trees.push(tree % classes, &[root, leaf(-0.7), leaf(0.4)]);
    }
    trees
}

/// More trees than one operator adds up.
fn many() -> Trees {
    let mut trees = Trees::new(Link::Identity, Aggregate::Mean, vec![0.0], 1);
    for tree in 0..1201_u32 {
        let leaf = |value: f32| Node::Leaf(vec![1e6 + value + noise(tree)]);
        let root = threshold(noise(tree + 7) * 4.0 - 2.0, tree % 2 == 0, (1, 2));
        trees.push(0, &[root, leaf(-3.0), leaf(3.0)]);
    }
    trees
}

/// Trees that ask nothing; and no row ever has a share of the second class.
fn single_leaves() -> Trees {
    let mut trees = Trees::new(Link::Shares, Aggregate::Mean, vec![0.0; 2], 2);
    for _ in 0..3 {
        trees.push(0, &[Node::Leaf(vec![1.0, 0.0])]);
    }
    trees
}
