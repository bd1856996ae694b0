use crate::error::Problem;

/// What is wrong with a part of a Parquet file.
#[derive(Debug)]
pub(super) enum Fault {
    /// The bytes at hand are fewer than what they hold says.
    EndsEarly,
    Damaged(&'static str),
    Codec(String),
    Encoding(String),
    /// Anything that another format may have, too.
    Problem(Problem),
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Fault::Problem(problem)
    }
}

impl Fault {
    /// The problem, met in this row group, counted from 1, where it was in one.
    pub fn problem(self, group: Option<usize>) -> Problem {
        let damaged = |what: &str| Problem::ParquetDamaged {
            what: what.to_owned(),
            place: place(group),
        };
        match self {
            Fault::EndsEarly => damaged("a part is shorter than its header says"),
            Fault::Damaged(what) => damaged(what),
            Fault::Codec(codec) => Problem::ParquetCodec {
                codec,
                place: place(group),
            },
            Fault::Encoding(encoding) => Problem::ParquetEncoding {
                encoding,
                place: place(group),
            },
            Fault::Problem(problem) => problem,
        }
    }
}

fn place(group: Option<usize>) -> String {
    match group {
        Some(group) => format!(" in row group {group}"),
        None => String::new(),
    }
}
