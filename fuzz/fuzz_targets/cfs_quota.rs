//! `cpu.cfs_quota_us` with `cpu.cfs_period_us`, the two apart at the first blank.
#![no_main]

use dunnage_cgroup::parse::parse_cfs_quota;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let at = bytes
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or(bytes.len());
    let (quota, period) = bytes.split_at(at);
    let found = [
        parse_cfs_quota(bytes, None),
        parse_cfs_quota(quota, Some(period)),
    ];
    for bandwidth in found.into_iter().flatten().flatten() {
        assert!(bandwidth.cpus() > 0.0 && bandwidth.cpus().is_finite());
    }
});
