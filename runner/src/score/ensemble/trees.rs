//! Flat trees.

/// Rows that go through one tree before the next tree has its turn.
const BLOCK: usize = 1_000;
/// Rows that go down a tree side by side: a row's next node waits for memory, and which it is cannot be guessed.
const LANES: usize = 8;

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
    /// The column that is looked at; 0 in a leaf.
    pub feature: u32,
    pub threshold: f32,
    /// Where values go that pass the test; the others go to the node behind it. In a leaf, its number.
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
    /// Those of one leaf after those of another.
    pub weights: Vec<Weight>,
    /// Where the weights of each leaf end, by its number.
    pub ends: Vec<u32>,
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
        let rows = block.len() / columns;
        let mut first = 0;
        while first < rows {
            let lanes = LANES.min(rows - first);
            let leaves = if lanes == LANES {
                self.leaves::<PLAIN>(root, &block[first * columns..], columns)
            } else {
                // The last few go several times.
                std::array::from_fn(|lane| {
                    let row = first + lane.min(lanes - 1);
                    self.leaf::<PLAIN>(root, &block[row * columns..(row + 1) * columns])
                })
            };
            for (lane, leaf) in leaves.into_iter().take(lanes).enumerate() {
                let of_row = (first + lane) * self.outputs..(first + lane + 1) * self.outputs;
                let (sums, given) = (&mut sums[of_row.clone()], &mut given[of_row]);
                for weight in self.weights_of(leaf) {
                    let output = weight.output as usize;
                    self.add(&mut sums[output], given[output], weight.value);
                    given[output] = true;
                }
            }
            first += lanes;
        }
    }

    fn weights_of(&self, leaf: u32) -> &[Weight] {
        let leaf = leaf as usize;
        let begin = if leaf == 0 { 0 } else { self.ends[leaf - 1] };
        &self.weights[begin as usize..self.ends[leaf] as usize]
    }

    /// The leaf of each of the first [`LANES`] rows. Who has arrived waits for the others.
    #[inline(always)]
    fn leaves<const PLAIN: bool>(&self, root: u32, rows: &[f32], columns: usize) -> [u32; LANES] {
        let mut at = [root; LANES];
        loop {
            let mut moved = false;
            for (lane, at) in at.iter_mut().enumerate() {
                let node = &self.nodes[*at as usize];
                let value = rows[lane * columns + node.feature as usize];
                let inner = node.test != Test::Leaf;
                let next = node.next + u32::from(!node.passes::<PLAIN>(value));
                *at = if inner { next } else { *at };
                moved |= inner;
            }
            if !moved {
                return at.map(|leaf| self.nodes[leaf as usize].next);
            }
        }
    }

    fn leaf<const PLAIN: bool>(&self, root: u32, row: &[f32]) -> u32 {
        let mut node = &self.nodes[root as usize];
        while node.test != Test::Leaf {
            let passes = node.passes::<PLAIN>(row[node.feature as usize]);
            node = &self.nodes[node.next as usize + usize::from(!passes)];
        }
        node.next
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

impl Node {
    #[inline(always)]
    fn passes<const PLAIN: bool>(&self, value: f32) -> bool {
        let passes = if PLAIN {
            value <= self.threshold
        } else {
            self.test.passes(value, self.threshold)
        };
        passes | (self.missing_passes & value.is_nan())
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
