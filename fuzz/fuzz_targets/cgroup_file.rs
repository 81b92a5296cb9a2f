//! `/proc/self/cgroup`.
#![no_main]

use dunnage_cgroup::parse::parse_cgroup_file;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for line in parse_cgroup_file(bytes) {
        assert!(line.path.starts_with(b"/"));
        assert!(!line.controllers.contains(&b':'));
        assert!(!(line.is_v2() && line.has_controller("cpu")));
    }
});
