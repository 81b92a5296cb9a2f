//! One word of a shell text with its variables filled in, as fields.

use super::{Held, Variables};
use crate::parse::command::{Filled, Word};
use crate::parse::shell::arithmetic;
use crate::parse::shell::word::{continues, is_escapable, substitution};
use crate::source::{Location, Stated};

/// Defaults in defaults are looked into so far.
const MAX_NESTED: u32 = 8;

/// A value of one word: where it comes from is where its number is written. One that is an argument of the text's own stays
/// as it is written.
pub(super) fn whole(raw: &str, at: Location, variables: &mut Variables) -> Option<Stated<String>> {
    let mut reader = Expansion::new(at);
    reader.text(raw, true, variables, 0);
    if reader.is_too_much {
        return None;
    }
    let (text, filled) = (reader.field?.0, reader.filled);
    let origin = match &filled[..] {
        [only] if only.value == text => only.at,
        _ => at,
    };
    let is_kept = !text.contains(['$', '`']) || is_argument(&text);
    is_kept.then(|| Stated::new(text, origin))
}

/// `$1`, `${1}`, `${1:-web}`.
fn is_argument(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('$') else {
        return false;
    };
    let inner = rest
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    let name = inner.map_or(rest, |inner| {
        inner.split([':', '-']).next().unwrap_or_default()
    });
    let is_one = name.bytes().all(|byte| byte.is_ascii_digit()) && !matches!(name, "" | "0");
    is_one && inner.is_none_or(|inner| !inner.contains(['$', '`', '}']))
}

/// The words that a shell makes of one: none if it was nothing but an empty value, several where an unquoted value has
/// blanks in it.
pub(super) fn expand(raw: &str, word: &Word, variables: &mut Variables) -> Vec<Word> {
    let mut reader = Expansion::new(word.at);
    reader.text(raw, false, variables, 0);
    reader.finish();
    if reader.filled.is_empty() && !reader.is_changed {
        return vec![word.clone()];
    }
    // each field is told what it is of
    let of_each = size_of::<Word>() + reader.filled.len() * size_of::<Filled>();
    if reader.is_too_much || !variables.spend(of_each.saturating_mul(reader.fields.len())) {
        return vec![word.clone()];
    }
    let filled = reader.filled;
    let fields = reader.fields.into_iter();
    fields
        .map(|text| Word {
            text,
            at: word.at,
            filled: filled.clone(),
        })
        .collect()
}

/// A word that is being expanded.
struct Expansion {
    at: Location,
    fields: Vec<String>,
    /// The field that is being written, and whether it was quoted, so that it is one although it is empty.
    field: Option<(String, bool)>,
    filled: Vec<Filled>,
    /// Something was put in that is no variable: a default, a sum.
    is_changed: bool,
    /// More than is filled in: the word stays as it is written, and a value is not known.
    is_too_much: bool,
}

impl Expansion {
    fn new(at: Location) -> Self {
        Self {
            at,
            fields: Vec::new(),
            field: None,
            filled: Vec::new(),
            is_changed: false,
            is_too_much: false,
        }
    }

    fn push(&mut self, text: &str, is_quoted: bool) {
        let field = self.field.get_or_insert_default();
        field.0.push_str(text);
        field.1 |= is_quoted;
    }

    fn finish(&mut self) {
        if let Some((text, is_quoted)) = self.field.take()
            && (is_quoted || !text.is_empty())
        {
            self.fields.push(text);
        }
    }

    /// What a variable holds: unquoted, its blanks end words.
    fn value(&mut self, text: &str, is_quoted: bool) {
        if is_quoted {
            self.push(text, true);
            return;
        }
        let mut parts = text.split_whitespace().peekable();
        if text.starts_with(char::is_whitespace) {
            self.finish();
        }
        while let Some(part) = parts.next() {
            self.push(part, false);
            if parts.peek().is_some() || text.ends_with(char::is_whitespace) {
                self.finish();
            }
        }
    }

