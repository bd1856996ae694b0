//! Tree ensembles as the operators of `ai.onnx.ml`.

use std::collections::BTreeMap;

use prost::bytes::Bytes;

use super::NotExported;
use super::features::{Codes, Columns};
use super::graph::{Graph, Value, floats, int, ints, static_strings, string};
use super::links;
use super::proto::{Attribute, DataType};
use crate::forms::{Aggregate, Link, Split, Trees};

/// Runtimes add up a node's trees in single precision, which more trees than this wear out.
const TREES_PER_NODE: usize = 500;
/// Parts the columns that are 0 where a category goes left, and 1 where it goes right.
const GOES_RIGHT: f32 = 0.5;

pub(super) fn trees(
    graph: &mut Graph,
    form: &Trees,
    columns: &Columns,
) -> Result<Value, NotExported> {
    let (value, places) = with_category_sets(graph, form, columns)?;
    let trees: Vec<usize> = (0..form.roots.len()).collect();
    let paired = is_paired(form);
    let mut sums: Option<Value> = None;
    // An ensemble without trees still needs an operator, for the number of rows.
    for trees in trees
        .chunks(TREES_PER_NODE)
        .chain(trees.is_empty().then_some(&[][..]))
    {
        let mut arrays = Arrays {
            paired,
            ..Arrays::default()
        };
        for tree in trees {
            arrays.push(form, *tree, &places);
        }
        if trees.is_empty() {
            arrays.push_leaf(0, 0, std::iter::once((0, 0.0)));
        }
        let scores = arrays.node(graph, form, &value);
        let scores = graph.cast(&scores, DataType::Double);
        sums = Some(match sums {
            Some(sums) => graph.op("Add", &[&sums, &scores]),
            None => scores,
        });
    }
    let mut sums = sums.ok_or(NotExported::Damaged)?;
    if form.aggregate == Aggregate::Mean {
        let share = graph.double(1.0 / form.roots.len().max(1) as f64);
        sums = graph.op("Mul", &[&sums, &share]);
    }
    if paired {
        let one = graph.double(1.0);
        let first = graph.op("Sub", &[&one, &sums]);
        sums = graph.concat(&[first, sums]);
    }
    if form.base_score.iter().any(|score| *score != 0.0) {
        let base = graph.doubles(&[1, form.base_score.len()], &form.base_score);
        sums = graph.op("Add", &[&sums, &base]);
    }
    Ok(links::apply(graph, form.link, &sums))
}

/// Whether the leaves hold shares of two classes, of which one tells the other: then it is left out.
fn is_paired(form: &Trees) -> bool {
    let sums_to_one = |shares: &[f32]| (shares.iter().sum::<f32>() - 1.0).abs() <= 1e-6;
    form.aggregate == Aggregate::Mean
        && form.link == Link::Shares
        && form.base_score == [0.0, 0.0]
        && form.leaf_width == 2
        && !form.roots.is_empty()
        && form.values.chunks_exact(2).all(sums_to_one)
}

/// Bytes of the file, roughly.
pub(super) fn bytes(form: &Trees) -> usize {
    let values = form.values.len().saturating_mul(9);
    form.split.len().saturating_mul(24).saturating_add(values)
}

/// What an inner node looks at.
struct Places {
    /// The column of each of the form's features.
    features: BTreeMap<u32, usize>,
    /// The column of each split by category.
    sets: BTreeMap<Question, usize>,
}

/// A feature, the categories that it knows and those that go left, and whether missing ones do.
type Question = (u32, u32, Vec<u32>, bool);

fn question(form: &Trees, node: usize) -> Option<Question> {
    let missing_left = match form.split[node] {
        Split::Categories => false,
        Split::CategoriesMissingLeft => true,
        Split::Leaf | Split::Threshold | Split::ThresholdMissingLeft => return None,
    };
    let set = &form.category_sets[form.set[node] as usize];
    let feature = form.feature[node];
    Some((feature, set.categories, set.left.clone(), missing_left))
}

