//! Small ONNX graphs, byte by byte, and modules that leave them.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fmt::Write;

/// A module that leaves `files` in its model folder, whatever the mode.
pub fn leaves(files: &[(&str, &[u8])]) -> Vec<u8> {
    leaves_in_turn(files, &[])
}

/// A module that leaves `files`, counts for a while, and leaves what comes `later`, in place of files of those names.
pub fn leaves_in_turn(files: &[(&str, &[u8])], later: &[(&str, &[u8])]) -> Vec<u8> {
    let quoted = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "\\{byte:02x}").unwrap();
            text
        })
    };
    let (mut parts, mut calls, mut at) = (String::new(), String::new(), 64);
    for (index, (name, bytes)) in files.iter().chain(later).enumerate() {
        if index == files.len() {
            calls.push_str("(call $wait)\n");
        }
        let text = at + name.len();
        writeln!(
            parts,
            "(data (i32.const {at}) \"{}\")",
            quoted(name.as_bytes())
        )
        .unwrap();
        writeln!(parts, "(data (i32.const {text}) \"{}\")", quoted(bytes)).unwrap();
        writeln!(
            calls,
            "(call $leave (i32.const {at}) (i32.const {}) (i32.const {text}) (i32.const {}))",
            name.len(),
            bytes.len()
        )
        .unwrap();
        at = text + bytes.len();
    }
    let pages = at / 65536 + 1;
    // The folders' descriptors start at 3, and only one of them can be written to.
    let module = format!(
        r#"(module
          (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
          (memory (export "memory") {pages})
          {parts}
          ;; By counting: whoever sleeps in a training goes on at once.
          (func $wait (local $left i64)
            (local.set $left (i64.const 1000000000))
            (loop $again
              (local.set $left (i64.sub (local.get $left) (i64.const 1)))
              (br_if $again (i64.ne (local.get $left) (i64.const 0)))))
          (func $leave (param $name i32) (param $name_length i32) (param $text i32) (param $length i32)
            (local $folder i32)
            (local.set $folder (i32.const 2))
            (loop $next
              (local.set $folder (i32.add (local.get $folder) (i32.const 1)))
              (if (i32.gt_u (local.get $folder) (i32.const 8)) (then unreachable))
              (br_if $next (call $open (local.get $folder) (i32.const 0) (local.get $name)
                (local.get $name_length) (i32.const 9) (i64.const 64) (i64.const 0) (i32.const 0)
                (i32.const 32))))
            (i32.store (i32.const 16) (local.get $text))
            (i32.store (i32.const 20) (local.get $length))
            (if (call $write (i32.load (i32.const 32)) (i32.const 16) (i32.const 1) (i32.const 24))
              (then unreachable))
            (drop (call $close (i32.load (i32.const 32)))))
          (func (export "_start") {calls}))"#
    );
    wat::parse_str(module).unwrap()
}

/// A graph from one column of numbers to `prediction`.
pub struct Graph {
    input: String,
    nodes: Vec<Vec<u8>>,
    initializers: Vec<Vec<u8>>,
}

impl Graph {
    /// Says what the column says.
    pub fn identity(input: &str) -> Self {
        Self::of(input, vec![node("Identity", &[input])])
    }

    pub fn unknown() -> Self {
        Self::of("x", vec![node("Nonesuch", &["x"])])
    }

    /// Has no node.
    pub fn dangling() -> Self {
        Self::of("x", Vec::new())
    }

    /// Adds a number that is in another file.
    pub fn external(path: &str) -> Self {
        let location = [text(1, "location"), text(2, path)].concat();
        let tensor = [
            number(2, 1),
            text(8, "w"),
            bytes(13, &location),
            number(14, 1),
        ]
        .concat();
        let mut graph = Self::of("x", vec![node("Add", &["x", "w"])]);
        graph.initializers.push(tensor);
        graph
    }

    /// Adds a million times a million zeros.
    pub fn huge() -> Self {
        let shape = [1_000_000_u64; 2].map(|size| number(7, size)).concat();
        let tensor = [number(1, 2), number(2, 7), shape, text(8, "shape")].concat();
        let zeros = node_to("zeros", "ConstantOfShape", &["shape"]);
        let mut graph = Self::of("x", vec![zeros, node("Add", &["x", "zeros"])]);
        graph.initializers.push(tensor);
        graph
    }

    /// Multiplies large matrices for hours.
    pub fn endless() -> Self {
        let shape = [4_000_u64; 2].map(|size| number(7, size)).concat();
        let tensor = [number(1, 2), number(2, 7), shape, text(8, "shape")].concat();
        let mut nodes = vec![node_to("m0", "ConstantOfShape", &["shape"])];
        for step in 0..1_000 {
            let matrix = format!("m{step}");
            let product = format!("m{}", step + 1);
            nodes.push(node_to(&product, "MatMul", &[&matrix, &matrix]));
        }
        nodes.push(node_to("most", "ReduceMax", &["m1000"]));
        nodes.push(node("Add", &["x", "most"]));
        let mut graph = Self::of("x", nodes);
        graph.initializers.push(tensor);
        graph
    }

    fn of(input: &str, nodes: Vec<Vec<u8>>) -> Self {
        Self {
            input: input.to_owned(),
            nodes,
            initializers: Vec::new(),
        }
    }

    /// A ModelProto (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>).
    pub fn bytes(&self) -> Vec<u8> {
        let mut graph = Vec::new();
        self.nodes
            .iter()
            .for_each(|node| graph.extend(bytes(1, node)));
        graph.extend(text(2, "graph"));
        let tensors = self.initializers.iter();
        tensors.for_each(|tensor| graph.extend(bytes(5, tensor)));
        graph.extend(bytes(11, &column(&self.input)));
        graph.extend(bytes(12, &column("prediction")));
        [number(1, 8), bytes(8, &number(2, 17)), bytes(7, &graph)].concat()
    }
}

/// A node whose output is `prediction`.
fn node(operator: &str, inputs: &[&str]) -> Vec<u8> {
    node_to("prediction", operator, inputs)
}

fn node_to(output: &str, operator: &str, inputs: &[&str]) -> Vec<u8> {
    let mut node: Vec<u8> = inputs.iter().flat_map(|input| text(1, input)).collect();
    node.extend([text(2, output), text(4, operator)].concat());
    node
}

/// Rows x 1, single precision.
fn column(name: &str) -> Vec<u8> {
    let shape = [bytes(1, &text(2, "N")), bytes(1, &number(1, 1))].concat();
    let tensor = [number(1, 1), bytes(2, &shape)].concat();
    [text(1, name), bytes(2, &bytes(1, &tensor))].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, bytes: &[u8]) -> Vec<u8> {
    [
        varint(field << 3 | 2),
        varint(bytes.len() as u64),
        bytes.to_vec(),
    ]
    .concat()
}

fn text(field: u64, text: &str) -> Vec<u8> {
    bytes(field, text.as_bytes())
}
