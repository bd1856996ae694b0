;; Asks for memory that several threads share: two runs could then differ.
(module
  (memory (export "memory") 1 2 shared)
  (func (export "_start") (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))))
