;; Sends a signal to the process it runs in. Ends with 42 when it was refused.
(module
  (import "wasi_snapshot_preview1" "proc_raise" (func $raise (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    ;; 9 is KILL.
    (if (i32.eqz (call $raise (i32.const 9))) (then unreachable))
    (call $exit (i32.const 42))))
