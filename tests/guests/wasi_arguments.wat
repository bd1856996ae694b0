;; args_get, args_sizes_get, environ_get, environ_sizes_get: one argument beside the name, and the contract's variables.
;; Ends with 42 when each check holds, else with a thousand times the number of the one that does not,
;; and what was found.
(module
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (global $check (mut i32) (i32.const 0))
  (func $is (param $expected i32) (param $found i32)
    (global.set $check (i32.add (global.get $check) (i32.const 1)))
    (if (i32.ne (local.get $expected) (local.get $found))
      (then (call $proc_exit (i32.add (i32.mul (i32.const 1000) (global.get $check)) (local.get $found))))))
  (func (export "_start")
    ;; `workload` and `train`, each with a zero byte.
    (call $is (i32.const 0) (call $args_sizes_get (i32.const 0) (i32.const 4)))
    (call $is (i32.const 2) (i32.load (i32.const 0)))
    (call $is (i32.const 15) (i32.load (i32.const 4)))
    (call $is (i32.const 0) (call $args_get (i32.const 16) (i32.const 32)))
    (call $is (i32.const 32) (i32.load (i32.const 16)))
    (call $is (i32.const 41) (i32.load (i32.const 20)))
    (call $is (i32.const 119) (i32.load8_u (i32.const 32)))
    (call $is (i32.const 116) (i32.load8_u (i32.const 41)))
    (call $is (i32.const 0) (i32.load8_u (i32.const 46)))
    ;; The strings may lie anywhere, up to the last byte of the memory.
    (call $is (i32.const 0) (call $args_get (i32.const 16) (i32.const 65521)))
    (call $is (i32.const 0) (i32.load8_u (i32.const 65535)))
    ;; CONTRACT comes first.
    (call $is (i32.const 0) (call $environ_sizes_get (i32.const 0) (i32.const 4)))
    (call $is (i32.const 1) (i32.gt_u (i32.load (i32.const 0)) (i32.const 5)))
    (call $is (i32.const 0) (call $environ_get (i32.const 1024) (i32.const 4097)))
    (call $is (i32.const 4097) (i32.load (i32.const 1024)))
    (call $is (i32.const 67) (i32.load8_u (i32.const 4097)))
    (call $is (i32.const 61) (i32.load8_u (i32.const 4105)))
    (call $is (i32.const 49) (i32.load8_u (i32.const 4106)))
    (call $proc_exit (i32.const 42))))
