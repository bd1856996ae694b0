//! Flat trees.

/// Rows that go through one tree before the next tree has its turn.
const BLOCK: usize = 1_000;

/// How the values of several trees become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

/// What a node does with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Leaf,
    AtMost,
    Less,
    AtLeast,
    More,
    Equal,
    Unequal,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub test: Test,
    /// Whether a missing value passes the test.
    pub missing_passes: bool,
    /// The column that is looked at; in a leaf, how many weights it has.
    pub feature: u32,
    pub threshold: f32,
    /// Where values go that pass the test; the others go to the node behind it. In a leaf, its first weight.
    pub next: u32,
}

/// What a leaf gives to an output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    pub output: u32,
    pub value: f32,
}

/// An ensemble whose indices were checked: every walk from a root ends in a leaf, and all weights are of outputs.
#[derive(Debug)]
pub(super) struct Trees {
    pub nodes: Vec<Node>,
    pub roots: Vec<u32>,
    pub weights: Vec<Weight>,
    /// Classes or targets.
    pub outputs: usize,
    /// Columns that rows must have at least.
    pub features: usize,
    pub aggregate: Aggregate,
    /// Whether all tests are [`Test::AtMost`], as most exporters make them.
    pub plain: bool,
}

/// What the trees give to each row: rows x outputs. In double precision, so that the sum of many trees does not drift.
pub(super) struct Sums {
    pub values: Vec<f64>,
    /// Whether any leaf had a weight for the output.
    pub given: Vec<bool>,
}

impl Trees {
    /// Sends `rows` x `columns` values, row by row, through all trees.
    pub fn sums(&self, values: &[f32], rows: usize, columns: usize) -> Sums {
        let mut sums = Sums {
            values: vec![0.0; rows * self.outputs],
            given: vec![false; rows * self.outputs],
        };
        let size = BLOCK * self.outputs;
        let targets = sums
            .values
            .chunks_mut(size)
            .zip(sums.given.chunks_mut(size));
        for (block, (sums, given)) in values.chunks(BLOCK * columns.max(1)).zip(targets) {
            for root in &self.roots {
                if self.plain {
                    self.tree::<true>(*root, block, columns, sums, given);
                } else {
                    self.tree::<false>(*root, block, columns, sums, given);
                }
            }
        }
        if self.aggregate == Aggregate::Average {
            let trees = self.roots.len() as f64;
            sums.values.iter_mut().for_each(|sum| *sum /= trees);
        }
        sums
    }

    fn tree<const PLAIN: bool>(
        &self,
        root: u32,
        block: &[f32],
        columns: usize,
        sums: &mut [f64],
        given: &mut [bool],
    ) {
        let targets = sums
            .chunks_exact_mut(self.outputs)
            .zip(given.chunks_exact_mut(self.outputs));
        for (row, (sums, given)) in block.chunks_exact(columns).zip(targets) {
            let leaf = self.leaf::<PLAIN>(root, row);
            let first = leaf.next as usize;
            for weight in &self.weights[first..first + leaf.feature as usize] {
                let output = weight.output as usize;
                self.add(&mut sums[output], given[output], weight.value);
                given[output] = true;
            }
        }
    }

    #[inline(always)]
    fn leaf<const PLAIN: bool>(&self, root: u32, row: &[f32]) -> &Node {
        let mut node = &self.nodes[root as usize];
        while node.test != Test::Leaf {
            let value = row[node.feature as usize];
            let passes = if PLAIN {
                value <= node.threshold
            } else {
                node.test.passes(value, node.threshold)
            };
            let passes = passes || (node.missing_passes && value.is_nan());
            node = &self.nodes[node.next as usize + usize::from(!passes)];
        }
        node
    }

    #[inline(always)]
    fn add(&self, sum: &mut f64, given: bool, value: f32) {
        let value = f64::from(value);
        *sum = match self.aggregate {
            Aggregate::Sum | Aggregate::Average => *sum + value,
            Aggregate::Min if given => sum.min(value),
            Aggregate::Max if given => sum.max(value),
            Aggregate::Min | Aggregate::Max => value,
        };
    }
}

impl Test {
    #[inline(always)]
    fn passes(self, value: f32, threshold: f32) -> bool {
        match self {
            Self::AtMost => value <= threshold,
            Self::Less => value < threshold,
            Self::AtLeast => value >= threshold,
            Self::More => value > threshold,
            Self::Equal => value == threshold,
            Self::Unequal => value != threshold,
            Self::Leaf => false,
        }
    }
}
