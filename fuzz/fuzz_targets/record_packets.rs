//! What a supervisor sends to `dunnage record`, a line for each packet: what is made of it is sound.
#![no_main]

use dunnage_run::recording::replay;
use dunnage_timeline::recording::{About, Quality};
use dunnage_timeline::{Recording, Timeline, Verdict};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let packets = bytes.split(|byte| *byte == b'\n');
    let Ok(seen) = replay(packets) else { return };
    let about = About {
        duration: seen.spent.duration,
        ..About::default()
    };
    let recording = seen.book.finish(about, Quality::default());
    let text = serde_json::to_string(&recording).expect("a recording can be written");
    assert!(Recording::parse(&text).is_ok(), "and read again");
    let _ = Verdict::of(&Timeline::build(&recording));
});
