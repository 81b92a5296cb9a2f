//! What the rules about Python code share: which modules they look at, for whom a module runs, and how to say it.

use super::Context;
use super::about::runs_dunnage;
use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{self, Fix, Target};
use crate::graph::Workload;
use crate::graph::workload::{Origin, Python};
use crate::parse::command::{Server, ServerKind};
use crate::parse::python::{Call, Module, is_program};
use crate::repository::Repository;
use crate::source::{FileId, Location};

/// A module that may run in production.
pub(super) struct Code<'a> {
    pub(super) file: FileId,
    pub(super) module: &'a Module,
    /// The workloads whose program it is part of. None where the files do not say who runs it.
    pub(super) workloads: Vec<&'a Workload>,
}

/// All modules but those that build, document or test a program.
pub(super) fn code<'a>(context: &Context<'a>) -> Vec<Code<'a>> {
    let mut runs: std::collections::BTreeMap<FileId, Vec<&Workload>> =
        std::collections::BTreeMap::new();
    for workload in &context.graph.workloads {
        if workload.python != Python::No {
            for file in &workload.modules {
                runs.entry(*file).or_default().push(workload);
            }
        }
    }
    context
        .repository
        .files()
        .filter_map(|(id, file)| {
            let workloads = runs.remove(&id).unwrap_or_default();
            let is_looked_at = !workloads.is_empty() || is_program(&file.source);
            Some(Code {
                file: id,
                module: is_looked_at.then(|| file.module(id))??,
                workloads,
            })
        })
        .collect()
}

/// The modules that a workload runs: for rules whose findings are worth nothing elsewhere.
pub(super) fn reached<'a>(context: &Context<'a>) -> Vec<Code<'a>> {
    let mut all = code(context);
    all.retain(|code| !code.workloads.is_empty());
    all
}

impl Code<'_> {
    /// The tightest CPU limit of the workloads that run it, in thousandths.
    pub(super) fn cpu_limit(&self) -> Option<(&Workload, u64, Location)> {
        let limits = self.workloads.iter().filter_map(|workload| {
            let limit = workload.limits.cpu.as_ref()?;
            Some((*workload, limit.value, limit.at))
        });
        limits.min_by_key(|(_, millicpu, _)| *millicpu)
    }

    /// The tightest memory limit, in bytes.
    pub(super) fn memory_limit(&self) -> Option<(&Workload, u64, Location)> {
        let limits = self.workloads.iter().filter_map(|workload| {
            let limit = workload.limits.memory.as_ref()?;
            Some((*workload, limit.value, limit.at))
        });
        limits.min_by_key(|(_, bytes, _)| *bytes)
    }

    /// Do all that run it start it below `dunnage run`, which tells Python the truth?
    pub(super) fn is_supervised(&self) -> bool {
        !self.workloads.is_empty() && self.workloads.iter().all(|workload| runs_dunnage(workload))
    }

    /// A finding in this module: as sure as usual if a workload runs it, else a guess.
    pub(super) fn found(&self, finding: Finding) -> Finding {
        let Some(workload) = self.workloads.first() else {
            return finding.confidence(Confidence::Low);
        };
        with_chain(finding.within(workload), workload)
    }

    /// The same for what a CPU limit decides: with the limit in the chain, and worse the fewer CPUs it leaves.
    pub(super) fn found_under_cpu_limit(&self, finding: Finding) -> Finding {
        let limit = self.cpu_limit();
        let finding = match (&limit, self.workloads.first()) {
            // What is at most two CPUs is less than any node has.
            (Some((_, millicpu, _)), _) if *millicpu <= 2000 => finding.severity(Severity::Error),
            // A manifest without a limit: the node's CPUs may be used, so their count is no lie.
            (None, Some(workload)) if workload.origin != Origin::Dockerfile => {
                finding.severity(Severity::Info)
            }
            // Somebody sets a limit or nobody does: the image does not say.
            (None, _) => finding.confidence(Confidence::Medium),
            _ => finding,
        };
        let mut finding = self.found(finding);
        if let Some((workload, millicpu, at)) = limit {
            finding = finding
                .of(&workload.name)
                .because(at, format!("the CPU limit is {millicpu}m"));
        }
        finding
    }
}

/// With every link of the workload's chain, also one that is the finding's own place.
pub(super) fn with_chain(finding: Finding, workload: &Workload) -> Finding {
    workload.chain.iter().fold(finding, |finding, link| {
        finding.because(link.at, link.note.clone())
    })
}

/// The server, if it is a Python program without one: a script or a module that is started by itself.
pub(super) fn plain_python(workload: &Workload) -> Option<&Server> {
    workload
        .server()
        .filter(|server| server.kind == ServerKind::Python && workload.python != Python::No)
}

/// Puts an expression of dunnage's in the place of a call. Unsafe: the number is another one, and dunnage must be installed.
pub(super) fn ask_dunnage(
    context: &Context<'_>,
    code: &Code<'_>,
    call: &Call,
    expression: &str,
    title: &str,
) -> Fix {
    let target = Target::of(context.repository, code.file);
    Fix::changing(
        title,
        fix::python::replace_call(target, code.module, call, expression, "dunnage"),
    )
}

/// What is told beside a fix of the code: `dunnage run` needs no other code.
pub(super) fn told_by_run(title: &str) -> Fix {
    Fix::by_hand(title)
}

/// Does `inner` lie within `outer`?
pub(super) fn holds(outer: Location, inner: Location) -> bool {
    outer.file == inner.file
        && outer.span.start <= inner.span.start
        && inner.span.end <= outer.span.end
}

/// The module that a workload's program begins in.
pub(super) fn entry<'a>(
    repository: &'a Repository,
    workload: &Workload,
) -> Option<(FileId, &'a Module)> {
    let file = *workload.modules.first()?;
    repository.module(file).map(|module| (file, module))
}
