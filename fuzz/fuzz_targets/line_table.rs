//! The line tables of CPython's code objects: the first four bytes are the position, the fifth the kind.
#![no_main]

use dunnage_python::linetable::LineTable;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((head, table)) = bytes.split_at_checked(5) else {
        return;
    };
    let offset = i32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let kind = match head[4] % 3 {
        0 => LineTable::Lnotab,
        1 => LineTable::Ranges,
        _ => LineTable::Locations,
    };
    let line = kind.line(table, 1, offset.into());
    assert!(offset >= 0 || line == Some(1));
});
