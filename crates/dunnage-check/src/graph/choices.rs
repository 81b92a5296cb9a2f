//! Which arm of a script's `case` and `if` is taken, by the arguments and the variables that it is started with:
//! `case "$1" in web) exec gunicorn …`.

use super::files::matches;
use crate::parse::command::Word;
use crate::parse::is_name_letter;
use crate::parse::shell::fill::Variables;
use crate::parse::shell::{Script, Test};
use std::collections::BTreeMap;
use std::ops::Range;

/// Commands of a script, by index, that are known not to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut(Vec<Range<usize>>);

impl LeftOut {
    /// Is the command among them?
    pub fn has(&self, index: usize) -> bool {
        let behind = self.0.partition_point(|range| range.end <= index);
        self.0
            .get(behind)
            .is_some_and(|range| range.contains(&index))
    }

    /// Ranges may lie in others.
    fn of(mut ranges: Vec<Range<usize>>) -> Self {
        ranges.retain(|range| !range.is_empty());
        ranges.sort_by_key(|range| range.start);
        let mut apart: Vec<Range<usize>> = Vec::new();
        for range in ranges {
            match apart.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => apart.push(range),
            }
        }
        Self(apart)
    }
}

/// A longer value is none that a choice is made by; each arm of a `case` asks for it anew.
const LONGEST: usize = 1 << 10;

/// The arguments of a script.
#[derive(Clone, Copy)]
struct Arguments<'a> {
    all: &'a [Word],
    /// How many of the first are known. A variable among them may be none of them, or several.
    known: usize,
}

impl<'a> Arguments<'a> {
    fn of(all: &'a [Word]) -> Self {
        let is_known = |word: &&Word| word.text.len() <= LONGEST && !word.text.contains(['$', '`']);
        Self {
            all,
            known: all.iter().take_while(is_known).count(),
        }
    }

    /// `$#`.
    fn count(self) -> Option<usize> {
        (self.known == self.all.len()).then_some(self.known)
    }

    /// Is it known what the argument at a place is, from 1 on, or that there is none?
    fn tells(self, place: usize) -> bool {
        place <= self.known || self.known == self.all.len()
    }
}

/// What is known where a choice is made.
struct Known<'a> {
    /// None where they are not known.
    arguments: Option<Arguments<'a>>,
    variables: &'a Variables,
    /// What variables hold that are set once, to an argument: `MODE=${1:-web}`.
    of_arguments: &'a BTreeMap<&'a str, String>,
    /// Where a variable is set last, in commands before it.
    set_last: &'a BTreeMap<&'a str, usize>,
    /// How many commands stand before the choice's own.
    begin: usize,
}

/// What a script leaves out. `arguments` are its own; none where they are not known.
pub(super) fn left_out(
    script: &Script,
    arguments: Option<&[Word]>,
    variables: &Variables,
) -> LeftOut {
    let mut out = Vec::new();
    let first_move = script.commands.iter().position(|command| {
        matches!(command.name(), "set" | "shift") && moves_arguments(&command.words)
    });
    let set_last = set_last(script);
    let arguments = arguments.map(Arguments::of);
    let nothing = BTreeMap::new();
    let at_start = Known {
        arguments,
        variables,
        of_arguments: &nothing,
        set_last: &set_last,
        begin: 0,
    };
    let of_arguments = of_arguments(script, &at_start, first_move);
    for choice in &script.choices {
        let begin = choice.arms.first().map_or(0, |arm| arm.commands.start);
        let are_moved = first_move.is_some_and(|index| index < begin);
        let known = Known {
            arguments: arguments.filter(|_| choice.is_of_script && !are_moved),
            variables,
            of_arguments: &of_arguments,
            set_last: &set_last,
            begin,
        };
        let mut is_taken = false;
        for arm in &choice.arms {
            let holds = known.holds(&arm.test);
            if is_taken || holds == Some(false) {
                out.push(arm.commands.clone());
            }
            is_taken |= holds == Some(true);
        }
    }
    LeftOut::of(out)
}

/// The variables that a script sets once, on every path and before it moves its arguments, to one of them.
fn of_arguments<'a>(
    script: &'a Script,
    at_start: &Known<'_>,
    first_move: Option<usize>,
) -> BTreeMap<&'a str, String> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for assignment in &script.assignments {
        *times.entry(&assignment.name).or_default() += 1;
    }
    let assignments = script.assignments.iter();
    let held = assignments.filter_map(|assignment| {
        let name = assignment.name.as_str();
        let is_moved = first_move.is_some_and(|index| index < assignment.before);
        let is_known = assignment.is_sure && !is_moved && times.get(name) == Some(&1);
        let written = at_start.variables.argument(name).filter(|_| is_known)?;
        Some((name, at_start.value(written)?))
    });
    held.collect()
}

