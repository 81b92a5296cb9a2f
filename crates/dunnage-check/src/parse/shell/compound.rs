//! Blocks, branches, loops, functions: which of their commands may be the last.

use super::read::{Ends, Reader, Terminators};
use super::word;

impl Reader<'_> {
    /// Moves past a keyword, reads a list up to its end and past that.
    pub(super) fn block(&mut self, keyword: usize, end: Terminators) -> Ends {
        self.at += keyword;
        self.depth += 1;
        let ends = self.list(end);
        self.depth -= 1;
        let next = self.peek_word();
        if end.contains(&next) {
            self.at += next.len();
        }
        ends
    }

    pub(super) fn subshell(&mut self) -> Ends {
        let begin = self.script.commands.len();
        self.at += 1;
        self.depth += 1;
        let ends = self.list(&[]);
        self.depth -= 1;
        self.eat(")");
        for command in &mut self.script.commands[begin..] {
            command.is_piped = true;
        }
        self.redirections();
        ends
    }

    pub(super) fn branches(&mut self) -> Ends {
        let mut ends = Ends::new();
        let begin = self.script.commands.len();
        self.block(2, &["then"]);
        self.mark_tested(begin);
        loop {
            self.depth += 1;
            ends.extend(self.list(&["elif", "else", "fi"]));
            self.depth -= 1;
            match self.peek_word() {
                "elif" => {
                    let begin = self.script.commands.len();
                    self.block(4, &["then"]);
                    self.mark_tested(begin);
                }
                "else" => self.at += 4,
                "fi" => {
                    self.at += 2;
                    return ends;
                }
                _ => return ends,
            }
        }
    }

    fn mark_tested(&mut self, begin: usize) {
        for command in &mut self.script.commands[begin..] {
            command.is_tested = true;
        }
    }

    /// A loop is where the shell stays: nothing in it is the last.
    pub(super) fn repeated(&mut self) -> Ends {
        let begin = self.script.commands.len();
        self.block(5, &["do"]);
        self.mark_tested(begin);
        self.depth += 1;
        self.list(&["done"]);
        self.depth -= 1;
        self.eat("done");
        Ends::new()
    }

    pub(super) fn counted(&mut self) -> Ends {
        let rest = &self.text[self.at..];
        let name = rest.split([' ', '\t', ';', '\n']).nth(1);
        self.assign(name.unwrap_or_default(), None);
        // `for name in words; do`: the words are no commands
        let body = find_word(rest, "do").map_or(rest.len(), |found| found + 2);
        self.at += body;
        self.depth += 1;
        self.list(&["done"]);
        self.depth -= 1;
        self.eat("done");
        Ends::new()
    }

    pub(super) fn cases(&mut self) -> Ends {
        let mut ends = Ends::new();
        let rest = &self.text[self.at..];
        self.at += find_word(rest, "in").map_or(rest.len(), |found| found + 2);
        loop {
            self.skip_lines();
            if self.peek().is_none() || self.peek_word() == "esac" {
                self.eat("esac");
                return ends;
            }
            // the pattern, up to its bracket
            self.eat("(");
            while !matches!(self.peek(), None | Some(b')')) {
                let before = self.at;
                self.at = word::read(self.text, self.at).1;
                if self.at == before {
                    self.skip_one();
                }
            }
            self.eat(")");
            self.depth += 1;
            ends.extend(self.list(&["esac"]));
            self.depth -= 1;
            while matches!(self.peek(), Some(b';' | b'&')) {
                self.at += 1;
            }
            if self.peek() == Some(b')') {
                self.at += 1;
            }
        }
    }

    /// `name()`, possibly with blanks before the brackets.
    pub(super) fn is_function(&self) -> bool {
        let name = self.peek_word();
        let rest = &self.bytes()[self.at + name.len()..];
        let rest = rest.trim_ascii_start();
        let is_name = !name.is_empty() && !name.contains(['$', '"', '\'', '=', '`']);
        is_name
            && rest.first() == Some(&b'(')
            && rest[1..].trim_ascii_start().first() == Some(&b')')
    }

    pub(super) fn function(&mut self) -> Ends {
        if self.peek_word() == "function" {
            self.at += "function".len();
            self.skip_blanks();
        }
        let name = self.peek_word().to_owned();
        self.at += name.len();
        self.skip_blanks();
        if self.eat("(") {
            self.skip_blanks();
            self.eat(")");
        }
        self.skip_lines();
        self.depth += 1;
        let ends = self.command();
        self.depth -= 1;
        self.functions.insert(name, ends);
        Ends::new()
    }
}

/// Where a bare word stands in a text, between blanks or `;`.
fn find_word(text: &str, wanted: &str) -> Option<usize> {
    let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| b" \t\r\n;".contains(byte));
    let bytes = text.as_bytes();
    text.match_indices(wanted).map(|(at, _)| at).find(|at| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        before.is_some() && is_edge(before) && is_edge(bytes.get(at + wanted.len()))
    })
}
