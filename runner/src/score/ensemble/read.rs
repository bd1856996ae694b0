//! The attributes of a node, checked.

use std::ops::Range;

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::finish::{Classifier, Regressor, Transform};
use super::trees::{Aggregate, Node, Test, Trees, Weight};

/// Attributes of ensembles in double precision, which no model here has.
const DOUBLES: [&str; 5] = [
    "nodes_values_as_tensor",
    "nodes_hitrates_as_tensor",
    "class_weights_as_tensor",
    "target_weights_as_tensor",
    "base_values_as_tensor",
];

pub(super) fn classifier(node: &NodeProto) -> TractResult<(Trees, Classifier)> {
    let numbers = node.get_attr_opt_slice::<i64>("classlabels_int64s")?;
    let strings = node.get_attr_opt_tvec::<String>("classlabels_strings")?;
    let labels = match (numbers, strings) {
        (Some(numbers), None) => tensor1(numbers),
        (None, Some(strings)) => tensor1(&strings),
        _ => return node.bail("expected class labels, either whole numbers or strings"),
    };
    let classes = labels.len();
    node.expect(classes >= 2, "two classes or more")?;
    let trees = trees(node, "class", classes, Aggregate::Sum)?;
    let base = base(node)?;
    node.expect(
        base.is_empty() || base.len() == classes || (classes == 2 && base.len() == 1),
        "one base value a class",
    )?;
    let first = trees.weights.first().map(|weight| weight.output);
    let finish = Classifier {
        one_score: classes == 2
            && trees
                .weights
                .iter()
                .all(|weight| Some(weight.output) == first),
        positive: trees.weights.iter().all(|weight| weight.value >= 0.0),
        labels,
        base,
        transform: transform(node)?,
    };
    Ok((trees, finish))
}

pub(super) fn regressor(node: &NodeProto) -> TractResult<(Trees, Regressor)> {
    let targets: usize = node.get_attr_opt("n_targets")?.unwrap_or(1);
    node.expect(targets >= 1, "one target or more")?;
    let aggregate = match node.get_attr_opt::<&str>("aggregate_function")? {
        None | Some("SUM") => Aggregate::Sum,
        Some("AVERAGE") => Aggregate::Average,
        Some("MIN") => Aggregate::Min,
        Some("MAX") => Aggregate::Max,
        Some(other) => return node.bail(&format!("aggregate_function {other} is none")),
    };
    let trees = trees(node, "target", targets, aggregate)?;
    let base = base(node)?;
    node.expect(
        base.is_empty() || base.len() == targets,
        "one base value a target",
    )?;
    let transform = transform(node)?;
    Ok((trees, Regressor { base, transform }))
}

fn transform(node: &NodeProto) -> TractResult<Transform> {
    Ok(match node.get_attr_opt::<&str>("post_transform")? {
        None | Some("NONE") => Transform::None,
        Some("LOGISTIC") => Transform::Logistic,
        Some("SOFTMAX") => Transform::Softmax,
        Some("SOFTMAX_ZERO") => Transform::SoftmaxZero,
        Some("PROBIT") => Transform::Probit,
        Some(other) => return node.bail(&format!("post_transform {other} is none")),
    })
}

fn base(node: &NodeProto) -> TractResult<Vec<f32>> {
    let base = node.get_attr_opt_slice::<f32>("base_values")?;
    Ok(base.unwrap_or_default().to_vec())
}

/// A list of whole numbers with an entry for each of `count`.
fn list<'a>(node: &'a NodeProto, name: &str, count: usize) -> TractResult<&'a [i64]> {
    let list = node.get_attr_slice::<i64>(name)?;
    node.expect_attr(name, list.len() == count, || {
        format!("{count} entries, and there are {}", list.len())
    })?;
    Ok(list)
}

/// Reads nodes and weights (`class_…` or `target_…`, of `outputs` classes or targets) and lays the trees out anew, so
/// that both children of a node follow one another.
fn trees(
    node: &NodeProto,
    weights: &str,
    outputs: usize,
    aggregate: Aggregate,
) -> TractResult<Trees> {
    if let Some(double) = node
        .attribute
        .iter()
        .find(|attribute| DOUBLES.contains(&attribute.name.as_str()))
    {
        return node.bail(&format!(
            "{} is there: ensembles in double precision are not scored here",
            double.name
        ));
    }
    let mut table = Table::read(node)?;
    let mut trees = Trees {
        nodes: Vec::with_capacity(table.tests.len()),
        roots: Vec::new(),
        weights: Vec::new(),
        ends: Vec::new(),
        outputs,
        features: 0,
        aggregate,
        plain: table
            .tests
            .iter()
            .all(|test| matches!(test, Test::Leaf | Test::AtMost)),
    };
    let by_leaf = weights_by_leaf(node, weights, outputs, &mut table)?;
    let mut laid = 0;
    for root in table.roots(node)? {
        laid += table.lay_out(root, &by_leaf, &mut trees);
    }
    // Every node has one parent or is a root, so what no root reaches runs in a circle.
    node.expect(laid == table.tests.len(), "trees without circles")?;
    Ok(trees)
}

