//! A shell among the words: `sh -c TEXT`, and a script that a shell is asked to run.

use super::{Read, Step, Tail, Word, follow, hand_over};
use crate::parse::shell::fill::{Variables, fill};
use crate::parse::shell::{Command, Script, parse};
use crate::source::Location;

/// A shell with a text or a script.
pub(super) fn read<'a>(
    name: &str,
    words: &'a [Word],
    variables: &mut Variables,
) -> Option<Read<'a>> {
    if !matches!(name, "sh" | "bash" | "dash" | "ash" | "zsh" | "ksh") {
        return None;
    }
    let mut rest = &words[1..];
    let (mut takes_text, mut exits_on_error) = (false, false);
    while let Some((option, after)) = rest.split_first() {
        let Some(letters) = option.text.strip_prefix(['-', '+']) else {
            break;
        };
        rest = after;
        let is_long = letters.starts_with('-');
        takes_text |= !is_long && letters.contains('c');
        exits_on_error |= !is_long && letters.contains('e');
        if !is_long && letters.ends_with('o') {
            rest = rest.get(1..).unwrap_or_default();
        }
        if letters == "-" {
            break;
        }
    }
    let Some((text, arguments)) = rest.split_first() else {
        return Some(Read::Ends(vec![Step::Other {
            name: name.to_owned(),
            at: words[0].at,
        }]));
    };
    if takes_text {
        let mut steps = Vec::new();
        let asked = Asked {
            shell: name,
            arguments,
            exits_on_error,
        };
        text_of(&asked, text, variables, &mut steps);
        return Some(Read::Ends(steps));
    }
    let script = Step::Script {
        path: text.text.clone(),
        arguments: arguments.to_vec(),
        at: text.at,
    };
    Some(hand_over(script, arguments))
}

/// The steps of a text that a shell runs, as `CMD` in shell form: first the shell, then what its last command is.
pub fn read_text(shell: &str, text: &str, at: Location, variables: &mut Variables) -> Vec<Step> {
    let mut steps = Vec::new();
    let asked = Asked {
        shell,
        arguments: &[],
        exits_on_error: false,
    };
    text_of(&asked, &Word::new(text, at), variables, &mut steps);
    steps
}

/// How a shell was asked to run a text.
struct Asked<'a> {
    shell: &'a str,
    arguments: &'a [Word],
    exits_on_error: bool,
}

fn text_of(asked: &Asked<'_>, text: &Word, variables: &mut Variables, steps: &mut Vec<Step>) {
    let script = parse_word(text, variables);
    let Some(main) = script.main() else {
        let (name, at) = (asked.shell.to_owned(), text.at);
        steps.push(Step::Other { name, at });
        return;
    };
    let tail = match tail(&script, main) {
        Tail::Plain if breaks_at_the_end(&text.text) => Tail::BeforeBreak,
        Tail::Redirected if breaks_at_the_end(&text.text) => Tail::Followed,
        other => other,
    };
    steps.push(Step::Shell {
        name: asked.shell.to_owned(),
        execs: tail == Tail::Exec,
        exits_on_error: asked.exits_on_error || script.exits_on_error,
        commands_before: script
            .commands
            .iter()
            .take_while(|other| !std::ptr::eq(*other, main))
            .count(),
        tail,
        last: main.at,
        at: text.at,
    });
    if main.is_arguments() {
        // `sh -c 'exec "$@"' name program …`: the word after the text is `$0`
        follow(
            asked.arguments.get(1..).unwrap_or_default(),
            variables,
            steps,
        );
    } else {
        follow(&main.words, variables, steps);
    }
}

/// Is there a line break behind the last command? busybox reads on after one, and so cannot become the command.
fn breaks_at_the_end(text: &str) -> bool {
    let code = text.lines().rfind(|line| {
        let line = line.trim_start();
        !line.is_empty() && !line.starts_with('#')
    });
    code.is_some_and(|line| {
        let end = line.as_ptr() as usize - text.as_ptr() as usize + line.len();
        text[end..].contains('\n')
    })
}

/// How a command stands in the script that it is the main one of.
pub(super) fn tail(script: &Script, main: &Command) -> Tail {
    let is_last_of_all = script
        .commands
        .last()
        .is_some_and(|last| std::ptr::eq(last, main));
    if main.has_exec && !main.is_piped {
        Tail::Exec
    } else if !main.is_last || main.is_piped || main.is_background || !script.traps.is_empty() {
        Tail::Followed
    } else if main.depth > 0 || !is_last_of_all {
        // in a branch: what a shell does there was not measured, and staying is the usual
        Tail::Followed
    } else if main.has_redirection {
        Tail::Redirected
    } else {
        Tail::Plain
    }
}

/// The text's commands with their places in the file, variables filled in. Where the word was not written as it is read
/// (escapes, a folded block), every place is the whole word's.
fn parse_word(word: &Word, variables: &mut Variables) -> Script {
    let span = word.at.span;
    let written = (span.end - span.start) as usize;
    let inset = written.checked_sub(word.text.len());
    let offset = match inset {
        Some(0) => Some(span.start),
        Some(2) => Some(span.start + 1),
        _ => None,
    };
    let begin = offset.unwrap_or_default();
    let mut script = parse(&word.text, begin, word.at.file);
    *variables = fill(&mut script, &word.text, begin, variables);
    if offset.is_none() {
        for command in &mut script.commands {
            command.at = word.at;
            for inner in &mut command.words {
                inner.at = word.at;
            }
        }
    }
    script
}
