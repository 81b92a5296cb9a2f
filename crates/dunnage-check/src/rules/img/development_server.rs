//! IMG001.

use super::development_server_in_code;
use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Target, words};
use crate::graph::workload::{Origin, StartPlace, Workload};
use crate::parse::Model;
use crate::parse::command::{Server, ServerKind};
use crate::parse::shell::Command;
use crate::repository::Repository;
use crate::rules::about::{about, pythons, stage};
use crate::rules::flask;
use crate::rules::shells::{is_branch_for_development, server_name};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::{FileId, Location, names_development, names_production};

rule! {
    /// ## What it finds
    /// A server for development as a container's command: `flask run`, `manage.py runserver`, `fastapi dev`, `--reload`,
    /// `--debug`, `python -m http.server`, and a module whose own code starts one, such as `app.run(debug=True)`.
    ///
    /// ## Why
    /// A reloader is a second process: it starts the server as its child, watches every file of the project and starts it
    /// anew when one changes. The signal goes to the reloader, and where it is process 1 nobody reaps. The servers
    /// themselves have one process and no limit on threads or queue, so that the CPU quota is met by a pile of waiting
    /// requests; Flask's and Django's own documentation ask not to use them in production. `--debug` of Flask, and
    /// `FLASK_DEBUG=1` for `flask run` and for `app.run()` without `debug`, turn its debugger on: a traceback in the
    /// browser is a console that runs code for whoever finds it and its PIN.
    ///
    /// Commands of Compose files are for development often enough, and left alone but in a file that is called for
    /// production, and, as a warning, where a service has a restart policy and nothing of the source is mounted; a
    /// Dockerfile's is an info where only Compose runs it, with the source mounted over the image's and without a restart
    /// policy, and a warning where nothing refers to it while a Compose file or CI builds one above it or one of which it is
    /// a copy, or another project's image of its name runs. A stage that is called one for development or tests is left alone
    /// as well, but where a manifest of the cluster runs it: a warning where that is a guess, since a build without a target
    /// ends in the last stage, and an info where a stage for production stands beside it. An info where a script starts it in
    /// a branch that a variable for development opens, whose value the files do not tell, and another branch starts another
    /// server, and where the call that starts it raises first: `os.environ["PORT"]` in a manifest whose variables are all
    /// known and of which none is that.
    ///
    /// ## Example
    /// ```dockerfile
    /// CMD ["flask", "--app", "shop", "run", "--host", "0.0.0.0", "--debug"]
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// CMD ["gunicorn", "--bind", "0.0.0.0:8000", "shop:app"]
    /// ```
    ///
    /// ## Fix
    /// Unsafe: `--reload` and `--debug` go, `fastapi dev` becomes `fastapi run`. For `flask run` and `runserver` a server
    /// must be chosen and installed, which is not done for you.
    ///
    /// ## References
    /// - <https://flask.palletsprojects.com/en/stable/deploying/>
    /// - <https://docs.djangoproject.com/en/stable/ref/django-admin/#runserver>
    pub(crate) static RULE = {
        id: "IMG001",
        name: "development-server",
        title: "a server for development serves in production",
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
        if serves(context.repository, workload)
            && let Some(server) = workload.server()
        {
            describe(context, workload, server, findings);
        }
    }
}

/// Does a server for development serve it, or a reloader start what does?
pub(in crate::rules) fn serves(repository: &Repository, workload: &Workload) -> bool {
    let by_command = workload
        .server()
        .is_some_and(|server| server.development.is_some());
    workload.is_service()
        && (by_command || development_server_in_code::serves(repository, workload))
}

fn describe(
    context: &Context<'_>,
    workload: &Workload,
    server: &Server,
    findings: &mut Vec<Finding>,
) {
    if !is_for_development(context.repository, workload, workload.at.file) {
        development_server_in_code::check(context, workload, &RULE, findings);
    }
    let at = server.development;
    if let Some(at) = at.filter(|at| !is_for_development(context.repository, workload, at.file)) {
        let target = Target::of(context.repository, at.file);
        let written = target.slice(at.span).trim_matches(['"', '\'']);
        let name = server_name(server);
        let message = if written.starts_with("--") {
            format!(
                "`{written}` of {name} is for development: it adds a process that watches files"
            )
        } else {
            let is_open = leaves_debug_open(workload, server);
            let debugger = if is_open && flask::debugger(workload).is_some() {
                ", with its debugger and its reloader"
            } else {
                ""
            };
            let server = server_in_words(server, &name, written);
            format!("{server} serves this container{debugger}")
        };
        let mut finding = Finding::new(&RULE, at, message);
        if leaves_debug_open(workload, server) {
            finding = because_of_the_environment(finding, workload);
        }
        if !matches!(workload.origin, Origin::Kubernetes { .. }) {
            finding = finding.confidence(Confidence::Medium);
        }
        finding = milder_where_unsure(context.repository, finding, workload);
        if is_in_a_branch(workload, at) {
            finding = finding.severity(Severity::Info);
        }
        finding = finding.fix(mend(target, server, at, written));
        findings.push(about(finding, workload));
    }
}

