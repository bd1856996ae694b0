;; Leaves one file under two names.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_link" (func $link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "model.json")
  (data (i32.const 16) "twin.json")
  (func (export "_start")
    (if (call $open (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 1)
          (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 32)) (then unreachable))
    (if (call $link (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 10)
          (i32.const 4) (i32.const 16) (i32.const 9)) (then unreachable))))
