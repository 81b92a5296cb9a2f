//! The parser of files with a single value: `memory.max`, `memory.limit_in_bytes`, `memory.current`.

#![no_main]

use dunnage_cgroup::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let number = parse::parse_u64(data);
    if let Ok(parse::MaxOr::Value(limit)) = parse::parse_max_or(data) {
        assert_eq!(number, Ok(limit));
    }
    if let Ok(parse::MaxOr::Value(limit)) = parse::parse_memory_limit_v1(data) {
        assert_eq!(number, Ok(limit));
    }
});
