//! Which arm of a script's `case` and `if` is taken, by the arguments and the variables that it is started with:
//! `case "$1" in web) exec gunicorn …`.

use super::files::matches;
use crate::parse::command::Word;
use crate::parse::is_name_letter;
use crate::parse::shell::fill::Variables;
use crate::parse::shell::{Script, Test};
use std::ops::Range;

/// The commands, by index, that are known not to run. `arguments` are the script's; none where they are not known.
pub(super) fn left_out(
    script: &Script,
    arguments: Option<&[Word]>,
    variables: &Variables,
) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    for choice in &script.choices {
        let begin = choice.arms.first().map_or(0, |arm| arm.commands.start);
        let shifts = script.commands[..begin.min(script.commands.len())]
            .iter()
            .any(|command| {
                matches!(command.name(), "set" | "shift") && moves_arguments(&command.words)
            });
        let given = arguments.filter(|_| !shifts);
        let mut is_taken = false;
        for arm in &choice.arms {
            let holds = arm
                .test
                .as_ref()
                .and_then(|test| holds(test, given, variables));
            if is_taken || holds == Some(false) {
                out.push(arm.commands.clone());
            }
            is_taken |= holds == Some(true);
        }
    }
    out
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

fn holds(test: &Test, arguments: Option<&[Word]>, variables: &Variables) -> Option<bool> {
    if test.patterns.iter().any(|pattern| pattern == "*") {
        return Some(!test.is_negated);
    }
    let subject = value(&test.subject, arguments, variables)?;
    let is_plain = |pattern: &String| !pattern.contains(['$', '?', '[', '`']);
    let is_one = test
        .patterns
        .iter()
        .any(|pattern| is_plain(pattern) && matches(pattern, &subject));
    let is_known = is_one || test.patterns.iter().all(is_plain);
    is_known.then_some(is_one != test.is_negated)
}

/// What `$1`, `${MODE}`, `${1:-web}` or `$#` is; a text without `$` is itself.
fn value(subject: &str, arguments: Option<&[Word]>, variables: &Variables) -> Option<String> {
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
        "#" => return Some(arguments?.len().to_string()),
        _ => inner.split_at(end),
    };
    // none where it is not set
    let held = match name.parse::<usize>() {
        Ok(0) => return None,
        Ok(place) => match arguments?.get(place - 1) {
            Some(word) if word.text.contains(['$', '`']) => return None,
            word => word.map(|word| word.text.as_str()),
        },
        Err(_) => variables.held(name)?,
    };
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
            .filter(|(index, command)| {
                !command.is_tested && !out.iter().any(|range| range.contains(index))
            })
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
        assert_eq!(of("[ \"$1\" = web ] && [ \"$1\" = all ]", "web"), "a b");
        assert_eq!(of("[ \"$1\" = web ] || [ \"$MODE\" = all ]", "beat"), "a b");
        assert_eq!(of("[ \"$1\" = web ] || [ \"$1\" != all ]", "all"), "a b");
        assert_eq!(of("[ \"$1\" = web ] || ! [ \"$1\" = all ]", "all"), "a b");
    }

    #[test]
    fn what_is_not_known_leaves_every_arm_that_may_be_taken() {
        assert_eq!(
            left("if [ \"$HIDDEN\" = web ]; then a; else b; fi", Some("")),
            "a b"
        );
        assert_eq!(left("if [ -f x ]; then a; else b; fi", Some("")), "a b");
        assert_eq!(
            left("if ! [ \"$1\" = web ]; then a; else b; fi", Some("web")),
            "a b"
        );
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
