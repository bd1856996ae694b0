//! Rows on their way down trees, several side by side.

use super::trees::{CategorySet, Split, Trees};
use crate::learners::Features;

/// Rows that go down a tree side by side: a row's next node waits for memory, and which it is cannot be guessed.
const LANES: usize = 8;
/// Steps that are taken before it is asked whether all have arrived. An even number takes the loop around less often.
const STEPS: usize = 3;
/// Rows that go through one tree before the next tree has its turn: both stay in the cache.
const BLOCK: usize = 1024;
/// Values of such rows. Fewer rows where there are many columns.
const BLOCK_VALUES: usize = 1 << 16;

/// An ensemble laid out for walks.
pub(super) struct Walk<'a> {
    trees: &'a Trees,
    steps: Vec<Step>,
    /// Empty where no node splits by category.
    sets: Vec<BitSet>,
}

/// A node. One read brings all of it.
#[derive(Clone, Copy)]
struct Step {
    threshold: f32,
    feature: u32,
    /// The left child. A leaf is its own, and everything goes left there: who has arrived stays.
    next: u32,
    split: Split,
}

impl<'a> Walk<'a> {
    pub fn new(trees: &'a Trees) -> Self {
        let steps = (0_u32..).zip(&trees.split).map(|(node, split)| {
            let index = node as usize;
            match split {
                Split::Leaf => Step {
                    threshold: f32::INFINITY,
                    feature: 0,
                    next: node,
                    split: Split::ThresholdMissingLeft,
                },
                _ => Step {
                    threshold: trees.threshold[index],
                    feature: trees.feature[index],
                    next: trees.next[index],
                    split: *split,
                },
            }
        });
        Walk {
            trees,
            steps: steps.collect(),
            sets: trees.category_sets.iter().map(BitSet::new).collect(),
        }
    }

    /// Calls `reached(row, tree, leaf)` for every row and tree.
    pub fn visit(&self, features: &Features, mut reached: impl FnMut(usize, usize, usize)) {
        // A leaf looks at a column, too.
        let columns = features.columns.len().max(1);
        let rows = (BLOCK_VALUES / columns).clamp(LANES, BLOCK);
        let mut values = vec![0.0; rows * columns];
        for start in (0..features.rows).step_by(rows) {
            let rows = rows.min(features.rows - start);
            for (place, column) in features.columns.iter().enumerate() {
                let column = &column.values[start..start + rows];
                for (row, value) in column.iter().enumerate() {
                    values[row * columns + place] = *value;
                }
            }
            let values = &values[..rows * columns];
            for (tree, root) in self.trees.roots.iter().enumerate() {
                self.block(*root, values, columns, |row, leaf| {
                    reached(start + row, tree, leaf);
                });
            }
        }
    }

    /// Calls `reached(row, leaf)` for rows of a block, one after the other.
    fn block(
        &self,
        root: u32,
        values: &[f32],
        columns: usize,
        mut reached: impl FnMut(usize, usize),
    ) {
        let rows = values.len() / columns;
        for first in (0..rows).step_by(LANES) {
            // At the end of a block some rows go down several times.
            let row = |lane: usize| (first + lane).min(rows - 1);
            let lanes = std::array::from_fn(|lane| &values[row(lane) * columns..][..columns]);
            let nodes = match self.sets.is_empty() {
                true => self.arrive::<false>(root, lanes),
                false => self.arrive::<true>(root, lanes),
            };
            for (lane, node) in nodes.iter().enumerate().take(rows - first) {
                reached(first + lane, self.trees.next[*node as usize] as usize);
            }
        }
    }

    /// The leaf's node that each row ends at.
    #[inline(always)]
    fn arrive<const CATEGORIES: bool>(&self, root: u32, rows: [&[f32]; LANES]) -> [u32; LANES] {
        let mut nodes = [root; LANES];
        loop {
            for _ in 0..STEPS {
                for (node, row) in nodes.iter_mut().zip(rows) {
                    *node = self.next::<CATEGORIES>(*node, row);
                }
            }
            let arrived = |node: &u32| self.steps[*node as usize].next == *node;
            if nodes.iter().all(arrived) {
                return nodes;
            }
        }
    }

    #[inline(always)]
    fn next<const CATEGORIES: bool>(&self, node: u32, row: &[f32]) -> u32 {
        let step = self.steps[node as usize];
        let value = row[step.feature as usize];
        let missing_left = match step.split {
            Split::ThresholdMissingLeft | Split::CategoriesMissingLeft => true,
            Split::Leaf | Split::Threshold | Split::Categories => false,
        };
        let by_category = matches!(step.split, Split::Categories | Split::CategoriesMissingLeft);
        let left = if CATEGORIES && by_category {
            let set = &self.sets[self.trees.set[node as usize] as usize];
            set.contains(value).unwrap_or(missing_left)
        } else {
            // Without a jump: which way a row goes cannot be guessed.
            (value <= step.threshold) | (missing_left & value.is_nan())
        };
        step.next + u32::from(!left)
    }
}

/// A [`CategorySet`] that can be asked quickly.
struct BitSet {
    categories: u32,
    words: Vec<u64>,
}

impl BitSet {
    fn new(set: &CategorySet) -> Self {
        let mut words = vec![0_u64; set.categories.div_ceil(64) as usize];
        for code in &set.left {
            if let Some(word) = words.get_mut(*code as usize / 64) {
                *word |= 1 << (code % 64);
            }
        }
        BitSet {
            categories: set.categories,
            words,
        }
    }

    /// Whether the category goes left; `None` for a missing value or an unknown category.
    fn contains(&self, value: f32) -> Option<bool> {
        // A negative or missing value fails the first comparison.
        if value >= 0.0 && value < self.categories as f32 {
            let code = value as usize;
            Some(self.words[code / 64] >> (code % 64) & 1 == 1)
        } else {
            None
        }
    }
}
