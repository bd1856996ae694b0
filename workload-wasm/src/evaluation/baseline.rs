use crate::forms::Predictions;
use crate::learners::Target;

/// What one says of `rows` rows knowing the training targets alone: the share of each class, or the mean.
#[must_use]
pub fn baseline(train: &Target, rows: usize) -> Predictions {
    match train {
        Target::Classes { codes, classes } => {
            let mut counts = vec![0_u64; *classes];
            for code in codes {
                counts[*code as usize] += 1;
            }
            let shares: Vec<f32> = counts
                .into_iter()
                .map(|count| (count as f64 / codes.len().max(1) as f64) as f32)
                .collect();
            Predictions::Probabilities {
                values: shares.repeat(rows),
                classes: *classes,
            }
        }
        Target::Number(values) => {
            let sum: f64 = values.iter().map(|value| f64::from(*value)).sum();
            let mean = sum / values.len().max(1) as f64;
            Predictions::Values(vec![mean as f32; rows])
        }
    }
}
