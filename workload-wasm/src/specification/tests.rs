#![allow(clippy::unwrap_used)]
use super::*;

fn parsed(text: &str) -> Specification {
    Specification::parse(text).unwrap()
}

fn refused(text: &str) -> (String, String) {
    let error = Specification::parse(text).unwrap_err();
    (error.to_string(), error.remedy())
}

fn names(columns: &[ColumnName]) -> Vec<&str> {
    columns.iter().map(|column| column.name.as_str()).collect()
}

#[test]
fn an_empty_specification_is_the_default() {
    assert_eq!(parsed(""), Specification::default());
    assert_eq!(
        parsed("[split]\n[gate]\n[features]\n[params]"),
        Specification::default()
    );
}

#[test]
fn every_key_is_read() {
    let specification = parsed(
        r#"
        target = "IsWon"
        task = "classification"
        positive = true
        drop = ["Probability", "StageName"]
        keep = ["IsClosed = true", "Amount > 0"]
        algorithm = "random_forest"
        engine = "smartcore"
        seed = 7
        allow_leaky = "ForecastCategory"
        importance = 0

        [types]
        Account.Industry = "category"
        "Zip Code" = "category"

        [derive]
        age = { difference = ["CloseDate", "CreatedDate"] }
        total = { sum = ["A", "B", "C"] }

        [features]
        max_categories = 5
        date_parts = false
        date_differences = false

        [split]
        group = "AccountId"
        test = 0.25
        validation = 0.1
        folds = 5
        seed = 3

        [params]
        n_estimators = 50

        [gate]
        roc_auc = 0.75
        log_loss = 1
        "#,
    );
    assert_eq!(specification.target.unwrap().name, "IsWon");
    assert_eq!(specification.task, Some(TaskChoice::Classification));
    assert_eq!(specification.positive.unwrap().text, "true");
    assert_eq!(names(&specification.drop), ["Probability", "StageName"]);
    assert_eq!(specification.keep.len(), 2);
    assert_eq!(names(&specification.allow_leaky), ["ForecastCategory"]);
    assert_eq!((specification.seed, specification.importance), (Some(7), 0));
    let types: Vec<(&str, Type)> = specification
        .types
        .iter()
        .map(|(column, kind)| (column.name.as_str(), *kind))
        .collect();
    assert_eq!(
        types,
        [
            ("Account.Industry", Type::Category),
            ("Zip Code", Type::Category)
        ]
    );
    assert_eq!(specification.derive.len(), 2);
    assert_eq!(specification.derive[0].operation, Operation::Difference);
    assert_eq!(specification.features.max_categories, 5);
    let split = specification.split;
    assert!(matches!(split.method, Method::Group(column) if column.name == "AccountId"));
    assert_eq!((split.test, split.validation), (0.25, 0.1));
    assert_eq!((split.folds, split.seed), (5, 3));
    assert_eq!(specification.params["n_estimators"].as_integer(), Some(50));
    assert!(!specification.gate.baseline);
    let gates: Vec<(&str, f64)> = specification
        .gate
        .thresholds
        .iter()
        .map(|threshold| (threshold.score.name, threshold.value))
        .collect();
    assert_eq!(gates, [("log_loss", 1.0), ("roc_auc", 0.75)]);
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_known_one() {
    let (message, remedy) = refused("target = \"y\"\nalgoritm = \"knn\"");
    assert_eq!(message, "line 2: `algoritm` is no key of the specification");
    assert!(remedy.starts_with("did you mean `algorithm`?"), "{remedy}");
    let (message, remedy) = refused("[split]\n\nfold = 5");
    assert_eq!(message, "line 3: `split.fold` is no key of [split]");
    assert!(remedy.starts_with("did you mean `folds`?"), "{remedy}");
    let (message, remedy) = refused("[gate]\nauc_roc = 0.7");
    assert_eq!(message, "line 2: `gate.auc_roc` is no key of [gate]");
    assert!(remedy.contains("roc_auc"), "{remedy}");
}

#[test]
fn the_docs_name_every_key() {
    let docs = include_str!("../../../docs/pipeline.md");
    for table in ["", "[features]\n", "[split]\n", "[gate]\n"] {
        let (_, remedy) = refused(&format!("{table}qqqqqqqq = 1"));
        let (_, known) = remedy.split_once("nown keys: ").unwrap();
        for key in known.split(", ") {
            let named = [format!("`{key}`"), format!("[{key}]")];
            assert!(
                named.iter().any(|name| docs.contains(name)),
                "{table}{key} is not in docs/pipeline.md"
            );
        }
    }
}

#[test]
fn a_value_of_the_wrong_type_or_out_of_range_is_refused_with_what_is_allowed() {
    let cases = [
        (
            "target = 3",
            "line 1: `target` must be a string, found the number 3",
        ),
        (
            "drop = [\"a\",\n3]",
            "line 2: `drop` must be a string or an array of strings, found the number 3",
        ),
        (
            "seed = -1",
            "line 1: `seed` must be a whole number of at least 0, found the number -1",
        ),
        (
            "split = 3",
            "line 1: `split` must be a table, found the number 3",
        ),
        (
            "[split]\ntest = 1",
            "line 2: `split.test` is 1; allowed: more than 0 and less than 1",
        ),
        (
            "[split]\nvalidation = 1.5",
            "line 2: `split.validation` is 1.5; allowed: at least 0 and less than 1",
        ),
        (
            "[split]\ntest = 0",
            "line 2: `split.test` is 0; allowed: more than 0 and less than 1",
        ),
        (
            "[split]\nfolds = 1",
            "line 2: `split.folds` is 1; allowed: 0 (none), or 2 to 100",
        ),
        (
            "[gate]\nroc_auc = nan",
            "line 2: `gate.roc_auc` must be a finite number, found the number nan",
        ),
        (
            "task = \"regresion\"",
            "line 1: `task` is \"regresion\"; allowed: classification, regression",
        ),
        (
            "[types]\nx = \"int\"",
            "line 2: `types.x` is \"int\"; allowed: number, boolean, date, timestamp, category",
        ),
        (
            "[derive]\nx = { ratio = [\"a\"] }",
            "line 2: `derive.x.ratio` is 1 columns; allowed: two columns",
        ),
        (
            "[derive]\nx = {}",
            "line 2: `derive.x`: a derived column is one operation",
        ),
        (
            "[split]\nmethod = \"random\"\ngroup = \"b\"",
            "line 2: `split.method` and `split.group` cannot both be given: rows are split in one way",
        ),
        (
            "[gate]\nroc_auc = 70",
            "line 2: `gate.roc_auc` is 70; allowed: 0 to 1",
        ),
        (
            "[gate]\nrmse = -1",
            "line 2: `gate.rmse` is -1; allowed: at least 0",
        ),
        (
            "[gate]\nr2 = 1.01",
            "line 2: `gate.r2` is 1.01; allowed: at most 1",
        ),
        (
            "[gate]\nbrier = 2.5",
            "line 2: `gate.brier` is 2.5; allowed: 0 to 2",
        ),
        (
            "keep = \"IsClosed\"",
            "line 1: the condition `IsClosed` has no operator after the column",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(refused(text).0, expected);
    }
}

#[test]
fn a_percentage_is_refused_with_the_share_that_it_is() {
    for (text, meant) in [
        ("[gate]\nroc_auc = 70", "did you mean 0.7?"),
        ("[split]\ntest = 20", "did you mean 0.2?"),
        ("[split]\nvalidation = 10", "did you mean 0.1?"),
        ("[split]\ntest = 1", "use more than 0 and less than 1"),
        ("[gate]\nrmse = -1", "use at least 0"),
    ] {
        assert_eq!(refused(text).1, meant);
    }
    let within = "[gate]\nroc_auc = 1\nr2 = -5\nbrier = 2\nlog_loss = 30\n[split]\ntest = 0.001";
    assert_eq!(parsed(within).gate.thresholds.len(), 4);
}

#[test]
fn what_is_no_toml_is_refused_with_its_line() {
    let (message, _) = refused("target = \"y\"\ndrop = [");
    assert!(message.starts_with("line 2: "), "{message}");
    let (message, _) = refused("seed = 1\nseed = 2");
    assert!(message.starts_with("line 2: "), "{message}");
    let deep = format!("x = {}", "[".repeat(100_000));
    assert!(Specification::parse(&deep).is_err());
}

#[test]
fn a_grid_is_left_to_the_runner() {
    let (message, remedy) = refused("[grid]\nseed = [1, 2]");
    assert!(message.contains("`grid`"), "{message}");
    assert!(remedy.contains("runner run"), "{remedy}");
}
