//! `_Py_DebugOffsets`, as it stands in another process's memory.
#![no_main]

use dunnage_python::layout::debug_offsets::{BYTES, parse};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut words = [0; BYTES];
    let count = bytes.len().min(BYTES);
    words[..count].copy_from_slice(&bytes[..count]);
    words[..8].copy_from_slice(b"xdebugpy");
    if let Ok((version, layout)) = parse(&words) {
        assert!(version.major == 3 && [13, 14, 15].contains(&version.minor));
        assert!(layout.threads < 1 << 20 && layout.code.code < 1 << 20);
    }
});
