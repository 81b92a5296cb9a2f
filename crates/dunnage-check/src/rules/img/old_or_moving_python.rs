//! IMG004.

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::compose::interpolate_word;
use crate::graph::workload::{Origin, Workload};
use crate::parse::Model;
use crate::parse::command::Step;
use crate::parse::shell::{self, Command};
use crate::repository::Repository;
use crate::rules::about::{about, node, pythons, stage};
use crate::rules::manifest::{is_dashboard, is_mlflow};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::{Stated, names_development};

rule! {
    /// ## What it finds
    /// An image with a Python that gets no security fixes any more, and an image of Python whose tag moves on to the next
    /// minor version by itself.
    ///
    /// Silent where nothing of the program runs on that Python: where uv starts it and the `requires-python` beside the
    /// Dockerfile asks for a later one, which uv then fetches; and where Compose builds with another version, or with one
    /// that its file does not tell. An info in a Dockerfile or a stage for development or tests, in a Job, which somebody
    /// starts once, in a Dockerfile that nothing refers to where a Compose file or CI builds one above it or one of which it
    /// is a copy (`copy/api/Dockerfile` beside `api/Dockerfile`) or where another project's image of its name runs
    /// (`Dockerfile.mlflow` beside `ghcr.io/mlflow/mlflow`), of MLflow, TensorBoard or a notebook in a Compose file, and
    /// where a shell in an image of Python only fetches something (`curl`, `wget`). Silent where another program runs in it:
    /// `tail -f /dev/null`, `sleep infinity`.
    ///
    /// ## Why
    /// CPython mends security holes of a version for five years. `python`, `python:latest`, `python:3` and `python:slim` are
    /// another minor version after some rebuild in October, with other wheels, removed modules and, between 3.13 and 3.14,
    /// another way to start processes.
    ///
    /// ## Example
    /// ```dockerfile
    /// FROM python:3
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// FROM python:3.13-slim
    /// ```
    ///
    /// ## References
    /// - <https://devguide.python.org/versions/>
    pub(in crate::rules) static RULE = {
        id: "IMG004",
        name: "old-or-moving-python",
        title: "the image's Python is out of support, or changes by itself",
        family: Family::Img,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

/// The month after which a version gets no security fixes (PEPs 373, 478, 494, 537, 569, 596, 619).
fn end_of_life(version: (u8, u8)) -> Option<&'static str> {
    Some(match version {
        (2, _) => "January 2020",
        (3, 0..=5) => "September 2020",
        (3, 6) => "December 2021",
        (3, 7) => "June 2023",
        (3, 8) => "October 2024",
        (3, 9) => "October 2025",
        (3, 10) => "October 2026",
        _ => return None,
    })
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let base = stage(context.repository, workload).map(|(_, stage)| &stage.base);
        let Some(image) = base.or(workload.image.as_ref()) else {
            continue;
        };
        if is_chosen_elsewhere(context.repository, workload, image) {
            continue;
        }
        if let Some((major, minor)) = workload.base.python
            && !is_fetched_by_uv(context.repository, workload, (major, minor))
            && let Some(since) = end_of_life((major, minor))
        {
            let message = format!("Python {major}.{minor} has had no security fixes since {since}");
            let mut finding = Finding::new(&RULE, image.at, message);
            if is_for_development(context.repository, workload)
                || is_job(workload)
                || workload.is_left_over
                || is_tool_of_compose(workload)
                || only_fetches(workload)
            {
                finding = finding.severity(Severity::Info);
            }
            findings.push(about(finding, workload));
        } else if moves(image) && workload.base.python.is_none() {
            let message = format!("`{}` becomes another Python by itself", image.value);
            let finding = Finding::new(&RULE, image.at, message).severity(Severity::Info);
            findings.push(about(finding, workload));
        }
    }
}

/// Does `build.args` of its Compose service set a variable of `FROM`? Then the default is not what is built.
fn is_chosen_elsewhere(
    repository: &Repository,
    workload: &Workload,
    image: &Stated<String>,
) -> bool {
    if !matches!(workload.origin, Origin::Compose { .. }) {
        return false;
    }
    let written = repository.file(image.at.file).source.slice(image.at.span);
    let arguments = node(repository, workload).and_then(|(_, node)| node.at(&["build", "args"]));
    let Some(arguments) = arguments.filter(|_| written.contains('$')) else {
        return false;
    };
    let pairs = arguments
        .entries()
        .iter()
        .filter_map(|(name, value)| Some((name.text()?, value.text()?)));
    let listed = arguments
        .items()
        .iter()
        .filter_map(|item| item.text()?.split_once('='));
    pairs.chain(listed).any(|(name, value)| {
        let is_used = [format!("${name}"), format!("${{{name}")]
            .iter()
            .any(|variable| written.contains(variable));
        is_used && !image.value.contains(&*interpolate_word(value))
    })
}

