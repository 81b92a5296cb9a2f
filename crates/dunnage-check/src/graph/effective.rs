//! The command that counts, of an image's `ENTRYPOINT` and `CMD` and of what a manifest puts over them.
//!
//! The rules, in the words of their sources: a shell-form `ENTRYPOINT` ignores `CMD` and every argument (Dockerfile
//! reference); a manifest's `command` drops the image's `CMD` as well as its `ENTRYPOINT` (Kubernetes, "Define a Command and
//! Arguments"); its `args` alone stay behind the image's `ENTRYPOINT`; Compose's `entrypoint` clears the image's `CMD`.

use crate::parse::command::Word;
use crate::parse::dockerfile::{Form, Start};
use crate::source::Location;

/// What the kernel is asked to execute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// Words as they are.
    Words(Vec<Word>),
    /// A text for a shell: shell form.
    Shell {
        /// The shell of `SHELL`, else `sh`.
        shell: String,
        /// Its text.
        text: String,
        /// Where the text stands.
        at: Location,
    },
}

impl Line {
    /// The words of process 1 as a runtime is given them.
    pub(super) fn words(&self) -> Vec<Word> {
        match self {
            Self::Words(words) => words.clone(),
            Self::Shell { shell, text, at } => [shell, "-c", text]
                .into_iter()
                .map(|text| Word::new(text, *at))
                .collect(),
        }
    }
}

/// What an image says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image<'a> {
    pub(super) entrypoint: Option<&'a Start>,
    pub(super) command: Option<&'a Start>,
    /// The shell that runs what is in shell form.
    pub(super) shell: &'a str,
}

/// What a manifest says: Kubernetes `command` and `args`, Compose `entrypoint` and `command`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Override {
    /// In place of `ENTRYPOINT`; empty words take it back.
    pub(super) entrypoint: Option<Vec<Word>>,
    /// In place of `CMD`.
    pub(super) command: Option<Vec<Word>>,
}

/// The line that runs. None where only the image could say and the image is not known.
pub(super) fn line(image: Option<Image<'_>>, over: &Override) -> Option<Line> {
    let arguments = over.command.as_deref().unwrap_or_default();
    match over.entrypoint.as_deref() {
        Some([]) => {
            return over
                .command
                .is_some()
                .then(|| Line::Words(arguments.to_vec()));
        }
        Some(entrypoint) => return Some(Line::Words([entrypoint, arguments].concat())),
        None => {}
    }
    let Image {
        entrypoint,
        command,
        shell,
    } = image?;
    let in_shell = |text: &str, at| Line::Shell {
        shell: shell.to_owned(),
        text: text.to_owned(),
        at,
    };
    match (
        entrypoint.map(|start| (&start.form, start.arguments)),
        &over.command,
    ) {
        (Some((Form::Shell(text), at)), _) => Some(in_shell(text, at)),
        (Some((Form::Exec(words), _)), Some(over)) => {
            Some(Line::Words([words.as_slice(), over].concat()))
        }
        (Some((Form::Exec(words), _)), None) => {
            let command = command
                .map(|start| words_of(start, shell))
                .unwrap_or_default();
            Some(Line::Words([words.as_slice(), &command].concat()))
        }
        (None, Some(over)) => Some(Line::Words(over.clone())),
        (None, None) => command.map(|start| match &start.form {
            Form::Exec(words) => Line::Words(words.clone()),
            Form::Shell(text) => in_shell(text, start.arguments),
        }),
    }
}

/// `CMD` behind an `ENTRYPOINT`: shell form arrives there as the words of its shell.
fn words_of(start: &Start, shell: &str) -> Vec<Word> {
    match &start.form {
        Form::Exec(words) => words.clone(),
        Form::Shell(text) => [shell, "-c", text]
            .into_iter()
            .map(|text| Word::new(text, start.arguments))
            .collect(),
    }
}

