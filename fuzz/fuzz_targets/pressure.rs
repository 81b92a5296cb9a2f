//! `cpu.pressure`, `memory.pressure`, `io.pressure`.
#![no_main]

use dunnage_cgroup::parse::parse_pressure;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let pressure = parse_pressure(bytes);
    for stall in [pressure.some, pressure.full].into_iter().flatten() {
        for average in [stall.avg10, stall.avg60, stall.avg300] {
            assert!(average.is_finite() && average >= 0.0);
        }
    }
});
