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

/// What is known where a choice is made.
struct Known<'a> {
    /// None where they are not known.
    arguments: Option<&'a [Word]>,
    variables: &'a Variables,
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
    let assignments = script.assignments.iter();
    let set_last = assignments
        .map(|assignment| (assignment.name.as_str(), assignment.before))
        .collect();
    for choice in &script.choices {
        let begin = choice.arms.first().map_or(0, |arm| arm.commands.start);
        let are_moved = first_move.is_some_and(|index| index < begin);
        let known = Known {
            arguments: arguments.filter(|_| choice.is_of_script && !are_moved),
            variables,
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

/// `shift`, `set -- gunicorn "$@"`; not `set -e`.
fn moves_arguments(words: &[Word]) -> bool {
    match words {
        [only] => only.text == "shift",
        [first, rest @ ..] => {
            first.text == "shift"
                || rest
                    .iter()
                    .any(|word| !word.text.starts_with('-') || word.text == "--")
        }
        [] => false,
    }
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

    /// As many arguments, or all that there are. A variable among them may be none of them, or several.
    fn first_arguments(&self, count: usize) -> Option<&[Word]> {
        let arguments = self.arguments?;
        let first = &arguments[..count.min(arguments.len())];
        let is_known = |word: &Word| !word.text.contains(['$', '`']);
        first.iter().all(is_known).then_some(first)
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
        let inner = rest
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let inner = inner.unwrap_or(rest);
        let end = inner
            .find(|letter| !is_name_letter(letter))
            .unwrap_or(inner.len());
        let (name, default) = match inner {
            "#" => return Some(self.first_arguments(usize::MAX)?.len().to_string()),
            _ => inner.split_at(end),
        };
        // none where it is not set
        let held = match name.parse::<usize>() {
            Ok(0) => return None,
            Ok(place) => {
                let word = self.first_arguments(place)?.get(place - 1);
                word.map(|word| word.text.as_str())
            }
            Err(_) if self.set_last.get(name).is_some_and(|at| *at > self.begin) => return None,
            Err(_) => self.variables.held(name)?,
        };
        or_default(held, default)
    }
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
        Some(held) if !(counts_empty && held.is_empty()) => Some(held.to_owned()),
        _ => (!default.contains('$')).then(|| default.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::shell::parse;
    use crate::source::{FileId, Location, Span, Stated};

    /// The commands that may run: their first words.
    fn left(text: &str, arguments: Option<&str>) -> String {
        let at = Location {
            file: FileId(0),
            span: Span::default(),
        };
        let mode = Stated::new("web".to_owned(), at);
        let empty = Stated::new(String::new(), at);
        let held = [
            ("MODE".to_owned(), Some(mode)),
            ("EMPTY".to_owned(), Some(empty)),
            ("HIDDEN".to_owned(), None),
        ];
        let variables = Variables::of(held.into(), false);
        let script = parse(text, 0, FileId(0));
        let words = arguments.map(|words| {
            let words = words.split_whitespace();
            words.map(|word| Word::new(word, at)).collect::<Vec<_>>()
        });
        let out = left_out(&script, words.as_deref(), &variables);
        let commands = script.commands.iter().enumerate();
        let left = commands
            .filter(|(index, command)| !command.is_tested && !out.has(*index))
            .map(|(_, command)| command.name());
        left.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_default_without_a_colon_is_not_for_what_is_set_and_empty() {
        let of = |subject: &str| {
            let text = format!("case \"{subject}\" in web) a ;; '') b ;; esac\n");
            left(&text, Some(""))
        };
        assert_eq!(of("${EMPTY:-web}"), "a");
        assert_eq!(of("${EMPTY-web}"), "b");
        assert_eq!(of("${NOBODY-web}"), "a");
        assert_eq!(of("${1-web}"), "a");
        assert_eq!(of("${HIDDEN-web}"), "a b");
    }

    #[test]
    fn the_arm_is_taken_that_the_first_argument_names() {
        let text = "case \"$1\" in\n web | serve) a ;;\n worker) b ;;\n -*) c ;;\n *) d ;;\nesac\n";
        assert_eq!(left(text, Some("web")), "a");
        assert_eq!(left(text, Some("serve x")), "a");
        assert_eq!(left(text, Some("worker")), "b");
        assert_eq!(left(text, Some("--help")), "c");
        assert_eq!(left(text, Some("python x.py")), "d");
        assert_eq!(left(text, Some("")), "d");
        assert_eq!(left(text, None), "a b c d");
        assert_eq!(left(text, Some("$OPTIONS web")), "a b c d");
        let text = "case \"$2\" in web) a ;; *) b ;; esac; if [ $# -eq 2 ]; then c; else d; fi\n";
        assert_eq!(left(text, Some("x web")), "a c");
        assert_eq!(left(text, Some("$OPTIONS web")), "a b c d");
    }

    #[test]
    fn branches_are_told_by_arguments_and_by_variables() {
        let text = "if [ \"$1\" = web ]; then a; elif [ -z \"$1\" ]; then b; else c; fi";
        assert_eq!(left(text, Some("web")), "a");
        assert_eq!(left(text, Some("")), "b");
        assert_eq!(left(text, Some("x")), "c");
        assert_eq!(left("if [ $# -gt 0 ]; then a; else b; fi", Some("")), "b");
        assert_eq!(left("if [[ $MODE == web ]]; then a; else b; fi", None), "a");
        assert_eq!(
            left("case ${1:-web} in web) a;; *) b;; esac", Some("")),
            "a"
        );
        assert_eq!(left("case ${NONE:-x} in web) a;; *) b;; esac", None), "b");
    }

    #[test]
    fn tests_of_one_text_may_be_joined_by_or() {
        let of = |condition: &str, mode: &str| {
            left(&format!("if {condition}; then a; else b; fi"), Some(mode))
        };
        let either = "[ \"$1\" = web ] || [ \"$1\" = all ]";
        assert_eq!(of(either, "web"), "a");
        assert_eq!(of(either, "all"), "a");
        assert_eq!(of(either, "beat"), "b");
        let text = "if [ \"$1\" = web ] ||\n  [ \"$1\" = all ]\nthen\n a\nelse\n b\nfi\n";
        assert_eq!(left(text, Some("all")), "a");
        assert_eq!(of("[ \"$1\" = web ] || [ -z \"$1\" ]", ""), "a");
        assert_eq!(of("[ \"$1\" = web ] || [ -f x ]", "beat"), "a b");
        assert_eq!(of("[ \"$1\" = web ] || [ \"$MODE\" = all ]", "beat"), "b");
        assert_eq!(of("[ \"$1\" = web ] || [ \"$1\" != all ]", "all"), "b");
        assert_eq!(of("[ \"$1\" = web ] || ! [ \"$1\" = all ]", "beat"), "a");
    }

    #[test]
    fn tests_may_be_joined_by_and_turned_around_and_stand_in_others() {
        let of =
            |condition: &str| left(&format!("if {condition}; then a; else b; fi"), Some("web"));
        for (condition, expected) in [
            ("[ \"$1\" = web ] && [ \"$MODE\" = all ]", "b"),
            ("[ -f x ] && [ \"$MODE\" = all ]", "b"),
            ("[ -f x ] && [ \"$MODE\" = web ]", "a b"),
            ("! [ \"$1\" = web ]", "b"),
            ("[ ! -z \"$MODE\" ]", "a"),
            ("[ -n \"$NOBODY\" ]", "b"),
            ("[ \"$NOBODY\" ]", "b"),
            ("test \"${NOBODY:-web}\" = web", "a"),
            ("[ \"$MODE\" = x -o \"$1\" = web ]", "a"),
            ("[ \"$MODE\" = web -a \"$1\" = x ]", "b"),
            ("[[ $MODE == x || $1 == w* ]]", "a"),
            ("[[ -z $MODE || -z $1 ]]", "b"),
            ("[[ ! ( $MODE == web ) ]]", "a b"),
            ("[[ $MODE =~ ^w ]]", "a b"),
            ("[ \"$MODE\" = \"*\" ]", "a b"),
            ("[ \"$MODE\" = x ]; [ \"$1\" = web ]", "a b"),
            ("[ \"$MODE\" = x ] | [ \"$1\" = web ]", "a b"),
        ] {
            assert_eq!(of(condition), expected, "{condition}");
        }
        let text = "if [ -f x ]; then\n if [ $MODE = x ]; then a; else b; fi\nelse c; fi";
        assert_eq!(left(text, None), "b c");
    }

    #[test]
    fn a_function_and_a_loop_have_arguments_of_their_own_and_a_later_value_is_none_now() {
        let text = "f() { case $1 in web) a;; *) b;; esac; }; for x in y; do if [ $1 = web ]; then a; else b; fi; done";
        assert_eq!(left(text, Some("web")), "a b a b");
        let text = "f() { if [ $MODE = x ]; then a; else b; fi; }";
        assert_eq!(left(text, None), "b");
        let text = "if [ $MODE = x ]; then a; else b; fi; MODE=x";
        assert_eq!(left(text, None), "a b");
    }

    #[test]
    fn what_is_not_known_leaves_every_arm_that_may_be_taken() {
        assert_eq!(
            left("if [ \"$HIDDEN\" = web ]; then a; else b; fi", Some("")),
            "a b"
        );
        assert_eq!(left("if [ -f x ]; then a; else b; fi", Some("")), "a b");
        assert_eq!(
            left("set -e; case $1 in web) a;; *) b;; esac", Some("web")),
            "set a"
        );
        assert_eq!(
            left("shift; case $1 in web) a;; *) b;; esac", Some("web")),
            "shift a b"
        );
        assert_eq!(
            left("set -- x; case $1 in web) a;; *) b;; esac", Some("web")),
            "set a b"
        );
        assert_eq!(
            left("case $1 in w?b) a;; web) b;; *) c;; esac", Some("web")),
            "a b"
        );
        assert_eq!(
            left("case ${1#-} in web) a;; *) b;; esac", Some("web")),
            "a b"
        );
    }
}
