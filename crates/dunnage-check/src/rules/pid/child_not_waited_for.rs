use crate::finding::{Confidence, Finding, Severity};
use crate::parse::python::{Call, Module};
use crate::rules::python::{self, Code};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Short;

rule! {
    /// ## What it finds
    /// `os.fork()` in a module that never waits for a child, and `subprocess.Popen` objects that are kept in an attribute or
    /// in a global name which is never waited for or polled.
    ///
    /// ## Why
    /// A child that has ended stays in the process table until its parent has asked for its exit code: a zombie. Python
    /// reaps abandoned `Popen` objects when it makes the next one (1–2 of 200 were left); one that is still referred to it
    /// leaves alone (200 of 200 were left, CPython 3.11), and a bare `fork` always. No init helps, since the parent is
    /// alive. Zombies fill the container's limit of processes, and then every `fork` and every new thread fails with
    /// `Resource temporarily unavailable`.
    ///
    /// ## Example
    /// ```python
    /// self.encoder = subprocess.Popen(["ffmpeg", ...])
    /// ```
    ///
    /// ## Instead
    /// ```python
    /// with subprocess.Popen(["ffmpeg", ...]) as encoder:
    ///     ...
    /// ```
    /// or `self.encoder.wait()` where it is stopped, or `subprocess.run`.
    ///
    /// ## Fix
    /// None: where to wait only the application knows.
    ///
    /// ## References
    /// - <https://docs.python.org/3/library/subprocess.html#subprocess.Popen.wait>
    /// - <https://man7.org/linux/man-pages/man2/wait.2.html#NOTES>
    pub(super) static RULE = {
        id: "PID011",
        name: "child-not-waited-for",
        title: "a child process stays as a zombie: nobody waits for it",
        family: Family::Pid,
        severity: Severity::Warning,
        confidence: Confidence::Medium,
        persona: Persona::Regular,
        by_run: "Reaps orphans, and names zombies that only the application itself can reap (--zombie-report).",
        check: check,
    };
}

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for code in python::code(context) {
        if ignores_children(code.module) {
            continue;
        }
        for call in &code.module.calls {
            let finding = match call.name.as_str() {
                "os.fork" => Some(forked(&code, call)),
                "subprocess.Popen" => kept(context, &code, call),
                _ => None,
            };
            found.extend(finding);
        }
    }
}

/// Somebody waits for all children at once, the kernel does, or the process becomes a daemon, whose children are init's.
fn ignores_children(module: &Module) -> bool {
    module.calls.iter().any(|call| {
        matches!(
            call.name.as_str(),
            "os.wait"
                | "os.waitpid"
                | "os.wait3"
                | "os.wait4"
                | "os.waitid"
                | "os.setsid"
                | "os.waitstatus_to_exitcode"
        ) || (call.name == "signal.signal"
            && call
                .arguments
                .first()
                .is_some_and(|signal| signal.value.names() == ["signal.SIGCHLD"]))
    })
}

fn forked(code: &Code<'_>, call: &Call) -> Finding {
    let message = "nothing in this module waits for the child: it stays as a zombie when it ends";
    code.found(Finding::new(&RULE, call.at, message))
}

fn kept(context: &Context<'_>, code: &Code<'_>, call: &Call) -> Option<Finding> {
    let name = call.assigned.as_deref().filter(|_| !call.is_managed)?;
    let is_global = call.function.is_empty();
    let is_attribute = name.contains('.');
    if !(is_global || is_attribute) {
        return None;
    }
    // A script that starts one and ends has nothing to wait for.
    let repeats = is_attribute && !call.function.is_empty();
    let last = name.rsplit('.').next().unwrap_or_default();
    // Any mention beside this one: waited for, polled, handed on, or stored under another name.
    let text = &context.repository.file(code.file).source.text;
    let waits = [".wait", ".poll", ".communicate", ".returncode", ".__exit__"];
    let is_waited_for = waits
        .iter()
        .any(|method| text.contains(&format!("{last}{method}")));
    let is_handed_on = code
        .module
        .calls
        .iter()
        .flat_map(|call| &call.arguments)
        .any(|argument| {
            argument
                .value
                .names()
                .iter()
                .any(|other| other.rsplit('.').next() == Some(last))
        });
    if is_waited_for || is_handed_on || !repeats || is_aliased(code.module, last) {
        return None;
    }
    let message = format!("{name} is never waited for: it stays as a zombie when it ends");
    Some(code.found(Finding::new(&RULE, call.at, message)))
}

/// Another name for the same object.
fn is_aliased(module: &Module, last: &str) -> bool {
    let is_it = |names: &[Short]| {
        names
            .iter()
            .any(|name| name.rsplit('.').next() == Some(last))
    };
    module.locals.iter().any(|local| is_it(local.value.names()))
        || module
            .assignments
            .iter()
            .any(|(_, value, _)| is_it(value.names()))
}
