//! The parser of `memory.stat`, `cpu.stat`, `memory.events`.

#![no_main]

use dunnage_cgroup::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for (key, _value) in parse::parse_flat_keyed(data) {
        assert!(!key.contains(&b' ') && !key.contains(&b'\n'));
    }
});
