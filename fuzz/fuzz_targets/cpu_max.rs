//! The parser of `cpu.max`.

#![no_main]

use dunnage_cgroup::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(max) = parse::parse_cpu_max(data) {
        assert!(max.quota_usec != Some(0) && max.period_usec > 0);
    }
});
