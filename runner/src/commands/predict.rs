//! `runner predict`: a model on rows.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::limits::EngineKind;
use super::{limits, store};
use crate::data;
use crate::error::Error;
use crate::exit::Exit;
use crate::nomad::Nomad;
use crate::plan::PlanError;
use crate::predict::{self, Engine, Job};

#[derive(clap::Args)]
#[command(mut_arg("engine", with_onnx))]
pub struct Args {
    /// SAVE_PATH@ALIAS, SAVE_PATH@VERSION or a full name in --store; a model's folder; or an .onnx file
    #[arg(value_name = "REF|FOLDER|FILE.onnx")]
    pub reference: String,

    #[command(flatten)]
    pub data: data::Args,

    /// The file that the predictions become: CSV, there whole or not at all; - for standard output [default: -]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Write text that a spreadsheet takes for a formula (=, @, or a sign before what is no number) as it is, without
    /// the apostrophe that makes it text
    #[arg(long)]
    pub keep_formulas: bool,

    /// The module that trained the model, where it is not beside the model or in the store
    #[arg(long, value_name = "WORKLOAD.WASM")]
    pub module: Option<PathBuf>,

    #[command(flatten)]
    pub store: store::Args,

    #[command(flatten)]
    pub sandbox: limits::Args,
}

fn with_onnx(engine: clap::Arg) -> clap::Arg {
    let values = PossibleValuesParser::new(["compiler", "interpreter", "onnx"]);
    engine
        .help(
            "What predicts: the model's own module, as machine code made by Cranelift or on wasmtime's portable \
             interpreter; or its model.onnx, which the runner scores by itself [default: compiler; onnx for an .onnx file]",
        )
        .hide_default_value(true)
        .hide_possible_values(false)
        .value_parser(values.map(|name| match name.as_str() {
            "onnx" => EngineKind::Onnx,
            "interpreter" => EngineKind::Interpreter,
            _ => EngineKind::Compiler,
        }))
}

/// Predicts every row of the data.
///
/// # Errors
/// When model, module or data can't be had, the rows can't be predicted, or the predictions can't be written. Nothing
/// is written then.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let nomad = Nomad::from_environment();
    let source = args
        .data
        .source
        .as_deref()
        .or(nomad.meta.data_url.as_deref());
    let store = args.store.target()?;
    let source = source.ok_or(PlanError::NoData)?;
    let location = store.as_ref().map(|target| &target.location);
    let request = args.data.request(source, &nomad, location)?;
    let is_file = args.reference.ends_with(".onnx");
    let engine = match args.sandbox.engine.engine {
        EngineKind::Onnx => Engine::Onnx,
        _ if is_file => Engine::Onnx,
        _ => Engine::Module(args.sandbox.engine.options(&nomad)),
    };
    let job = Job {
        reference: args.reference,
        is_file,
        data: request.with_store(args.store.access.options()),
        out: args.out.filter(|out| out.as_os_str() != "-"),
        module: args.module,
        store,
        engine,
        trust: args.sandbox.engine.trust(),
        keep_formulas: args.keep_formulas,
        limits: args.sandbox.limits(&nomad, 1),
        scratch: nomad.task_dir.clone().unwrap_or_else(std::env::temp_dir),
    };
    predict::run(&job).await?;
    Ok(Exit::Done)
}
