//! Edits of command lines, word by word, wherever they are written: a JSON list of a Dockerfile, a list of a manifest in
//! either style, or a shell's text. The word's own neighbourhood tells which of them it is.

use super::{Edit, Target};
use crate::source::Span;

/// How the words around a word are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `["a", "b"]`, quoted or not.
    Flow,
    /// `- a`, whose dash stands here.
    Block { dash: usize },
    /// `a b`.
    Shell,
}

/// Adds words behind a word of a command line.
pub fn insert_after(target: Target<'_>, word: Span, words: &[&str]) -> Option<Edit> {
    let text = match place_of(target, word)? {
        Place::Flow => words
            .iter()
            .flat_map(|new| [", ".to_owned(), quote_as(target, word, new)])
            .collect(),
        Place::Block { dash } => {
            let indent = " ".repeat(target.column(dash));
            let line = |new: &&str| {
                format!(
                    "{}{indent}- {}",
                    target.newline(),
                    quote_as(target, word, new)
                )
            };
            return Some(target.insert(
                target.line_end(word.end as usize),
                words.iter().map(line).collect::<String>(),
            ));
        }
        Place::Shell => words
            .iter()
            .map(|new| quote_shell(new).map(|new| format!(" {new}")))
            .collect::<Option<String>>()?,
    };
    Some(target.insert(word.end as usize, text))
}

/// Adds words before a word of a command line.
pub fn insert_before(target: Target<'_>, word: Span, words: &[&str]) -> Option<Edit> {
    match place_of(target, word)? {
        Place::Flow => {
            let new = |new: &&str| format!("{}, ", quote_as(target, word, new));
            Some(target.insert(
                word.start as usize,
                words.iter().map(new).collect::<String>(),
            ))
        }
        Place::Block { dash } => {
            let indent = " ".repeat(target.column(dash));
            let line = |new: &&str| {
                format!(
                    "- {}{}{indent}",
                    quote_as(target, word, new),
                    target.newline()
                )
            };
            Some(target.insert(dash, words.iter().map(line).collect::<String>()))
        }
        Place::Shell => {
            let new = |new: &&str| quote_shell(new).map(|new| format!("{new} "));
            let text: Option<String> = words.iter().map(new).collect();
            Some(target.insert(word.start as usize, text?))
        }
    }
}

/// Puts another word in the place of a word, in its quotes.
pub fn replace(target: Target<'_>, word: Span, new: &str) -> Option<Edit> {
    let text = match place_of(target, word)? {
        Place::Flow | Place::Block { .. } => quote_as(target, word, new),
        Place::Shell => quote_shell(new)?,
    };
    Some(target.replace(word, text))
}

/// Takes neighbouring words away, from `first` to `last`. `None` in a list in flow style that would be left empty.
pub fn remove(target: Target<'_>, first: Span, last: Span) -> Option<Edit> {
    let (start, end) = (first.start as usize, last.end as usize);
    match (place_of(target, first)?, place_of(target, last)?) {
        (Place::Flow, Place::Flow) => {
            let after = target.text.get(end..)?;
            let gap = after.len() - after.trim_start().len();
            if after.trim_start().starts_with(',') {
                let rest = &after[gap + 1..];
                let next = end + gap + 1 + rest.len() - rest.trim_start().len();
                return Some(target.replace(Span::new(start..next), ""));
            }
            let before = target.text.get(..start)?.trim_end();
            let comma = before.strip_suffix(',')?.len();
            Some(target.replace(Span::new(comma..end), ""))
        }
        (Place::Block { dash }, Place::Block { .. }) => Some(target.remove_lines(dash, end)),
        (Place::Shell, Place::Shell) => {
            let after = target.text.get(end..)?;
            let spaces = after.len() - after.trim_start_matches(' ').len();
            if spaces > 0 {
                return Some(target.replace(Span::new(start..end + spaces), ""));
            }
            let before = target.text.get(..start)?.trim_end_matches(' ').len();
            Some(target.replace(Span::new(before..end), ""))
        }
        _ => None,
    }
}

fn place_of(target: Target<'_>, word: Span) -> Option<Place> {
    if !target.holds(word) || word.start == word.end {
        return None;
    }
    let (start, end) = (word.start as usize, word.end as usize);
    let before = target.text[..start].trim_end_matches([' ', '\t', '\n', '\r', '\\']);
    let after = target.text[end..].trim_start_matches([' ', '\t', '\n', '\r', '\\']);
    if before.ends_with(['[', ',']) && after.starts_with([',', ']']) {
        return Some(Place::Flow);
    }
    let line = target.text[target.line_start(start)..start].trim_end();
    let is_first = line.trim_start().strip_suffix('-').is_some_and(|rest| {
        // `- - a`, `key: - a` is not a list
        rest.chars().all(|character| matches!(character, ' ' | '-'))
    });
    let rest = target.text[end..target.line_end(end)].trim_start();
    if is_first
        && target.text[..start].ends_with([' ', '\t'])
        && (rest.is_empty() || rest.starts_with('#'))
    {
        let dash = target.line_start(start) + line.len() - 1;
        return Some(Place::Block { dash });
    }
    Some(Place::Shell)
}