    /// Reads a text that is written, in double quotes or not.
    fn text(&mut self, raw: &str, is_quoted: bool, variables: &mut Variables, depth: u32) {
        let bytes = raw.as_bytes();
        let mut in_double = false;
        let mut at = 0;
        // where what is taken as it stands begins
        let mut since = 0;
        while at < bytes.len() {
            let is_inside = is_quoted || in_double;
            let next = match bytes[at] {
                b'"' => {
                    self.push(&raw[since..at], true);
                    in_double = !in_double;
                    at + 1
                }
                b'\'' if !in_double => {
                    let end = raw[at + 1..]
                        .find('\'')
                        .map_or(raw.len(), |end| at + 1 + end);
                    self.push(&raw[since..at], true);
                    self.push(&raw[at + 1..end], true);
                    (end + 1).min(raw.len())
                }
                b'\\' if in_double && !is_escapable(bytes.get(at + 1)) => {
                    at += 1;
                    continue;
                }
                b'\\' => {
                    self.push(&raw[since..at], is_inside);
                    at += continues(bytes, at).map_or(1, |next| next - at);
                    since = at;
                    at += raw[at..].chars().next().map_or(0, char::len_utf8);
                    continue;
                }
                b'$' | b'`' => {
                    let end = end_of(bytes, at);
                    self.push(&raw[since..at], is_inside);
                    self.substitute(&raw[at..end], is_inside, variables, depth);
                    end
                }
                _ => {
                    at += 1;
                    continue;
                }
            };
            at = next;
            since = next;
        }
        self.push(raw.get(since..).unwrap_or_default(), is_quoted);
    }

    /// `$NAME`, `${NAME…}`, `$(…)`: its value, or itself.
    fn substitute(&mut self, raw: &str, is_quoted: bool, variables: &mut Variables, depth: u32) {
        if let Some(sum) = raw
            .strip_prefix("$((")
            .and_then(|raw| raw.strip_suffix("))"))
            && let Some(value) = arithmetic::value(sum, |name| variables.held(name)?)
        {
            self.is_changed = true;
            self.push(&value.to_string(), is_quoted);
            return;
        }
        let inner = raw[1..]
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let inner = inner.unwrap_or(&raw[1..]);
        let (name, operator) = inner.split_at(name_length(inner.as_bytes()));
        let is_name = !name.is_empty() && !raw.starts_with("$(") && !raw.starts_with('`');
        let held = if is_name {
            variables.get(name)
        } else {
            Held::Unknown
        };
        let (mark, default) = match operator.strip_prefix(':') {
            Some(rest) => (rest.chars().next(), rest.get(1..)),
            None => (operator.chars().next(), operator.get(1..)),
        };
        let default = default.unwrap_or_default();
        let counts_empty = operator.starts_with(':');
        match (held, mark) {
            (Held::Value(value), None | Some('-' | '=' | '?'))
                if mark.is_none() || !counts_empty || !value.value.is_empty() =>
            {
                let filled = Filled {
                    name: name.into(),
                    value: value.value.as_str().into(),
                    at: value.at,
                };
                // once in the word, once as what was filled in
                let bytes = filled.name.len() + 2 * filled.value.len();
                if self.is_too_much || !variables.spend(bytes) {
                    self.is_too_much = true;
                    return;
                }
                self.value(&filled.value, is_quoted);
                self.filled.push(filled);
            }
            (Held::Value(_) | Held::Nothing, Some('-' | '=')) if depth < MAX_NESTED => {
                self.is_changed = true;
                self.text(default, is_quoted, variables, depth + 1);
                if mark == Some('=') {
                    let value = whole(default, self.at, variables);
                    variables.set(name, value);
                }
            }
            _ => self.push(raw, is_quoted),
        }
    }
}

/// Where a substitution ends that begins at `at`.
fn end_of(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at + 1) {
        Some(b'(' | b'{') => substitution(bytes, at),
        _ if bytes[at] == b'`' => substitution(bytes, at),
        _ => at + 1 + name_length(&bytes[at + 1..]),
    }
}

/// How long the name is that a text begins with; 0 for `1`, `@` and their like.
fn name_length(text: &[u8]) -> usize {
    if text.first().is_some_and(u8::is_ascii_digit) {
        return 0;
    }
    let ends = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'_';
    text.iter().position(ends).unwrap_or(text.len())
}
