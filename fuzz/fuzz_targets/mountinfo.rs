//! The parser of `/proc/PID/mountinfo`.

#![no_main]

use dunnage_cgroup::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for mount in parse::parse_mountinfo(data) {
        assert!(mount.mount_point.starts_with(b"/"));
        assert!(mount.root.len() + mount.mount_point.len() <= data.len());
    }
});
