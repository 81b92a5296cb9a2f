//! PID002.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Target;
use crate::graph::workload::{Origin, Workload};
use crate::parse::dockerfile::Form;
use crate::parse::shell;
use crate::parse::yaml::Node;
use crate::repository::Repository;
use crate::rules::about::{about, node, pythons, runs_dunnage, stage};
use crate::rules::shells::{self, Staying, mended, shell_note, staying};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;

rule! {
    /// ## What it finds
    /// `sh -c "…"` written out, in a Dockerfile, a manifest or a Compose file, without `exec` before the program.
    ///
    /// ## Why
    /// JSON form does not help where the words are a shell's: dash starts the program as its child and stays as process 1.
    /// It has no handler for SIGTERM, so the kernel drops the signal, and the container is killed at the end of the grace
    /// period (measured: 5 of 5 forms with dash 0.5.12, `cd`, `export`, `|` and `||` among them). bash and busybox become a
    /// plain last command by themselves; where the image's shell is known to do so, this rule is silent. busybox does not
    /// where a line break stands behind it (tried with 1.35), as at the end of a block `|` or `>` of YAML; `|-` leaves it
    /// out.
    ///
    /// An info in a Compose file where the program is for development (`runserver`, `--reload`), or that mounts a folder of
    /// examples to try the program out: there nobody is woken by a stop of 10 s. A service that another one waits for to
    /// end well (`service_completed_successfully`) is no service, nor is one of `restart: "no"` that neither serves nor
    /// loops.
    ///
    /// ## Example
    /// ```yaml
    /// command: ["sh", "-c", "cd /app && gunicorn shop.wsgi:app"]
    /// ```
    ///
    /// ## Instead
    /// ```yaml
    /// command: ["sh", "-c", "cd /app && exec gunicorn shop.wsgi:app"]
    /// ```
    ///
    /// ## Fix
    /// Safe: `exec` before the last command. Nothing changes but that the shell is gone once it has nothing more to do.
    /// Unsafe: dunnage as the init of an image whose own command this is, too where a server has several workers.
    ///
    /// ## References
    /// - <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#exec>
    pub(in crate::rules) static RULE = {
        id: "PID002",
        name: "shell-without-exec",
        title: "`sh -c` without exec leaves a shell in front of the program, which then never hears SIGTERM",
        family: Family::Pid,
        severity: Severity::Error,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "passes signals on to the children of a shell that stays",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context).filter(|workload| workload.is_service()) {
        if runs_dunnage(workload) {
            continue;
        }
        for shell in staying(workload) {
            if is_shell_form(context.repository, workload, shell.at) {
                continue;
            }
            let target = Target::of(context.repository, shell.at.file);
            if shells::handles_term(&shell::parse(target.slice(shell.at.span), 0, shell.at.file)) {
                continue;
            }
            let mut finding = describe(&shell, workload);
            if is_for_trying(context.repository, workload) {
                finding = finding.severity(Severity::Info);
            }
            let mend = shell.become_program(target);
            let finding = mended(finding, context.repository, workload, mend);
            findings.push(about(finding, workload));
        }
    }
}

/// Does a Compose service mount a folder of examples? Then the file shows the program to somebody.
fn is_for_trying(repository: &Repository, workload: &Workload) -> bool {
    if !matches!(workload.origin, Origin::Compose { .. }) {
        return false;
    }
    let volumes = node(repository, workload).and_then(|(_, node)| node.get("volumes"));
    let mut volumes = volumes.map(Node::items).unwrap_or_default().iter();
    volumes.any(|volume| {
        let source = volume.get("source").unwrap_or(volume).text();
        let path = source.unwrap_or_default().split(':').next();
        let folder = path.and_then(|path| path.strip_prefix("./"));
        let first = folder.and_then(|folder| folder.split('/').next());
        matches!(first, Some("example" | "examples" | "demo" | "demos"))
    })
}

/// That is PID001's.
fn is_shell_form(repository: &Repository, workload: &Workload, at: Location) -> bool {
    let Some((_, stage)) = stage(repository, workload) else {
        return false;
    };
    [&stage.entrypoint, &stage.command]
        .into_iter()
        .flatten()
        .any(|start| start.arguments == at && matches!(start.form, Form::Shell(_)))
}

fn describe(shell: &Staying, workload: &Workload) -> Finding {
    let subject = format!("`{} -c`", shell.name);
    let mut finding = shell.finding(&RULE, shell.last, &subject, workload);
    if let (Some(note), Some(image), "sh") = (
        shell_note(workload.base.shell),
        &workload.image,
        shell.name.as_str(),
    ) {
        finding = finding.because(image.at, note);
    }
    finding
}
