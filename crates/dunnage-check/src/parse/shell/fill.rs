//! Variables of a shell text, filled in where the files tell what they hold.
//!
//! A text is gone through from its beginning as a shell would: what it assigns on every path holds from there on, what it
//! assigns on some paths, reads, or sources from elsewhere is not known any more. What is not known stays as it is written,
//! `$` and all: nothing is guessed. `${NAME:-default}` is the default only where nothing can have set the name.

use super::arithmetic;
use super::word::{continues, is_escapable, substitution};
use super::{Assignment, Command, Relocate, Script};
use crate::parse::command::{Filled, Word};
use crate::source::{Location, Stated};
use std::collections::{BTreeMap, BTreeSet};

/// Values beyond this are not filled in: `A=$A$A` doubles with each line.
const MAX_VALUE: usize = 1 << 12;

/// Defaults in defaults are looked into so far.
const MAX_NESTED: u32 = 8;

/// What is known of a shell's variables.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    /// By name; none for what is set and not known.
    held: BTreeMap<String, Option<Stated<String>>>,
    /// May names that are not among them be set, by what no file tells?
    is_open: bool,
    /// What the text exported by itself.
    exported: BTreeSet<String>,
}

impl Variables {
    /// Nothing is known: nothing is filled in.
    pub fn unknown() -> Self {
        Self {
            is_open: true,
            ..Self::default()
        }
    }

    /// An environment. `is_open`: may there be more than is among them?
    pub fn of(held: BTreeMap<String, Option<Stated<String>>>, is_open: bool) -> Self {
        Self {
            held,
            is_open,
            exported: BTreeSet::new(),
        }
    }

    /// These names hold what is not known.
    pub fn forget(&mut self, names: impl IntoIterator<Item = String>) {
        self.held.extend(names.into_iter().map(|name| (name, None)));
    }

    /// What a name holds; none within where nothing sets it. None where that is not known.
    pub fn held(&self, name: &str) -> Option<Option<&str>> {
        match self.get(name) {
            Held::Value(value) => Some(Some(&value.value)),
            Held::Nothing => Some(None),
            Held::Unknown => None,
        }
    }

    /// What was known before and is not now, by name; nothing where a text was run that may have set anything.
    pub fn lost_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a String> {
        let known = before.held.iter().filter(|(_, value)| value.is_some());
        known
            .map(|(name, _)| name)
            .filter(|name| self.is_open == before.is_open && self.held(name).is_none())
    }

    /// What the text itself put into the environment of what it starts, as far as it is known.
    pub fn exports(&self) -> impl Iterator<Item = (&String, &Stated<String>)> {
        let of = |name| Some((name, self.held.get(name)?.as_ref()?));
        self.exported.iter().filter_map(of)
    }

    /// Gives each place of a value another.
    pub fn relocate(&mut self, place: Relocate<'_>) {
        for value in self.held.values_mut().flatten() {
            value.at = place(value.at);
        }
    }

    fn get(&self, name: &str) -> Held<'_> {
        match self.held.get(name) {
            Some(Some(value)) if !value.value.contains(['$', '`']) => Held::Value(value),
            Some(_) => Held::Unknown,
            None if self.is_open => Held::Unknown,
            None => Held::Nothing,
        }
    }

    fn set(&mut self, name: &str, value: Option<Stated<String>>) {
        let value = value.filter(|value| value.value.len() <= MAX_VALUE);
        self.held.insert(name.to_owned(), value);
    }

    fn forget_all(&mut self) {
        self.held.values_mut().for_each(|value| *value = None);
        self.is_open = true;
    }
}

enum Held<'a> {
    Value(&'a Stated<String>),
    /// Nothing sets it.
    Nothing,
    Unknown,
}

