;; Opens a file again and again, to leave no descriptor for the runner. Ends with 42 when it is told to stop.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "f")
  (func (export "_start") (local $n i32)
    (loop $again
      ;; 33 is MFILE: too many open files.
      (if (i32.eq (i32.const 33)
            (call $open (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1)
              (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 8)))
        (then (call $exit (i32.const 42))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 100000))))
    unreachable))
