//! What any descendant may send to the supervisor.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = dunnage_policy::message::Request::parse(bytes);
});