/// The columns, and behind them one of 0 and 1 for each question that a node asks about a category.
fn with_category_sets(
    graph: &mut Graph,
    form: &Trees,
    columns: &Columns,
) -> Result<(Value, Places), NotExported> {
    let features = columns.order.iter().enumerate();
    let mut places = Places {
        features: features
            .map(|(place, column)| (*column as u32, place))
            .collect(),
        sets: (0..form.split.len())
            .filter_map(|node| question(form, node))
            .map(|question| (question, 0))
            .collect(),
    };
    let mut blocks = vec![columns.value.clone()];
    let mut width = columns.order.len();
    let mut questions: Vec<(&Question, &mut usize)> = places.sets.iter_mut().collect();
    for of_feature in questions.chunk_by_mut(|left, right| left.0.0 == right.0.0) {
        let codes = of_feature
            .first()
            .and_then(|(question, _)| columns.codes.get(&(question.0 as usize)))
            .ok_or(NotExported::Damaged)?;
        let table = answers(of_feature.iter().map(|(question, _)| *question), codes);
        let table = graph.floats(&[codes.known + 2, of_feature.len()], &table);
        let axis = graph.ints(&[1], &[1]);
        let flat = graph.op("Squeeze", &[&codes.value, &axis]);
        blocks.push(graph.op_with("Gather", &[&table, &flat], vec![int("axis", 0)]));
        for (_, place) in of_feature {
            **place = width;
            width += 1;
        }
    }
    Ok((graph.concat(&blocks), places))
}

/// The answer to each question, for each code: 1 for right.
fn answers<'a>(questions: impl Iterator<Item = &'a Question> + Clone, codes: &Codes) -> Vec<f32> {
    let missing = codes.known as u32 + 1;
    let answer = |code: u32, (_, categories, left, missing_left): &Question| {
        let left = if code < missing && code < *categories {
            left.binary_search(&code).is_ok()
        } else {
            *missing_left
        };
        f32::from(u8::from(!left))
    };
    (0..=missing)
        .flat_map(|code| {
            questions
                .clone()
                .map(move |question| answer(code, question))
        })
        .collect()
}

/// The attributes of one ensemble, an entry a node or a value of a leaf.
#[derive(Default)]
struct Arrays {
    /// Only the second of two values of a leaf is there.
    paired: bool,
    trees: Vec<i64>,
    nodes: Vec<i64>,
    features: Vec<i64>,
    modes: Vec<Bytes>,
    thresholds: Vec<f32>,
    left: Vec<i64>,
    right: Vec<i64>,
    missing_left: Vec<i64>,
    leaf_trees: Vec<i64>,
    leaf_nodes: Vec<i64>,
    leaf_outputs: Vec<i64>,
    leaf_values: Vec<f32>,
    /// Trees so far.
    count: i64,
}

impl Arrays {
    fn push(&mut self, form: &Trees, tree: usize, places: &Places) {
        let root = form.roots[tree] as usize;
        let next_root = form.roots.get(tree + 1).map(|root| *root as usize);
        let end = next_root.unwrap_or(form.split.len());
        let width = form.leaf_width as usize;
        let outputs = form.base_score.len();
        for node in root..end {
            let id = (node - root) as i64;
            let next = form.next[node] as usize;
            let (place, threshold, missing_left) = match form.split[node] {
                Split::Leaf => {
                    let values = &form.values[next * width..(next + 1) * width];
                    if self.paired {
                        self.push_leaf(id, self.count, std::iter::once((0, values[1])));
                        continue;
                    }
                    let first = form.outputs[tree] as usize;
                    let values = values.iter().enumerate().filter(|(index, value)| {
                        // What adds nothing may be left out, but by an operator of two classes.
                        outputs <= 2 || *index == 0 || **value != 0.0
                    });
                    self.push_leaf(
                        id,
                        self.count,
                        values.map(|(index, value)| (first + index, *value)),
                    );
                    continue;
                }
                Split::Threshold => (
                    places.features.get(&form.feature[node]),
                    form.threshold[node],
                    false,
                ),
                Split::ThresholdMissingLeft => (
                    places.features.get(&form.feature[node]),
                    form.threshold[node],
                    true,
                ),
                Split::Categories | Split::CategoriesMissingLeft => {
                    let question = question(form, node);
                    (
                        question.and_then(|question| places.sets.get(&question)),
                        GOES_RIGHT,
                        false,
                    )
                }
            };
            self.trees.push(self.count);
            self.nodes.push(id);
            self.features
                .push(place.copied().unwrap_or_default() as i64);
            self.modes.push(Bytes::from_static(b"BRANCH_LEQ"));
            self.thresholds.push(threshold);
            self.left.push((next - root) as i64);
            self.right.push((next + 1 - root) as i64);
            self.missing_left.push(i64::from(missing_left));
        }
        self.count += 1;
    }

