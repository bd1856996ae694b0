;; Prints four million empty lines in one call, again and again.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 65)
  (func (export "_start")
    (memory.fill (i32.const 64) (i32.const 10) (i32.const 0x400000))
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 0x400000))
    (loop $again
      (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
      (br $again))))