/// Fills in the words of a script's commands. `text` is what it was parsed from, at byte `offset` of its file. What holds
/// at its end comes back.
pub fn fill(script: &mut Script, text: &str, offset: u32, environment: &Variables) -> Variables {
    let mut variables = environment.clone();
    let assignments = std::mem::take(&mut script.assignments);
    for assignment in assignments.iter().filter(|assignment| !assignment.is_sure) {
        variables.set(&assignment.name, None);
    }
    if script.commands.iter().any(may_set_anything) {
        variables.forget_all();
    }
    let raw = |at: Location| {
        let range = at.span.range();
        let offset = offset as usize;
        text.get(range.start.checked_sub(offset)?..range.end.checked_sub(offset)?)
    };
    let mut rest = assignments.iter().peekable();
    for (index, command) in script.commands.iter_mut().enumerate() {
        while let Some(assignment) = rest.next_if(|next| next.before <= index) {
            take(assignment, &raw, &mut variables);
        }
        let mut words = Vec::with_capacity(command.words.len());
        for word in command.words.drain(..) {
            match raw(word.at).filter(|raw| raw.contains('$')) {
                Some(raw) => words.extend(expand(raw, &word, &mut variables)),
                None => words.push(word),
            }
        }
        command.words = words;
        declare(command, &mut variables);
    }
    rest.for_each(|assignment| take(assignment, &raw, &mut variables));
    // what was in the environment stays in it under its new value
    let kept = assignments.iter().map(|assignment| &assignment.name);
    let kept = kept.filter(|name| environment.held.contains_key(*name));
    variables.exported.extend(kept.cloned());
    script.assignments = assignments;
    variables
}

fn take<'a>(
    assignment: &Assignment,
    raw: &impl Fn(Location) -> Option<&'a str>,
    variables: &mut Variables,
) {
    if !assignment.is_sure {
        return;
    }
    let value = assignment.value.and_then(|at| {
        let whole = whole(raw(at)?, at, variables)?;
        Some(whole)
    });
    variables.set(&assignment.name, value);
}

/// A value of one word: where it comes from is where its number is written.
fn whole(raw: &str, at: Location, variables: &mut Variables) -> Option<Stated<String>> {
    let mut reader = Expansion::new(at);
    reader.text(raw, true, variables, 0);
    let (text, filled) = (reader.field?.0, reader.filled);
    let origin = match &filled[..] {
        [only] if only.value == text => only.at,
        _ => at,
    };
    (!text.contains(['$', '`'])).then(|| Stated::new(text, origin))
}

/// `. file`, `eval`: may set what the text does not show. A virtual environment's `activate` sets none of ours.
fn may_set_anything(command: &Command) -> bool {
    let argument = command.words.get(1).map_or("", |word| word.text.as_str());
    let sets_paths = ["activate", "conda.sh"]
        .iter()
        .any(|name| argument.ends_with(name));
    match command.name() {
        "." | "source" => !sets_paths,
        "eval" => true,
        _ => false,
    }
}

/// Builtins that set variables: those that do so by a value, and those that take it from elsewhere.
fn declare(command: &Command, variables: &mut Variables) {
    let is_sure = command.depth == 0 && !command.is_tested && !command.is_piped;
    let name = command.name();
    let words = command.words.iter().skip(1);
    match name {
        "export" | "readonly" | "declare" | "typeset" | "local" => {
            for word in words.filter(|word| !word.text.starts_with('-')) {
                let (variable, value) = match word.text.split_once('=') {
                    Some((variable, value)) => (variable, Some(value)),
                    None => (word.text.as_str(), None),
                };
                if let Some(value) = value {
                    let at = match &word.filled[..] {
                        [only] if only.value == value => only.at,
                        _ => word.at,
                    };
                    let is_known = is_sure && !value.contains(['$', '`']);
                    let value = is_known.then(|| Stated::new(value.to_owned(), at));
                    variables.set(variable, value);
                }
                if name == "export" && is_sure {
                    variables.exported.insert(variable.to_owned());
                }
            }
        }
        "read" | "unset" | "getopts" | "mapfile" | "readarray" | "printf" => {
            // of the words that are no names nobody asks
            for word in words {
                variables.set(&word.text, None);
            }
        }
        _ => {}
    }
}

/// The words that a shell makes of one: none if it was nothing but an empty value, several where an unquoted value has
/// blanks in it.
fn expand(raw: &str, word: &Word, variables: &mut Variables) -> Vec<Word> {
    let mut reader = Expansion::new(word.at);
    reader.text(raw, false, variables, 0);
    reader.finish();
    if reader.filled.is_empty() && !reader.is_changed {
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
}

impl Expansion {
    fn new(at: Location) -> Self {
        Self {
            at,
            fields: Vec::new(),
            field: None,
            filled: Vec::new(),
            is_changed: false,
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
                let value = value.clone();
                self.filled.push(Filled {
                    name: name.to_owned(),
                    value: value.value.clone(),
                    at: value.at,
                });
                self.value(&value.value, is_quoted);
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

#[cfg(test)]
mod tests;
