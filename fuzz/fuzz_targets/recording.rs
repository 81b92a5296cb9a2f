//! A recording in JSON: refused with a word, or built, judged and shown.
#![no_main]

use dunnage_timeline::{Recording, Timeline, Verdict, render_summary};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let checked = Recording::parse(text);
    // what was not checked must not end the program either
    let Ok(recording) = checked.or_else(|_| serde_json::from_str(text)) else {
        return;
    };
    let timeline = Timeline::build(&recording);
    for track in timeline
        .processes
        .iter()
        .flat_map(|process| &process.threads)
    {
        assert!(
            track
                .spans
                .windows(2)
                .all(|pair| pair[0].end == pair[1].start)
        );
    }
    let verdict = Verdict::of(&timeline);
    assert!(!render_summary(&timeline, &verdict, 80).is_empty());
});
