//! What any client of `--listen` may send.
#![no_main]

use dunnage_run::{Head, parse_head};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // no head is waited for beyond its limit, and one that is whole stays what it is, whatever follows
    let decided = parse_head(bytes);
    assert!(bytes.len() < 4096 || decided != Head::Incomplete);
    if let Head::Complete(_) = decided {
        let more = [bytes, b"more"].concat();
        assert_eq!(parse_head(&more), decided);
    }
});
