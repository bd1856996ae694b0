use super::encode::{Rows, is_time, numbers};
use super::offset::{offset_of, single};
use super::{Encoder, Encoding, Matching, NamedSource, Scale, Source};
use crate::learners::Wants;
use crate::table::{Cells, Table};
use records::Text;
use records::spelling::Categories;

/// Fits the encoder of a source on `train`, as the learner wants its features made.
#[must_use]
pub fn fit_encoder(
    table: &Table,
    train: &[u32],
    named: &NamedSource,
    wants: Wants,
    max_categories: usize,
) -> Encoder {
    let text = match &named.source {
        Source::Column(column) => match table.column(column).map(|column| &column.cells) {
            Some(Cells::Text(text)) => Some(text),
            Some(Cells::Numbers(_)) | None => None,
        },
        _ => None,
    };
    let (encoding, matching) = match text {
        Some(text) => {
            let (encoding, matching) = fit_categories(text, train, wants, max_categories);
            (encoding, Some(matching))
        }
        None => {
            let values = numbers(table, &named.source, Rows::new(train));
            let offset = offset_of(&values, is_time(table, &named.source));
            (fit_number(single(&values, offset), offset, wants), None)
        }
    };
    Encoder {
        name: named.name.clone(),
        source: named.source.clone(),
        encoding,
        matching,
    }
}

fn fit_number(mut values: Vec<f32>, offset: Option<f64>, wants: Wants) -> Encoding {
    let rows = values.len();
    values.retain(|value| !value.is_nan());
    let missing = rows - values.len();
    let median = median(&mut values);
    let scale = wants.scaled.then(|| {
        let filled = if wants.imputed { missing } else { 0 };
        standard(&values, median, filled)
    });
    Encoding::Number {
        offset,
        fill: wants.imputed.then_some(median),
        scale,
        indicator: wants.imputed && missing > 0,
    }
}

/// The middle value, or the mean of the middle two; 0 for no values. Reorders them.
fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    match below.iter().copied().max_by(f32::total_cmp) {
        Some(lower) if even => ((f64::from(lower) + f64::from(*upper)) / 2.0) as f32,
        _ => *upper,
    }
}

/// Mean and population standard deviation of `values` and of `filled` times the median.
fn standard(values: &[f32], median: f32, filled: usize) -> Scale {
    let count = (values.len() + filled).max(1) as f64;
    let median = f64::from(median);
    let sum: f64 = values.iter().map(|value| f64::from(*value)).sum();
    let mean = (sum + median * filled as f64) / count;
    let squares: f64 = values
        .iter()
        .map(|value| (f64::from(*value) - mean).powi(2))
        .sum();
    let variance = (squares + (median - mean).powi(2) * filled as f64) / count;
    let deviation = (variance.sqrt() as f32).min(f32::MAX);
    Scale {
        mean: mean as f32,
        deviation: if deviation > 0.0 { deviation } else { 1.0 },
    }
}

fn fit_categories(
    text: &Text,
    train: &[u32],
    wants: Wants,
    max_categories: usize,
) -> (Encoding, Matching) {
    let mut counts = vec![0_u32; text.distinct.len()];
    let mut missing = false;
    for row in train {
        match counts.get_mut(text.codes[*row as usize] as usize) {
            Some(count) => *count += 1,
            None => missing = true,
        }
    }
    let mut found: Vec<(u32, &String)> = counts
        .into_iter()
        .zip(&text.distinct)
        .filter(|(count, _)| *count > 0)
        .collect();
    found.sort_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(right.1)));
    let other = found.len() > max_categories;
    let rest = found.split_off(found.len().min(max_categories));
    let mut categories: Vec<String> = found
        .into_iter()
        .map(|(_, category)| category.clone())
        .collect();
    // Their order says nothing any more: the alphabet's is the easiest to read.
    categories.sort_unstable();
    let spelled = Categories::new(&categories, &[]);
    let mut apart: Vec<String> = rest
        .into_iter()
        .filter(|(_, value)| spelled.find(value).is_some())
        .map(|(_, value)| value.clone())
        .collect();
    apart.sort_unstable();
    let matching = Matching {
        apart,
        unknown: 0.0,
    };
    let encoding = if wants.one_hot {
        Encoding::OneHot {
            categories,
            other,
            missing,
        }
    } else {
        Encoding::Codes { categories }
    };
    (encoding, matching)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Wants = Wants {
        imputed: true,
        scaled: true,
        one_hot: true,
    };

    #[test]
    fn medians_fill_and_means_are_those_of_the_filled_column() {
        let encoding = fit_number(vec![1.0, f32::NAN, 3.0, 8.0, 4.0], None, ALL);
        // Filled: 1, 3.5, 3, 8, 4: mean 3.9, variance 5.24.
        let Encoding::Number {
            fill: Some(fill),
            scale: Some(scale),
            indicator: true,
            ..
        } = encoding
        else {
            unreachable!("imputed, scaled and with an indicator, not {encoding:?}")
        };
        assert_eq!(fill, 3.5);
        assert!((scale.mean - 3.9).abs() < 1e-6);
        assert!((scale.deviation - 5.24_f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn an_empty_or_constant_column_is_scaled_by_one() {
        for values in [vec![f32::NAN; 3], vec![7.0; 3]] {
            let Encoding::Number {
                scale: Some(scale), ..
            } = fit_number(values, None, ALL)
            else {
                unreachable!("scaled")
            };
            assert_eq!(scale.deviation, 1.0);
        }
    }

    #[test]
    fn the_most_frequent_categories_get_a_column_and_the_rest_share_one() {
        let text = Text {
            codes: vec![0, 1, 1, 2, 2, 3, Text::MISSING],
            distinct: ["c", "b", "a", "d"].map(str::to_owned).to_vec(),
        };
        let train: Vec<u32> = (0..7).collect();
        assert_eq!(
            fit_categories(&text, &train, ALL, 3).0,
            Encoding::OneHot {
                categories: ["a", "b", "c"].map(str::to_owned).to_vec(),
                other: true,
                missing: true,
            }
        );
    }
}
