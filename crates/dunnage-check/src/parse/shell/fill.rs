//! Variables of a shell text, filled in where the files tell what they hold.
//!
//! A text is gone through from its beginning as a shell would: what it assigns on every path holds from there on, what it
//! assigns on some paths, reads, or sources from elsewhere is not known any more. What is not known stays as it is written,
//! `$` and all: nothing is guessed. `${NAME:-default}` is the default only where nothing can have set the name.

mod expand;

use super::{Assignment, Command, Relocate, Script};
use crate::source::{Location, Stated};
use expand::{expand, whole};
use std::collections::{BTreeMap, BTreeSet};

/// Values beyond this are not filled in: `A=$A$A` doubles with each line.
const MAX_VALUE: usize = 1 << 12;

/// What may be filled in altogether, in bytes, from an environment on: a value of 4 KiB is asked for by two bytes, and a
/// text may ask a million times. Real ones fill in some hundred.
const MAX_FILLED: usize = 1 << 16;

/// What is known of a shell's variables.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    /// By name; none for what is set and not known.
    held: BTreeMap<String, Option<Stated<String>>>,
    /// May names that are not among them be set, by what no file tells?
    is_open: bool,
    /// What the text exported by itself.
    exported: BTreeSet<String>,
    /// How many bytes were filled in.
    filled: usize,
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
            ..Self::default()
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

    /// The text's own argument that it gave a name as its value, as it is written: `$1`.
    pub fn argument(&self, name: &str) -> Option<&str> {
        let value = self.held.get(name)?.as_ref()?;
        value.value.starts_with('$').then_some(&*value.value)
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
        self.exported
            .iter()
            .filter_map(|name| match self.get(name) {
                Held::Value(value) => Some((name, value)),
                Held::Nothing | Held::Unknown => None,
            })
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

    /// May this many bytes more be filled in? They are then.
    fn spend(&mut self, bytes: usize) -> bool {
        let is_left = bytes <= MAX_FILLED - self.filled;
        self.filled += if is_left { bytes } else { 0 };
        is_left
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
    let value = assignment.value.filter(|_| assignment.is_sure);
    let value = value.and_then(|at| {
        let whole = whole(raw(at)?, at, variables)?;
        Some(whole)
    });
    variables.set(&assignment.name, value);
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

#[cfg(test)]
mod tests;
