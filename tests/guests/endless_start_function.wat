;; Never gets as far as `_start`: it loops where a module only sets itself up.
(module
  (memory (export "memory") 1)
  (func $set_up (loop $again (br $again)))
  (start $set_up)
  (func (export "_start")))
