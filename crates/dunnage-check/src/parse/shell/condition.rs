//! What stands between `if` and `then`, as far as it asks whether one text is another.

use super::{Test, word};

/// A person joins fewer.
const MOST_PARTS: usize = 16;

/// A word without its quotes, or what stands between words.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word {
        text: String,
        /// Has it no quotes, so that nothing is left of it where it is empty?
        is_bare: bool,
    },
    /// A word that would say another thing without its quotes.
    Quoted,
    Operator(&'static str),
}

impl Token {
    fn is_word(&self, wanted: &str) -> bool {
        matches!(self, Self::Word { text, .. } if text == wanted)
    }

    /// A variable of which nothing is left in a command where it is empty.
    fn may_vanish(&self) -> Option<&str> {
        match self {
            Self::Word {
                text,
                is_bare: true,
            } if text.starts_with('$') && !is_count(text) => Some(text),
            _ => None,
        }
    }
}

/// What a condition asks.
pub(super) fn read(text: &str) -> Test {
    let text = text.trim_end_matches([';', ' ', '\t', '\r', '\n']);
    let tokens = tokens(text);
    let mut rest = skip_breaks(&tokens);
    let (mut whole, mut parts) = (part(&mut rest), 1);
    while let Some((operator, after)) = rest.split_first() {
        rest = skip_breaks(after);
        let next = part(&mut rest);
        parts += 1;
        let two = vec![whole, next];
        whole = match operator {
            Token::Operator("&&") if parts <= MOST_PARTS => Test::All(two),
            Token::Operator("||") if parts <= MOST_PARTS => Test::Any(two),
            // what it asks is the last of several commands, or more than is looked at
            _ => return Test::Unknown,
        };
    }
    whole
}

fn tokens(text: &str) -> Vec<Token> {
    const OPERATORS: [&str; 10] = ["&&", "||", "|", "&", ";", "\n", "(", ")", "<", ">"];
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with([' ', '\t', '\r']) {
            at += 1;
        } else if let Some(next) = word::continues(text.as_bytes(), at) {
            at = next;
        } else if let Some(operator) = OPERATORS.iter().find(|it| rest.starts_with(**it)) {
            tokens.push(Token::Operator(operator));
            at += operator.len();
        } else {
            let (word, end) = word::read(text, at);
            let raw = &text[at..end];
            // a comment is none of it, and rare here
            tokens.push(if rest.starts_with('#') {
                Token::Operator("#")
            } else if word::needs_quotes(raw) {
                Token::Quoted
            } else {
                let is_bare = raw == word;
                Token::Word {
                    text: word,
                    is_bare,
                }
            });
            at = end.max(at + rest.chars().next().map_or(1, char::len_utf8));
        }
    }
    tokens
}

fn skip_breaks(tokens: &[Token]) -> &[Token] {
    let is_break = |token: &&Token| **token == Token::Operator("\n");
    &tokens[tokens.iter().take_while(is_break).count()..]
}

/// One command up to the operator behind it, with the `!` before it.
fn part(rest: &mut &[Token]) -> Test {
    let negations = rest.iter().take_while(|token| token.is_word("!")).count();
    let tokens = &rest[negations..];
    let is_double = tokens.first().is_some_and(|token| token.is_word("[["));
    let length = if is_double {
        let end = tokens.iter().position(|token| token.is_word("]]"));
        end.map_or(tokens.len(), |end| end + 1)
    } else {
        let is_operator = |token: &Token| matches!(token, Token::Operator(_));
        tokens.iter().position(is_operator).unwrap_or(tokens.len())
    };
    let (own, after) = tokens.split_at(length);
    *rest = after;
    let test = match own {
        [open, inner @ .., close] if open.is_word("[[") && close.is_word("]]") => {
            joined(inner, Form::Double)
        }
        [open, inner @ .., close] if open.is_word("[") && close.is_word("]") => {
            joined(inner, Form::Single)
        }
        [open, inner @ ..] if open.is_word("test") => joined(inner, Form::Single),
        _ => Test::Unknown,
    };
    negated(test, negations)
}

fn negated(test: Test, times: usize) -> Test {
    if times.is_multiple_of(2) {
        test
    } else {
        Test::Not(Box::new(test))
    }
}