/// Before how many commands each variable is set last: by itself, or by `export` and its like.
fn set_last(script: &Script) -> BTreeMap<&str, usize> {
    const DECLARE: [&str; 5] = ["declare", "export", "local", "readonly", "typeset"];
    let assigned = script.assignments.iter();
    let assigned = assigned.map(|assignment| (assignment.name.as_str(), assignment.before));
    let commands = script.commands.iter().enumerate();
    let declaring = commands.filter(|(_, command)| DECLARE.contains(&command.name()));
    let declared = declaring.flat_map(|(index, command)| {
        let names = command
            .words
            .iter()
            .filter_map(|word| word.text.split_once('='));
        names.map(move |(name, _)| (name, index + 1))
    });
    let mut last = BTreeMap::new();
    for (name, before) in assigned.chain(declared) {
        let known = last.entry(name).or_insert(before);
        *known = before.max(*known);
    }
    last
}

/// `shift`, `set -- gunicorn "$@"`; not `set -euo pipefail`.
fn moves_arguments(words: &[Word]) -> bool {
    let mut words = words.iter().map(|word| word.text.as_str());
    if words.next() == Some("shift") {
        return true;
    }
    while let Some(word) = words.next() {
        let is_option = word.len() > 1 && word.starts_with(['-', '+']) && word != "--";
        if !is_option {
            return true;
        }
        // its name follows
        if word.contains('o') {
            words.next();
        }
    }
    false
}

impl Known<'_> {
    fn holds(&self, test: &Test) -> Option<bool> {
        match test {
            Test::Unknown => None,
            Test::Is { subject, patterns } => self.is_one(subject, patterns),
            Test::Not(test) => self.holds(test).map(|holds| !holds),
            Test::All(tests) => self.each(tests, false),
            Test::Any(tests) => self.each(tests, true),
        }
    }

    /// What one of several decides, or all of them together.
    fn each(&self, tests: &[Test], decides: bool) -> Option<bool> {
        let mut all = Some(!decides);
        for test in tests {
            match self.holds(test) {
                Some(holds) if holds == decides => return Some(decides),
                Some(_) => {}
                None => all = None,
            }
        }
        all
    }

    fn is_one(&self, subject: &str, patterns: &[String]) -> Option<bool> {
        if patterns.iter().any(|pattern| pattern == "*") {
            return Some(true);
        }
        let subject = self.value(subject)?;
        let is_plain = |pattern: &String| !pattern.contains(['$', '?', '[', '`']);
        let is_one = patterns
            .iter()
            .any(|pattern| is_plain(pattern) && matches(pattern, &subject));
        let is_known = is_one || patterns.iter().all(is_plain);
        is_known.then_some(is_one)
    }

    /// What `$1`, `${MODE}`, `${1:-web}` or `$#` is; a text without `$` is itself.
    fn value(&self, subject: &str) -> Option<String> {
        let Some(rest) = subject.strip_prefix('$') else {
            return (!subject.contains(['$', '`'])).then(|| subject.to_owned());
        };
        let (name, default) = match rest.strip_prefix('{') {
            Some(braced) => braced_name(braced)?,
            None => (rest, ""),
        };
        // none where it is not set
        let held = match name.as_bytes() {
            b"#" if default.is_empty() => return Some(self.arguments?.count()?.to_string()),
            // `$10` is `$1` and a 0
            [b'1'..=b'9', more @ ..] if more.is_empty() || rest != name => {
                let (arguments, place) = (self.arguments?, name.parse::<usize>().ok()?);
                if !arguments.tells(place) {
                    return None;
                }
                let word = arguments.all.get(place - 1);
                word.map(|word| word.text.as_str())
            }
            [] | [b'0'..=b'9', ..] => return None,
            _ if !name.chars().all(is_name_letter) => return None,
            _ if self.set_last.get(name).is_some_and(|at| *at > self.begin) => return None,
            _ => match self.of_arguments.get(name) {
                Some(value) => Some(value.as_str()),
                None => self.variables.held(name)?,
            },
        };
        or_default(held, default)
    }
}

/// `MODE` and `:-web` of `MODE:-web}`; none where more follows the bracket.
fn braced_name(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_suffix('}')?;
    let mut depth = 0_usize;
    for byte in inner.bytes() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    let end = inner.find(|letter| !is_name_letter(letter));
    Some(match inner {
        "#" => (inner, ""),
        _ => inner.split_at(end.unwrap_or(inner.len())),
    })
}

/// What `:-web` or `-web` makes of what is held.
fn or_default(held: Option<&str>, default: &str) -> Option<String> {
    let (default, counts_empty) = match (default.strip_prefix(":-"), default.strip_prefix('-')) {
        (Some(default), _) => (default, true),
        (None, Some(default)) => (default, false),
        (None, None) if default.is_empty() => ("", false),
        (None, None) => return None,
    };
    match held {
        Some(held) if !(counts_empty && held.is_empty()) => {
            (held.len() <= LONGEST).then(|| held.to_owned())
        }
        _ => (!default.contains(['$', '`', '"', '\'', '\\'])).then(|| default.to_owned()),
    }
}

#[cfg(test)]
mod tests;
