#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;

const LIMIT: u64 = 1 << 30;

fn of(text: &str) -> u64 {
    Estimate::of(&wat::parse_str(text).unwrap(), 2, 64 << 30).memory
}

/// A module with these fields and a function that does `operation` so often.
fn doing(fields: &str, locals: &str, operation: &str, times: usize) -> String {
    let body = operation.repeat(times);
    format!("(module (memory 1) {fields} (func (local {locals}) {body}))")
}

#[test]
fn a_plain_module_costs_little() {
    let module = r#"(module (func (export "_start") (local i32)
        (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 9))))))"#;
    assert!(of(module) < 1 << 20);
    assert!(Estimate::of(b"no module", 2, LIMIT).memory < 1 << 20);
}

#[test]
fn calls_of_a_thousand_values_add_up() {
    let many = "i64 ".repeat(1000);
    let calls = "(call 0)".repeat(8000);
    let module = format!(
        r#"(module (func (param {many}) (result {many}) unreachable)
        (func (param {many}) (result {many}) {} {calls}))"#,
        (0..1000)
            .map(|index| format!("local.get {index} "))
            .collect::<String>()
    );
    let bytes = wat::parse_str(&module).unwrap();
    assert!(bytes.len() < 32 << 10, "{}", bytes.len());
    assert!(of(&module) > LIMIT);
}

#[test]
fn so_does_what_blocks_leave() {
    let ifs = "(i64.add (if (result i64) (local.get 0) (then (i64.const 1)) (else (i64.const 2))))";
    let module = format!(
        "(module (func (param i32) (result i64) (i64.const 0) {}))",
        ifs.repeat(20_000)
    );
    assert!(of(&module) > LIMIT);
}

#[test]
fn so_do_variables_in_loops_within_loops() {
    let module = format!(
        "(module (func (local {}) {} {} {}))",
        "i64 ".repeat(2000),
        "(loop ".repeat(2000),
        (0..2000)
            .map(|index| format!("(local.set {index} (i64.const 1))"))
            .collect::<String>(),
        ")".repeat(2000)
    );
    assert!(of(&module) > LIMIT);
}

