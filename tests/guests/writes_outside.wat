;; Makes files above /model, and files whose names are no names: `..`, `.`, empty, and bytes that are no UTF-8.
;; Ends with 42 when all were refused.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "../escaped")
  (data (i32.const 16) "/tmp/escaped")
  (data (i32.const 32) "bad\ff\fename")
  (func $try (param $path i32) (param $len i32)
    (if (i32.eqz (call $open (i32.const 4) (i32.const 1) (local.get $path) (local.get $len) (i32.const 1)
          (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 64))) (then unreachable))
    (if (i32.eqz (call $mkdir (i32.const 4) (local.get $path) (local.get $len))) (then unreachable)))
  (func (export "_start")
    (call $try (i32.const 0) (i32.const 10))
    (call $try (i32.const 0) (i32.const 2))
    (call $try (i32.const 0) (i32.const 1))
    (call $try (i32.const 0) (i32.const 0))
    (call $try (i32.const 16) (i32.const 12))
    (call $try (i32.const 32) (i32.const 9))
    (call $exit (i32.const 42))))
