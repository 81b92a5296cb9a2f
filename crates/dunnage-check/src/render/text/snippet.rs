//! A line of a file with carets below what is meant, cut to the width around it.

use super::paint::printable;
use crate::places::Places;
use crate::source::Location;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The line that a place begins on, as it is shown.
pub(super) struct Snippet {
    /// What is shown of it.
    pub(super) line: String,
    /// In which column of that begins what is meant.
    pub(super) start: usize,
    length: usize,
    /// Does what is meant go on below?
    goes_on: bool,
}

impl Snippet {
    /// No wider than `room`. A place without text has none.
    pub(super) fn of(at: Location, places: &Places<'_>, room: usize) -> Option<Self> {
        let (start, end) = (places.start(at), places.end(at));
        let line = places.line(at.file, start.line);
        if line.trim().is_empty() {
            return None;
        }
        let from = byte_of(line, start.column);
        let goes_on = end.line != start.line;
        let to = if goes_on {
            line.trim_end().len()
        } else {
            byte_of(line, end.column)
        };
        let (before, rest) = line.split_at(from);
        let (meant, after) = rest.split_at(to.saturating_sub(from));
        // an ellipsis stands behind the carets of what goes on
        let room = room - usize::from(goes_on);
        let cut = Cut::of(
            &printable(before),
            &printable(meant),
            &printable(after),
            room,
        );
        Some(Self {
            line: cut.line,
            start: cut.start,
            length: cut.length.max(1),
            goes_on,
        })
    }

    /// Is all of the line meant?
    pub(super) fn is_whole(&self) -> bool {
        self.start == 0 && self.length >= self.line.width()
    }

    /// What stands below what is meant.
    pub(super) fn carets(&self) -> String {
        "^".repeat(self.length) + if self.goes_on { "…" } else { "" }
    }
}

/// The byte of a column that counts characters from 1.
fn byte_of(line: &str, column: u32) -> usize {
    line.char_indices()
        .nth(column as usize - 1)
        .map_or(line.len(), |(byte, _)| byte)
}

/// What is shown of a line, and which columns of that are meant.
#[derive(Debug, PartialEq, Eq)]
struct Cut {
    line: String,
    start: usize,
    length: usize,
}

impl Cut {
    fn of(before: &str, meant: &str, after: &str, room: usize) -> Self {
        // the indentation tells little
        let before = before.trim_start();
        if before.width() + meant.width() + after.width() <= room {
            return Self {
                line: format!("{before}{meant}{after}").trim_end().to_owned(),
                start: before.width(),
                length: meant.width(),
            };
        }
        let meant = if meant.width() > room.saturating_sub(2) {
            first(meant, room.saturating_sub(3)) + "…"
        } else {
            meant.to_owned()
        };
        // a third of what is left stays before, at most
        let left = room.saturating_sub(meant.width());
        let before = if before.width() <= left / 3 || before.width() + after.width() <= left {
            before.to_owned()
        } else {
            "…".to_owned() + &last(before, (left / 3).saturating_sub(1))
        };
        let left = left.saturating_sub(before.width());
        let after = if after.width() <= left {
            after.to_owned()
        } else {
            first(after, left.saturating_sub(1)) + "…"
        };
        Self {
            start: before.width(),
            length: meant.width(),
            line: format!("{before}{meant}{after}"),
        }
    }
}

/// As many letters as fit.
fn first(text: &str, width: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|letter| {
            used += letter.width().unwrap_or(0);
            used <= width
        })
        .collect()
}

/// The last letters that fit.
fn last(text: &str, width: usize) -> String {
    let backwards: String = text.chars().rev().collect();
    first(&backwards, width).chars().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_short_line_loses_its_indentation_alone() {
        let cut = Cut::of("      cpu: ", "500m", "  # enough", 60);
        assert_eq!(cut.line, "cpu: 500m  # enough");
        assert_eq!((cut.start, cut.length), (5, 4));
    }

    proptest! {
        #[test]
        fn a_cut_line_fits_and_the_carets_are_below_it(
            before in "[a-z ]{0,80}", meant in "[A-Z]{1,80}", after in "[a-z中]{0,80}", room in 30usize..100,
        ) {
            let cut = Cut::of(&before, &meant, &after, room);
            prop_assert!(cut.line.width() <= room, "{:?}", cut);
            let shown: String = cut.line.chars().skip(cut.start).take(cut.length).collect();
            prop_assert!(shown.chars().all(|letter| letter.is_uppercase() || letter == '…'), "{:?}", cut);
            prop_assert!(shown.starts_with(meant.chars().next().unwrap()));
        }
    }
}
