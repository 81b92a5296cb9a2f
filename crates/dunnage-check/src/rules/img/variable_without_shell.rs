//! IMG008.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Target, dockerfile, words};
use crate::graph::workload::{Origin, StartPlace, Workload};
use crate::parse::command::{ServerKind, Step, Word};
use crate::parse::dockerfile::{Form, Shell, Start};
use crate::parse::is_name_letter;
use crate::repository::Repository;
use crate::rules::about::{about, pythons};
use crate::rules::python::holds;
use crate::rules::shells::server_name;
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// `$NAME` or `${NAME}` in the command of a Python server that no shell runs: `CMD ["gunicorn", "-w", "$WORKERS", …]`,
    /// `command` and `args` of a manifest, and `$$NAME` in a Compose file.
    ///
    /// ## Why
    /// The words of JSON form are given to the program as they are; only a shell fills variables in. Kubernetes fills in
    /// `$(NAME)` and nothing else, and Compose fills in its own variables before the container is there. The server gets the
    /// text `$WORKERS` and ends at once: `invalid int value: '$WORKERS'`.
    ///
    /// ## Example
    /// ```dockerfile
    /// CMD ["gunicorn", "--workers", "$WORKERS", "shop.wsgi:app"]
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// CMD ["sh", "-c", "exec gunicorn --workers $WORKERS shop.wsgi:app"]
    /// ```
    /// In a manifest: `args: [--workers, $(WORKERS)]`. gunicorn, uvicorn and hypercorn read `WEB_CONCURRENCY` by themselves.
    ///
    /// ## Fix
    /// Safe in a manifest that sets the variable itself: `$(NAME)`. Unsafe in a Dockerfile: `sh -c` with `exec`, by which blanks
    /// in a value end words.
    ///
    /// ## References
    /// - <https://docs.docker.com/reference/dockerfile/#shell-and-exec-form>
    /// - <https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/>
    /// - <https://docs.docker.com/reference/compose-file/interpolation/>
    pub(in crate::rules) static RULE = {
        id: "IMG008",
        name: "variable-without-shell",
        title: "a variable in a command that no shell runs stays as it is written",
        family: Family::Img,
        severity: Severity::Error,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let literal = literal(workload);
        let Some((word, variable)) = literal.first() else {
            continue;
        };
        let Some(server) = workload.server() else {
            continue;
        };
        let name = server_name(server);
        let message = format!(
            "{name} is given the text `{variable}`: no shell runs this command and fills it in"
        );
        let finding = Finding::new(&RULE, word.at, message);
        let fix = in_manifest(context.repository, workload, &literal)
            .or_else(|| in_dockerfile(context.repository, workload));
        findings.push(about(finding.fix(fix), workload));
    }
}

/// The words behind the server's name that hold a variable, and that one. None where a shell or a script may fill them in.
fn literal(workload: &Workload) -> Vec<(&Word, &str)> {
    let is_plain =
        |step: &Step| matches!(step, Step::Init(_) | Step::Wrapper { .. } | Step::Server(_));
    let Some(server) = workload
        .server()
        .filter(|_| workload.steps.iter().all(is_plain))
    else {
        return Vec::new();
    };
    let mut rest = workload.command.iter();
    let is_named = |word: &Word| server.at.is_some_and(|at| holds(at, word.at));
    if rest.by_ref().find(|word| is_named(word)).is_none() {
        return Vec::new();
    }
    // a program of one's own may fill its arguments in itself
    let is_read = |word: &&Word| {
        server.kind != ServerKind::Python
            || server.app.as_ref().is_some_and(|app| app.at == word.at)
    };
    rest.filter(is_read)
        .filter_map(|word| Some((word, variable_of(&word.text)?)))
        .collect()
}

/// `$NAME` or `${NAME…}` in a word.
fn variable_of(word: &str) -> Option<&str> {
    let begins =
        |text: &str| text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    word.match_indices('$').find_map(|(at, _)| {
        let rest = &word[at..];
        match rest[1..].strip_prefix('{') {
            Some(inside) if begins(inside) => Some(&rest[..=rest.find('}')?]),
            None if begins(&rest[1..]) => {
                let end = rest[1..].find(|letter| !is_name_letter(letter));
                Some(&rest[..end.map_or(rest.len(), |end| end + 1)])
            }
            _ => None,
        }
    })
}

/// `$(NAME)` where the manifest sets the variable.
fn in_manifest(
    repository: &Repository,
    workload: &Workload,
    literal: &[(&Word, &str)],
) -> Option<Fix> {
    if !matches!(workload.origin, Origin::Kubernetes { .. }) {
        return None;
    }
    let edits: Option<Vec<_>> = literal
        .iter()
        .map(|(word, variable)| {
            let name = variable.trim_matches(['$', '{', '}']);
            let is_set = workload.environment.get(name)?.at.file == word.at.file;
            let mended = word.text.replace(variable, &format!("$({name})"));
            if !is_set || word.at.file != workload.at.file || variable_of(&mended).is_some() {
                return None;
            }
            words::replace(Target::of(repository, word.at.file), word.at.span, &mended)
        })
        .collect();
    edits.map(|edits| Fix::safe("let Kubernetes fill it in: $(NAME)", edits))
}

/// `CMD` as the text of a shell that becomes the program.
fn in_dockerfile(repository: &Repository, workload: &Workload) -> Option<Fix> {
    let Some(StartPlace::Dockerfile {
        entrypoint,
        command,
    }) = &workload.start
    else {
        return None;
    };
    let holds_one = |start: &Start| match &start.form {
        Form::Exec(words) => words.iter().any(|word| variable_of(&word.text).is_some()),
        Form::Shell(_) => false,
    };
    let start = [command, entrypoint]
        .into_iter()
        .flatten()
        .find(|start| holds_one(start))?;
    let Form::Exec(all) = &start.form else {
        return None;
    };
    let begins = all.first().is_some_and(|first| {
        workload
            .server()
            .and_then(|server| server.at)
            .is_some_and(|at| holds(at, first.at))
    });
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=,@%+${}".contains(&byte);
    let are_plain = all
        .iter()
        .all(|word| !word.text.is_empty() && word.text.bytes().all(is_plain));
    if !begins || !are_plain || workload.base.shell == Shell::None {
        return None;
    }
    let text = format!("exec {}", dockerfile::texts(all).join(" "));
    let target = Target::of(repository, start.at.file);
    Some(Fix::changing(
        "let a shell fill it in and become the program",
        vec![dockerfile::to_json_form(
            target,
            start,
            &["sh", "-c", &text],
        )],
    ))
}
