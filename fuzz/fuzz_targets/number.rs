//! Files of one number, or `max`.
#![no_main]

use dunnage_cgroup::parse::{Size, parse_size, parse_u64};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    match (parse_size(bytes), parse_u64(bytes)) {
        (Some(Size::Limit(limit)), value) => assert_eq!(value, Some(limit)),
        (Some(Size::Max), Some(value)) => assert!(value >= 0x7fff_ffff_ffff_0000),
        (Some(Size::Max), None) => assert_eq!(bytes.trim_ascii(), b"max"),
        (None, value) => assert_eq!(value, None),
    }
});
