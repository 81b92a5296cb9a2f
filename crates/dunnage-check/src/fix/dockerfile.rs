//! Edits of Dockerfiles: forms of `CMD` and `ENTRYPOINT`, whole instructions, variables, and dunnage as the init.

use super::{Edit, Fix, Target, words};
use crate::parse::command::Word;
use crate::parse::dockerfile::{Form, Stage, Start};
use crate::source::Span;

/// Rewrites `CMD` or `ENTRYPOINT` into the JSON form with these words.
pub fn to_json_form(target: Target<'_>, start: &Start, words: &[impl AsRef<str>]) -> Edit {
    target.replace(start.arguments.span, json(words))
}

/// Puts words before the command of an `ENTRYPOINT` or `CMD`, in the form that it has.
pub fn prepend_words(target: Target<'_>, start: &Start, new: &[&str]) -> Option<Edit> {
    match &start.form {
        Form::Exec(list) => words::insert_before(target, list.first()?.at.span, new),
        Form::Shell(_) => {
            let text = new.join(" ");
            Some(target.insert(start.arguments.span.start as usize, format!("{text} ")))
        }
    }
}

/// Puts words behind the last of a JSON form.
pub fn append_words(target: Target<'_>, start: &Start, new: &[&str]) -> Option<Edit> {
    match &start.form {
        Form::Exec(list) => words::insert_after(target, list.last()?.at.span, new),
        Form::Shell(_) => None,
    }
}

/// Sets a variable of a stage: in the `ENV` that sets it, or by an `ENV` before the stage's command.
pub fn set_env(target: Target<'_>, stage: &Stage, name: &str, value: &str) -> Edit {
    let is_here = |span: Span| span.start >= stage.span.start && span.end <= stage.span.end;
    let set = stage
        .environment
        .iter()
        .find(|(key, value)| key == name && is_here(value.at.span));
    match set {
        Some((_, old)) => target.replace(old.at.span, quote_env(value)),
        None => insert_instruction(target, stage, &format!("ENV {name}={}", quote_env(value))),
    }
}

/// Adds an instruction before the stage's `ENTRYPOINT` or `CMD`, or at its end.
pub fn insert_instruction(target: Target<'_>, stage: &Stage, instruction: &str) -> Edit {
    match own_starts(stage).min() {
        Some(start) => insert_before(target, start as usize, instruction),
        None => insert_after(target, stage.span, instruction),
    }
}

/// Adds an instruction that only root may run (`RUN pip install …`, `COPY --chown`): before the stage's `USER`, too.
pub fn insert_as_root(target: Target<'_>, stage: &Stage, instruction: &str) -> Edit {
    let is_root = |name: &str| matches!(name.split(':').next(), Some("root" | "0" | ""));
    let user = stage.user.as_ref().filter(|user| {
        let span = user.at.span;
        !is_root(&user.value) && span.start >= stage.span.start && span.end <= stage.span.end
    });
    match user {
        Some(user) => insert_before(target, user.at.span.start as usize, instruction),
        None => insert_instruction(target, stage, instruction),
    }
}

/// Takes an instruction away, with the lines that it goes over.
pub fn remove_instruction(target: Target<'_>, instruction: Span) -> Edit {
    target.remove_lines(instruction.start as usize, instruction.end as usize)
}

/// Makes dunnage the first process of a stage's image: installs it and puts `dunnage run --` before the command.
/// `None` for a stage without a command of its own, and where an `ENTRYPOINT` is in shell form: it drops `CMD`.
pub fn use_dunnage(target: Target<'_>, stage: &Stage) -> Option<Fix> {
    const RUN: [&str; 3] = ["dunnage", "run", "--"];
    let is_here = |start: &&Start| {
        let span = start.at.span;
        span.start >= stage.span.start && span.end <= stage.span.end
    };
    let entrypoint = stage.entrypoint.as_ref();
    let command = stage.command.as_ref().filter(is_here);
    let start = match (entrypoint, command) {
        (Some(start), _) if is_here(&start) && matches!(start.form, Form::Exec(_)) => {
            prepend_words(target, start, &RUN)?
        }
        (None, Some(start)) => {
            let line = format!("ENTRYPOINT {}", json(&RUN));
            insert_before(target, start.at.span.start as usize, &line)
        }
        _ => return None,
    };
    let install = insert_as_root(target, stage, "RUN pip install --no-cache-dir dunnage");
    // two lines at one place are one edit: which of them comes first must not be left to chance
    let edits = if install.span == start.span {
        vec![target.replace(install.span, install.text + &start.text)]
    } else {
        vec![install, start]
    };
    Some(Fix::changing(
        "start the program under dunnage, which reaps, forwards signals and sizes pools",
        edits,
    ))
}

/// The words of a text that a shell would only split: no variables, quotes that need no shell, no operators. `None` for
/// any other text: it needs its shell.
pub fn split_plain(text: &str) -> Option<Vec<String>> {
    const SPECIAL: &str = "$`\\;&|<>()*?[]{}#~!\n\r";
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in text.trim().chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some('"'), '$' | '`' | '\\') => return None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, _) if SPECIAL.contains(character) => return None,
            (Some(_) | None, _) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    let is_assignment = words.first().is_none_or(|first| first.contains('='));
    (quote.is_none() && !is_assignment).then_some(words)
}

/// `["a", "b"]`.
pub fn json(words: &[impl AsRef<str>]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| super::yaml::quoted(word.as_ref()))
        .collect();
    format!("[{}]", words.join(", "))
}

/// The texts of words, for [`to_json_form`].
pub fn texts(words: &[Word]) -> Vec<&str> {
    words.iter().map(|word| word.text.as_str()).collect()
}

fn own_starts(stage: &Stage) -> impl Iterator<Item = u32> {
    let span = stage.span;
    [&stage.entrypoint, &stage.command]
        .into_iter()
        .flatten()
        .map(|start| start.at.span)
        .filter(move |start| start.start >= span.start && start.end <= span.end)
        .map(|start| start.start)
}

/// A line before the one that holds a byte, and before the comments that stand directly above it.
fn insert_before(target: Target<'_>, at: usize, instruction: &str) -> Edit {
    let mut start = target.line_start(at);
    while start > 0 {
        let above = target.line_start(start - 1);
        let is_comment = target.text[above..start].trim_start().starts_with('#');
        if !is_comment || continues(target, above) {
            break;
        }
        start = above;
    }
    target.insert(start, format!("{instruction}{}", target.newline()))
}

/// Is the line before this one continued, so that a comment here is within an instruction?
fn continues(target: Target<'_>, start: usize) -> bool {
    start > 0 && {
        let above = target.line_start(start - 1);
        target.text[above..start].trim_end().ends_with(['\\', '`'])
    }
}

/// A line after the last instruction of a stage.
fn insert_after(target: Target<'_>, stage: Span, instruction: &str) -> Edit {
    let end = stage.start as usize + target.slice(stage).trim_end().len();
    target.insert(
        target.line_end(end),
        format!("{}{instruction}", target.newline()),
    )
}

fn quote_env(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:,=+@%".contains(&byte);
    if !value.is_empty() && value.bytes().all(is_plain) {
        return value.to_owned();
    }
    let escaped: String = value
        .chars()
        .flat_map(|character| {
            matches!(character, '"' | '\\' | '$')
                .then_some('\\')
                .into_iter()
                .chain([character])
        })
        .collect();
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests;
