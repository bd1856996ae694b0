//! Parting the rows of a node.

use super::sums::STEP;

/// Puts the rows that go left before those that go right, both in order; says how many go left. `others` is room for as
/// many rows.
#[inline(always)]
pub(super) fn partition(
    rows: &mut [u32],
    others: &mut [u32],
    goes_left: impl Fn(u32) -> bool,
) -> usize {
    let others = &mut others[..rows.len()];
    let (mut left, mut right) = (0, 0);
    let mut put = |rows: &mut [u32], row: u32| {
        // Both are written, one is kept: nothing to guess for the processor.
        rows[left] = row;
        others[right] = row;
        let goes_left = usize::from(goes_left(row));
        left += goes_left;
        right += 1 - goes_left;
    };
    let mut next = 0;
    while let Some(some) = rows[next..].first_chunk::<STEP>().copied() {
        for row in some {
            put(rows, row);
        }
        next += STEP;
    }
    for index in next..rows.len() {
        let row = rows[index];
        put(rows, row);
    }
    rows[left..].copy_from_slice(&others[..right]);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_keep_their_order() {
        for count in [0, 1, 7, 8, 29] {
            let mut rows: Vec<u32> = (0..count).collect();
            let mut others = vec![0; rows.len()];
            let left = partition(&mut rows, &mut others, |row| row % 3 == 1);
            let (left, right) = rows.split_at(left);
            assert!(
                left.iter()
                    .eq((0..count).filter(|r| r % 3 == 1).collect::<Vec<_>>().iter())
            );
            assert!(
                right
                    .iter()
                    .eq((0..count).filter(|r| r % 3 != 1).collect::<Vec<_>>().iter())
            );
        }
    }
}
