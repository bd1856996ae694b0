;; A library: it has functions, and none to start with.
(module
  (memory (export "memory") 1)
  (func (export "train")))
