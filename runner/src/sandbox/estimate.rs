//! What compiling a module takes, told from the module before it is compiled.
//!
//! A few bytes of a module can stand for a lot of work: a call of two bytes may have a thousand arguments and as many
//! results, and a variable that is read in a loop within a thousand loops is carried through each of them. Such
//! functions are refused here, by an estimate that is rough and rather too high. The figures were measured with modules
//! that were made to cost much, and with CPython (9.6 MB, estimated as 0.3 GiB), a compiler in Go (14 MB, 0.5 GiB) and
//! SQLite.

use std::collections::HashSet;

use wasmparser::{BlockType, CompositeInnerType, FunctionBody, Operator, Parser, Payload, TypeRef};

/// Bytes that the compiler takes for a value: what computes it, where it lives, and the code that this becomes.
const VALUE: u64 = 600;
/// Bytes for a variable that is carried through a loop.
const CARRIED: u64 = 3000;
/// Bytes of the table in which a variable has a place for each block of its function, for a place. What a block leaves
/// is a variable, too.
const PLACE: u64 = 8;
/// Values that calculating with whole numbers is counted as: the compiler keeps every form that it finds of a sum.
const FORMS: u64 = 4;
/// A function with more variables is none: WebAssembly has 50,000, and a thousand arguments.
const MAX_VARIABLES: usize = 1 << 16;
/// Bytes that are kept of a value until all functions are compiled.
const KEPT: u64 = 24;

/// An estimate of the memory that compiling `module` takes on `threads` threads, in bytes. It stops counting beyond
/// `limit`. What is no module costs nothing: the compiler says what is wrong with it.
pub(super) fn memory(module: &[u8], threads: usize, limit: u64) -> u64 {
    let mut types = Types::default();
    // The largest functions may be compiled side by side.
    let mut largest: Vec<u64> = Vec::new();
    let mut kept = module.len() as u64;
    let mut bodies = 0;
    for payload in Parser::new(0).parse_all(module) {
        let Ok(payload) = payload else { break };
        if let Payload::CodeSectionEntry(body) = &payload {
            let values = Function::new(&types, bodies, limit).measure(body);
            bodies += 1;
            kept = kept.saturating_add(values.all.saturating_mul(KEPT));
            largest.push(values.bytes());
            largest.sort_unstable_by(|left, right| right.cmp(left));
            largest.truncate(threads.max(1));
        } else {
            types.read(&payload);
        }
        let sum = largest
            .iter()
            .fold(kept, |sum, each| sum.saturating_add(*each));
        if sum > limit {
            return sum;
        }
    }
    largest
        .iter()
        .fold(kept, |sum, each| sum.saturating_add(*each))
}

/// Values that come in and go out.
type Arity = (u64, u64);

/// Types by their index, and the types of functions: those imported, then the module's own.
#[derive(Default)]
struct Types {
    types: Vec<Arity>,
    functions: Vec<u32>,
    imported: usize,
}

impl Types {
    fn read(&mut self, payload: &Payload<'_>) {
        match payload {
            Payload::TypeSection(section) => {
                for group in section.clone().into_iter().flatten() {
                    self.types
                        .extend(group.types().map(|each| match &each.composite_type.inner {
                            CompositeInnerType::Func(function) => (
                                function.params().len() as u64,
                                function.results().len() as u64,
                            ),
                            _ => (0, 0),
                        }));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports().flatten() {
                    if let TypeRef::Func(index) | TypeRef::FuncExact(index) = import.ty {
                        self.functions.push(index);
                    }
                }
                self.imported = self.functions.len();
            }
            Payload::FunctionSection(section) => {
                self.functions.extend(section.clone().into_iter().flatten());
            }
            _ => {}
        }
    }

    fn arity(&self, index: u32) -> Arity {
        self.types.get(index as usize).copied().unwrap_or_default()
    }

    fn function(&self, index: usize) -> Arity {
        self.functions
            .get(index)
            .map_or_else(Arity::default, |index| self.arity(*index))
    }

    fn block(&self, block: BlockType) -> Arity {
        match block {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(index) => self.arity(index),
        }
    }
}

/// Values of a function, by what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Values {
    all: u64,
    carried: u64,
    places: u64,
}

