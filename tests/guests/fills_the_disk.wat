;; Writes into one file until there is no room.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "model.json")
  (func (export "_start")
    (if (call $open (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 1)
          (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 32)) (then unreachable))
    (i32.store (i32.const 16) (i32.const 65536))
    (i32.store (i32.const 20) (i32.const 65536))
    (loop $again
      (if (call $write (i32.load (i32.const 32)) (i32.const 16) (i32.const 1) (i32.const 24)) (then unreachable))
      (br $again))))