/// A word of a list, in quotes if its neighbour has them or if it has to have them.
fn quote_as(target: Target<'_>, neighbour: Span, word: &str) -> String {
    let quoted = super::yaml::quoted(word);
    match target.slice(neighbour).chars().next() {
        Some('"') => quoted,
        Some('\'') => format!("'{}'", word.replace('\'', "''")),
        _ if is_simple(word) && !word.starts_with('-') => super::yaml::plain_or_quoted(word),
        // YAML reads `--option` and `-w` as the strings that they are, and people write them so
        _ if is_simple(word) && word.len() > 1 && !word.starts_with("- ") => word.to_owned(),
        _ => quoted,
    }
}

/// A word for a shell. `None` if it would have to be quoted: the text may be within other quotes already.
fn quote_shell(word: &str) -> Option<String> {
    is_simple(word).then(|| word.to_owned())
}

/// Has the word the same meaning in a shell, in JSON and in YAML without quotes?
fn is_simple(word: &str) -> bool {
    !word.is_empty()
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=+@%".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::{insert_after, insert_before, remove, replace};
    use crate::fix::{Edit, Target, apply};
    use crate::source::{FileId, Span};

    fn mend(text: &str, word: &str, edit: impl Fn(Target<'_>, Span) -> Option<Edit>) -> String {
        let start = text.find(word).unwrap();
        let target = Target {
            file: FileId(0),
            text,
        };
        let edit = edit(target, Span::new(start..start + word.len())).unwrap();
        apply(text, &[edit]).unwrap()
    }

    #[test]
    fn words_come_into_a_command_in_the_form_that_it_has() {
        let add = |text: &str, word: &str| {
            mend(text, word, |t, s| insert_after(t, s, &["--bind", ":80"]))
        };
        assert_eq!(
            add("CMD [\"gunicorn\", \"app:app\"]\n", "\"gunicorn\""),
            "CMD [\"gunicorn\", \"--bind\", \":80\", \"app:app\"]\n"
        );
        assert_eq!(
            add("CMD gunicorn app:app", "gunicorn"),
            "CMD gunicorn --bind :80 app:app"
        );
        assert_eq!(
            add(
                "  args:\r\n  - gunicorn # server\r\n  - app\r\n",
                "gunicorn"
            ),
            "  args:\r\n  - gunicorn # server\r\n  - --bind\r\n  - \":80\"\r\n  - app\r\n"
        );
        assert_eq!(
            add("args: ['gunicorn', 'app']", "'gunicorn'"),
            "args: ['gunicorn', '--bind', ':80', 'app']"
        );
        assert_eq!(
            add("CMD [\"sh\", \"-c\", \"exec gunicorn app\"]", "gunicorn"),
            "CMD [\"sh\", \"-c\", \"exec gunicorn --bind :80 app\"]"
        );
    }

    #[test]
    fn words_come_before_a_command() {
        let exec = |text: &str, word: &str| {
            mend(text, word, |t, s| {
                insert_before(t, s, &["dunnage", "run", "--"])
            })
        };
        assert_eq!(
            exec("ENTRYPOINT [ \"python\", \"a.py\" ]", "\"python\""),
            "ENTRYPOINT [ \"dunnage\", \"run\", \"--\", \"python\", \"a.py\" ]"
        );
        assert_eq!(
            exec("command:\n  - python\n", "python"),
            "command:\n  - dunnage\n  - run\n  - --\n  - python\n"
        );
        assert_eq!(
            exec("cd /; python a.py", "python"),
            "cd /; dunnage run -- python a.py"
        );
    }

    #[test]
    fn words_are_replaced_in_their_quotes() {
        let to = |text: &str, word: &str| mend(text, word, |t, s| replace(t, s, "2"));
        assert_eq!(to("[\"-w\", \"64\"]", "\"64\""), "[\"-w\", \"2\"]");
        assert_eq!(to("- -w\n- '64'\n", "'64'"), "- -w\n- '2'\n");
        assert_eq!(to("- -w\n- 64x\n", "64x"), "- -w\n- \"2\"\n");
        assert_eq!(to("gunicorn -w 64 a", "64"), "gunicorn -w 2 a");
    }

    #[test]
    fn words_are_taken_away_with_what_joins_them() {
        let drop = |text: &str, word: &str| mend(text, word, |t, s| remove(t, s, s));
        assert_eq!(drop("[\"a\", \"b\"]", "\"a\""), "[\"b\"]");
        assert_eq!(drop("[\"a\", \"b\"]", "\"b\""), "[\"a\"]");
        assert_eq!(drop("x:\n  - a\n  - b\n", "a"), "x:\n  - b\n");
        assert_eq!(drop("run --reload app", "--reload"), "run app");
        assert_eq!(drop("run app --reload\n", "--reload"), "run app\n");
    }
}
