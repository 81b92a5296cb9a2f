//! A record file, as whoever may write in the report folder can make it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = dunnage_run::record::parse_record(bytes);
    assert!(file.end <= bytes.len());
    let _ = (file.tell(), file.last_record());
});
