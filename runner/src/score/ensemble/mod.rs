//! `TreeEnsembleClassifier` and `TreeEnsembleRegressor` of `ai.onnx.ml` (versions 1 to 3), as onnxruntime has them.
//!
//! tract has a classifier of its own, which walks every leaf for each tree and row, names the wrong label of two
//! classes, and no regressor. Here the rows of a block go through one tree after the other, so that the tree stays in
//! the cache.
//!
//! | file | what |
//! |---|---|
//! | `read` | the attributes of a node, checked: no index leads out of the arrays, no walk is endless |
//! | `trees` | flat trees, and the sums that rows get from them |
//! | `finish` | sums -> scores and labels, by onnxruntime's rules |

mod finish;
mod read;
mod trees;

use std::sync::Arc;

use tract_onnx::model::{Onnx, ParsingContext};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use finish::{Classifier, Regressor};
use trees::{Sums, Trees};

/// Replaces tract's operators by these.
pub(super) fn register(onnx: &mut Onnx) {
    onnx.op_register
        .insert("TreeEnsembleClassifier", classifier);
    onnx.op_register.insert("TreeEnsembleRegressor", regressor);
}

type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

fn classifier(_: &ParsingContext, node: &NodeProto) -> Built {
    let (trees, finish) = read::classifier(node)?;
    Ok((build(trees, Finish::Classifier(finish)), vec![]))
}

fn regressor(_: &ParsingContext, node: &NodeProto) -> Built {
    let (trees, finish) = read::regressor(node)?;
    Ok((build(trees, Finish::Regressor(finish)), vec![]))
}

fn build(trees: Trees, finish: Finish) -> Box<dyn InferenceOp> {
    expand(Ensemble(Arc::new(Parts { trees, finish })))
}

/// What both of tract's stages share: a graph that is being analysed, and one that runs.
#[derive(Clone, Debug)]
struct Ensemble(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    trees: Trees,
    finish: Finish,
}

#[derive(Debug)]
enum Finish {
    Classifier(Classifier),
    Regressor(Regressor),
}

impl PartialEq for Ensemble {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Ensemble {}

impl Ensemble {
    fn title(&self) -> StaticName {
        match self.0.finish {
            Finish::Classifier(_) => "TreeEnsembleClassifier".into(),
            Finish::Regressor(_) => "TreeEnsembleRegressor".into(),
        }
    }

    /// Type and further dimensions of each output, the rows aside.
    fn outputs(&self) -> TVec<(DatumType, Option<usize>)> {
        let columns = Some(self.0.trees.outputs);
        match &self.0.finish {
            Finish::Classifier(classes) => tvec!(
                (classes.labels.datum_type(), None),
                (f32::datum_type(), columns)
            ),
            Finish::Regressor(_) => tvec!((f32::datum_type(), columns)),
        }
    }
}

impl Expansion for Ensemble {
    fn name(&self) -> StaticName {
        self.title()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.outputs().len())
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        for (output, (kind, columns)) in outputs.iter().zip(self.outputs()) {
            solver.equals(&output.datum_type, kind)?;
            solver.equals(&output.rank, 1 + i64::from(columns.is_some()))?;
            solver.equals(&output.shape[0], &inputs[0].shape[0])?;
            if let Some(columns) = columns {
                solver.equals(&output.shape[1], columns.to_dim())?;
            }
        }
        Ok(())
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.clone(), inputs)
    }
}

impl Op for Ensemble {
    fn name(&self) -> StaticName {
        self.title()
    }

    op_as_typed_op!();
}

impl EvalOp for Ensemble {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let Parts { trees, finish } = &*self.0;
        let input = args_1!(inputs);
        let input = input.cast_to::<f32>()?;
        let &[rows, columns] = input.shape() else {
            bail!(
                "{} takes rows and columns, and was given {:?}",
                self.title(),
                input.shape()
            );
        };
        ensure!(
            columns >= trees.features,
            "the trees read column {} of {columns}",
            trees.features
        );
        let values = input.try_as_plain_ram()?;
        let sums = trees.sums(values.as_slice::<f32>()?, rows, columns);
        match finish {
            Finish::Regressor(finish) => Ok(tvec!(
                tensor(rows, trees.outputs, finish.scores(trees, sums))?.into_tvalue()
            )),
            Finish::Classifier(finish) => {
                let (scores, labels) = finish.scores(trees, sums)?;
                let scores = tensor(rows, trees.outputs, scores)?;
                Ok(tvec!(labels.into_tvalue(), scores.into_tvalue()))
            }
        }
    }
}

fn tensor(rows: usize, columns: usize, values: Vec<f32>) -> TractResult<Tensor> {
    tensor1(&values).into_shape(&[rows, columns])
}

impl TypedOp for Ensemble {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let rows = inputs[0].shape[0].clone();
        let fact = |(kind, columns): (DatumType, Option<usize>)| {
            let columns = columns.map(|columns| columns.to_dim());
            kind.fact(std::iter::once(rows.clone()).chain(columns))
        };
        Ok(self.outputs().into_iter().map(fact).collect())
    }

    as_op!();
}
