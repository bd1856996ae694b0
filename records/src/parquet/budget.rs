use crate::error::Problem;
use crate::options::Options;

/// Bytes that pages, texts and cells may take: as many as `Options::max_bytes` says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    taken: u64,
    limit: u64,
}

impl Budget {
    pub fn of(options: &Options) -> Self {
        Budget {
            taken: 0,
            limit: options.max_bytes,
        }
    }

    /// Takes `bytes` of what is left, before memory is taken for them.
    pub fn take(&mut self, bytes: u64) -> Result<(), Problem> {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken > self.limit {
            let limit = self.limit;
            return Err(Problem::TooManyBytes { limit });
        }
        Ok(())
    }
}
