;; Ends with 42 when the year is 2020, where a training's clock stands, and with 0 when it is later.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (if (call $time (i32.const 0) (i64.const 1) (i32.const 0)) (then unreachable))
    ;; Nanoseconds since 1970, at the end of 2020.
    (if (i64.lt_u (i64.load (i32.const 0)) (i64.const 1609459200000000000)) (then (call $exit (i32.const 42))))))