/// Does uv start it with a Python of its own, since the project wants a later one than the image has?
fn is_fetched_by_uv(repository: &Repository, workload: &Workload, image: (u8, u8)) -> bool {
    let Some((file, stage)) = stage(repository, workload) else {
        return false;
    };
    let starts = workload
        .steps
        .iter()
        .any(|step| matches!(step, Step::Wrapper { name, .. } if name.starts_with("uv")));
    let syncs = || stage.runs.iter().any(|run| run.value.contains("uv sync"));
    if !starts && !syncs() {
        return false;
    }
    let folder = repository.file(file).source.folder();
    let folders = std::iter::successors(Some(folder), |folder| {
        let outer = folder.rsplit_once('/').map_or("", |(outer, _)| outer);
        (!folder.is_empty()).then_some(outer)
    });
    let wanted = folders
        .filter_map(|folder| {
            repository.at(format!("{folder}/pyproject.toml").trim_start_matches('/'))
        })
        .find_map(|id| match &repository.file(id).model {
            Model::Requirements(found) => found.requires_python.as_ref(),
            _ => None,
        });
    wanted
        .and_then(|wanted| least(&wanted.value))
        .is_some_and(|least| least > image)
}

/// The least version that a specifier such as `>=3.12, <3.14` or `^3.12` allows.
fn least(specifier: &str) -> Option<(u8, u8)> {
    let of = |part: &str| {
        let part = part.trim();
        let version = part.trim_start_matches(['>', '=', '~', '^', ' ']);
        let mut numbers = version.split('.').map(|number| number.trim().parse().ok());
        (!part.starts_with(['<', '!'])).then_some((numbers.next()??, numbers.next()??))
    };
    specifier.split(',').filter_map(of).max()
}

/// A CronJob comes again by itself, a Job does not.
fn is_job(workload: &Workload) -> bool {
    matches!(&workload.origin, Origin::Kubernetes { kind, .. } if kind == "Job")
}

/// A page that somebody looks at on the machine that Compose runs on.
fn is_tool_of_compose(workload: &Workload) -> bool {
    matches!(workload.origin, Origin::Compose { .. })
        && (is_dashboard(workload) || is_mlflow(workload))
}

/// Does a shell's text in an image that is not built here fetch something, by nothing but a shell's tools and a script that is
/// called so?
fn only_fetches(workload: &Workload) -> bool {
    const TOOLS: [&str; 16] = [
        "apk", "apt", "apt-get", "cat", "cd", "chmod", "chown", "cp", "ls", "mkdir", "mv", "rm",
        "sleep", "tar", "touch", "unzip",
    ];
    let mut words = workload.command.iter();
    let asks = words.find(|word| word.text.starts_with('-') && word.text.ends_with('c'));
    let is_shell = matches!(workload.steps.first(), Some(Step::Shell { .. }));
    let is_asked = asks.is_some() && is_shell && workload.built.is_none();
    let Some(text) = words.next().filter(|_| is_asked) else {
        return false;
    };
    let script = shell::parse(&text.text, 0, text.at.file);
    let fetches = |name: &str| {
        ["curl", "wget", "download", "fetch"]
            .iter()
            .any(|word| name.contains(word))
    };
    let mut commands = script.commands.iter();
    let is_one = |command: &Command| {
        command.is_aside() || TOOLS.contains(&command.name()) || fetches(command.name())
    };
    commands.clone().any(|command| fetches(command.name())) && commands.all(is_one)
}

/// Is the Dockerfile or the stage called so, and run by no cluster?
fn is_for_development(repository: &Repository, workload: &Workload) -> bool {
    !workload.is_deployed
        && stage(repository, workload).is_some_and(|(file, stage)| {
            let name = stage.name.as_ref().map_or("", |name| &name.value);
            names_development(&repository.file(file).source.path) || names_development(name)
        })
}

/// `python` by a tag that names no minor version.
fn moves(image: &Stated<String>) -> bool {
    if image.value.contains(['@', '$']) {
        return false;
    }
    let last = image.value.rsplit('/').next().unwrap_or_default();
    let (name, tag) = last.split_once(':').unwrap_or((last, ""));
    let first = tag.split('-').next().unwrap_or_default();
    name == "python"
        && matches!(
            first,
            "" | "latest" | "3" | "slim" | "alpine" | "bookworm" | "trixie"
        )
}

#[cfg(test)]
mod tests {
    use super::least;

    #[test]
    fn the_least_version_is_read_from_every_kind_of_specifier() {
        assert_eq!(least(">=3.12, <3.14"), Some((3, 12)));
        assert_eq!(least("<3.14,>=3.11.2"), Some((3, 11)));
        assert_eq!(least("^3.10"), Some((3, 10)));
        assert_eq!(least("~=3.9"), Some((3, 9)));
        assert_eq!(least("==3.13.*"), Some((3, 13)));
        assert_eq!(least("<4"), None);
        assert_eq!(least(">=3"), None);
        assert_eq!(least(""), None);
    }
}
