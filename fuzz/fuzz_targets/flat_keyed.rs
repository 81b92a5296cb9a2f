//! `memory.stat`, `cpu.stat`, `memory.events`, `memory.oom_control`.
#![no_main]

use dunnage_cgroup::parse::parse_flat_keyed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for (key, value) in parse_flat_keyed(bytes) {
        assert!(!key.contains(&b'\n') && !key.contains(&b' '));
        let line = [key, b" ", value.to_string().as_bytes()].concat();
        assert_eq!(parse_flat_keyed(&line).collect::<Vec<_>>(), [(key, value)]);
    }
});
