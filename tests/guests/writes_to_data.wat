;; Changes what it may only read: writes, makes, moves, links, removes in /data, and sets times there.
;; Ends with 42 when all were refused.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_link" (func $link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_set_times"
    (func $times (param i32 i32 i32 i32 i64 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $truncate (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "rows.csv")
  (data (i32.const 16) "new")
  (func $refused (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
  (func (export "_start")
    ;; Descriptor 3 is /data, 4 is /model. For writing, for truncating, and a new one.
    (call $refused (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 0)
      (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 64)))
    (call $refused (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 8)
      (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 64)))
    (call $refused (call $open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 3) (i32.const 1)
      (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 64)))
    (call $refused (call $mkdir (i32.const 3) (i32.const 16) (i32.const 3)))
    (call $refused (call $symlink (i32.const 0) (i32.const 8) (i32.const 3) (i32.const 16) (i32.const 3)))
    (call $refused (call $unlink (i32.const 3) (i32.const 0) (i32.const 8)))
    (call $refused (call $times (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 8)
      (i64.const 0) (i64.const 0) (i32.const 5)))
    ;; Within /data, and from there into /model, where a link would let it write.
    (call $refused (call $rename (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 3) (i32.const 16) (i32.const 3)))
    (call $refused (call $rename (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 4) (i32.const 16) (i32.const 3)))
    (call $refused (call $link (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 8)
      (i32.const 4) (i32.const 16) (i32.const 3)))
    ;; Opened for reading, it cannot be cut.
    (if (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 0)
          (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 64)) (then unreachable))
    (call $refused (call $truncate (i32.load (i32.const 64)) (i64.const 0)))
    (call $exit (i32.const 42))))