impl Values {
    fn bytes(self) -> u64 {
        self.all
            .saturating_mul(VALUE)
            .saturating_add(self.carried.saturating_mul(CARRIED))
            .saturating_add(self.places.saturating_mul(PLACE))
    }
}

/// A place that a branch may lead to.
struct Label {
    /// Values that a branch brings along.
    brings: u64,
    /// The variables that a loop carries; `None` of another block.
    carries: Option<HashSet<u32>>,
}

/// A function while it is measured.
struct Function<'a> {
    types: &'a Types,
    limit: u64,
    labels: Vec<Label>,
    variables: HashSet<u32>,
    /// The loops that are open, by numbers of their own.
    loops: Vec<u64>,
    opened: u64,
    /// For each variable, the innermost loop in which it was met last: most are met there again.
    met_in: Vec<u64>,
    /// Blocks of straight code.
    blocks: u64,
    /// Places of what blocks left that have ended.
    left: u64,
    values: Values,
}

impl<'a> Function<'a> {
    /// The module's own function of this position.
    fn new(types: &'a Types, position: usize, limit: u64) -> Self {
        let (parameters, results) = types.function(types.imported + position);
        Self {
            types,
            limit,
            labels: vec![Label {
                brings: results,
                carries: None,
            }],
            variables: HashSet::new(),
            loops: vec![1],
            opened: 1,
            met_in: Vec::new(),
            blocks: 0,
            left: 0,
            values: Values {
                all: parameters + results,
                ..Values::default()
            },
        }
    }

    /// Reads a body to its end, or until it costs more than the limit.
    fn measure(mut self, body: &FunctionBody<'_>) -> Values {
        let locals = body.get_locals_reader().into_iter().flatten().flatten();
        self.values.all += locals.map(|(count, _)| u64::from(count)).sum::<u64>();
        let Ok(operators) = body.get_operators_reader() else {
            return self.values;
        };
        for operator in operators {
            let Ok(operator) = operator else { break };
            self.count(&operator);
            let places = self.blocks.saturating_mul(self.variables.len() as u64);
            self.values.places = places.saturating_add(self.left);
            if self.values.bytes() > self.limit {
                break;
            }
        }
        self.values
    }

