;; Divides by zero, in a function whose name is known.
(module
  (memory (export "memory") 1)
  (func $fit_the_model (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func $main (export "_start") (drop (call $fit_the_model (i32.const 0)))))
