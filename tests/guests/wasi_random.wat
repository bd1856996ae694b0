;; random_get: from the seed, into any place.
;; Ends with 42 when each check holds, else with a thousand times the number of the one that does not,
;; and what was found.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (global $check (mut i32) (i32.const 0))
  (func $is (param $expected i32) (param $found i32)
    (global.set $check (i32.add (global.get $check) (i32.const 1)))
    (if (i32.ne (local.get $expected) (local.get $found))
      (then (call $proc_exit (i32.add (i32.mul (i32.const 1000) (global.get $check)) (local.get $found))))))
  (func (export "_start")
    (call $is (i32.const 0) (call $random_get (i32.const 0) (i32.const 0)))
    (call $is (i32.const 1) (i64.eq (i64.const 0) (i64.load (i32.const 0))))
    (call $is (i32.const 0) (call $random_get (i32.const 1) (i32.const 31)))
    (call $is (i32.const 0) (i32.load8_u (i32.const 0)))
    (call $is (i32.const 0) (i64.eqz (i64.load (i32.const 8))))
    ;; Up to the last byte, and the whole memory.
    (i32.store8 (i32.const 65535) (i32.const 0))
    (call $is (i32.const 0) (call $random_get (i32.const 65400) (i32.const 136)))
    (call $is (i32.const 0) (call $random_get (i32.const 0) (i32.const 65536)))
    (call $is (i32.const 0) (i64.eqz (i64.load (i32.const 65528))))
    (call $proc_exit (i32.const 42))))
