//! The words of a command line, one a line: steps are bounded, and a shell's text is read like its words.
#![no_main]

use dunnage_check::parse::command::{Word, read, read_text};
use dunnage_check::parse::shell::fill::Variables;
use dunnage_check::{FileId, Location, Span};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut start = 0;
    let words: Vec<Word> = text
        .split('\n')
        .map(|word| {
            let span = Span::new(start..start + word.len());
            start += word.len() + 1;
            let file = FileId(0);
            Word::new(word, Location { file, span })
        })
        .collect();
    assert!(read(&words).len() <= 64);
    let span = Span::new(0..text.len());
    let file = FileId(0);
    let mut variables = Variables::default();
    assert!(read_text("sh", text, Location { file, span }, &mut variables).len() <= 64);
});
