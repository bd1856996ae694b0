;; Leaves a file whose name is two lines, the second of which looks like another file.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "a\nmanifest.json")
  (func (export "_start")
    (if (call $open (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 15) (i32.const 1)
          (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 32)) (then unreachable))))
