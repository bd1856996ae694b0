;; The smallest module that keeps the contract: whatever the mode, it leaves a model, its metrics and predictions.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "model.json")
  (data (i32.const 80) "{\"mean\":1.5}")
  (data (i32.const 96) "predictions.csv")
  (data (i32.const 112) "row,actual,predicted\n3,2,1.5\n")
  (data (i32.const 160) "metrics.json")
  (data (i32.const 256) "{\"contract\":1,\"task\":\"regression\",\"rows\":{\"read\":3,\"kept\":3,\"train\":2,\"held_out\":1},\"held_out\":{\"rmse\":0.5},\"primary\":{\"name\":\"rmse\",\"higher_is_better\":false,\"held_out\":0.5}}")
  ;; Writes a file into the one folder that can be written: the first descriptor, from 3, where one can be made.
  (func $leave (param $name i32) (param $name_length i32) (param $text i32) (param $length i32) (local $folder i32)
    (local.set $folder (i32.const 2))
    (loop $next
      (local.set $folder (i32.add (local.get $folder) (i32.const 1)))
      (if (i32.gt_u (local.get $folder) (i32.const 8)) (then unreachable))
      (br_if $next (call $open (local.get $folder) (i32.const 0) (local.get $name) (local.get $name_length)
        (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 32))))
    (i32.store (i32.const 16) (local.get $text))
    (i32.store (i32.const 20) (local.get $length))
    (if (call $write (i32.load (i32.const 32)) (i32.const 16) (i32.const 1) (i32.const 24)) (then unreachable))
    (drop (call $close (i32.load (i32.const 32)))))
  (func (export "_start")
    (call $leave (i32.const 64) (i32.const 10) (i32.const 80) (i32.const 12))
    (call $leave (i32.const 96) (i32.const 15) (i32.const 112) (i32.const 29))
    (call $leave (i32.const 160) (i32.const 12) (i32.const 256) (i32.const 174))))