/// Modules of one kind, each with the peak of `runner compile` less that of a module with nothing in it: MiB, on two
/// threads. The estimate is no less, and not so much more that ordinary modules are refused.
#[test]
fn it_is_more_than_what_was_measured_of_each_kind() {
    let table = "(table 1 funcref)";
    let functions = |count: usize| "(func)".repeat(count);
    let all = |count: usize| {
        (0..count)
            .map(|index| format!("{index} "))
            .collect::<String>()
    };
    let variables = |operation: &str| {
        let end: String = (0..2000)
            .map(|index| format!("(local.set {index} (i64.add (local.get {index}) (i64.const 1)))"))
            .collect();
        let body = operation.repeat(1000) + &end;
        doing(table, &"i64 ".repeat(2000), &body, 1)
    };
    let kinds: Vec<(&str, String, u64)> = vec![
        ("functions", format!("(module {})", functions(50_000)), 259),
        (
            "functions in a table",
            format!(
                "(module {} (table 50000 funcref) (elem (i32.const 0) func {}))",
                functions(50_000),
                all(50_000)
            ),
            558,
        ),
        (
            "exported functions",
            format!(
                "(module {} {})",
                functions(50_000),
                (0..50_000)
                    .map(|index| format!("(export \"{index:x}\" (func {index}))"))
                    .collect::<String>()
            ),
            568,
        ),
        (
            "types",
            format!(
                "(module {})",
                (0..5000)
                    .map(|index| {
                        let digits = format!("{index:b}")
                            .replace('1', "i32 ")
                            .replace('0', "i64 ");
                        format!("(func (param {digits}))")
                    })
                    .collect::<String>()
            ),
            57,
        ),
        (
            "indirect calls",
            doing(table, "", "(call_indirect (i32.const 0))", 5000),
            86,
        ),
        ("calls", doing("(func)", "", "(call 0)", 20_000), 36),
        (
            "table.get",
            doing(table, "", "(drop (table.get (i32.const 0)))", 20_000),
            292,
        ),
        (
            "table.set",
            doing(
                table,
                "",
                "(table.set (i32.const 0) (ref.null func))",
                20_000,
            ),
            23,
        ),
        (
            "table.grow",
            doing(
                table,
                "",
                "(drop (table.grow (ref.null func) (i32.const 0)))",
                20_000,
            ),
            262,
        ),
        (
            "table.fill",
            doing(
                table,
                "",
                "(table.fill (i32.const 0) (ref.null func) (i32.const 0))",
                20_000,
            ),
            121,
        ),
        (
            "table.copy",
            doing(
                table,
                "",
                "(table.copy (i32.const 0) (i32.const 0) (i32.const 0))",
                5000,
            ),
            107,
        ),
        (
            "table.init",
            doing(
                &format!("{table} (func) (elem func 0)"),
                "",
                "(table.init 0 (i32.const 0) (i32.const 0) (i32.const 0))",
                5000,
            ),
            74,
        ),
        ("loops", doing("", "", "(loop)", 5000), 59),
        (
            "elements",
            format!("(module (func) (elem func {}))", "0 ".repeat(100_000)),
            230,
        ),
        (
            "elements as expressions",
            format!(
                "(module (func) (elem funcref {}))",
                "(ref.func 0)".repeat(100_000)
            ),
            256,
        ),
        (
            "elements that are put in as it starts",
            format!(
                "(module (global i32 (i32.const 0)) (table 100000 funcref) (func) (elem (global.get 0) func {}))",
                "0 ".repeat(100_000)
            ),
            646,
        ),
        (
            "segments",
            format!(
                "(module (table 1 funcref) {})",
                "(elem func)".repeat(100_000)
            ),
            252,
        ),
        (
            "segments that are put in as it starts",
            format!(
                "(module (global i32 (i32.const 0)) (table 1 funcref) (func) {})",
                "(elem (global.get 0) func 0)".repeat(20_000)
            ),
            169,
        ),
        (
            "entries of tables",
            format!(
                "(module (func) {} {})",
                "(table 1048576 funcref)".repeat(8),
                (0..8)
                    .map(|index| format!("(elem (table {index}) (i32.const 1048575) func 0)"))
                    .collect::<String>()
            ),
            112,
        ),
        (
            "globals",
            format!(
                "(module (func) {})",
                "(global funcref (ref.func 0))".repeat(20_000)
            ),
            53,
        ),
        (
            "long beginnings",
            format!(
                "(module (global i32 (i32.const 0) {}))",
                "i32.const 1 i32.add ".repeat(500_000)
            ),
            371,
        ),
        (
            "data far apart",
            format!(
                "(module (memory 65536) {})",
                (0..20_000)
                    .map(|index| format!("(data (i32.const {}) \"x\")", index * 65_536))
                    .collect::<String>()
            ),
            385,
        ),
        (
            "variables and indirect calls",
            variables("(call_indirect (i32.const 0))"),
            112,
        ),
        (
            "variables and table.get",
            variables("(drop (table.get (i32.const 0)))"),
            100,
        ),
        (
            "variables and table.copy",
            variables("(table.copy (i32.const 0) (i32.const 0) (i32.const 0))"),
            547,
        ),
        (
            "variables and table.grow",
            variables("(drop (table.grow (ref.null func) (i32.const 0)))"),
            188,
        ),
        ("variables and loops", variables("(loop)"), 67),
        (
            "variables and ifs",
            variables("(if (i32.const 1) (then))"),
            47,
        ),
        (
            "variables and branches",
            variables("(block (br_if 0 (i32.const 1)))"),
            51,
        ),
    ];
    let off: Vec<String> = kinds
        .iter()
        .map(|(kind, text, measured)| (kind, of(text) >> 20, *measured))
        .filter(|(_, estimate, measured)| !(*measured..=measured * 7).contains(estimate))
        .map(|(kind, estimate, measured)| format!("{kind}: {estimate} MiB of {measured}"))
        .collect();
    assert!(off.is_empty(), "{off:#?}");
}

#[test]
fn tables_are_counted_before_anything_is_compiled() {
    let tables = format!(
        "(module (func) {} {})",
        "(table 1048576 funcref)".repeat(100),
        (0..100)
            .map(|index| format!("(elem (table {index}) (i32.const 1048575) func 0)"))
            .collect::<String>()
    );
    let module = wat::parse_str(&tables).unwrap();
    assert!(module.len() < 2000);
    let estimate = Estimate::of(&module, 2, 64 << 30);
    assert_eq!(estimate.tables, 100);
    assert!(estimate.memory > LIMIT);
}

/// Linkers leave out zeros, and so cut what a memory holds into thousands of pieces.
#[test]
fn contents_that_become_one_image_cost_what_the_image_does() {
    let pieces = |memory: &str, from: &str| {
        let pieces: String = (0..20_000)
            .map(|index| from.replace('N', &(index * 64).to_string()))
            .collect();
        of(&format!(
            "(module (memory {memory}) (global i32 (i32.const 0)) {pieces})"
        )) >> 20
    };
    let piece = "(data (i32.const N) \"xyz\")";
    assert!(pieces("32", piece) < 16);
    // Beyond the memory, or where nobody knows before, they are put in place one by one.
    assert!(pieces("1", piece) > 256);
    assert!(pieces("32", "(data (global.get 0) \"xyz\")") > 256);
}

/// Far from the least limit that there is.
#[test]
fn the_modules_of_this_repository_are_small() {
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/workload.wasm");
    let module = std::fs::read(module).expect("run `just guest`");
    let estimate = Estimate::of(&module, 8, LIMIT).memory;
    assert!(estimate < LIMIT / 3, "{} MiB", estimate >> 20);
}
