//! Any bytes are records of predictions or an error, and what is written of them anew is read as the same cells.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runner::predict::{Line, Record, push_quoted};

/// The records of `bytes`, as far as they are read.
fn read(mut bytes: &[u8]) -> (Vec<Vec<Vec<u8>>>, bool) {
    let (mut record, mut found) = (Record::default(), Vec::new());
    loop {
        match record.read(&mut bytes) {
            Ok(Line::Record) => found.push(record.cells().map(<[u8]>::to_vec).collect()),
            Ok(Line::Empty) => {}
            Ok(Line::End) => return (found, true),
            Err(_) => return (found, false),
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let (records, _) = read(bytes);
    let mut written = Vec::new();
    for cells in &records {
        // Behind a number, as the runner writes them: so no line is empty, and none begins with a byte order mark.
        written.push(b'1');
        for cell in cells {
            written.push(b',');
            push_quoted(&mut written, cell);
        }
        written.push(b'\n');
    }
    let (again, whole) = read(&written);
    assert!(whole);
    let behind: Vec<_> = again.iter().map(|cells| cells[1..].to_vec()).collect();
    assert_eq!(behind, records);
    // A line of a file is one of its records, unless a cell holds a line end.
    let ends = |cells: &Vec<Vec<u8>>| cells.iter().flatten().filter(|byte| **byte == b'\n').count();
    let lines = written.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, records.len() + records.iter().map(ends).sum::<usize>());
});
