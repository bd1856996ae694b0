;; clock_res_get, clock_time_get, poll_oneoff, sched_yield: the guest's own clock, which starts in 2020.
;; Ends with 42 when each check holds, else with a thousand times the number of the one that does not,
;; and what was found.
(module
  (import "wasi_snapshot_preview1" "clock_res_get" (func $clock_res_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (global $check (mut i32) (i32.const 0))
  (func $is (param $expected i32) (param $found i32)
    (global.set $check (i32.add (global.get $check) (i32.const 1)))
    (if (i32.ne (local.get $expected) (local.get $found))
      (then (call $proc_exit (i32.add (i32.mul (i32.const 1000) (global.get $check)) (local.get $found))))))
  (func (export "_start")
    ;; A microsecond for both clocks; there are no clocks of processes and threads.
    (call $is (i32.const 0) (call $clock_res_get (i32.const 0) (i32.const 0)))
    (call $is (i32.const 1) (i64.eq (i64.const 1000) (i64.load (i32.const 0))))
    (call $is (i32.const 0) (call $clock_res_get (i32.const 1) (i32.const 0)))
    (call $is (i32.const 1) (i64.eq (i64.const 1000) (i64.load (i32.const 0))))
    (call $is (i32.const 8) (call $clock_res_get (i32.const 2) (i32.const 0)))
    (call $is (i32.const 8) (call $clock_res_get (i32.const 3) (i32.const 0)))
    ;; 2020-01-01, at the guest's first look.
    (call $is (i32.const 0) (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 8)))
    (call $is (i32.const 1) (i64.eq (i64.const 1577836800000001000) (i64.load (i32.const 8))))
    (call $is (i32.const 0) (call $clock_time_get (i32.const 1) (i64.const -1) (i32.const 16)))
    (call $is (i32.const 1) (i64.eq (i64.const 2000) (i64.load (i32.const 16))))
    (call $is (i32.const 8) (call $clock_time_get (i32.const 2) (i64.const 0) (i32.const 8)))
    (call $is (i32.const 8) (call $clock_time_get (i32.const 3) (i64.const 0) (i32.const 8)))
    ;; The last eight bytes of the memory.
    (call $is (i32.const 0) (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 65528)))
    (call $is (i32.const 0) (call $sched_yield))
    ;; No subscription, and more than any program has.
    (call $is (i32.const 28) (call $poll_oneoff (i32.const 64) (i32.const 1024) (i32.const 0) (i32.const 4)))
    (call $is (i32.const 28) (call $poll_oneoff (i32.const 64) (i32.const 1024) (i32.const 4097) (i32.const 4)))
    ;; Two timers, clock 1 at 64 and clock 2, which does not exist, at 112; and stdout at 160, ready to be written to.
    (i64.store (i32.const 64) (i64.const 7))
    (i32.store (i32.const 80) (i32.const 1))
    (i64.store (i32.const 88) (i64.const 1000000000))
    (i64.store (i32.const 112) (i64.const 8))
    (i32.store (i32.const 128) (i32.const 2))
    (i64.store (i32.const 160) (i64.const 9))
    (i32.store8 (i32.const 168) (i32.const 2))
    (i32.store (i32.const 176) (i32.const 1))
    ;; Alone, the first is due, and the clock has moved by a second.
    (call $is (i32.const 0) (call $poll_oneoff (i32.const 64) (i32.const 1024) (i32.const 1) (i32.const 4)))
    (call $is (i32.const 1) (i32.load (i32.const 4)))
    (call $is (i32.const 1) (i64.eq (i64.const 7) (i64.load (i32.const 1024))))
    (call $is (i32.const 0) (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 8)))
    (call $is (i32.const 1) (i64.gt_u (i64.load (i32.const 8)) (i64.const 1000000000)))
    ;; All three: the one without a clock says so (28), stdout is ready, and nobody waits for the first.
    (call $is (i32.const 0) (call $poll_oneoff (i32.const 64) (i32.const 1024) (i32.const 3) (i32.const 4)))
    (call $is (i32.const 2) (i32.load (i32.const 4)))
    (call $is (i32.const 1) (i64.eq (i64.const 8) (i64.load (i32.const 1024))))
    (call $is (i32.const 28) (i32.load16_u (i32.const 1032)))
    (call $is (i32.const 1) (i64.eq (i64.const 9) (i64.load (i32.const 1056))))
    (call $is (i32.const 0) (i32.load16_u (i32.const 1064)))
    ;; A descriptor that is not there (8), for reading and for writing.
    (i32.store (i32.const 176) (i32.const 99))
    (call $is (i32.const 0) (call $poll_oneoff (i32.const 160) (i32.const 1024) (i32.const 1) (i32.const 4)))
    (call $is (i32.const 8) (i32.load16_u (i32.const 1032)))
    (i32.store8 (i32.const 168) (i32.const 1))
    (call $is (i32.const 0) (call $poll_oneoff (i32.const 160) (i32.const 1024) (i32.const 1) (i32.const 4)))
    (call $is (i32.const 8) (i32.load16_u (i32.const 1032)))
    ;; A kind of event that does not exist.
    (i32.store8 (i32.const 168) (i32.const 3))
    (call $is (i32.const 28) (call $poll_oneoff (i32.const 160) (i32.const 1024) (i32.const 1) (i32.const 4)))
    (call $proc_exit (i32.const 42))))
