//! Colours, widths, and letters that are safe for a terminal.

use crate::source::is_obeyed;
use unicode_width::UnicodeWidthStr;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::render) enum Ink {
    Error,
    Warning,
    Info,
    Strong,
    Place,
    Margin,
    Note,
    Help,
}

/// Colours, or none.
pub(in crate::render) struct Paint(pub(in crate::render) bool);

impl Paint {
    /// The text in its colour.
    pub(in crate::render) fn with(&self, ink: Ink, text: &str) -> String {
        if !self.0 || text.is_empty() {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Error => "1;31",
            Ink::Warning => "1;33",
            Ink::Info => "1;36",
            Ink::Strong => "1",
            Ink::Place | Ink::Note => "36",
            Ink::Margin => "2",
            Ink::Help => "32",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// What a file says, as letters: a tab is four blanks, and what a terminal would obey (escapes, changes of direction) is a
/// replacement character.
pub(in crate::render) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\t' => safe.push_str("    "),
            letter if is_obeyed(letter) => safe.push('\u{fffd}'),
            letter => safe.push(letter),
        }
    }
    safe
}

/// Lines no wider than asked for, broken at blanks; a word that is wider stands alone. Further lines begin with `indent`.
pub(in crate::render) fn wrap(text: &str, width: usize, indent: &str) -> String {
    let mut lines = String::new();
    let mut used = 0;
    for (index, word) in text.split(' ').enumerate() {
        let needed = word.width();
        if index > 0 && used + 1 + needed > width {
            lines.truncate(lines.trim_end().len());
            lines.push('\n');
            lines.push_str(indent);
            used = indent.width();
        } else if index > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += needed;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_terminal_is_not_given_what_it_would_obey() {
        assert_eq!(
            printable("a\x1b[2Jb\u{202e}c\td"),
            "a\u{fffd}[2Jb\u{fffd}c    d"
        );
    }

    proptest! {
        #[test]
        fn wrapped_lines_fit_and_lose_no_word(text in "[a-z]{1,9}( [a-z]{1,9}){0,20}", width in 12usize..60) {
            let wrapped = wrap(&text, width, "  ");
            prop_assert!(wrapped.lines().all(|line| line.width() <= width), "{}", wrapped);
            let words: Vec<&str> = wrapped.split_whitespace().collect();
            prop_assert_eq!(words.join(" "), text);
        }
    }
}
