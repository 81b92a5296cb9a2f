//! The parser of `/proc/PID/cgroup`.

#![no_main]

use dunnage_cgroup::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for line in parse::parse_cgroup_file(data) {
        assert!(line.path.starts_with(b"/"));
        assert!(!line.path.contains(&b'\n'));
    }
});
