;; Asks for nine tables, where a program needs one: each takes memory of the host's before the guest runs.
(module
  (memory (export "memory") 1)
  (table 1 funcref) (table 1 funcref) (table 1 funcref)
  (table 1 funcref) (table 1 funcref) (table 1 funcref)
  (table 1 funcref) (table 1 funcref) (table 1 funcref)
  (func (export "_start")))
