;; proc_raise: no process is signalled, not even its own. proc_exit, which ends this one, has tests of its own.
;; Ends with 42 when each check holds, else with a thousand times the number of the one that does not,
;; and what was found.
(module
  (import "wasi_snapshot_preview1" "proc_raise" (func $proc_raise (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (global $check (mut i32) (i32.const 0))
  (func $is (param $expected i32) (param $found i32)
    (global.set $check (i32.add (global.get $check) (i32.const 1)))
    (if (i32.ne (local.get $expected) (local.get $found))
      (then (call $proc_exit (i32.add (i32.mul (i32.const 1000) (global.get $check)) (local.get $found))))))
  (func (export "_start")
    (call $is (i32.const 58) (call $proc_raise (i32.const 0)))
    (call $is (i32.const 58) (call $proc_raise (i32.const 9)))
    (call $is (i32.const 58) (call $proc_raise (i32.const 30)))
    (call $proc_exit (i32.const 42))))
