//! Sums over the rows of a node, several rows at a time.

use super::goal::Goal;

/// Rows that are gone through at a time. A loop that does more in each turn turns less often, and at every turn the
/// sandbox's engine looks whether the guest is to stop.
pub(super) const STEP: usize = 8;

/// Sums that rows are added to in turns: an addition does not wait for the one before.
const LANES: usize = 4;

/// Hands each row with what it adds to `add`, in order.
#[inline(always)]
pub(super) fn each<G: Goal>(rows: &[u32], deltas: &[G::Delta], mut add: impl FnMut(u32, G::Delta)) {
    let (rows, last_rows) = rows.as_chunks::<STEP>();
    let (deltas, last_deltas) = deltas.as_chunks::<STEP>();
    for (rows, deltas) in rows.iter().zip(deltas) {
        for index in 0..STEP {
            add(rows[index], deltas[index]);
        }
    }
    for (row, delta) in last_rows.iter().zip(last_deltas) {
        add(*row, *delta);
    }
}

/// The sums of the rows that go left, and how many do.
#[inline(always)]
pub(super) fn on_left<G: Goal>(
    rows: &[u32],
    deltas: &[G::Delta],
    left: impl Fn(u32) -> bool,
) -> (G::Sums, usize) {
    let mut lanes = [G::ZERO; LANES];
    let mut count = 0;
    let mut add = |lane: &mut G::Sums, row: u32, delta: G::Delta| {
        let left = left(row);
        G::add(lane, G::only(delta, left));
        count += usize::from(left);
    };
    let (rows, last_rows) = rows.as_chunks::<STEP>();
    let (deltas, last_deltas) = deltas.as_chunks::<STEP>();
    for (rows, deltas) in rows.iter().zip(deltas) {
        for index in 0..STEP {
            add(&mut lanes[index % LANES], rows[index], deltas[index]);
        }
    }
    for (row, delta) in last_rows.iter().zip(last_deltas) {
        add(&mut lanes[0], *row, *delta);
    }
    (joined::<G>(&lanes), count)
}

fn joined<G: Goal>(lanes: &[G::Sums; LANES]) -> G::Sums {
    G::plus(
        &G::plus(&lanes[0], &lanes[2]),
        &G::plus(&lanes[1], &lanes[3]),
    )
}

/// The sums of some rows.
pub(super) fn total<G: Goal>(deltas: &[G::Delta]) -> G::Sums {
    let mut lanes = [G::ZERO; LANES];
    let (chunks, last) = deltas.as_chunks::<STEP>();
    for deltas in chunks {
        for index in 0..STEP {
            G::add(&mut lanes[index % LANES], deltas[index]);
        }
    }
    for delta in last {
        G::add(&mut lanes[0], *delta);
    }
    joined::<G>(&lanes)
}

/// Hands each row to `look`, with the lane that its turn is.
#[inline(always)]
fn in_lanes(rows: &[u32], mut look: impl FnMut(usize, u32)) {
    let (chunks, last) = rows.as_chunks::<STEP>();
    for rows in chunks {
        for (index, row) in rows.iter().enumerate() {
            look(index % LANES, *row);
        }
    }
    last.iter().for_each(|row| look(0, *row));
}

/// The smallest and the largest of some rows' values, and how many are missing.
pub(super) fn ends(rows: &[u32], values: &[f32]) -> (f32, f32, usize) {
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    let mut absent = 0;
    let look = |lane: usize, row: u32| {
        let number = values[row as usize];
        absent += usize::from(number.is_nan());
        // Neither is true of a missing value.
        low[lane] = if number < low[lane] {
            number
        } else {
            low[lane]
        };
        high[lane] = if number > high[lane] {
            number
        } else {
            high[lane]
        };
    };
    in_lanes(rows, look);
    let least = low.into_iter().fold(f32::INFINITY, f32::min);
    let most = high.into_iter().fold(f32::NEG_INFINITY, f32::max);
    (least, most, absent)
}

/// The largest of some rows' values up to and with the threshold, and the smallest above it; infinite where there is none.
pub(super) fn gap(rows: &[u32], values: &[f32], threshold: f32) -> (f32, f32) {
    let (mut low, mut high) = ([f32::NEG_INFINITY; LANES], [f32::INFINITY; LANES]);
    let look = |lane: usize, row: u32| {
        let number = values[row as usize];
        // None of it is true of a missing value.
        low[lane] = if (number <= threshold) & (number > low[lane]) {
            number
        } else {
            low[lane]
        };
        high[lane] = if (number > threshold) & (number < high[lane]) {
            number
        } else {
            high[lane]
        };
    };
    in_lanes(rows, look);
    (
        low.into_iter().fold(f32::NEG_INFINITY, f32::max),
        high.into_iter().fold(f32::INFINITY, f32::min),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_lies_between_the_values_of_the_rows_on_both_sides() {
        let mut values: Vec<f32> = (0..50).map(|value| value as f32).collect();
        values[7] = f32::NAN;
        let rows: Vec<u32> = (0..50).filter(|row| row % 10 > 3).collect();
        assert_eq!(gap(&rows, &values, 31.5), (29.0, 34.0));
        assert_eq!(gap(&rows, &values, f32::MAX), (49.0, f32::INFINITY));
        assert_eq!(gap(&[7], &values, 1.0), (f32::NEG_INFINITY, f32::INFINITY));
    }
}
