//! What stands between `if` and `then`, as far as it asks whether one text is another.

use super::{Test, word};

/// A person joins fewer.
const MOST_PARTS: usize = 16;

/// A word without its quotes, or what stands between words.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Operator(&'static str),
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
            // a comment is none of it, and rare here
            let is_comment = rest.starts_with('#');
            tokens.push(if is_comment {
                Token::Operator("#")
            } else {
                Token::Word(word)
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
    let is = |token: &Token, text: &str| matches!(token, Token::Word(word) if word == text);
    let negations = rest.iter().take_while(|token| is(token, "!")).count();
    let tokens = &rest[negations..];
    let is_double = tokens.first().is_some_and(|token| is(token, "[["));
    let length = if is_double {
        let end = tokens.iter().position(|token| is(token, "]]"));
        end.map_or(tokens.len(), |end| end + 1)
    } else {
        let is_operator = |token: &Token| matches!(token, Token::Operator(_));
        tokens.iter().position(is_operator).unwrap_or(tokens.len())
    };
    let (own, after) = tokens.split_at(length);
    *rest = after;
    let test = match own {
        [open, inner @ .., close] if is(open, "[[") && is(close, "]]") => double(inner),
        [open, inner @ .., close] if is(open, "[") && is(close, "]") => single(inner),
        [open, inner @ ..] if is(open, "test") => single(inner),
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

/// `[[ … && … || … ]]`.
fn double(tokens: &[Token]) -> Test {
    joined(tokens, &Token::Operator("||"), &Token::Operator("&&"), true)
}

/// `[ … -a … -o … ]`.
fn single(tokens: &[Token]) -> Test {
    let word = |text: &str| Token::Word(text.to_owned());
    joined(tokens, &word("-o"), &word("-a"), false)
}

fn joined(tokens: &[Token], or: &Token, and: &Token, takes_patterns: bool) -> Test {
    let all = |tokens: &[Token]| {
        let parts = tokens.split(|token| token == and);
        Test::All(parts.map(|part| asked(part, takes_patterns)).collect())
    };
    Test::Any(tokens.split(|token| token == or).map(all).collect())
}

/// Whether a text is another.
fn asked(tokens: &[Token], takes_patterns: bool) -> Test {
    let mut words = Vec::with_capacity(tokens.len());
    for token in tokens {
        match token {
            Token::Word(word) => words.push(word.as_str()),
            Token::Operator(_) => return Test::Unknown,
        }
    }
    let negations = words.iter().take_while(|word| **word == "!").count();
    let (subject, pattern, is_other) = match words[negations..] {
        [subject, "=" | "==" | "-eq", pattern] => (subject, pattern, false),
        [subject, "!=" | "-ne", pattern] => (subject, pattern, true),
        [subject @ ("$#" | "${#}"), "-gt", "0"] | [subject @ ("$#" | "${#}"), "-ge", "1"] => {
            (subject, "0", true)
        }
        [subject @ ("$#" | "${#}"), "-lt", "1"] => (subject, "0", false),
        ["-z", subject] => (subject, "", false),
        ["-n", subject] => (subject, "", true),
        [subject] if subject.starts_with('$') => (subject, "", true),
        _ => return Test::Unknown,
    };
    if !takes_patterns && pattern.contains(['*', '?', '[']) {
        return Test::Unknown;
    }
    let is = Test::Is {
        subject: subject.to_owned(),
        patterns: vec![pattern.to_owned()],
    };
    negated(is, negations + usize::from(is_other))
}
