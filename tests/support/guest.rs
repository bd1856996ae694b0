//! A module made for one test: it leaves the files that the test names, and does no more.
#![allow(clippy::unwrap_used, dead_code)]

use std::fmt::Write;

/// What a module does when it is started, in order.
pub enum Act<'a> {
    /// A folder below `/model`, or in mode `predict` below `/predictions`.
    Folder(&'a str),
    File(&'a str, &'a [u8]),
    /// On stderr, at once.
    Print(&'a [u8]),
    /// Ends with this status.
    Exit(u32),
}

pub const METRICS: &str = r#"{"contract":1,"task":"regression","rows":{"read":3,"kept":3,"train":2,"held_out":1},"held_out":{"rmse":0.5},"primary":{"name":"rmse","higher_is_better":false,"held_out":0.5}}"#;
pub const PREDICTIONS: &[u8] = b"row,actual,predicted\n3,2,1.5\n";

/// [`METRICS`] and a parameter of the learner.
pub fn metrics_with(parameter: &str) -> String {
    let learner = format!(
        r#""learner":{{"algorithm":"a","engine":"e","parameters":{{"p":{parameter}}}}},"rows""#
    );
    METRICS.replacen("\"rows\"", &learner, 1)
}

/// Leaves a model that keeps the contract but for `files`, which come on top or instead.
pub fn leaves(files: &[(&str, &[u8])]) -> Vec<u8> {
    let usual: [(&str, &[u8]); 3] = [
        ("model.json", b"{}"),
        ("metrics.json", METRICS.as_bytes()),
        ("predictions.csv", PREDICTIONS),
    ];
    let instead = |name: &str| files.iter().any(|(other, _)| *other == name);
    let usual = usual.iter().filter(|(name, _)| !instead(name));
    let acts: Vec<Act> = usual
        .chain(files)
        .map(|(name, bytes)| Act::File(name, bytes))
        .collect();
    guest(&acts)
}

/// A module that does `acts`.
pub fn guest(acts: &[Act]) -> Vec<u8> {
    let (mut data, mut code, mut at) = (String::new(), String::new(), 1024);
    let mut place = |bytes: &[u8]| {
        let from = at;
        at += bytes.len();
        write!(data, "(data (i32.const {from}) \"{}\")", escaped(bytes)).unwrap();
        format!("(i32.const {from}) (i32.const {})", bytes.len())
    };
    for act in acts {
        match act {
            Act::Folder(name) => {
                write!(code, "(call $folder {})", place(name.as_bytes())).unwrap();
            }
            Act::File(name, bytes) => {
                let name = place(name.as_bytes());
                write!(code, "(call $file {name} {})", place(bytes)).unwrap();
            }
            Act::Print(bytes) => {
                write!(code, "(call $all (i32.const 2) {})", place(bytes)).unwrap();
            }
            Act::Exit(status) => write!(code, "(call $exit (i32.const {status}))").unwrap(),
        }
    }
    let pages = at / 65536 + 1;
    let text = format!(
        r#"(module
        (import "wasi_snapshot_preview1" "path_open"
          (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_create_directory" (func $make (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") {pages})
        {data}
        ;; Writes all of a text.
        (func $all (param $fd i32) (param $text i32) (param $length i32)
          (loop $again
            (i32.store (i32.const 16) (local.get $text))
            (i32.store (i32.const 20) (local.get $length))
            (if (call $write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24)) (then unreachable))
            (local.set $text (i32.add (local.get $text) (i32.load (i32.const 24))))
            (local.set $length (i32.sub (local.get $length) (i32.load (i32.const 24))))
            (br_if $again (local.get $length))))
        ;; The first descriptor, from 3, below which something can be made.
        (func $folder (param $name i32) (param $name_length i32) (local $folder i32)
          (local.set $folder (i32.const 2))
          (loop $next
            (local.set $folder (i32.add (local.get $folder) (i32.const 1)))
            (if (i32.gt_u (local.get $folder) (i32.const 8)) (then unreachable))
            (br_if $next (call $make (local.get $folder) (local.get $name) (local.get $name_length)))))
        (func $file (param $name i32) (param $name_length i32) (param $text i32) (param $length i32) (local $folder i32)
          (local.set $folder (i32.const 2))
          (loop $next
            (local.set $folder (i32.add (local.get $folder) (i32.const 1)))
            (if (i32.gt_u (local.get $folder) (i32.const 8)) (then unreachable))
            (br_if $next (call $open (local.get $folder) (i32.const 0) (local.get $name) (local.get $name_length)
              (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 32))))
          (if (local.get $length)
            (then (call $all (i32.load (i32.const 32)) (local.get $text) (local.get $length))))
          (drop (call $close (i32.load (i32.const 32)))))
        (func (export "_start") {code}))"#
    );
    wat::parse_str(text).unwrap()
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'"' | b'\\' => write!(text, "\\{:02x}", byte).unwrap(),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => write!(text, "\\{byte:02x}").unwrap(),
        }
    }
    text
}
