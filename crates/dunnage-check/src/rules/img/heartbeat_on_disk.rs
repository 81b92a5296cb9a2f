//! IMG003.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Target, words};
use crate::graph::workload::Workload;
use crate::parse::command::{Server, ServerKind};
use crate::parse::yaml::Node;
use crate::repository::Repository;
use crate::rules::about::{about, node, pythons};
use crate::rules::shells;
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;

rule! {
    /// ## What it finds
    /// gunicorn without `--worker-tmp-dir`, whose heartbeat file then lies on the container's disk; and gunicorn in a
    /// container whose root file system is read-only and has no writable folder for it.
    ///
    /// ## Why
    /// Each worker shows that it lives by touching a file about once a second; the master kills a worker whose file is older
    /// than `--timeout`. In an image `/tmp` is part of the overlay file system, on the node's disk. Under heavy writing by
    /// anybody on that node the touch waits for the disk, and workers that do nothing wrong are killed with
    /// `WORKER TIMEOUT`. With `readOnlyRootFilesystem: true` the file cannot be made at all, and gunicorn ends at start.
    ///
    /// ## Example
    /// ```dockerfile
    /// CMD ["gunicorn", "shop.wsgi:app"]
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// CMD ["gunicorn", "--worker-tmp-dir", "/dev/shm", "shop.wsgi:app"]
    /// ```
    ///
    /// ## Fix
    /// Safe: the option is added. `/dev/shm` is in memory in every container, also where the rest is read-only; the file is
    /// empty.
    ///
    /// ## References
    /// - <https://docs.gunicorn.org/en/stable/faq.html#how-do-i-avoid-gunicorn-excessively-blocking-in-os-fchmod>
    pub(in crate::rules) static RULE = {
        id: "IMG003",
        name: "heartbeat-on-disk",
        title: "gunicorn's heartbeat waits for the node's disk",
        family: Family::Img,
        severity: Severity::Info,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let Some(server) = workload
            .server()
            .filter(|it| it.kind == ServerKind::Gunicorn)
        else {
            continue;
        };
        let Some(at) = server.at else {
            continue;
        };
        if server.worker_tmp_dir.is_some() || is_set_elsewhere(context.repository, workload, server)
        {
            continue;
        }
        let container = node(context.repository, workload).map(|(_, node)| node);
        let finding = match container.map(|node| (node, read_only(node))) {
            Some((node, true)) if has_no_temporary(workload, node) => Finding::new(
                &RULE,
                at,
                "gunicorn finds no folder for its heartbeat file: the root file system is read-only",
            )
            .severity(Severity::Error),
            Some((node, _)) if temporary_in_memory(node) => continue,
            _ => Finding::new(&RULE, at, "gunicorn's heartbeat file lies on the container's disk"),
        };
        let edit = tmp_dir_edit(context.repository, at);
        findings.push(about(with_fix(finding, edit), workload));
    }
}

fn with_fix(mut finding: Finding, edit: Option<crate::fix::Edit>) -> Finding {
    finding = finding.fix(edit.map(|edit| Fix::safe("keep it in memory", vec![edit])));
    finding
}

fn tmp_dir_edit(repository: &Repository, at: Location) -> Option<crate::fix::Edit> {
    let target = Target::of(repository, at.file);
    // a place that was not written as it is read is the whole text's
    let is_word = shells::ends_with_program(target.slice(at.span), "gunicorn");
    let words = ["--worker-tmp-dir", "/dev/shm"];
    words::insert_after(target, at.span, &words).filter(|_| is_word)
}

/// By a variable, or by a configuration that says it or is not to be seen.
fn is_set_elsewhere(repository: &Repository, workload: &Workload, server: &Server) -> bool {
    let says = |text: &str| text.contains("worker_tmp_dir") || text.contains("worker-tmp-dir");
    if workload.variable("GUNICORN_CMD_ARGS").is_some_and(says) {
        return true;
    }
    let named = server.config.as_ref().map(|config| {
        let name = config.value.rsplit(['/', ':']).next().unwrap_or_default();
        name.to_owned()
    });
    let is_config = |name: &str| match &named {
        Some(wanted) => name == wanted || name.trim_end_matches(".py") == wanted,
        None => name == "gunicorn.conf.py",
    };
    let mut configs = repository
        .files()
        .map(|(_, file)| &file.source)
        .filter(|source| is_config(source.name()))
        .peekable();
    (named.is_some() && configs.peek().is_none()) || configs.any(|source| says(&source.text))
}

fn read_only(container: &Node) -> bool {
    let set = container.at(&["securityContext", "readOnlyRootFilesystem"]);
    let compose = container.get("read_only");
    [set, compose]
        .into_iter()
        .flatten()
        .any(|node| node.text() == Some("true"))
}

/// Is nothing mounted where Python looks for a temporary folder?
fn has_no_temporary(workload: &Workload, container: &Node) -> bool {
    let is_temporary = |path: &str| {
        let path = path.trim_end_matches('/');
        matches!(path, "/tmp" | "/var/tmp" | "/usr/tmp" | "/var" | "/usr")
    };
    let mounted = container
        .get("volumeMounts")
        .map(Node::items)
        .unwrap_or_default();
    let mut mounted = mounted
        .iter()
        .filter_map(|mount| mount.get("mountPath")?.text());
    let compose = ["tmpfs", "volumes"]
        .iter()
        .filter_map(|key| container.get(key));
    let mut compose = compose.flat_map(|node| node.items().iter().chain(std::iter::once(node)));
    !mounted.any(is_temporary)
        && !compose.any(|item| item.text().is_some_and(|text| text.contains("/tmp")))
        && workload.variable("TMPDIR").is_none()
}

/// `tmpfs: /tmp` of Compose. A pod's `emptyDir` is asked for by its name only, so its medium is not looked at.
fn temporary_in_memory(container: &Node) -> bool {
    let Some(tmpfs) = container.get("tmpfs") else {
        return false;
    };
    let mut items = tmpfs.items().iter().chain(std::iter::once(tmpfs));
    items.any(|item| item.text().is_some_and(|text| text.starts_with("/tmp")))
}