    fn count(&mut self, operator: &Operator<'_>) {
        self.values.all += 2;
        match operator {
            Operator::LocalGet { local_index }
            | Operator::LocalSet { local_index }
            | Operator::LocalTee { local_index } => self.variable(*local_index),
            Operator::Block { blockty } | Operator::If { blockty } => self.open(*blockty, false),
            Operator::Loop { blockty } => self.open(*blockty, true),
            Operator::TryTable { try_table } => self.open(try_table.ty, false),
            Operator::Else => self.blocks += 1,
            Operator::End => {
                self.blocks += 1;
                if let Some(label) = self.labels.pop() {
                    let places = label.brings.saturating_mul(self.blocks);
                    self.left = self.left.saturating_add(places);
                    if label.carries.is_some() {
                        self.loops.pop();
                    }
                }
            }
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                self.branch(*relative_depth);
            }
            Operator::BrTable { targets } => {
                // Each place is reached by one edge, however often the table names it.
                let places: HashSet<u32> = targets
                    .targets()
                    .flatten()
                    .chain([targets.default()])
                    .collect();
                self.values.all += u64::from(targets.len());
                for place in places {
                    self.branch(place);
                }
            }
            Operator::Return => {
                let outermost = self.labels.len().saturating_sub(1);
                self.branch(u32::try_from(outermost).unwrap_or(u32::MAX));
            }
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                self.call(self.types.function(*function_index as usize));
            }
            Operator::CallIndirect { type_index, .. }
            | Operator::ReturnCallIndirect { type_index, .. }
            | Operator::CallRef { type_index }
            | Operator::ReturnCallRef { type_index } => self.call(self.types.arity(*type_index)),
            Operator::I32Add
            | Operator::I32Sub
            | Operator::I32Mul
            | Operator::I32And
            | Operator::I32Or
            | Operator::I32Xor
            | Operator::I32Shl
            | Operator::I64Add
            | Operator::I64Sub
            | Operator::I64Mul
            | Operator::I64And
            | Operator::I64Or
            | Operator::I64Xor
            | Operator::I64Shl => self.values.all += FORMS,
            _ => {}
        }
    }

    fn open(&mut self, block: BlockType, repeats: bool) {
        let (parameters, results) = self.types.block(block);
        self.values.all += parameters + results;
        self.blocks += 1;
        if repeats {
            self.opened += 1;
            self.loops.push(self.opened);
        }
        self.labels.push(Label {
            brings: if repeats { parameters } else { results },
            carries: repeats.then(HashSet::new),
        });
    }

    fn branch(&mut self, depth: u32) {
        let label = self.labels.iter().rev().nth(depth as usize);
        self.values.all += label.map_or(0, |label| label.brings);
        self.blocks += 1;
    }

    fn call(&mut self, (parameters, results): Arity) {
        self.values.all += parameters + results;
    }

    /// Each loop around it carries a variable, once.
    fn variable(&mut self, index: u32) {
        let (at, innermost) = (index as usize, self.loops.last().copied().unwrap_or(1));
        if at >= self.met_in.len() && at < MAX_VARIABLES {
            self.met_in.resize(at + 1, 0);
        }
        match self.met_in.get_mut(at) {
            Some(met) if *met == innermost => return,
            Some(met) => *met = innermost,
            None => return,
        }
        self.variables.insert(index);
        let loops = self.labels.iter_mut().rev();
        for carries in loops.filter_map(|label| label.carries.as_mut()) {
            if !carries.insert(index) {
                break;
            }
            self.values.carried += 1;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LIMIT: u64 = 1 << 30;

    fn estimate(text: &str) -> u64 {
        memory(&wat::parse_str(text).unwrap(), 2, LIMIT)
    }

    #[test]
    fn a_plain_module_costs_little() {
        let module = r#"(module (func (export "_start") (local i32)
            (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 9))))))"#;
        assert!(estimate(module) < 1 << 20);
        assert!(memory(b"no module", 2, LIMIT) < 1 << 20);
    }

    #[test]
    fn calls_of_a_thousand_values_add_up() {
        let many = "i64 ".repeat(1000);
        let calls = "(call 0)".repeat(8000);
        let module = format!(
            r#"(module (func (param {many}) (result {many}) unreachable)
            (func (param {many}) (result {many}) {} {calls}))"#,
            (0..1000)
                .map(|index| format!("local.get {index} "))
                .collect::<String>()
        );
        let bytes = wat::parse_str(&module).unwrap();
        assert!(bytes.len() < 32 << 10, "{}", bytes.len());
        assert!(estimate(&module) > LIMIT);
    }

    #[test]
    fn so_does_what_blocks_leave() {
        let ifs =
            "(i64.add (if (result i64) (local.get 0) (then (i64.const 1)) (else (i64.const 2))))";
        let module = format!(
            "(module (func (param i32) (result i64) (i64.const 0) {}))",
            ifs.repeat(20_000)
        );
        assert!(estimate(&module) > LIMIT);
    }

    #[test]
    fn so_do_variables_in_loops_within_loops() {
        let module = format!(
            "(module (func (local {}) {} {} {}))",
            "i64 ".repeat(2000),
            "(loop ".repeat(2000),
            (0..2000)
                .map(|index| format!("(local.set {index} (i64.const 1))"))
                .collect::<String>(),
            ")".repeat(2000)
        );
        assert!(estimate(&module) > LIMIT);
    }
}
