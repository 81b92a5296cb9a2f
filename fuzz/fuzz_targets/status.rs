//! `/proc/self/status`.
#![no_main]

use dunnage_cgroup::parse::parse_cpus_allowed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert!(parse_cpus_allowed(bytes).is_none_or(|cpus| (1..=65_536).contains(&cpus)));
});
