//! Blocks, branches, loops, functions: which of their commands may be the last.

use super::read::{Ends, Reader, Terminators};
use super::{Arm, Choice, Test, condition, word};

/// What a `case` looks at is `$1` or a variable with a default: no more is kept.
const LONGEST_SUBJECT: usize = 256;

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
        let mut choice = Choice::default();
        let mut test = self.condition(2);
        loop {
            let begin = self.script.commands.len();
            self.depth += 1;
            ends.extend(self.list(&["elif", "else", "fi"]));
            self.depth -= 1;
            let commands = begin..self.script.commands.len();
            choice.arms.push(Arm { test, commands });
            match self.peek_word() {
                "elif" => test = self.condition(4),
                "else" => {
                    self.at += 4;
                    test = Test::All(Vec::new());
                }
                end => {
                    self.at += if end == "fi" { 2 } else { 0 };
                    self.choose(choice);
                    return ends;
                }
            }
        }
    }

    /// What stands between `if` and `then`, and what it asks.
    fn condition(&mut self, keyword: usize) -> Test {
        let (start, begin) = (self.at + keyword, self.script.commands.len());
        self.block(keyword, &["then"]);
        self.mark_tested(begin);
        let text = &self.text[start.min(self.at)..self.at];
        condition::read(text.strip_suffix("then").unwrap_or(text))
    }

    fn choose(&mut self, mut choice: Choice) {
        choice.is_of_script = self.repeats == 0;
        self.script.choices.push(choice);
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
        self.body();
        Ends::new()
    }

    /// What a loop repeats.
    fn body(&mut self) {
        self.depth += 1;
        self.repeats += 1;
        self.list(&["done"]);
        self.repeats -= 1;
        self.depth -= 1;
        self.eat("done");
    }

    pub(super) fn counted(&mut self) -> Ends {
        let rest = &self.text[self.at..];
        let name = rest.split([' ', '\t', ';', '\n']).nth(1);
        self.assign(name.unwrap_or_default(), None);
        // `for name in words; do`: the words are no commands
        let body = find_word(rest, "do").map_or(rest.len(), |found| found + 2);
        self.at += body;
        self.body();
        Ends::new()
    }

    pub(super) fn cases(&mut self) -> Ends {
        let mut ends = Ends::new();
        let mut choice = Choice::default();
        let rest = &self.text[self.at + "case".len()..];
        let start = rest.len() - rest.trim_start().len();
        let (subject, end) = word::read(rest, start);
        // each arm keeps it, and there may be a million
        let is_known = end - start <= LONGEST_SUBJECT && !word::needs_quotes(&rest[start..end]);
        let found = find_word(&rest[end..], "in").map(|found| end + found + 2);
        self.at += "case".len() + found.unwrap_or(rest.len());
        let mut falls_through = false;
        loop {
            self.skip_lines();
            if self.peek().is_none() || self.peek_word() == "esac" {
                self.eat("esac");
                if !falls_through {
                    self.choose(choice);
                }
                return ends;
            }
            let test = match self.patterns() {
                Some(patterns) if is_known => Test::Is {
                    subject: subject.clone(),
                    patterns,
                },
                _ => Test::Unknown,
            };
            let begin = self.script.commands.len();
            self.depth += 1;
            ends.extend(self.list(&["esac"]));
            self.depth -= 1;
            choice.arms.push(Arm {
                test,
                commands: begin..self.script.commands.len(),
            });
            while let Some(byte @ (b';' | b'&')) = self.peek() {
                // `;&`: the next arm is run as well
                falls_through |= byte == b'&';
                self.at += 1;
            }
            if self.peek() == Some(b')') {
                self.at += 1;
            }
        }
    }

    /// The patterns of an arm, up to the bracket behind them; none where they cannot be told without their quotes.
    fn patterns(&mut self) -> Option<Vec<String>> {
        let mut patterns = Vec::new();
        let mut need_quotes = false;
        self.eat("(");
        while !matches!(self.peek(), None | Some(b')')) {
            let (pattern, end) = word::read(self.text, self.at);
            if end == self.at {
                self.skip_one();
            } else {
                need_quotes |= word::needs_quotes(&self.text[self.at..end]);
                patterns.push(pattern);
                self.at = end;
            }
        }
        self.eat(")");
        (!need_quotes).then_some(patterns)
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
        self.repeats += 1;
        let ends = self.command();
        self.repeats -= 1;
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
