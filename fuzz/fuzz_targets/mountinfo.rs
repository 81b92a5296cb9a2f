//! `/proc/self/mountinfo`.
#![no_main]

use dunnage_cgroup::parse::{parse_mountinfo, unescape_octal};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert!(unescape_octal(bytes).len() <= bytes.len());
    for mount in parse_mountinfo(bytes) {
        assert!(mount.mount_point.starts_with(b"/") && !mount.root.is_empty());
        assert!(!(mount.is_v2() && mount.has_v1_controller("cpu")));
    }
});