/// How a test is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `[ … -a … -o … ]`: a command, whose words are what is left of variables.
    Single,
    /// `[[ … && … || … ]]`: the shell's own, where a variable is one word and what it is compared with a pattern.
    Double,
}

impl Form {
    fn is_or(self, token: &Token) -> bool {
        match self {
            Self::Single => token.is_word("-o"),
            Self::Double => *token == Token::Operator("||"),
        }
    }

    fn is_and(self, token: &Token) -> bool {
        match self {
            Self::Single => token.is_word("-a"),
            Self::Double => *token == Token::Operator("&&"),
        }
    }
}

fn joined(tokens: &[Token], form: Form) -> Test {
    let groups = |token: &Token| match token {
        Token::Operator(operator) => matches!(*operator, "(" | ")"),
        token => token.is_word("(") || token.is_word(")"),
    };
    let joins = |token: &Token| form.is_or(token) || form.is_and(token);
    // of four words, `!` turns around what the other three say together
    let turns_all =
        form == Form::Single && tokens.len() == 4 && tokens[0].is_word("!") && joins(&tokens[2]);
    if tokens.iter().any(groups) || turns_all {
        return Test::Unknown;
    }
    let all = |tokens: &[Token]| {
        let parts = tokens.split(|token| form.is_and(token));
        Test::All(parts.map(|part| asked(part, form)).collect())
    };
    let test = Test::Any(tokens.split(|token| form.is_or(token)).map(all).collect());
    let bare: Vec<&str> = tokens.iter().filter_map(Token::may_vanish).collect();
    if form == Form::Single && tokens.iter().any(joins) && !bare.is_empty() {
        unless_empty(&bare, test)
    } else {
        test
    }
}

/// Whether a text is another.
fn asked(tokens: &[Token], form: Form) -> Test {
    let mut words = Vec::with_capacity(tokens.len());
    for token in tokens {
        let Token::Word { text, .. } = token else {
            return Test::Unknown;
        };
        words.push(text.as_str());
    }
    let negations = words.iter().take_while(|word| **word == "!").count();
    let (subject, pattern, is_other) = match words[negations..] {
        [subject, "=" | "==" | "-eq", pattern] => (subject, pattern, false),
        [subject, "!=" | "-ne", pattern] => (subject, pattern, true),
        [subject, "-gt", "0"] | [subject, "-ge", "1"] if is_count(subject) => (subject, "0", true),
        [subject, "-lt", "1"] if is_count(subject) => (subject, "0", false),
        ["-z", subject] => (subject, "", false),
        ["-n", subject] => (subject, "", true),
        [subject] if subject.starts_with('$') => (subject, "", true),
        _ => return Test::Unknown,
    };
    if form == Form::Single && pattern.contains(['*', '?', '[']) {
        return Test::Unknown;
    }
    let is_number = words.iter().any(|word| matches!(*word, "-eq" | "-ne"));
    let is_safe = match words[..] {
        [_] | ["-z", _] => true,
        // no number is an error in one form and 0 in the other
        _ if is_number => form == Form::Single && !is_other && negations == 0,
        [_, _, pattern] => !is_other && !pattern.is_empty(),
        _ => false,
    };
    let is = Test::Is {
        subject: subject.to_owned(),
        patterns: vec![pattern.to_owned()],
    };
    let test = negated(is, negations + usize::from(is_other));
    let may_vanish = form == Form::Single && tokens.iter().any(|it| it.may_vanish().is_some());
    if !is_safe && (may_vanish || (is_number && !is_count(subject))) {
        unless_empty(&[subject], test)
    } else {
        test
    }
}

fn is_count(word: &str) -> bool {
    matches!(word, "$#" | "${#}")
}

/// What a test asks, where one of these texts makes another test of it by being empty: `[ -n $1 ]` asks then whether `-n` is
/// a text.
fn unless_empty(subjects: &[&str], test: Test) -> Test {
    let is_empty = |subject: &&str| Test::Is {
        subject: (*subject).to_owned(),
        patterns: vec![String::new()],
    };
    let is_empty = Test::Any(subjects.iter().map(is_empty).collect());
    Test::Any(vec![
        Test::All(vec![is_empty.clone(), Test::Unknown]),
        Test::All(vec![negated(is_empty, 1), test]),
    ])
}
