;; Closes its streams and folders, and puts one descriptor in the place of another. Ends with 42: nothing is left that
;; could break.
(module
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local $fd i32)
    (if (call $renumber (i32.const 4) (i32.const 3)) (then unreachable))
    (loop $next
      (drop (call $close (local.get $fd)))
      (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $fd) (i32.const 64))))
    (call $exit (i32.const 42))))
