//! Blocks, branches, loops, functions: which of their commands may be the last.

use super::read::{Ends, Reader, Terminators};
use super::word;
use super::{Arm, Choice, Command, Test};
use crate::parse::command::Word;

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
                    test = Some(always());
                }
                end => {
                    self.at += if end == "fi" { 2 } else { 0 };
                    self.choose(choice);
                    return ends;
                }
            }
        }
    }

    /// What stands between `if` and `then`; what it asks, if that is understood.
    fn condition(&mut self, keyword: usize) -> Option<Test> {
        let (start, begin) = (self.at + keyword, self.script.commands.len());
        self.block(keyword, &["then"]);
        self.mark_tested(begin);
        let text = &self.text[start.min(self.at)..self.at];
        let commands = &self.script.commands[begin..];
        if text.trim_start().starts_with('!') || commands.iter().any(|command| command.is_piped) {
            return None;
        }
        match commands {
            [only] => test(&only.words),
            [first, rest @ ..] if is_joined_by_or(text, commands) => {
                let first = test(&first.words)?;
                rest.iter()
                    .map(|command| test(&command.words))
                    .try_fold(first, |all, next| either(all, next?))
            }
            _ => None,
        }
    }

    fn choose(&mut self, choice: Choice) {
        if self.depth == 0 {
            self.script.choices.push(choice);
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
        let mut choice = Choice::default();
        let rest = &self.text[self.at..];
        let subject = rest.trim_start_matches("case").trim_start();
        let subject = word::read(subject, 0).0;
        self.at += find_word(rest, "in").map_or(rest.len(), |found| found + 2);
        loop {
            self.skip_lines();
            if self.peek().is_none() || self.peek_word() == "esac" {
                self.eat("esac");
                self.choose(choice);
                return ends;
            }
            let test = Test {
                subject: subject.clone(),
                patterns: self.patterns(),
                is_negated: false,
            };
            let begin = self.script.commands.len();
            self.depth += 1;
            ends.extend(self.list(&["esac"]));
            self.depth -= 1;
            choice.arms.push(Arm {
                test: Some(test),
                commands: begin..self.script.commands.len(),
            });
            while matches!(self.peek(), Some(b';' | b'&')) {
                self.at += 1;
            }
            if self.peek() == Some(b')') {
                self.at += 1;
            }
        }
    }

    /// The patterns of an arm, up to the bracket behind them.
    fn patterns(&mut self) -> Vec<String> {
        let mut patterns = Vec::new();
        self.eat("(");
        while !matches!(self.peek(), None | Some(b')')) {
            let (pattern, end) = word::read(self.text, self.at);
            if end == self.at {
                self.skip_one();
            } else {
                patterns.push(pattern);
                self.at = end;
            }
        }
        self.eat(")");
        patterns
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

/// `else`.
fn always() -> Test {
    Test {
        subject: String::new(),
        patterns: vec!["*".to_owned()],
        is_negated: false,
    }
}

/// `[ … ] || [ … ]`: does nothing but `||` stand between the commands?
fn is_joined_by_or(text: &str, commands: &[Command]) -> bool {
    let begins = commands.iter().map(Command::name);
    let text = text.strip_suffix("then").unwrap_or(text);
    let parts: Vec<&str> = text.split("||").map(str::trim).collect();
    parts.len() == commands.len()
        && parts.iter().zip(begins).all(|(part, name)| {
            part.starts_with(name) && !part.contains("&&") && !part.contains('\n')
        })
}

/// Is one text any of what two tests want it to be?
fn either(mut one: Test, other: Test) -> Option<Test> {
    let is_same = one.subject == other.subject && !one.is_negated && !other.is_negated;
    one.patterns.extend(other.patterns);
    is_same.then_some(one)
}

/// What `[ … ]` asks, where that is whether a text is another.
fn test(words: &[Word]) -> Option<Test> {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let (["[", inner @ .., "]"] | ["[[", inner @ .., "]]"] | ["test", inner @ ..]) = &texts[..]
    else {
        return None;
    };
    let (subject, pattern, is_negated) = match inner {
        [subject, "=" | "==" | "-eq", pattern] => (subject, *pattern, false),
        [subject, "!=" | "-ne", pattern] => (subject, *pattern, true),
        [subject @ ("$#" | "${#}"), "-gt", "0"] | [subject @ ("$#" | "${#}"), "-ge", "1"] => {
            (subject, "0", true)
        }
        [subject @ ("$#" | "${#}"), "-lt", "1"] => (subject, "0", false),
        ["-z", subject] => (subject, "", false),
        ["-n", subject] => (subject, "", true),
        _ => return None,
    };
    Some(Test {
        subject: (*subject).to_owned(),
        patterns: vec![pattern.to_owned()],
        is_negated,
    })
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
