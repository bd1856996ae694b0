//! Grows a tree from the root down (Breiman et al. 1984).

use std::rc::Rc;

use super::bins::Bins;
use super::bundles::Bundles;
use super::goal::Goal;
use super::partition::partition;
use super::split::{Column, Found, Part, Search, Split};
use super::sums::{self, STEP};
use crate::forms::Node;
use crate::learners::Features;
use crate::learners::random::Random;

/// Splits whose decreases of impurity differ by less than this share of them are equally good. The sums of equal parts are
/// added up in another order by each column, so that rounding alone tells them apart.
const TIE: f64 = 1e-9;

/// What keeps a tree from growing on, and how it chooses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub max_depth: Option<u32>,
    pub min_samples_split: usize,
    pub min_samples_leaf: usize,
    /// How many columns a node draws.
    pub max_features: usize,
    /// Thresholds are drawn instead of searched for.
    pub random_thresholds: bool,
}

/// Grows trees on some features, one after the other.
pub(super) struct Grower<'a, G: Goal> {
    features: &'a Features,
    bins: &'a Bins,
    bundles: &'a Bundles,
    goal: &'a G,
    limits: Limits,
    search: Search<'a, G>,
    /// The rows of the tree; each node has a stretch of them.
    rows: Vec<u32>,
    /// What each row of a node adds to its sums.
    deltas: Vec<G::Delta>,
    /// The columns that a node has not drawn yet.
    undrawn: Vec<u32>,
    /// The rows that go right while a stretch is parted.
    right: Vec<u32>,
    /// The columns that were found to be constant in a node, and whether a column is one of them.
    constant: Vec<u32>,
    is_constant: Vec<bool>,
    /// How much the splits by each column have decreased the impurity, over all trees.
    pub importance: Vec<f64>,
}

/// A node that is to be split, or to become a leaf.
struct Open {
    node: usize,
    start: usize,
    end: usize,
    depth: u32,
    /// The columns that are not known to be constant here.
    varying: Rc<[u32]>,
}

impl<'a, G: Goal> Grower<'a, G> {
    pub fn new(
        features: &'a Features,
        (bins, bundles): (&'a Bins, &'a Bundles),
        goal: &'a G,
        limits: Limits,
    ) -> Self {
        Grower {
            features,
            bins,
            bundles,
            goal,
            limits,
            search: Search::new(goal, bundles),
            rows: Vec::new(),
            deltas: Vec::new(),
            undrawn: Vec::new(),
            right: Vec::new(),
            constant: Vec::new(),
            is_constant: vec![false; features.columns.len()],
            importance: vec![0.0; features.columns.len()],
        }
    }

    /// Grows a tree on the rows whose weight is above 0. Says its nodes, the root first.
    pub fn grow(&mut self, weights: &[f32], random: &mut Random) -> Vec<Node> {
        let weighted = weights.iter().enumerate();
        self.rows.clear();
        self.rows.extend(
            weighted
                .filter(|(_, weight)| **weight > 0.0)
                .map(|(row, _)| row as u32),
        );
        let mut nodes = vec![Node::Leaf(Vec::new())];
        let mut open = vec![Open {
            node: 0,
            start: 0,
            end: self.rows.len(),
            depth: 0,
            varying: (0..self.features.columns.len() as u32).collect(),
        }];
        let deltas = self.goal.deltas(weights);
        while let Some(next) = open.pop() {
            gather(&deltas, &self.rows[next.start..next.end], &mut self.deltas);
            let sums = sums::total::<G>(&self.deltas);
            match self.split(&next, sums, random) {
                None => nodes[next.node] = Node::Leaf(self.goal.leaf(&sums)),
                Some((split, varying)) => {
                    let middle = self.part(&next, split);
                    let left = nodes.len();
                    nodes[next.node] = Node::Threshold {
                        feature: split.feature,
                        threshold: split.threshold,
                        missing_left: split.missing_left,
                        left,
                        right: left + 1,
                    };
                    nodes.resize(left + 2, Node::Leaf(Vec::new()));
                    let stretches = [(left + 1, middle, next.end), (left, next.start, middle)];
                    open.extend(stretches.map(|(node, start, end)| Open {
                        node,
                        start,
                        end,
                        depth: next.depth + 1,
                        varying: Rc::clone(&varying),
                    }));
                }
            }
        }
        nodes
    }

