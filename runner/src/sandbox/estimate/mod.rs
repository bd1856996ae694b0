//! What compiling a module takes, told from the module before it is compiled.
//!
//! A few bytes of a module can stand for a lot of work: a call of two bytes may have a thousand arguments and as many
//! results, a variable that is read in a loop within a thousand loops is carried through each of them, and an element of a
//! byte becomes a piece of code. Such modules are refused here, by an estimate that is rough and rather too high. Each of its
//! figures was measured with modules that were made to cost much of one kind, as the peak of the memory of `runner compile`.
//! Of programs as compilers make them it is about twice what they take: `gofmt` (4.9 MB) is estimated as 220 MiB and takes
//! 100, Go's compiler (49 MB) as 1.9 GiB and takes 0.85.

use wasmparser::{Parser, Payload};

mod function;
mod parts;

use function::Function;
use parts::Parts;

/// Bytes that are kept of a value until all functions are compiled.
const KEPT: u64 = 24;
/// How often a module's bytes are in memory.
const COPIES: u64 = 2;

/// What is known of a module before it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Estimate {
    /// Bytes of memory that compiling takes.
    pub memory: u64,
    pub tables: usize,
}

impl Estimate {
    /// Of `module`, compiled on `threads` threads. It stops counting beyond `limit` bytes. What is no module costs nothing:
    /// the compiler says what is wrong with it.
    pub fn of(module: &[u8], threads: usize, limit: u64) -> Self {
        let mut parts = Parts::default();
        // The largest functions may be compiled side by side.
        let mut largest: Vec<u64> = Vec::new();
        let mut kept = (module.len() as u64).saturating_mul(COPIES);
        let mut bodies = 0;
        let mut memory = kept;
        for payload in Parser::new(0).parse_all(module) {
            let Ok(payload) = payload else { break };
            if let Payload::CodeSectionEntry(body) = &payload {
                let values = Function::new(&parts, bodies, limit).measure(body);
                bodies += 1;
                kept = kept.saturating_add(values.all.saturating_mul(KEPT));
                largest.push(values.bytes());
                largest.sort_unstable_by(|left, right| right.cmp(left));
                largest.truncate(threads.max(1));
            } else {
                parts.read(&payload);
            }
            memory = largest
                .iter()
                .fold(kept.saturating_add(parts.bytes()), |sum, each| {
                    sum.saturating_add(*each)
                });
            if memory > limit {
                break;
            }
        }
        Self {
            memory,
            tables: parts.tables(),
        }
    }
}

#[cfg(test)]
mod tests;
