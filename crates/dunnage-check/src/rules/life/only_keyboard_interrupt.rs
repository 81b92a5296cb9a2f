use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{self, Edit, Fix, Target};
use crate::graph::Workload;
use crate::parse::python::Module;
use crate::rules::python::{self, Code};
use crate::rules::term::{self, Hears};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::{FileId, Location, Span};

rule! {
    /// ## What it finds
    /// A program that is started by itself, catches `KeyboardInterrupt` in the module that it begins in, and sets up nothing
    /// for SIGTERM in any of its modules.
    ///
    /// ## Why
    /// `KeyboardInterrupt` is what Python makes of SIGINT: of Ctrl-C at a terminal. `docker stop`, Compose and Kubernetes send
    /// SIGTERM, of which Python makes nothing. As PID 1 the program does not even notice and is killed when the grace period
    /// is over (10 s, 30 s under Kubernetes); below an init the kernel ends it on the spot. In both cases the clean-up that
    /// was tried at the terminal never runs in production.
    ///
    /// ## Example
    /// ```python
    /// try:
    ///     consume()
    /// except KeyboardInterrupt:
    ///     consumer.close()
    /// ```
    ///
    /// ## Instead
    /// ```python
    /// signal.signal(signal.SIGTERM, signal.default_int_handler)
    /// ```
    /// before it: SIGTERM then raises `KeyboardInterrupt` too.
    ///
    /// ## Fix
    /// Unsafe: the program begins to end in another way than before.
    ///
    /// ## References
    /// - <https://docs.python.org/3/library/signal.html#signal.default_int_handler>
    /// - <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination>
    pub(super) static RULE = {
        id: "LIFE002",
        name: "only-keyboard-interrupt",
        title: "the clean-up runs at Ctrl-C and not at SIGTERM",
        family: Family::Life,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "Passes SIGTERM on; with --rewrite TERM=INT as SIGINT, so that KeyboardInterrupt is raised.",
        check: check,
    };
}

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for workload in &context.graph.workloads {
        if python::plain_python(workload).is_none() || term::stop_signal(workload) == "INT" {
            continue;
        }
        let Some((file, module)) = python::entry(context.repository, workload) else {
            continue;
        };
        let hears = term::hears(context.repository, workload);
        if matches!(hears, Hears::By(_)) {
            continue;
        }
        let caught = module
            .handlers
            .iter()
            .find(|(names, _)| names.iter().any(|name| name == "KeyboardInterrupt"));
        if let Some((_, at)) = caught {
            let finding = finding(context, workload, (file, module), *at);
            found.push(match hears {
                Hears::No => finding,
                _ => finding.confidence(Confidence::Low),
            });
        }
    }
}

fn finding(
    context: &Context<'_>,
    workload: &Workload,
    (file, module): (FileId, &Module),
    handler: Location,
) -> Finding {
    let source = &context.repository.file(file).source;
    let line = source
        .slice(handler.span)
        .lines()
        .next()
        .unwrap_or_default();
    let at = Location {
        file,
        span: Span {
            start: handler.span.start,
            end: handler.span.start + line.len() as u32,
        },
    };
    let code = Code {
        file,
        module,
        workloads: vec![workload],
    };
    let message =
        "this runs at Ctrl-C only: containers are stopped by SIGTERM, which nothing handles";
    let edits = handler_edits(context, &code, "signal.default_int_handler", &["signal"]);
    code.found(Finding::new(&RULE, at, message))
        .fix(Fix::changing(
            "raise KeyboardInterrupt at SIGTERM too",
            edits,
        ))
}

/// `signal.signal(signal.SIGTERM, …)` as the first thing that the program does.
pub(super) fn handler_edits(
    context: &Context<'_>,
    code: &Code<'_>,
    handler: &str,
    imports: &[&str],
) -> Vec<Edit> {
    let text = &context.repository.file(code.file).source.text;
    let line = format!("signal.signal(signal.SIGTERM, {handler})");
    let target = Target::of(context.repository, code.file);
    let imports = imports
        .iter()
        .filter_map(|name| fix::python::ensure_import(target, code.module, name));
    let set_up = if let Some(main) = code.module.main {
        let start = main.start as usize;
        let before = &text[..start];
        let indentation = &before[before.rfind('\n').map_or(0, |newline| newline + 1)..];
        // `if __name__ == "__main__": main()` on one line.
        let separator = if indentation.trim().is_empty() {
            format!("\n{indentation}")
        } else {
            "; ".to_owned()
        };
        Edit {
            file: code.file,
            span: Span::new(start..start),
            text: format!("{line}{separator}"),
        }
    } else {
        let at = code.module.after_imports as usize;
        let is_line = at == 0 || text[..at].ends_with('\n');
        let text = if is_line {
            format!("\n{line}\n")
        } else {
            format!("\n\n{line}\n")
        };
        Edit {
            file: code.file,
            span: Span::new(at..at),
            text,
        }
    };
    imports.chain([set_up]).collect()
}
