;; Writes a file of half a MiB and removes it, a hundred times. Descriptor 4 is /model.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
  (memory (export "memory") 9)
  (data (i32.const 0) "file")
  (func $ok (param i32) (if (local.get 0) (then unreachable)))
  (func (export "_start") (local $n i32)
    (i32.store (i32.const 16) (i32.const 64))
    (i32.store (i32.const 20) (i32.const 0x80000))
    (loop $again
      (call $ok (call $open (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 1)
        (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 8)))
      (call $ok (call $write (i32.load (i32.const 8)) (i32.const 16) (i32.const 1) (i32.const 12)))
      (call $ok (call $close (i32.load (i32.const 8))))
      (call $ok (call $unlink (i32.const 4) (i32.const 0) (i32.const 4)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 100))))))
