//! What compiling one function takes.

use std::collections::HashSet;

use wasmparser::{BlockType, FunctionBody, Operator};

use super::parts::{Arity, Parts};

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

/// What an operation becomes that is more than one to the compiler: values, and blocks of straight code.
type Becomes = (u64, u64);

const CALL: Becomes = (4, 0);
/// Looks into a table, at the function's type, and perhaps makes the entry first.
const INDIRECT_CALL: Becomes = (28, 8);
const TABLE_GET: Becomes = (25, 7);
const TABLE_SET: Becomes = (6, 1);
const TABLE_GROW: Becomes = (20, 14);
const TABLE_FILL: Becomes = (6, 8);
const TABLE_COPY: Becomes = (34, 40);
const TABLE_INIT: Becomes = (20, 14);
/// Each turn asks whether the guest is to end.
const LOOP: Becomes = (20, 3);
const IF: Becomes = (0, 2);
const BRANCH_IF: Becomes = (0, 2);

/// Values of a function, by what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Values {
    pub all: u64,
    carried: u64,
    places: u64,
}

impl Values {
    pub fn bytes(self) -> u64 {
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
pub(super) struct Function<'a> {
    parts: &'a Parts,
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
    pub fn new(parts: &'a Parts, position: usize, limit: u64) -> Self {
        let (parameters, results) = parts.own_function(position);
        Self {
            parts,
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
    pub fn measure(mut self, body: &FunctionBody<'_>) -> Values {
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
            Operator::Block { blockty } => self.open(*blockty, false),
            Operator::If { blockty } => {
                self.open(*blockty, false);
                self.becomes(IF);
            }
            Operator::Loop { blockty } => {
                self.open(*blockty, true);
                self.becomes(LOOP);
            }
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
            Operator::Br { relative_depth } => self.branch(*relative_depth),
            Operator::BrIf { relative_depth } => {
                self.branch(*relative_depth);
                self.becomes(BRANCH_IF);
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
                self.call(self.parts.function(*function_index), CALL);
            }
            Operator::CallIndirect { type_index, .. }
            | Operator::ReturnCallIndirect { type_index, .. }
            | Operator::CallRef { type_index }
            | Operator::ReturnCallRef { type_index } => {
                self.call(self.parts.arity(*type_index), INDIRECT_CALL);
            }
            Operator::TableGet { .. } => self.becomes(TABLE_GET),
            Operator::TableSet { .. } => self.becomes(TABLE_SET),
            Operator::TableGrow { .. } => self.becomes(TABLE_GROW),
            Operator::TableFill { .. } => self.becomes(TABLE_FILL),
            Operator::TableCopy { .. } => self.becomes(TABLE_COPY),
            Operator::TableInit { .. } => self.becomes(TABLE_INIT),
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
        let (parameters, results) = self.block(block);
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

    fn block(&self, block: BlockType) -> Arity {
        match block {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(index) => self.parts.arity(index),
        }
    }

    fn call(&mut self, (parameters, results): Arity, call: Becomes) {
        self.values.all += parameters + results;
        self.becomes(call);
    }

    fn becomes(&mut self, (values, blocks): Becomes) {
        self.values.all += values;
        self.blocks += blocks;
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