/// The nodes as the attributes list them.
struct Table<'a> {
    keys: Keys,
    trees: &'a [i64],
    tests: Vec<Test>,
    features: &'a [i64],
    thresholds: &'a [f32],
    /// Places of the children; 0 in a leaf.
    yes: Vec<u32>,
    no: Vec<u32>,
    missing: Option<&'a [i64]>,
}

impl<'a> Table<'a> {
    fn read(node: &'a NodeProto) -> TractResult<Self> {
        let trees = node.get_attr_slice::<i64>("nodes_treeids")?;
        let count = trees.len();
        node.expect(count > 0 && u32::try_from(count).is_ok(), "nodes")?;
        let ids = node.get_attr_slice::<i64>("nodes_nodeids")?;
        let thresholds = node.get_attr_slice::<f32>("nodes_values")?;
        let yes = node.get_attr_slice::<i64>("nodes_truenodeids")?;
        let no = node.get_attr_slice::<i64>("nodes_falsenodeids")?;
        let missing = node.get_attr_opt_slice::<i64>("nodes_missing_value_tracks_true")?;
        for (name, length) in [
            ("nodes_nodeids", ids.len()),
            ("nodes_values", thresholds.len()),
            ("nodes_truenodeids", yes.len()),
            ("nodes_falsenodeids", no.len()),
            (
                "nodes_missing_value_tracks_true",
                missing.map_or(count, <[i64]>::len),
            ),
        ] {
            node.expect_attr(name, length == count, || {
                format!("{count} entries, and there are {length}")
            })?;
        }
        let keys = Keys::new(trees, ids);
        node.expect(!keys.double, "no two nodes of one id in a tree")?;
        let modes = node.get_attr_slice::<Vec<u8>>("nodes_modes")?;
        node.expect_attr("nodes_modes", modes.len() == count, || {
            format!("{count} entries, and there are {}", modes.len())
        })?;
        let features = list(node, "nodes_featureids", count)?;
        let mut table = Self {
            tests: modes
                .iter()
                .map(|mode| test(mode))
                .collect::<TractResult<_>>()?,
            features,
            keys,
            trees,
            thresholds,
            yes: vec![0; count],
            no: vec![0; count],
            missing,
        };
        for place in 0..count {
            if table.tests[place] == Test::Leaf {
                continue;
            }
            let is_column = u32::try_from(features[place]).is_ok();
            node.expect_attr("nodes_featureids", is_column, "columns")?;
            let mut child = |id: i64| {
                let found = table.keys.find(trees[place], id);
                node.expect_ok_or_else(found, || format!("node {id} in tree {}", trees[place]))
            };
            (table.yes[place], table.no[place]) = (child(yes[place])?, child(no[place])?);
        }
        Ok(table)
    }

    /// The one node of each tree that is no child; no node is the child of two.
    fn roots(&self, node: &NodeProto) -> TractResult<Vec<u32>> {
        let mut is_child = vec![false; self.tests.len()];
        for place in (0..self.tests.len()).filter(|place| self.tests[*place] != Test::Leaf) {
            for child in [self.yes[place], self.no[place]] {
                let before = std::mem::replace(&mut is_child[child as usize], true);
                node.expect(!before, "no node that is the child of two")?;
            }
        }
        let roots: Vec<u32> = (0_u32..)
            .zip(&is_child)
            .filter_map(|(place, is_child)| (!is_child).then_some(place))
            .collect();
        let mut of_trees: Vec<i64> = roots
            .iter()
            .map(|root| self.trees[*root as usize])
            .collect();
        of_trees.sort_unstable();
        let distinct = of_trees.windows(2).all(|pair| pair[0] != pair[1]);
        node.expect(distinct, "one root a tree")?;
        Ok(roots)
    }

    /// Appends the tree below `root`, and tells how many nodes it has.
    fn lay_out(&self, root: u32, by_leaf: &Weights, trees: &mut Trees) -> usize {
        let first = trees.nodes.len();
        trees.roots.push(first as u32);
        let blank = Node {
            test: Test::Leaf,
            missing_passes: false,
            feature: 0,
            threshold: 0.0,
            next: 0,
        };
        trees.nodes.push(blank);
        let mut open = vec![(root as usize, first)];
        while let Some((from, to)) = open.pop() {
            let mut node = Node {
                test: self.tests[from],
                ..blank
            };
            if node.test == Test::Leaf {
                node.next = trees.ends.len() as u32;
                trees.weights.extend_from_slice(by_leaf.of(from));
                trees.ends.push(trees.weights.len() as u32);
            } else {
                node.missing_passes = self.missing.is_some_and(|missing| missing[from] == 1);
                node.feature = self.features[from] as u32;
                node.threshold = self.thresholds[from];
                node.next = trees.nodes.len() as u32;
                trees.features = trees.features.max(node.feature as usize + 1);
                trees.nodes.extend([blank, blank]);
                open.push((self.no[from] as usize, node.next as usize + 1));
                open.push((self.yes[from] as usize, node.next as usize));
            }
            trees.nodes[to] = node;
        }
        trees.nodes.len() - first
    }
}

