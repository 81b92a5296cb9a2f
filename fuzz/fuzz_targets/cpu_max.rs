//! `cpu.max`.
#![no_main]

use dunnage_cgroup::parse::parse_cpu_max;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(bandwidth)) = parse_cpu_max(bytes) {
        assert!(bandwidth.cpus() > 0.0 && bandwidth.cpus().is_finite());
    }
});