    /// A leaf, and its values by output.
    fn push_leaf(&mut self, id: i64, tree: i64, values: impl Iterator<Item = (usize, f32)>) {
        self.trees.push(tree);
        self.nodes.push(id);
        self.features.push(0);
        self.modes.push(Bytes::from_static(b"LEAF"));
        self.thresholds.push(0.0);
        self.left.push(0);
        self.right.push(0);
        self.missing_left.push(0);
        for (output, value) in values {
            self.leaf_trees.push(tree);
            self.leaf_nodes.push(id);
            self.leaf_outputs.push(output as i64);
            self.leaf_values.push(value);
        }
    }

    /// The operator; its scores are single precision, rows x outputs.
    fn node(self, graph: &mut Graph, form: &Trees, value: &Value) -> Value {
        let outputs = if self.paired {
            1
        } else {
            form.base_score.len()
        };
        // A classifier of two classes whose leaves don't all speak of both means something of its own.
        let classifier = outputs > 2 || (outputs == 2 && form.leaf_width == 2);
        let leaf = if classifier { "class" } else { "target" };
        let mut attributes: Vec<Attribute> = vec![
            ints("nodes_treeids", self.trees),
            ints("nodes_nodeids", self.nodes),
            ints("nodes_featureids", self.features),
            static_strings("nodes_modes", self.modes),
            floats("nodes_values", self.thresholds),
            ints("nodes_truenodeids", self.left),
            ints("nodes_falsenodeids", self.right),
            ints(&format!("{leaf}_treeids"), self.leaf_trees),
            ints(&format!("{leaf}_nodeids"), self.leaf_nodes),
            ints(&format!("{leaf}_ids"), self.leaf_outputs),
            floats(&format!("{leaf}_weights"), self.leaf_values),
            string("post_transform", "NONE"),
        ];
        if self.missing_left.iter().any(|left| *left != 0) {
            attributes.push(ints("nodes_missing_value_tracks_true", self.missing_left));
        }
        if classifier {
            let classes = (0..outputs as i64).collect();
            attributes.push(ints("classlabels_int64s", classes));
            graph.second_of("TreeEnsembleClassifier", &[value], attributes)
        } else {
            attributes.push(int("n_targets", outputs as i64));
            graph.op_with("TreeEnsembleRegressor", &[value], attributes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::CategorySet;

    #[test]
    fn a_category_beyond_those_of_the_training_rows_goes_where_missing_ones_go() {
        let set = CategorySet {
            categories: 2,
            left: vec![1],
        };
        let codes = |graph: &Graph| Codes {
            value: graph.input("x"),
            known: 2,
        };
        let graph = Graph::new([("x", DataType::String)].into_iter());
        let questions =
            [false, true].map(|missing_left| (0, set.categories, set.left.clone(), missing_left));
        // Codes 0 and 1, others (2), missing (3).
        assert_eq!(
            answers(questions.iter(), &codes(&graph)),
            [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0]
        );
    }
}