fn weights_by_leaf(
    node: &NodeProto,
    prefix: &str,
    outputs: usize,
    table: &mut Table<'_>,
) -> TractResult<Weights> {
    let name = |what: &str| format!("{prefix}_{what}");
    let values = node.get_attr_slice::<f32>(&name("weights"))?;
    let count = values.len();
    node.expect(count > 0 && u32::try_from(count).is_ok(), "weights")?;
    let trees = list(node, &name("treeids"), count)?;
    let ids = list(node, &name("nodeids"), count)?;
    let of = list(node, &name("ids"), count)?;
    let mut places = Vec::with_capacity(count);
    let mut weights = Vec::with_capacity(count);
    for index in 0..count {
        let (tree, id) = (trees[index], ids[index]);
        let place = table.keys.find(tree, id);
        places.push(node.expect_ok_or_else(place, || format!("node {id} in tree {tree}"))?);
        let output = usize::try_from(of[index]).ok();
        let output = output.filter(|output| *output < outputs);
        weights.push(Weight {
            output: node.expect_ok_or_else(output, || {
                format!(
                    "weights of {outputs} outputs, and there is one of output {}",
                    of[index]
                )
            })? as u32,
            value: values[index],
        });
    }
    Ok(Weights::new(&weights, &places, table.tests.len()))
}

fn test(mode: &[u8]) -> TractResult<Test> {
    Ok(match mode {
        b"LEAF" => Test::Leaf,
        b"BRANCH_LEQ" => Test::AtMost,
        b"BRANCH_LT" => Test::Less,
        b"BRANCH_GTE" => Test::AtLeast,
        b"BRANCH_GT" => Test::More,
        b"BRANCH_EQ" => Test::Equal,
        b"BRANCH_NEQ" => Test::Unequal,
        other => bail!(
            "nodes_modes holds {}, which is no mode",
            String::from_utf8_lossy(other)
        ),
    })
}

/// Places of nodes by tree and id.
struct Keys {
    /// Sorted.
    keys: Vec<(i64, i64, u32)>,
    /// Whether a key is there twice.
    double: bool,
    /// The keys of the tree that was asked for last.
    last: Range<usize>,
}

impl Keys {
    fn new(trees: &[i64], ids: &[i64]) -> Self {
        let mut keys: Vec<(i64, i64, u32)> = trees
            .iter()
            .zip(ids)
            .zip(0_u32..)
            .map(|((tree, id), place)| (*tree, *id, place))
            .collect();
        keys.sort_unstable();
        let double = keys
            .windows(2)
            .any(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1));
        Self {
            keys,
            double,
            last: 0..0,
        }
    }

    fn find(&mut self, tree: i64, id: i64) -> Option<u32> {
        // Lists go tree by tree.
        if self.last.is_empty() || self.keys[self.last.start].0 != tree {
            let first = self.keys.partition_point(|key| key.0 < tree);
            let end = self.keys.partition_point(|key| key.0 <= tree);
            self.last = first..end;
        }
        let nodes = &self.keys[self.last.clone()];
        // Most exporters number a tree's nodes without gaps.
        let expected = usize::try_from(id.wrapping_sub(nodes.first()?.1)).ok();
        match expected.and_then(|index| nodes.get(index)) {
            Some((_, found, place)) if *found == id => Some(*place),
            _ => {
                let found = nodes.binary_search_by_key(&id, |key| key.1);
                found.ok().map(|index| nodes[index].2)
            }
        }
    }
}

/// The weights of each node, by its place.
struct Weights {
    all: Vec<Weight>,
    /// Where those of a node begin; one more than there are nodes.
    first: Vec<u32>,
}

impl Weights {
    /// `of` tells the place of each weight's node, among `nodes`. A node's weights keep their order.
    fn new(all: &[Weight], of: &[u32], nodes: usize) -> Self {
        let mut first = vec![0; nodes + 1];
        for place in of {
            first[*place as usize + 1] += 1;
        }
        for node in 0..nodes {
            first[node + 1] += first[node];
        }
        let mut next = first.clone();
        let mut sorted = all.to_vec();
        for (weight, place) in all.iter().zip(of) {
            let to = &mut next[*place as usize];
            sorted[*to as usize] = *weight;
            *to += 1;
        }
        Self { all: sorted, first }
    }

    fn of(&self, node: usize) -> &[Weight] {
        &self.all[self.first[node] as usize..self.first[node + 1] as usize]
    }
}
