//! `cpuset.cpus.effective` and `/sys/devices/system/cpu/online`.
#![no_main]

use dunnage_cgroup::parse::parse_cpu_list;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert!(parse_cpu_list(bytes).is_none_or(|cpus| (1..=65_536).contains(&cpus)));
});
