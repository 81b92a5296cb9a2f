//! The arguments of instructions: arrays of words, pairs, flags, and variables in them.

use super::lines::{Instruction, NOTHING};
use crate::parse::command::Word;
use crate::parse::is_name_letter;
use crate::source::{FileId, Location, Stated};
use std::ops::Range;

/// The words of `["a", "b"]`, if the arguments are that and nothing else. Otherwise they are a text for the shell, as the
/// builder takes `['a']` or `["a",]`.
pub(super) fn array(instruction: &Instruction, file: FileId) -> Option<Vec<Word>> {
    let text = instruction.arguments.as_str();
    let is_blank = |letter: char| letter.is_whitespace() || letter == NOTHING;
    let mut words = Vec::new();
    let mut at = 0;
    let skip = |at: usize| text.len() - text[at..].trim_start_matches(is_blank).len();
    let next = |at: usize, wanted: char| text[at..].starts_with(wanted);
    if !next(at, '[') {
        return None;
    }
    at = skip(1);
    if next(at, ']') {
        return (skip(at + 1) == text.len()).then_some(words);
    }
    loop {
        let (range, value) = string(text, at)?;
        at = skip(range.end);
        let span = instruction.within(range);
        words.push(Word::new(value, Location { file, span }));
        if next(at, ']') {
            return (skip(at + 1) == text.len()).then_some(words);
        }
        if !next(at, ',') {
            return None;
        }
        at = skip(at + 1);
    }
}

/// A JSON string at a place: where it stands, quotes and all, and what it says.
fn string(text: &str, start: usize) -> Option<(Range<usize>, String)> {
    let rest = text.get(start..)?.strip_prefix('"')?;
    let mut is_escaped = false;
    let end = rest.find(|letter: char| {
        let ends = letter == '"' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        ends
    })?;
    let range = start..start + end + 2;
    let written: String = text[range.clone()].replace(NOTHING, "");
    let value = serde_json::from_str(&written).ok()?;
    Some((range, value))
}

/// Words between blanks, quotes taken off, each with its range in the arguments.
pub(super) fn split(arguments: &str) -> Vec<(Range<usize>, String)> {
    let is_blank = |letter: char| letter.is_whitespace() || letter == NOTHING;
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        at += arguments[at..].len() - arguments[at..].trim_start_matches(is_blank).len();
        if at >= arguments.len() {
            return found;
        }
        let (value, length) = unquote(&arguments[at..], true);
        found.push((at..at + length, value));
        at += length;
    }
}

/// The pairs of `ENV` and `ARG`: `NAME=value NAME="a b"`, or the old `NAME all of the rest`, each with the range of its
/// value as it is written. A name alone has no value.
pub(super) fn pairs(arguments: &str) -> Vec<(String, Option<String>, Range<usize>)> {
    let first = split(arguments).into_iter().next();
    let Some((range, word)) = first else {
        return Vec::new();
    };
    if !word.contains('=') {
        let rest = arguments[range.end..].trim_start();
        let value = rest.replace(NOTHING, "");
        let value = (!value.is_empty()).then_some(value);
        return vec![(word, value, arguments.len() - rest.len()..arguments.len())];
    }
    split(arguments)
        .into_iter()
        .map(|(range, word)| match word.split_once('=') {
            Some((name, value)) => {
                let value = Some(value.to_owned());
                (name.to_owned(), value, after_equals(arguments, range))
            }
            None => (word, None, range),
        })
        .collect()
}

/// The value's part of `NAME=value`, or of `"NAME=value"` within the quotes.
fn after_equals(arguments: &str, range: Range<usize>) -> Range<usize> {
    let written = &arguments[range.clone()];
    let begin = written.find('=').map_or(0, |found| found + 1);
    let is_all_quoted = written.starts_with(['"', '\'']) && written.len() > begin;
    range.start + begin..range.end - usize::from(is_all_quoted)
}

/// A word without its quotes, and how many bytes it takes. `$` stays.
fn unquote(text: &str, ends_at_blank: bool) -> (String, usize) {
    let mut value = String::new();
    let mut quote = None;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match (letter, quote) {
            (NOTHING, _) => {}
            ('"' | '\'', None) => quote = Some(letter),
            (_, Some(open)) if letter == open => quote = None,
            ('\\', None | Some('"')) => match letters.next() {
                Some((_, next)) if quote.is_none() || matches!(next, '"' | '\\' | '$') => {
                    value.push(next);
                }
                Some((_, next)) => value.extend(['\\', next]),
                None => value.push('\\'),
            },
            (_, None) if letter.is_whitespace() && ends_at_blank => return (value, at),
            _ => value.push(letter),
        }
    }
    (value, text.len())
}

/// Words after flags: `--from=build --chown=1:1 src dst`. Flags as (name, value).
pub(super) fn flags(arguments: &str) -> (Vec<(String, String)>, usize) {
    let mut found = Vec::new();
    for (range, word) in split(arguments) {
        let Some(flag) = word.strip_prefix("--") else {
            return (found, range.start);
        };
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        found.push((name.to_owned(), value.to_owned()));
    }
    (found, arguments.len())
}

/// The variables of an `ARG` or `ENV` in force.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces `$NAME`, `${NAME}`, `${NAME:-word}` and `${NAME:+word}`. What is not known stays as it is written.
pub(super) fn expand(text: &str, variables: Variables<'_>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find('$') {
        result.push_str(&rest[..found]);
        rest = &rest[found..];
        let (value, used) = variable(rest, variables);
        let value = value.filter(|value| result.len() + value.len() <= MAX_VALUE);
        result.push_str(value.as_deref().unwrap_or(&rest[..used]));
        rest = &rest[used..];
    }
    result.push_str(rest);
    result
}

/// Values beyond this stay as they are written: `ENV A=$A$A` doubles with each line.
const MAX_VALUE: usize = 1 << 16;

/// The value of the variable at the beginning, and how many bytes it is written in.
pub(super) fn variable(text: &str, variables: Variables<'_>) -> (Option<String>, usize) {
    let after = &text[1..];
    if let Some(inside) = after.strip_prefix('{') {
        let Some(end) = inside.find('}') else {
            return (None, text.len());
        };
        let inside = &inside[..end];
        let name = &inside[..inside
            .find(|letter| !is_name_letter(letter))
            .unwrap_or(inside.len())];
        let known = variables(name);
        let value = match &inside[name.len()..] {
            "" => known,
            other => match (other.trim_start_matches(':').split_at_checked(1), known) {
                (Some(("-", _)), Some(value)) if !value.is_empty() => Some(value),
                (Some(("-", word)), _) => Some(word.to_owned()),
                (Some(("+", word)), Some(value)) if !value.is_empty() => Some(word.to_owned()),
                (Some(("+", _)), _) => Some(String::new()),
                _ => None,
            },
        };
        return (value, end + 3);
    }
    let length = after
        .find(|letter| !is_name_letter(letter))
        .unwrap_or(after.len());
    if length == 0 {
        return (None, 1);
    }
    (variables(&after[..length]), length + 1)
}

/// A value with the place of its range in an instruction.
pub(super) fn stated(
    value: String,
    instruction: &Instruction,
    range: Range<usize>,
    file: FileId,
) -> Stated<String> {
    let span = instruction.within(range);
    Stated::new(value, Location { file, span })
}
