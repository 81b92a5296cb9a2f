//! IMG007.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Target};
use crate::graph::workload::{Python, Workload};
use crate::parse::Model;
use crate::parse::dockerfile::{Early, Written};
use crate::parse::is_name_letter;
use crate::repository::Repository;
use crate::rules::about::about;
use crate::rules::{Context, Family, Persona, rule};
use crate::source::{Location, Span};

rule! {
    /// ## What it finds
    /// A start script that a Dockerfile writes by a here-document whose end is not quoted (`COPY <<EOF`, `RUN cat <<EOF`), and
    /// that uses `$@`, `$1` or variables which no `ENV` and `ARG` of the Dockerfile sets.
    ///
    /// ## Why
    /// Without quotes the builder fills in the document of a `COPY` before the image is there, as a shell does that of a `RUN`.
    /// While an image is built there are no arguments: `exec "$@"` becomes `exec ""`, and the container ends at its start
    /// with `exec: : Permission denied` (dash). `$PORT` becomes nothing and `${PORT:-8000}` becomes 8000, whatever the container is
    /// started with. BuildKit also takes every backslash off (its lexer, with `SkipProcessQuotes`; read in its source).
    ///
    /// ## Example
    /// ```dockerfile
    /// COPY --chmod=755 <<EOF /entrypoint.sh
    /// #!/bin/sh
    /// exec "$@"
    /// EOF
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// COPY --chmod=755 <<'EOF' /entrypoint.sh
    /// #!/bin/sh
    /// exec "$@"
    /// EOF
    /// ```
    ///
    /// ## Fix
    /// Safe: quotes around the word. Unsafe where the document also holds values of the build, or backslashes: they would
    /// then be the script's.
    ///
    /// ## References
    /// - <https://docs.docker.com/reference/dockerfile/#here-documents>
    /// - <https://github.com/moby/buildkit/blob/master/frontend/dockerfile/shell/lex.go>
    pub(in crate::rules) static RULE = {
        id: "IMG007",
        name: "document-filled-at-build",
        title: "a start script's variables are filled in while the image is built",
        family: Family::Img,
        severity: Severity::Error,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

/// What the images of Python and their bases set: the same while the image is built and when it runs.
const OF_BASES: [&str; 8] = [
    "GPG_KEY",
    "HOME",
    "LANG",
    "LC_ALL",
    "PATH",
    "PYTHONPATH",
    "PYTHON_VERSION",
    "VIRTUAL_ENV",
];

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in &context.graph.workloads {
        let Some(written) = script(context.repository, workload) else {
            continue;
        };
        let target = Target::of(context.repository, written.at.file);
        let early: Vec<&Early> = written
            .early
            .iter()
            .filter(|early| early.is_of_script || is_meant(target.text, target.slice(early.at)))
            .collect();
        let worst = early
            .iter()
            .find(|early| early.is_of_script)
            .or(early.first());
        let Some(worst) = worst else {
            continue;
        };
        let at = Location {
            file: written.at.file,
            span: worst.at,
        };
        let mut names: Vec<&str> = early.iter().map(|early| target.slice(early.at)).collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(4);
        let verb = if names.len() > 1 { "are" } else { "is" };
        let message = format!(
            "{} {verb} filled in while the image is built, not when {} runs: the document's end is not quoted",
            names.join(", "),
            written.path
        );
        let mut finding = Finding::new(&RULE, at, message);
        if !worst.is_of_script {
            finding = finding.severity(Severity::Warning);
        }
        findings.push(about(finding.fix(quoted(target, written)), workload));
    }
}

/// The script that a Dockerfile writes, of a workload that may be Python.
fn script<'a>(repository: &'a Repository, workload: &Workload) -> Option<&'a Written> {
    let entry = workload.script.as_ref()?;
    let Model::Dockerfile(dockerfile) = &repository.file(entry.at.file).model else {
        return None;
    };
    let mut written = dockerfile.stages.iter().flat_map(|stage| &stage.written);
    written.find(|written| {
        workload.python == Python::Yes && written.lines == entry.at && written.is_shell()
    })
}

/// Is a variable one that the container is to be asked for? Not one that an `ARG` or the image below brings.
fn is_meant(dockerfile: &str, variable: &str) -> bool {
    let name = variable.trim_start_matches(['$', '{']);
    let name = &name[..name
        .find(|letter| !is_name_letter(letter))
        .unwrap_or(name.len())];
    let is_set = dockerfile.lines().any(|line| {
        let mut words = line.split(|letter| !is_name_letter(letter));
        let instruction = words.next().unwrap_or_default();
        (instruction.eq_ignore_ascii_case("ARG") || instruction.eq_ignore_ascii_case("ENV"))
            && words.any(|word| word == name)
    });
    !is_set && !OF_BASES.contains(&name)
}

/// `<<EOF` becomes `<<'EOF'`, where the document stands that has this end.
fn quoted(target: Target<'_>, written: &Written) -> Option<Fix> {
    let lines = written.lines.span.range();
    let end = target.text.get(lines.end..)?.lines().next()?.trim();
    let begin = written.at.span.start as usize;
    let before = target.text.get(begin..lines.start)?;
    let is_word = !end.is_empty()
        && end
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let place = ["<<", "<<-"].iter().find_map(|mark| {
        let opener = format!("{mark}{end}");
        let mut found = before.match_indices(&opener).filter(|(at, _)| {
            let next = before[at + opener.len()..].chars().next();
            next.is_none_or(|next| !next.is_ascii_alphanumeric() && next != '_')
        });
        let (at, _) = found.next()?;
        found.next().is_none().then_some(begin + at + mark.len())
    });
    let start = place.filter(|_| is_word)?;
    let edit = target.replace(Span::new(start..start + end.len()), format!("'{end}'"));
    let title = format!("leave the script's variables to the script: <<'{end}'");
    Some(if written.is_literal() {
        Fix::safe(title, vec![edit])
    } else {
        Fix::changing(title, vec![edit])
    })
}
