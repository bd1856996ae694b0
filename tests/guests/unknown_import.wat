;; Asks the host for a function that WASI preview 1 does not have: a way out to the network.
(module
  (import "env" "http_get" (func (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")))
