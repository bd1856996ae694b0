;; Says that all went well, and leaves nothing.
(module
  (memory (export "memory") 1)
  (func (export "_start")))
