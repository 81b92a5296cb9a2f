//! The parser of `*.pressure`.

#![no_main]

use dunnage_cgroup::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(pressure) = parse::parse_pressure(data) {
        assert!(pressure.some.avg10.is_finite() && pressure.some.avg10 >= 0.0);
    }
});
