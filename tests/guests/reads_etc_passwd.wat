;; Reads /etc/passwd by every route that WASI offers: an absolute path, `..`, links that it makes itself, /proc.
;; Ends with 42 when all were refused.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_readlink" (func $readlink (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_link" (func $link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "/etc/passwd")
  (data (i32.const 32) "../../../../../../../../../../etc/passwd")
  (data (i32.const 96) "/proc/self/root/etc/passwd")
  (data (i32.const 128) "x/../../../../../../../../etc/passwd")
  (data (i32.const 192) "link")
  (data (i32.const 200) "up")
  (data (i32.const 204) "../../../../../../../../../..")
  (data (i32.const 236) "up/etc/passwd")
  (data (i32.const 256) "copy")

  ;; Opens, looks at, links and moves what lies there.
  (func $try (param $fd i32) (param $path i32) (param $len i32)
    ;; Following links.
    (if (i32.eqz (call $open (local.get $fd) (i32.const 1) (local.get $path) (local.get $len) (i32.const 0)
          (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 512))) (then unreachable))
    (if (i32.eqz (call $stat (local.get $fd) (i32.const 1) (local.get $path) (local.get $len) (i32.const 512)))
      (then unreachable))
    (if (i32.eqz (call $link (local.get $fd) (i32.const 1) (local.get $path) (local.get $len)
          (i32.const 4) (i32.const 256) (i32.const 4))) (then unreachable)))

  ;; The same, for what is no link of our own.
  (func $try_host (param $fd i32) (param $path i32) (param $len i32)
    (call $try (local.get $fd) (local.get $path) (local.get $len))
    (if (i32.eqz (call $link (local.get $fd) (i32.const 0) (local.get $path) (local.get $len)
          (i32.const 4) (i32.const 256) (i32.const 4))) (then unreachable))
    (if (i32.eqz (call $rename (local.get $fd) (local.get $path) (local.get $len)
          (i32.const 4) (i32.const 256) (i32.const 4))) (then unreachable))
    (if (i32.eqz (call $readlink (local.get $fd) (local.get $path) (local.get $len)
          (i32.const 600) (i32.const 64) (i32.const 512))) (then unreachable)))

  (func (export "_start") (local $fd i32)
    ;; From every descriptor, folders or not.
    (loop $next
      (call $try_host (local.get $fd) (i32.const 0) (i32.const 11))
      (call $try_host (local.get $fd) (i32.const 32) (i32.const 40))
      (call $try_host (local.get $fd) (i32.const 96) (i32.const 26))
      (call $try_host (local.get $fd) (i32.const 128) (i32.const 36))
      (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $fd) (i32.const 8))))
    ;; Links of our own: an absolute one can't be made, a relative one leads nowhere, nor does one to a folder above.
    (if (i32.eqz (call $symlink (i32.const 0) (i32.const 11) (i32.const 4) (i32.const 192) (i32.const 4)))
      (then unreachable))
    (if (call $symlink (i32.const 32) (i32.const 40) (i32.const 4) (i32.const 192) (i32.const 4)) (then unreachable))
    (call $try (i32.const 4) (i32.const 192) (i32.const 4))
    (if (call $symlink (i32.const 204) (i32.const 29) (i32.const 4) (i32.const 200) (i32.const 2)) (then unreachable))
    (call $try (i32.const 4) (i32.const 236) (i32.const 13))
    (call $exit (i32.const 42))))
