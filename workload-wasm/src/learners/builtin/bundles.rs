//! Columns of two values that take turns, such as those of a one-hot encoding, summed up as one (exclusive feature
//! bundling, Ke et al. 2017, "LightGBM: a highly efficient gradient boosting decision tree").

use super::bins::Bins;
use super::goal::Goal;
use super::sums::each;

/// Columns in a bundle, at most: a code names the one that is on.
const MOST: u8 = u8::MAX;

/// All columns of two values, bundled.
pub(super) struct Bundles {
    bundles: Vec<Bundle>,
    /// Where each column is, if it has two values.
    pub places: Vec<Option<Place>>,
    /// Sums that all bundles take.
    room: usize,
}

struct Bundle {
    /// Which of the columns is on in each row, counted from 1; 0 where none is.
    codes: Vec<u8>,
    columns: u8,
    /// Where its sums begin.
    start: usize,
}

/// A column in its bundle.
#[derive(Clone, Copy)]
pub(super) struct Place {
    bundle: usize,
    code: u8,
    /// A row where the column is on has the smaller of the two values.
    on_is_left: bool,
}

impl Bundles {
    /// A column joins the last bundle if it is on in no row where one of that bundle is: columns of one encoding stand
    /// side by side.
    pub fn new(bins: &Bins) -> Self {
        let mut bundles: Vec<Bundle> = Vec::new();
        let places = bins.columns.iter().map(|column| {
            if !column.two_valued {
                return None;
            }
            let ones: usize = column.codes.iter().map(|code| usize::from(*code)).sum();
            // Of the two values the rarer one is on.
            let on_is_left = ones > column.codes.len() / 2;
            let on = u8::from(!on_is_left);
            let joins = bundles.last().is_some_and(|bundle| {
                let mut rows = column.codes.iter().zip(&bundle.codes);
                bundle.columns < MOST && rows.all(|(code, other)| *code != on || *other == 0)
            });
            if !joins {
                bundles.push(Bundle {
                    codes: vec![0; column.codes.len()],
                    columns: 0,
                    start: 0,
                });
            }
            let index = bundles.len() - 1;
            let bundle = &mut bundles[index];
            bundle.columns += 1;
            for (code, of_bundle) in column.codes.iter().zip(&mut bundle.codes) {
                if *code == on {
                    *of_bundle = bundle.columns;
                }
            }
            Some(Place {
                bundle: index,
                code: bundle.columns,
                on_is_left,
            })
        });
        let places = places.collect();
        let mut room = 0;
        for bundle in &mut bundles {
            bundle.start = room;
            room += usize::from(bundle.columns) + 1;
        }
        Bundles {
            bundles,
            places,
            room,
        }
    }
}

/// The sums of a node's rows by the bundles that it was asked about.
pub(super) struct BundleSums<'a, G: Goal> {
    bundles: &'a Bundles,
    sums: Vec<G::Sums>,
    rows: Vec<u32>,
    /// The node that each bundle was added up for last.
    of_node: Vec<u64>,
    node: u64,
}

impl<'a, G: Goal> BundleSums<'a, G> {
    pub fn new(bundles: &'a Bundles) -> Self {
        BundleSums {
            bundles,
            sums: vec![G::ZERO; bundles.room],
            rows: vec![0; bundles.room],
            of_node: vec![0; bundles.bundles.len()],
            node: 0,
        }
    }

    /// What is asked from here on is about another node.
    pub fn next_node(&mut self) {
        self.node += 1;
    }

    /// The sums of the rows with the smaller of the column's values, and how many they are.
    pub fn left(
        &mut self,
        place: Place,
        rows: &[u32],
        deltas: &[G::Delta],
        all: &G::Sums,
    ) -> (G::Sums, usize) {
        let start = self.bundles.bundles[place.bundle].start;
        if self.of_node[place.bundle] != self.node {
            self.of_node[place.bundle] = self.node;
            self.add_up(place.bundle, rows, deltas);
        }
        let at = start + usize::from(place.code);
        let on = (self.sums[at], self.rows[at] as usize);
        match place.on_is_left {
            true => on,
            false => (G::minus(all, &on.0), rows.len() - on.1),
        }
    }

    fn add_up(&mut self, bundle: usize, rows: &[u32], deltas: &[G::Delta]) {
        let bundle = &self.bundles.bundles[bundle];
        let room = bundle.start..=bundle.start + usize::from(bundle.columns);
        let (sums, counts) = (&mut self.sums[room.clone()], &mut self.rows[room]);
        sums.fill(G::ZERO);
        counts.fill(0);
        let codes = bundle.codes.as_slice();
        each::<G>(rows, deltas, |row, delta| {
            let code = usize::from(codes[row as usize]);
            G::add(&mut sums[code], delta);
            counts[code] += 1;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learners::builtin::goal::Numbers;
    use crate::learners::random::Random;
    use crate::learners::{Feature, Features, Kind};

    #[test]
    fn columns_that_take_turns_share_a_bundle_and_are_summed_up_as_each_alone() {
        let columns = [
            // Three of a one-hot encoding, one that is mostly on, one of many values, one that is on beside the first.
            [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0, 1.0, 0.0],
            [0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
            [1.0, 1.0, 1.0, 0.0, 1.0, 1.0],
            [3.0, 1.0, 2.0, 4.0, 5.0, 6.0],
            [1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
        ];
        let features = Features {
            rows: 6,
            columns: columns
                .iter()
                .map(|values| Feature {
                    name: String::new(),
                    kind: Kind::Number,
                    values: values.to_vec(),
                })
                .collect(),
        };
        let bins = Bins::new(&features, &mut Random::new(1, 1));
        let bundles = Bundles::new(&bins);
        let shared: Vec<Option<usize>> = bundles
            .places
            .iter()
            .map(|place| place.map(|place| place.bundle))
            .collect();
        assert_eq!(shared, [Some(0), Some(0), Some(0), Some(0), None, Some(1)]);

        let goal = Numbers::new(&[1.0, 2.0, 4.0, 8.0, 16.0, 32.0], None);
        let deltas = goal.deltas(&[1.0; 6]);
        let mut sums = BundleSums::<Numbers>::new(&bundles);
        for rows in [&[0_u32, 1, 2, 3, 4, 5][..], &[1, 3, 5]] {
            sums.next_node();
            let deltas: Vec<_> = rows.iter().map(|row| deltas[*row as usize]).collect();
            let all = crate::learners::builtin::sums::total::<Numbers>(&deltas);
            for (values, place) in columns.iter().zip(&bundles.places) {
                let Some(place) = place else { continue };
                let (left, count) = sums.left(*place, rows, &deltas, &all);
                let zeros = rows.iter().zip(&deltas);
                let zeros = zeros.filter(|(row, _)| values[**row as usize] == 0.0);
                let expected = zeros.clone().map(|(_, delta)| delta[1]).sum::<f64>();
                assert_eq!(count, zeros.count());
                assert!((left[1] - expected).abs() < 1e-9, "{left:?} {expected}");
            }
        }
    }
}
