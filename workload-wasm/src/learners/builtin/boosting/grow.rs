//! Grows a tree leaf by leaf: the one whose split gains most comes next (Ke et al. 2017).

use std::ops::Range;

use super::histogram::Rows;
use super::search::{Limits, Search, Split, minus};
use super::tree::{Branch, Grown, Tree};
use super::{Quantum, Sums};
use crate::learners::builtin::bins::Bins;
use crate::learners::builtin::partition::partition;

/// Histograms that leaves keep, in bytes, at most. A leaf without one has its rows summed up anew when it is split.
const ROOM: usize = 256 << 20;

/// Grows trees on the rows of some bins, one after the other.
pub(in crate::learners::builtin) struct Grower<'a> {
    bins: &'a Bins,
    table: Rows,
    limits: Limits,
    /// The rows of the tree; each leaf has a stretch of them.
    rows: Vec<u32>,
    /// The rows that go right while a stretch is parted.
    right: Vec<u32>,
    /// Histograms that no leaf has any more.
    free: Vec<Vec<Sums>>,
    /// Histograms that leaves keep, and how many they may.
    held: usize,
    room: usize,
    /// How much the splits by each column have gained, over all trees.
    pub importance: Vec<f64>,
}

/// What a tree is grown from.
#[derive(Clone, Copy)]
pub(in crate::learners::builtin) struct Ground<'a> {
    pub rows: &'a [u32],
    /// Which columns it may split by.
    pub used: &'a [bool],
    pub packed: &'a [i64],
    pub quantum: Quantum,
}

/// A leaf that may be split.
struct Open {
    node: usize,
    /// Its parent's node.
    parent: usize,
    stretch: Range<usize>,
    depth: u32,
    sums: Sums,
    strictness: f64,
    histogram: Option<Vec<Sums>>,
    best: Option<Split>,
}

impl<'a> Grower<'a> {
    /// `rows` are those that the bins hold.
    pub fn new(bins: &'a Bins, rows: usize, limits: Limits) -> Self {
        let table = Rows::new(bins, rows);
        Grower {
            bins,
            held: 0,
            room: (ROOM / (table.length * size_of::<Sums>()).max(1)).max(3),
            table,
            limits,
            rows: Vec::new(),
            right: Vec::new(),
            free: Vec::new(),
            importance: vec![0.0; bins.columns.len()],
        }
    }

    /// Grows a tree.
    pub fn grow(&mut self, ground: Ground<'_>) -> Tree {
        self.rows.clear();
        self.rows.extend_from_slice(ground.rows);
        self.right.resize(ground.rows.len(), 0);
        let mut nodes = vec![Branch::Leaf(0)];
        let mut open = vec![self.root(ground)];
        while open.len() < self.limits.num_leaves {
            let Some(place) = most(&open) else {
                break;
            };
            let Some(split) = open[place].best.take() else {
                break;
            };
            let sides = split.sides();
            let leaf = &mut open[place];
            let middle = self.part(leaf.stretch.clone(), &split, &sides);
            if self.too_few(&leaf.stretch, middle) {
                // Back to their order, for a search that is stricter.
                self.rows[leaf.stretch.clone()].sort_unstable();
                leaf.strictness *= 2.0;
                self.look(leaf, ground);
                continue;
            }
            self.importance[split.feature] += split.gain;
            let parent = leaf.histogram.take();
            self.held -= usize::from(parent.is_some());
            let children = [nodes.len(), nodes.len() + 1];
            let mut right = leaf.divide(middle, split.left, children);
            nodes[right.parent] = Branch::Split {
                split,
                sides: Box::new(sides),
                left: children[0],
                right: children[1],
            };
            nodes.extend([Branch::Leaf(0), Branch::Leaf(0)]);
            let last = open.len() + 1 == self.limits.num_leaves;
            let left = &mut open[place];
            match parent {
                Some(parent) if !last && (self.may_split(left) || self.may_split(&right)) => {
                    self.subtract(parent, left, &mut right, ground);
                }
                other => self.free.extend(other),
            }
            if !last {
                self.look(left, ground);
                self.look(&mut right, ground);
            }
            open.push(right);
        }
        let mut leaves = Vec::with_capacity(open.len());
        for leaf in open {
            nodes[leaf.node] = Branch::Leaf(leaves.len());
            self.free.extend(leaf.histogram);
            leaves.push(Grown {
                sums: leaf.sums,
                stretch: leaf.stretch,
            });
        }
        self.held = 0;
        Tree { nodes, leaves }
    }

    /// The rows that ended in a leaf of the last tree.
    pub fn rows_of(&self, leaf: &Grown) -> &[u32] {
        &self.rows[leaf.stretch.clone()]
    }