/// Compose splits a string as a shell would, but runs no shell. Quotes and backslashes are taken off; the place of each
/// word is right where the text stands in the file as it is.
pub(super) fn split(text: &str, at: Location, is_verbatim: bool) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<(String, usize)> = None;
    let mut quote = None;
    let mut characters = text.char_indices();
    let finish = |word: Option<(String, usize)>, end: usize, words: &mut Vec<Word>| {
        if let Some((text, start)) = word {
            let mut place = at;
            if is_verbatim {
                place.span = crate::source::Span {
                    start: at.span.start + start as u32,
                    end: at.span.start + end as u32,
                };
            }
            words.push(Word::new(text, place));
        }
    };
    while let Some((index, character)) = characters.next() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert((String::new(), index));
            }
            (None | Some('"'), '\\') => {
                let (text, _) = word.get_or_insert((String::new(), index));
                text.extend(characters.next().map(|(_, escaped)| escaped));
            }
            (None, blank) if blank.is_whitespace() => finish(word.take(), index, &mut words),
            (_, character) => word.get_or_insert((String::new(), index)).0.push(character),
        }
    }
    finish(word, text.len(), &mut words);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{FileId, Span};

    fn place() -> Location {
        Location {
            file: FileId(0),
            span: Span::new(10..60),
        }
    }

    fn words(texts: &[&str]) -> Vec<Word> {
        texts.iter().map(|text| Word::new(*text, place())).collect()
    }

    fn start(form: Form) -> Start {
        Start {
            form,
            at: place(),
            arguments: place(),
        }
    }

    fn exec(texts: &[&str]) -> Start {
        start(Form::Exec(words(texts)))
    }

    fn shell(text: &str) -> Start {
        start(Form::Shell(text.to_owned()))
    }

    fn run(entrypoint: Option<&Start>, command: Option<&Start>, over: &Override) -> String {
        match line(
            Some(Image {
                entrypoint,
                command,
                shell: "sh",
            }),
            over,
        ) {
            None => "nothing".to_owned(),
            Some(Line::Shell { shell, text, .. }) => format!("{shell}: {text}"),
            Some(Line::Words(words)) => words
                .iter()
                .map(|word| word.text.as_str())
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    #[test]
    fn an_image_alone_runs_its_entrypoint_with_its_command() {
        let none = Override::default();
        let (tini, app) = (exec(&["tini", "--"]), exec(&["python", "app.py"]));
        assert_eq!(run(Some(&tini), Some(&app), &none), "tini -- python app.py");
        assert_eq!(run(None, Some(&app), &none), "python app.py");
        assert_eq!(
            run(None, Some(&shell("python app.py")), &none),
            "sh: python app.py"
        );
        assert_eq!(
            run(Some(&tini), Some(&shell("python app.py")), &none),
            "tini -- sh -c python app.py"
        );
        assert_eq!(run(Some(&shell("run.sh")), Some(&app), &none), "sh: run.sh");
        assert_eq!(run(None, None, &none), "nothing");
    }

    #[test]
    fn a_manifests_command_drops_entrypoint_and_cmd() {
        let (tini, app) = (exec(&["tini", "--"]), exec(&["python", "app.py"]));
        let over = |entrypoint: Option<&[&str]>, command: Option<&[&str]>| Override {
            entrypoint: entrypoint.map(words),
            command: command.map(words),
        };
        assert_eq!(
            run(Some(&tini), Some(&app), &over(Some(&["gunicorn"]), None)),
            "gunicorn"
        );
        assert_eq!(
            run(
                Some(&tini),
                Some(&app),
                &over(Some(&["gunicorn"]), Some(&["a:b"]))
            ),
            "gunicorn a:b"
        );
        assert_eq!(
            run(Some(&tini), Some(&app), &over(None, Some(&["celery"]))),
            "tini -- celery"
        );
        assert_eq!(
            run(
                Some(&shell("x")),
                Some(&app),
                &over(None, Some(&["celery"]))
            ),
            "sh: x"
        );
        assert_eq!(
            run(Some(&tini), Some(&app), &over(Some(&[]), Some(&["celery"]))),
            "celery"
        );
        assert_eq!(
            line(None, &over(None, Some(&["celery"]))),
            None,
            "only the image knows its entrypoint"
        );
    }

    #[test]
    fn a_compose_string_is_split_as_by_a_shell() {
        let at = place();
        let texts = |text| {
            split(text, at, true)
                .into_iter()
                .map(|word| word.text)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            texts("python  -m 'a b' \"c \\\"d\""),
            ["python", "-m", "a b", "c \"d"]
        );
        assert_eq!(texts("  "), [""; 0]);
        assert_eq!(texts("a''"), ["a"]);
        let words = split("ab cd", at, true);
        assert_eq!(words[1].at.span, Span::new(13..15));
        assert_eq!(split("ab cd", at, false)[1].at, at);
    }
}
