;; Leaves a file of 1 TiB that takes no room on this disk, and all of it where it is copied to.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $truncate (param i32 i64) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "model.json")
  (func (export "_start")
    (if (call $open (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 1)
          (i64.const 0x400040) (i64.const 0) (i32.const 0) (i32.const 32)) (then unreachable))
    (if (call $truncate (i32.load (i32.const 32)) (i64.const 0x10000000000)) (then unreachable))))
