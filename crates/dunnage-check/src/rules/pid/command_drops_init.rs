//! PID014.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Target, words};
use crate::graph::workload::{Origin, StartPlace, Workload};
use crate::parse::command::{self, Init, Step};
use crate::parse::dockerfile::Form;
use crate::repository::Repository;
use crate::rules::about::{about, node, pythons, stage};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;

rule! {
    /// ## What it finds
    /// A manifest whose `command` replaces the image's `ENTRYPOINT`, in which the init is.
    ///
    /// ## Why
    /// Kubernetes' `command` is the image's `ENTRYPOINT`, not its `CMD`: setting it drops everything that the Dockerfile has
    /// put there. The image is right, the manifest looks right, and the program runs as process 1 all the same: orphans stay
    /// zombies, and a program without a handler of its own ignores SIGTERM.
    ///
    /// ## Example
    /// ```yaml
    /// containers:
    ///   - image: shop            # ENTRYPOINT ["tini", "--"]
    ///     command: [celery, -A, shop, worker]
    /// ```
    ///
    /// ## Instead
    /// ```yaml
    ///     args: [celery, -A, shop, worker]
    /// ```
    ///
    /// ## Fix
    /// Unsafe: the words of the image's init before the command's. Renaming `command` to `args` does the same where the
    /// entrypoint is nothing but the init.
    ///
    /// ## References
    /// - <https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/#notes>
    pub(in crate::rules) static RULE = {
        id: "PID014",
        name: "command-drops-init",
        title: "a manifest's command replaces the image's entrypoint, and with it the init",
        family: Family::Pid,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let Some(StartPlace::Manifest {
            command: Some(place),
            ..
        }) = &workload.start
        else {
            continue;
        };
        if workload.init().is_some() || workload.life.foreign_init.is_some() {
            continue;
        }
        let Some((init, entrypoint, words)) = dropped(context.repository, workload) else {
            continue;
        };
        let key = match workload.origin {
            Origin::Compose { .. } => "entrypoint",
            _ => "command",
        };
        let message = format!(
            "`{key}` replaces the image's ENTRYPOINT and drops its init, {}",
            init.name
        );
        let mut finding = Finding::new(&RULE, *place, message)
            .because(entrypoint, format!("ENTRYPOINT starts {}", init.name));
        finding = finding.fix(put_back(context.repository, workload, key, &words));
        findings.push(about(finding, workload));
    }
}

/// The init of the image's entrypoint, where that is, and its words.
fn dropped(repository: &Repository, workload: &Workload) -> Option<(Init, Location, Vec<String>)> {
    let (_, stage) = stage(repository, workload)?;
    let start = stage.entrypoint.as_ref()?;
    let Form::Exec(words) = &start.form else {
        return None;
    };
    // the init's own words are those before what it starts
    match command::read(words).into_iter().next()? {
        Step::Init(init) => {
            let end = words
                .iter()
                .position(|word| word.text == "--")
                .map_or(1, |dashes| dashes + 1);
            let words = words[..end].iter().map(|word| word.text.clone()).collect();
            Some((init, start.at, words))
        }
        _ => None,
    }
}

fn put_back(
    repository: &Repository,
    workload: &Workload,
    key: &str,
    init: &[String],
) -> Option<Fix> {
    let (file, node) = node(repository, workload)?;
    let first = node.get(key)?.items().first()?;
    let init: Vec<&str> = init.iter().map(String::as_str).collect();
    let edit = words::insert_before(Target::of(repository, file), first.span, &init)?;
    Some(Fix::changing(
        format!("start it by {}", init[0]),
        vec![edit],
    ))
}
