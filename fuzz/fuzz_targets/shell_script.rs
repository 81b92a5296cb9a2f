//! A shell text: every command has its words' places in the text, and what the rules would put before one fits.
#![no_main]

use dunnage_check::FileId;
use dunnage_check::parse::shell;
use dunnage_check::parse::shell::fill::{Variables, fill};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut script = shell::parse(text, 0, FileId(0));
    assert!(script.last_list <= script.commands.len());
    for command in &script.commands {
        assert!(!command.words.is_empty());
        for at in command.words.iter().map(|word| word.at).chain([command.at]) {
            assert!(
                text.get(at.span.range())
                    .is_some_and(|text| !text.is_empty())
            );
        }
    }
    if let Some(main) = script.main() {
        assert!(!main.is_background && !main.is_aside());
    }
    let before = script.commands.len();
    fill(&mut script, text, 0, &Variables::default());
    assert_eq!(script.commands.len(), before);
});
