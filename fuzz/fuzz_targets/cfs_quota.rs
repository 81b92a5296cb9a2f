//! The parser of `cpu.cfs_quota_us`.

#![no_main]

use dunnage_cgroup::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert!(parse::parse_cfs_quota(data) != Ok(Some(0)));
});
