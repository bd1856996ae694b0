;; Makes a million files in /model.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local $n i32)
    (loop $again
      ;; A name of four letters, from the counter. Descriptor 4 is /model.
      (i32.store (i32.const 0)
        (i32.add (i32.const 0x41414141)
          (i32.or
            (i32.or (i32.and (local.get $n) (i32.const 31))
              (i32.shl (i32.and (i32.shr_u (local.get $n) (i32.const 5)) (i32.const 31)) (i32.const 8)))
            (i32.or
              (i32.shl (i32.and (i32.shr_u (local.get $n) (i32.const 10)) (i32.const 31)) (i32.const 16))
              (i32.shl (i32.and (i32.shr_u (local.get $n) (i32.const 15)) (i32.const 31)) (i32.const 24))))))
      (if (call $open (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 1)
            (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 8)) (then unreachable))
      (drop (call $close (i32.load (i32.const 8))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 1000000))))))
