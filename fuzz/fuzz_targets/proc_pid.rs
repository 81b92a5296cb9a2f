//! `/proc/PID/stat` and `/proc/PID/status`: what another process calls itself is its own choice.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = dunnage_run::parse_stat(bytes);
    let _ = dunnage_run::parse_caught(bytes);
});
