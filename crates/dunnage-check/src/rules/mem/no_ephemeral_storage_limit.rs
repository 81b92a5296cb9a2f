//! MEM013.

use crate::finding::{Confidence, Finding, Severity};
use crate::parse::yaml::Node;
use crate::rules::manifest::{Manifest, first_call, python_services};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    ///
    /// A program that makes temporary files, in a container without a limit of ephemeral storage and without a volume at
    /// `/tmp`.
    ///
    /// ## Why
    ///
    /// Files in `/tmp` go to the container's writable layer on the node's disk. A file that is never removed (an upload, a
    /// `NamedTemporaryFile(delete=False)`) fills that disk until the kubelet evicts pods, the largest first, which may be
    /// another one. With a limit it is this container that is evicted, and the event says why.
    ///
    /// ## Example
    ///
    /// ```python
    /// path = tempfile.mkdtemp()
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// resources:
    ///   limits: {memory: 512Mi, ephemeral-storage: 1Gi}
    /// ```
    ///
    /// ## Fix
    ///
    /// None: how much the program may write is yours to say.
    ///
    /// ## References
    ///
    /// - [Local ephemeral storage](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#local-ephemeral-storage)
    pub(super) static RULE = {
        id: "MEM013",
        name: "no-ephemeral-storage-limit",
        title: "temporary files without a limit fill the node's disk",
        family: Family::Mem,
        severity: Severity::Info,
        confidence: Confidence::Medium,
        persona: Persona::Pedantic,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, manifest) in python_services(context) {
        if workload.limits.storage.is_some() || mounts_tmp(&manifest) {
            continue;
        }
        let Some(write) = first_call(context, workload, makes_temporary_file) else {
            continue;
        };
        let node = manifest.container.key("resources");
        let node = node.or_else(|| manifest.container.get("name"));
        let message = "no limit of ephemeral storage: temporary files that stay fill the node's disk, and the kubelet evicts for it";
        let finding = Finding::new(
            &RULE,
            manifest.at(node.unwrap_or(manifest.container)),
            message,
        )
        .within(workload)
        .because(write, "makes temporary files");
        findings.push(finding);
    }
}

fn mounts_tmp(manifest: &Manifest<'_>) -> bool {
    let mounts = manifest.container.get("volumeMounts");
    mounts
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .any(|mount| {
            let path = mount.get("mountPath").and_then(Node::text);
            path.is_some_and(|path| path.trim_end_matches('/') == "/tmp")
        })
}

fn makes_temporary_file(name: &str) -> bool {
    matches!(
        name,
        "tempfile.mkdtemp" | "tempfile.mkstemp" | "tempfile.NamedTemporaryFile"
    )
}