    fn root(&mut self, ground: Ground<'_>) -> Open {
        let mut root = Open {
            node: 0,
            parent: 0,
            stretch: 0..self.rows.len(),
            depth: 0,
            sums: sum(&self.rows, ground.packed),
            strictness: 1.0,
            histogram: None,
            best: None,
        };
        self.look(&mut root, ground);
        root
    }

    fn may_split(&self, leaf: &Open) -> bool {
        leaf.stretch.len() >= 2 * self.limits.min_child_samples.max(1)
            && self.limits.max_depth.is_none_or(|most| leaf.depth < most)
    }

    fn too_few(&self, stretch: &Range<usize>, middle: usize) -> bool {
        // The search estimates the rows on a side by their Hessians.
        let least = self.limits.min_child_samples.max(1);
        middle - stretch.start < least || stretch.end - middle < least
    }

    /// Looks for a leaf's best split, and lets go of its histogram where there is none or no room.
    fn look(&mut self, leaf: &mut Open, ground: Ground<'_>) {
        let known = leaf.histogram.take();
        self.held -= usize::from(known.is_some());
        if !self.may_split(leaf) {
            self.free.extend(known);
            return;
        }
        let histogram = known.unwrap_or_else(|| self.add_up(leaf.stretch.clone(), ground));
        let rows = leaf.stretch.len();
        let search = Search::new(
            leaf.sums,
            rows,
            ground.quantum,
            self.limits,
            leaf.strictness,
        );
        leaf.best = search.best(self.bins, &self.table.starts, ground.used, &histogram);
        if leaf.best.is_some() && self.held < self.room {
            self.held += 1;
            leaf.histogram = Some(histogram);
        } else {
            self.free.push(histogram);
        }
    }

    fn add_up(&mut self, stretch: Range<usize>, ground: Ground<'_>) -> Vec<Sums> {
        let mut histogram = self.free.pop().unwrap_or_default();
        let rows = &self.rows[stretch];
        self.table
            .add_up(rows, ground.packed, ground.used, &mut histogram);
        histogram
    }

    /// Puts the rows that go left before those that go right, both in order; says where the latter begin.
    fn part(&mut self, stretch: Range<usize>, split: &Split, sides: &[u8; 256]) -> usize {
        let codes = self.bins.columns[split.feature].codes.as_slice();
        let rows = &mut self.rows[stretch.clone()];
        let left = partition(rows, &mut self.right, |row| {
            sides[usize::from(codes[row as usize])] == 1
        });
        stretch.start + left
    }

    /// Makes the histograms of both children: that of the smaller from its rows, the other's is what is left of the
    /// parent's.
    fn subtract(
        &mut self,
        mut parent: Vec<Sums>,
        left: &mut Open,
        right: &mut Open,
        ground: Ground<'_>,
    ) {
        let (smaller, larger) = match left.stretch.len() < right.stretch.len() {
            true => (left, right),
            false => (right, left),
        };
        let sums = self.add_up(smaller.stretch.clone(), ground);
        for (rest, sums) in parent.iter_mut().zip(&sums) {
            *rest = minus(*rest, *sums);
        }
        self.held += 2;
        larger.histogram = Some(parent);
        smaller.histogram = Some(sums);
    }
}

impl Open {
    /// Becomes the left child of its node, `left` being the sums of its rows, and says the right one.
    fn divide(&mut self, middle: usize, left: Sums, children: [usize; 2]) -> Open {
        let parent = self.node;
        let right = Open {
            node: children[1],
            parent,
            stretch: middle..self.stretch.end,
            depth: self.depth + 1,
            sums: minus(self.sums, left),
            strictness: 1.0,
            histogram: None,
            best: None,
        };
        *self = Open {
            node: children[0],
            parent,
            stretch: self.stretch.start..middle,
            depth: self.depth + 1,
            sums: left,
            strictness: 1.0,
            histogram: None,
            best: None,
        };
        right
    }
}

/// The leaf whose split gains most, the first of equals.
fn most(open: &[Open]) -> Option<usize> {
    let mut most: Option<(usize, f64)> = None;
    for (place, leaf) in open.iter().enumerate() {
        if let Some(best) = &leaf.best
            && most.is_none_or(|(_, gain)| best.gain > gain)
        {
            most = Some((place, best.gain));
        }
    }
    most.map(|(place, _)| place)
}

fn sum(rows: &[u32], packed: &[i64]) -> Sums {
    let (mut gradients, mut hessians) = (0_i64, 0_i64);
    for row in rows {
        let packed = packed[*row as usize];
        gradients += packed >> 32;
        hessians += packed & i64::from(u32::MAX);
    }
    [gradients as f64, hessians as f64]
}