    /// The best split of a node by the columns it draws, and the columns that vary in it as far as was seen.
    fn split(
        &mut self,
        open: &Open,
        sums: G::Sums,
        random: &mut Random,
    ) -> Option<(Split, Rc<[u32]>)> {
        let rows = &self.rows[open.start..open.end];
        let least = self.limits.min_samples_leaf;
        if self.limits.max_depth.is_some_and(|most| open.depth >= most)
            || rows.len() < self.limits.min_samples_split
            || rows.len() < 2 * least
            || self.goal.pure(&sums, rows)
        {
            return None;
        }
        let part = Part {
            rows,
            deltas: &self.deltas,
            sums,
            least,
        };
        self.search.next_node();
        let columns = self.features.columns.len();
        let undrawn = &mut self.undrawn;
        undrawn.clear();
        undrawn.extend_from_slice(&open.varying);
        let constant = &mut self.constant;
        constant.clear();
        let mut known_constant = columns - undrawn.len();
        let unsplit = self.goal.score(&sums);
        let better = |score: f64, best: f64| score - best > TIE * (best - unsplit).abs();
        let mut best: Option<Split> = None;
        let mut drawn = 0;
        let mut varying = 0;
        // As scikit-learn has it: constant columns count among the drawn ones, but one that varies is among them.
        while (drawn < self.limits.max_features || varying == 0) && !undrawn.is_empty() {
            drawn += 1;
            // In random order even where all are drawn: columns that part the rows alike take turns, so that a forest's
            // trees differ.
            let place = random.below((known_constant + undrawn.len()) as u32) as usize;
            let Some(place) = place.checked_sub(known_constant) else {
                known_constant -= 1;
                continue;
            };
            let feature = undrawn.swap_remove(place);
            let column = Column {
                feature,
                values: &self.features.columns[feature as usize].values,
                binned: &self.bins.columns[feature as usize],
                bundled: self.bundles.places[feature as usize],
            };
            let found = match self.limits.random_thresholds {
                true => self.search.random(&part, column, random),
                false => self.search.best(&part, column),
            };
            match found {
                Found::Constant => constant.push(feature),
                Found::Best(split) => {
                    varying += 1;
                    if let Some(split) = split
                        && best.is_none_or(|best| better(split.score, best.score))
                    {
                        best = Some(split);
                    }
                }
            }
        }
        let mut best = best?;
        if !self.limits.random_thresholds {
            let values = &self.features.columns[best.feature as usize].values;
            best.center(rows, values);
        }
        self.importance[best.feature as usize] += best.score - unsplit;
        let varying = match constant.is_empty() {
            true => Rc::clone(&open.varying),
            false => {
                for column in constant.iter() {
                    self.is_constant[*column as usize] = true;
                }
                let others = open.varying.iter().copied();
                let varying = others
                    .filter(|column| !self.is_constant[*column as usize])
                    .collect();
                for column in constant.iter() {
                    self.is_constant[*column as usize] = false;
                }
                varying
            }
        };
        Some((best, varying))
    }

    /// Puts the rows that go left before those that go right, both in order; says where the latter begin.
    fn part(&mut self, open: &Open, split: Split) -> usize {
        let values = self.features.columns[split.feature as usize]
            .values
            .as_slice();
        let rows = &mut self.rows[open.start..open.end];
        if self.right.len() < rows.len() {
            self.right.resize(rows.len(), 0);
        }
        let left = partition(rows, &mut self.right, |row| {
            split.goes_left(values[row as usize])
        });
        open.start + left
    }
}

/// The deltas of some rows.
fn gather<D: Copy>(deltas: &[D], rows: &[u32], gathered: &mut Vec<D>) {
    gathered.clear();
    gathered.reserve(rows.len());
    let (chunks, last) = rows.as_chunks::<STEP>();
    for rows in chunks {
        gathered.extend_from_slice(&rows.map(|row| deltas[row as usize]));
    }
    gathered.extend(last.iter().map(|row| deltas[*row as usize]));
}
