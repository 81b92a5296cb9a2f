//! The parser of lists of CPUs: `cpuset.cpus.effective`, `/sys/devices/system/cpu/online`.

#![no_main]

use dunnage_cgroup::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert!(parse::parse_cpu_list(data) != Ok(0));
});
