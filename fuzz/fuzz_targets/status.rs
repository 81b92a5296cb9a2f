//! The parser of `/proc/PID/status`.

#![no_main]

use dunnage_cgroup::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert!(parse::parse_cpus_allowed_list(data) != Ok(0));
});
