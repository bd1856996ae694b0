;; Makes a folder in a folder in a folder, 10,000 deep, in steps from where it stands.
(module
  (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "d")
  (func (export "_start") (local $n i32) (local $at i32) (local $next i32)
    (local.set $at (i32.const 4))
    (loop $again
      (if (call $mkdir (local.get $at) (i32.const 0) (i32.const 1)) (then unreachable))
      (if (call $open (local.get $at) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 2)
            (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 8)) (then unreachable))
      (local.set $next (i32.load (i32.const 8)))
      (if (i32.ne (local.get $at) (i32.const 4)) (then (drop (call $close (local.get $at)))))
      (local.set $at (local.get $next))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 10000))))))
