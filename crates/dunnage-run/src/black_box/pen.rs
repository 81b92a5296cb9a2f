//! The record on its way to the file: never more than [`MAX_RECORD`], and nothing after the first failure.
//!
//! While there is no room for a new page of the file, lines are kept, in their order, in pages that are there.

use super::headroom::{Headroom, KEPT};
use crate::record::{Part, Writer, encode};

/// The most bytes of a record.
pub const MAX_RECORD: usize = 512 << 10;

/// What of them only the lines that end something may use.
const RESERVE: usize = 16 << 10;

pub(super) struct Pen {
    writer: Option<Writer>,
    pub(super) headroom: Headroom,
    /// Lines that are not in the file yet.
    kept: Vec<u8>,
    left: usize,
    left_out: u32,
    error: Option<std::io::Error>,
}

/// What comes back at the end.
pub(super) struct Written {
    pub(super) writer: Option<Writer>,
    pub(super) headroom: Headroom,
    pub(super) kept: Vec<u8>,
    /// All of it is in the file, or would be if there were one.
    pub(super) is_whole: bool,
    pub(super) error: Option<std::io::Error>,
}

impl Pen {
    pub(super) fn new(writer: Option<Writer>, headroom: Headroom, kept: Vec<u8>) -> Self {
        let left = writer.as_ref().map_or(MAX_RECORD as u64, Writer::room);
        Self {
            writer,
            headroom,
            kept,
            left: MAX_RECORD.min(usize::try_from(left).unwrap_or(0)),
            left_out: 0,
            error: None,
        }
    }

    pub(super) fn put(&mut self, part: &Part) {
        self.put_keeping(part, RESERVE);
    }

    /// Writes a line that ends something.
    pub(super) fn put_end(&mut self, part: &Part) {
        self.put_keeping(part, 0);
    }

    fn put_keeping(&mut self, part: &Part, reserve: usize) {
        if self.writer.is_none() || self.error.is_some() {
            return;
        }
        let line = match encode(part) {
            Ok(line) if line.len() + reserve <= self.left => line,
            _ => {
                self.left_out += 1;
                return;
            }
        };
        self.left -= line.len();
        if self.headroom.is_short() {
            if self.kept.len() + line.len() <= self.kept.capacity() {
                return self.kept.extend_from_slice(&line);
            }
            self.headroom.wait();
        }
        self.flush();
        self.write(&line);
    }

    fn flush(&mut self) {
        if !self.kept.is_empty() {
            let kept = std::mem::take(&mut self.kept);
            self.write(&kept);
            self.kept = kept;
            self.kept.clear();
        }
    }

    fn write(&mut self, line: &[u8]) {
        if let (Some(writer), None) = (&mut self.writer, &self.error) {
            self.error = writer.put_line(line).err();
        }
    }

    /// What may still be said of what does not end anything, in bytes.
    pub(super) fn left(&self) -> usize {
        self.left.saturating_sub(RESERVE)
    }

    pub(super) fn left_out(&self) -> u32 {
        self.left_out
    }

    pub(super) fn path(&self) -> Option<std::path::PathBuf> {
        self.writer.as_ref().map(Writer::path)
    }

    /// Writes what is kept, when there is room for it.
    pub(super) fn finish(mut self) -> Written {
        if !self.kept.is_empty() {
            self.headroom.wait();
            self.flush();
        }
        Written {
            writer: self.writer,
            headroom: self.headroom,
            kept: self.kept,
            is_whole: self.left_out == 0,
            error: self.error,
        }
    }
}

/// Room for lines that are not written yet, in pages that are there.
pub(super) fn room_to_keep() -> Vec<u8> {
    let mut kept = vec![1; KEPT];
    kept.clear();
    kept
}

#[cfg(test)]
mod tests {
    use super::super::headroom::tests::{container, use_mb};
    use super::*;
    use crate::record::{Decision, ReportFolder, Run};
    use std::fs;

    fn decision(text: &str) -> Part {
        Part::Decision(Decision {
            text: text.to_owned(),
        })
    }

    #[test]
    fn lines_that_find_no_room_are_written_later_in_their_order() {
        let (folder, reports) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let report_folder = ReportFolder::open(reports.path()).unwrap();
        let writer = Writer::create(report_folder, &Run::default()).unwrap();
        let path = writer.path();
        let told = || {
            let text = fs::read_to_string(&path).unwrap();
            ["one", "two", "three", "four"].map(|word| text.find(word))
        };
        let mut pen = Pen::new(Some(writer), container(folder.path()), room_to_keep());
        pen.put(&decision("one"));
        assert!(told()[0].is_some());
        use_mb(folder.path(), 999, 0);
        pen.put(&decision("two"));
        pen.put_end(&decision("three"));
        assert_eq!(told()[1..], [None; 3], "there is no room");
        use_mb(folder.path(), 700, 0);
        pen.put(&decision("four"));
        assert!(told().is_sorted() && told()[0].is_some(), "{:?}", told());
        let written = pen.finish();
        assert!(written.is_whole && written.error.is_none() && written.kept.is_empty());
        assert!(written.kept.capacity() >= KEPT, "the pages are there again");
    }

    #[test]
    fn what_is_kept_at_the_end_is_written_when_there_is_room_or_patience_has_ended() {
        let (folder, reports) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let report_folder = ReportFolder::open(reports.path()).unwrap();
        let writer = Writer::create(report_folder, &Run::default()).unwrap();
        let path = writer.path();
        let mut pen = Pen::new(Some(writer), container(folder.path()), room_to_keep());
        use_mb(folder.path(), 999, 0);
        pen.put(&decision("one"));
        let _ = pen.finish();
        assert!(fs::read_to_string(path).unwrap().contains("one"));
    }
}
