//! PID003.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Target, shell as edits};
use crate::parse::command::{self, ServerKind, Step};
use crate::parse::shell::{Command, Script};
use crate::rules::about::{about, pythons, runs_dunnage, use_dunnage};
use crate::rules::shells::{
    become_program, between, handles_term, is_branch_for_development, server_name,
};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// An entrypoint script that ends in the server, or in `"$@"`, without `exec`: a file that the image copies, or one that
    /// the Dockerfile itself writes (`COPY <<EOF /entrypoint.sh`, `RUN cat <<'EOF' > …`, `RUN printf '…' > …`).
    ///
    /// ## Why
    /// The shell that runs the script stays as process 1 and waits for its child. It has no handler for SIGTERM, so the
    /// kernel drops the signal, the server never hears it, and SIGKILL comes at the end of the grace period. No shell
    /// becomes the last command of a script file by itself: it does not know that it is the last.
    ///
    /// So it does where the server is in a branch, a function, a loop or a pipe, where something is said after it, and where it is
    /// started in the background and waited for (`gunicorn … &`, `wait`): bash does not pass on what it does not handle.
    ///
    /// Silent where the script has a `trap` for TERM, for a branch that the container's own variables or arguments close, and
    /// for what is started in the background and not waited for at the end. An info for a server for development in a branch
    /// that a variable for development opens (`[ "$DEBUG" = true ]`) and whose value the files do not tell, where another branch
    /// of the same condition starts another server.
    ///
    /// ## Example
    /// ```sh
    /// #!/bin/sh
    /// python manage.py migrate
    /// gunicorn shop.wsgi:app
    /// ```
    ///
    /// ## Instead
    /// ```sh
    /// #!/bin/sh
    /// set -e
    /// python manage.py migrate
    /// exec gunicorn shop.wsgi:app
    /// ```
    ///
    /// ## Fix
    /// Safe: `exec` before the command. Nothing after it would have run but at the server's end. None where the builder fills
    /// commands into the script.
    ///
    /// ## References
    /// - <https://docs.docker.com/build/building/best-practices/#entrypoint>
    pub(in crate::rules) static RULE = {
        id: "PID003",
        name: "script-without-exec",
        title: "the entrypoint script stays in front of the server, which then never hears SIGTERM",
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
        let Some(entry) = workload.script.as_ref().filter(|_| !runs_dunnage(workload)) else {
            continue;
        };
        let script = &entry.script;
        if handles_term(script) {
            continue;
        }
        let target = Target::of(context.repository, entry.at.file);
        let main = script.main_of(|index| !entry.left_out.has(index));
        for command in entry.commands() {
            let is_main = main.is_some_and(|main| std::ptr::eq(main, command));
            let Some(what) = keeps_the_shell(script, command, is_main) else {
                continue;
            };
            let between = between(workload, &what);
            let message = format!("this script stays {between}, and passes no SIGTERM on");
            let edit = edits::insert_exec(target, command)
                .filter(|_| command.is_last && !command.is_tested && entry.is_verbatim);
            let mut finding = Finding::new(&RULE, command.at, message)
                .fix(edit.map(become_program))
                .fix(use_dunnage(context.repository, workload));
            if is_branch_for_development(entry, command) {
                finding = finding.severity(Severity::Info);
            }
            findings.push(about(finding, workload));
        }
    }
}

/// What the script waits for without becoming it: a server, or its own arguments at its end.
fn keeps_the_shell(script: &Script, command: &Command, is_main: bool) -> Option<String> {
    if command.has_exec || (command.is_background && !(is_main && is_deaf(script))) {
        return None;
    }
    if command.is_arguments() {
        return command.is_last.then(|| "its arguments".to_owned());
    }
    // a program that ends is followed by others; the one that serves is the last, or it is known to serve
    let Step::Server(server) = command::read(&command.words).pop()? else {
        return None;
    };
    let serves = !matches!(server.kind, ServerKind::Python | ServerKind::Airflow);
    // what follows the main one where it is not the last only says something, or starts it again
    let stays = is_main && (command.is_last || !script.starts_in_background());
    (serves || stays || command.is_background).then(|| server_name(&server))
}

/// Has a script that waits for what it started no trap for its end? bash handles SIGTERM for one of `EXIT` too.
fn is_deaf(script: &Script) -> bool {
    let mut names = script.traps.iter().flat_map(|(names, _)| names);
    !names.any(|name| name == "EXIT")
}
