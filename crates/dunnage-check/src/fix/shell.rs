//! Edits of shell texts.

use super::{Edit, Target};
use crate::parse::shell::{Command, Script};

/// Commands that are of the shell itself: `exec cd` would end the script.
const BUILTINS: [&str; 34] = [
    ".", ":", "[", "[[", "alias", "bg", "break", "cd", "command", "continue", "echo", "eval",
    "exec", "exit", "export", "fg", "jobs", "kill", "let", "local", "printf", "pwd", "read",
    "readonly", "return", "set", "shift", "source", "test", "trap", "type", "ulimit", "umask",
    "wait",
];

/// Puts `exec` before a command, behind assignments (`A=1 exec prog`). `None` for what is no program: builtins,
/// background commands, parts of a pipe, and commands that have it.
pub fn insert_exec(target: Target<'_>, command: &Command) -> Option<Edit> {
    let first = command.words.first()?;
    let is_builtin = BUILTINS.contains(&first.text.as_str());
    if command.has_exec || command.is_background || command.is_piped || is_builtin {
        return None;
    }
    Some(target.insert(first.at.span.start as usize, "exec "))
}

/// Puts `set -e` behind the first line and the comments that follow it.
pub fn insert_set_e(target: Target<'_>, script: &Script) -> Option<Edit> {
    if script.exits_on_error {
        return None;
    }
    let mut at = 0;
    for line in target.text.split_inclusive('\n') {
        if !line.trim_start().starts_with('#') {
            break;
        }
        at += line.len();
    }
    let newline = target.newline();
    let is_on_own_line = at == 0 || target.text[..at].ends_with('\n');
    let text = if is_on_own_line {
        format!("set -e{newline}")
    } else {
        format!("{newline}set -e")
    };
    Some(target.insert(at, text))
}

#[cfg(test)]
mod tests {
    use super::{insert_exec, insert_set_e};
    use crate::fix::apply;
    use crate::fix::testing::{place, target};
    use crate::parse::command::Word;
    use crate::parse::shell::{Command, Script};

    fn command(text: &str, word: &str) -> Command {
        let at = place(text, word);
        Command {
            words: vec![Word::new(word, at)],
            has_exec: false,
            is_plain: true,
            has_redirection: false,
            is_background: false,
            is_piped: false,
            is_piped_on: false,
            is_tested: false,
            is_alternative: false,
            is_last: true,
            depth: 0,
            output: None,
            document: None,
            at,
        }
    }

    #[test]
    fn exec_stands_directly_before_the_program() {
        let text = "#!/bin/sh\nA=1 gunicorn app:app";
        let edit = insert_exec(target(text), &command(text, "gunicorn")).unwrap();
        assert_eq!(
            apply(text, &[edit]).unwrap(),
            "#!/bin/sh\nA=1 exec gunicorn app:app"
        );
    }

    #[test]
    fn what_is_no_program_does_not_get_exec() {
        let text = "cd /app";
        assert_eq!(insert_exec(target(text), &command(text, "cd")), None);
        let mut background = command("serve &", "serve");
        background.is_background = true;
        assert_eq!(insert_exec(target("serve &"), &background), None);
    }

    #[test]
    fn set_e_comes_behind_the_head_of_a_script() {
        let set = |text: &str| {
            let edit = insert_set_e(target(text), &Script::default()).unwrap();
            apply(text, &[edit]).unwrap()
        };
        assert_eq!(
            set("#!/bin/sh\n# starts\n\nrun\n"),
            "#!/bin/sh\n# starts\nset -e\n\nrun\n"
        );
        assert_eq!(set("#!/bin/sh\r\nrun"), "#!/bin/sh\r\nset -e\r\nrun");
        assert_eq!(set("run\n"), "set -e\nrun\n");
        assert_eq!(set("#!/bin/sh"), "#!/bin/sh\nset -e");
    }
}
