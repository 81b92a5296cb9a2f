//! Characters to bytes: the scanner counts the former, spans are of the latter.

/// Every how many characters a byte is noted.
const STEP: usize = 64;

/// Finds the byte of a character of a text in constant time.
#[derive(Debug)]
pub(super) struct Places<'a> {
    text: &'a str,
    /// The byte of every `STEP`th character; empty if characters are bytes.
    marks: Vec<u32>,
}

impl<'a> Places<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let marks = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices()
                .step_by(STEP)
                .map(|(byte, _)| byte as u32)
                .collect()
        };
        Self { text, marks }
    }

    /// The byte that a character begins at; the end of the text for those beyond it.
    pub(super) fn byte(&self, character: usize) -> usize {
        if self.marks.is_empty() {
            return character.min(self.text.len());
        }
        let Some(mark) = self.marks.get(character / STEP) else {
            return self.text.len();
        };
        let from = *mark as usize;
        self.text[from..]
            .char_indices()
            .nth(character % STEP)
            .map_or(self.text.len(), |(byte, _)| from + byte)
    }
}

#[cfg(test)]
mod tests {
    use super::Places;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_character_is_found_where_it_is(text in "(\\PC|\n){0,300}") {
            let places = Places::of(&text);
            for (index, (byte, _)) in text.char_indices().enumerate() {
                prop_assert_eq!(places.byte(index), byte);
            }
            prop_assert_eq!(places.byte(text.chars().count()), text.len());
            prop_assert_eq!(places.byte(usize::MAX), text.len());
        }
    }
}
