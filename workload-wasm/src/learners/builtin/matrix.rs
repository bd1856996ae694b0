//! Products of row-major matrices in single precision, by tiles that stay in registers. Every sum is made in the order of
//! the rows, whatever the tile.

/// Adds `left` (rows x `depth`) times `right` (`depth` x `width`) to `sums` (rows x `width`).
pub(super) fn multiply_add(
    sums: &mut [f32],
    left: &[f32],
    right: &[f32],
    depth: usize,
    width: usize,
) {
    for (sums, left) in sums.chunks_exact_mut(width).zip(left.chunks_exact(depth)) {
        let mut start = 0;
        while start + 16 <= width {
            row_tile::<16>(&mut sums[start..], left, &right[start..], width);
            start += 16;
        }
        while start + 4 <= width {
            row_tile::<4>(&mut sums[start..], left, &right[start..], width);
            start += 4;
        }
        for start in start..width {
            row_tile::<1>(&mut sums[start..], left, &right[start..], width);
        }
    }
}

/// `W` sums of a row; `right` begins at the first one's column.
#[inline(always)]
fn row_tile<const W: usize>(sums: &mut [f32], left: &[f32], right: &[f32], width: usize) {
    let Some(sums) = sums.first_chunk_mut::<W>() else {
        return;
    };
    let mut tile = *sums;
    // Four factors a turn.
    let (fours, rest) = left.as_chunks::<4>();
    for (factors, rows) in fours.iter().zip(right.chunks(4 * width)) {
        // One-hot columns are mostly 0.
        if *factors == [0.0; 4] {
            continue;
        }
        for (place, factor) in factors.iter().enumerate() {
            let row = &rows[place * width..place * width + W];
            for (sum, value) in tile.iter_mut().zip(row) {
                *sum += factor * value;
            }
        }
    }
    let rows = right.chunks(width).skip(fours.len() * 4);
    for (factor, row) in rest.iter().zip(rows) {
        for (sum, value) in tile.iter_mut().zip(&row[..W]) {
            *sum += factor * value;
        }
    }
    *sums = tile;
}

/// Adds the transpose of `left` (rows x `depth`) times `right` (rows x `width`) to `sums` (`depth` x `width`).
pub(super) fn multiply_transposed_add(
    sums: &mut [f32],
    left: &[f32],
    right: &[f32],
    depth: usize,
    width: usize,
) {
    let both = [(left, depth), (right, width)];
    let fours = depth / 4 * 4;
    let eights = width / 8 * 8;
    for row in (0..fours).step_by(4) {
        for column in (0..eights).step_by(8) {
            transposed_tile::<4, 8>(sums, both, row, column);
        }
        for column in eights..width {
            transposed_tile::<4, 1>(sums, both, row, column);
        }
    }
    for row in fours..depth {
        for column in (0..eights).step_by(8) {
            transposed_tile::<1, 8>(sums, both, row, column);
        }
        for column in eights..width {
            transposed_tile::<1, 1>(sums, both, row, column);
        }
    }
}

/// The sums of `K` rows and `W` columns.
#[inline(always)]
fn transposed_tile<const K: usize, const W: usize>(
    sums: &mut [f32],
    [(left, depth), (right, width)]: [(&[f32], usize); 2],
    row: usize,
    column: usize,
) {
    let mut tile = [[0.0_f32; W]; K];
    let pairs = left.chunks_exact(depth).zip(right.chunks_exact(width));
    for (left, right) in pairs {
        let (left, right) = (&left[row..row + K], &right[column..column + W]);
        for (sums, factor) in tile.iter_mut().zip(left) {
            for (sum, value) in sums.iter_mut().zip(right) {
                *sum += factor * value;
            }
        }
    }
    for (place, tile) in tile.iter().enumerate() {
        let start = (row + place) * width + column;
        for (sum, part) in sums[start..start + W].iter_mut().zip(tile) {
            *sum += part;
        }
    }
}

/// The transpose of `matrix` (rows x `width`).
pub(super) fn transpose(matrix: &[f32], width: usize, transposed: &mut Vec<f32>) {
    transposed.clear();
    for column in 0..width {
        transposed.extend(matrix.iter().skip(column).step_by(width));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_of_all_shapes_give_the_products() {
        for (rows, depth, width) in [(1, 1, 1), (3, 5, 21), (4, 9, 16), (7, 4, 3)] {
            let left: Vec<f32> = (0..rows * depth).map(|i| (i % 7) as f32 - 3.0).collect();
            let right: Vec<f32> = (0..depth * width).map(|i| (i % 5) as f32).collect();
            let expected = |row: usize, column: usize| -> f32 {
                1.0 + (0..depth)
                    .map(|k| left[row * depth + k] * right[k * width + column])
                    .sum::<f32>()
            };
            let expected: Vec<f32> = (0..rows * width)
                .map(|place| expected(place / width, place % width))
                .collect();
            let mut sums = vec![1.0; rows * width];
            multiply_add(&mut sums, &left, &right, depth, width);
            assert_eq!(sums, expected, "{rows} {depth} {width}");

            let mut turned = Vec::new();
            transpose(&left, depth, &mut turned);
            let mut sums = vec![1.0; rows * width];
            multiply_transposed_add(&mut sums, &turned, &right, rows, width);
            assert_eq!(sums, expected, "{rows} {depth} {width}");
        }
    }
}
