//! Redirections and here-documents: where output goes, and what is read that stands in the text itself.

use super::read::Reader;
use super::word;
use super::{Document, Output};

/// A here-document whose lines are still to come.
pub(super) struct Pending {
    /// The line that ends it.
    end: String,
    strips_tabs: bool,
    is_quoted: bool,
    /// The simple command that reads it, by index.
    pub(super) reader: Option<usize>,
}

impl Reader<'_> {
    /// Redirections here; true if there was one.
    pub(super) fn redirections(&mut self) -> bool {
        let mut any = false;
        while {
            self.skip_blanks();
            self.redirection()
        } {
            any = true;
        }
        any
    }

    fn redirection(&mut self) -> bool {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let descriptor = &self.text[begin..self.at];
        if self.starts_with("&>") {
            self.at += 1;
        }
        if !matches!(self.peek(), Some(b'<' | b'>'))
            || self.starts_with("<(")
            || self.starts_with(">(")
        {
            self.at = begin;
            return self.process_substitution();
        }
        let is_document = self.starts_with("<<") && !self.starts_with("<<<");
        let operator = self.at;
        while matches!(self.peek(), Some(b'<' | b'>' | b'&' | b'|')) {
            self.at += 1;
        }
        let operator = &self.text[operator..self.at];
        let strips_tabs = is_document && self.eat("-");
        self.skip_blanks();
        let start = self.at;
        let (target, end) = word::read(self.text, start);
        self.at = end;
        if is_document {
            self.documents.push(Pending {
                is_quoted: target != self.text[start..end],
                end: target,
                strips_tabs,
                reader: None,
            });
        } else if matches!(descriptor, "" | "1") && matches!(operator, ">" | ">>" | ">|") {
            let appends = operator == ">>";
            self.output = Some(Output { target, appends });
        }
        self.process_substitution();
        true
    }

    /// `<(…)`: a file that another command writes.
    fn process_substitution(&mut self) -> bool {
        let is_one = self.starts_with("<(") || self.starts_with(">(");
        if is_one {
            self.at = word::bracketed(self.bytes(), self.at + 1);
        }
        is_one
    }

    /// Past the end of a line, and past the here-documents that it asks for.
    pub(super) fn newline(&mut self) {
        self.at += 1;
        for pending in std::mem::take(&mut self.documents) {
            let begin = self.at;
            let mut last = begin;
            while self.at < self.text.len() {
                let rest = &self.text[self.at..];
                let line = rest.split_inclusive('\n').next().unwrap_or_default();
                last = self.at;
                self.at += line.len();
                let line = line.trim_end_matches(['\n', '\r']);
                let line = if pending.strips_tabs {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                if line == pending.end {
                    break;
                }
                last = self.at;
            }
            let document = Document {
                at: self.location(begin, last),
                is_quoted: pending.is_quoted,
                strips_tabs: pending.strips_tabs,
            };
            let reader = pending.reader;
            if let Some(command) = reader.and_then(|index| self.script.commands.get_mut(index)) {
                command.document = Some(document);
            }
        }
    }
}