/// No error in a Dockerfile that nothing refers to, beside another that something builds; nor in a stage for development
/// that a cluster's image is only guessed to be, since a target may be named where it is built, and an info where the target
/// stands there: a stage for production; nor by Compose where only its restart policy says that it stays.
pub(super) fn milder_where_unsure(
    repository: &Repository,
    finding: Finding,
    workload: &Workload,
) -> Finding {
    let is_guessed = workload.confidence < Confidence::High
        && matches!(workload.start, Some(StartPlace::Dockerfile { .. }))
        && is_of_development(repository, workload);
    if is_guessed && has_stage_for_production(repository, workload) {
        return finding.severity(Severity::Info);
    }
    let is_unsure =
        is_guessed || is_only_kept(repository, &finding, workload) || workload.is_left_over;
    if finding.severity == Severity::Error && is_unsure {
        finding.severity(Severity::Warning)
    } else {
        finding
    }
}

/// Does the script start it in a branch for development that the files neither open nor close?
fn is_in_a_branch(workload: &Workload, at: Location) -> bool {
    let holds = |command: &&Command| {
        let (outer, inner) = (command.at.span, at.span);
        command.at.file == at.file && outer.start <= inner.start && inner.end <= outer.end
    };
    workload.script.as_deref().is_some_and(|entry| {
        let mut commands = entry.commands().filter(holds);
        commands.any(|command| is_branch_for_development(entry, command))
    })
}

/// With what the environment says of Flask's debugger.
pub(super) fn because_of_the_environment(finding: Finding, workload: &Workload) -> Finding {
    if let Some(said) = flask::debugger(workload) {
        return finding.because(
            said.at,
            "FLASK_DEBUG: a traceback is a console that runs code for whoever finds it and its PIN",
        );
    }
    match flask::old_debugger(workload) {
        Some(said) => finding.because(
            said.at,
            "FLASK_ENV=development: until Flask 2.3 a traceback is a console that runs code",
        ),
        None => finding,
    }
}

/// `flask run` without a word on debugging.
fn leaves_debug_open(workload: &Workload, server: &Server) -> bool {
    let mut words = workload.command.iter();
    server.kind == ServerKind::Flask && !words.any(|word| word.text.starts_with("--no-debug"))
}

fn server_in_words(server: &Server, name: &str, written: &str) -> String {
    match server.kind {
        ServerKind::Python => format!("`{written}`, which is for development,"),
        _ => format!("the development server of {name}, `{written}`,"),
    }
}

/// Is the place one for development: a Compose file, or a Dockerfile or a stage that is called so and that no cluster runs?
fn is_for_development(repository: &Repository, workload: &Workload, file: FileId) -> bool {
    if workload.is_deployed {
        return false;
    }
    let path = repository.file(file).source.path.to_ascii_lowercase();
    let is_compose = matches!(workload.origin, Origin::Compose { .. }) && file == workload.at.file;
    is_compose || names_development(&path) || is_of_development(repository, workload)
}

/// Is it Compose's or the code's word on a service whose file is not called for production?
fn is_only_kept(repository: &Repository, finding: &Finding, workload: &Workload) -> bool {
    let is_of_image = workload
        .built
        .is_some_and(|built| built.file == finding.at.file);
    matches!(workload.origin, Origin::Compose { .. })
        && !is_of_image
        && !names_production(&repository.file(workload.at.file).source.path)
}

/// Is the stage called so?
fn is_of_development(repository: &Repository, workload: &Workload) -> bool {
    let stage = stage(repository, workload).and_then(|(_, stage)| stage.name.as_ref());
    stage.is_some_and(|name| names_development(&name.value))
}

/// Has its Dockerfile a stage that is called so as well?
fn has_stage_for_production(repository: &Repository, workload: &Workload) -> bool {
    let Some(Model::Dockerfile(dockerfile)) = workload
        .built
        .map(|built| &repository.file(built.file).model)
    else {
        return false;
    };
    let mut names = dockerfile
        .stages
        .iter()
        .filter_map(|stage| stage.name.as_ref());
    names.any(|name| names_production(&name.value) || name.value.eq_ignore_ascii_case("runtime"))
}

fn mend(target: Target<'_>, server: &Server, at: Location, written: &str) -> Option<Fix> {
    let (title, edit) = if written.starts_with("--") {
        (
            format!("leave `{written}` out"),
            words::remove(target, at.span, at.span)?,
        )
    } else if server.kind == ServerKind::FastApi {
        (
            "start it by `fastapi run`".to_owned(),
            words::replace(target, at.span, "run")?,
        )
    } else {
        return None;
    };
    Some(Fix::changing(title, vec![edit]))
}
