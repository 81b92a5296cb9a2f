//! MEM006.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::fix::yaml::{New, insert_key};
use crate::graph::Workload;
use crate::parse::yaml::Node;
use crate::rules::manifest::{Manifest, memory, python_services};
use crate::rules::{Context, Family, Persona, rule};

/// Below this a tmpfs is of no use: 16 MiB.
const LEAST: u64 = 16 << 20;

rule! {
    /// ## What it finds
    ///
    /// An `emptyDir` with `medium: Memory` and no `sizeLimit` that a Python container mounts.
    ///
    /// ## Why
    ///
    /// A tmpfs is memory: every page that is written there is charged to the container that wrote it, is never reclaimed
    /// without swap, and stays charged when the process that wrote it has ended. Without `sizeLimit` the tmpfs is as
    /// large as the pod's memory limit, so a folder that fills up does not give `ENOSPC`, which a program can handle, but an
    /// OOM kill, which it cannot: 350 MB of heap and 200 MB of tmpfs files under a limit of 512 MB were killed (cgroup v1).
    ///
    /// ## Example
    ///
    /// ```yaml
    /// volumes:
    /// - name: cache
    ///   emptyDir: {medium: Memory}
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// volumes:
    /// - name: cache
    ///   emptyDir: {medium: Memory, sizeLimit: 64Mi}
    /// ```
    ///
    /// ## Fix
    ///
    /// Unsafe: `sizeLimit` becomes a quarter of the memory limit. At `/dev/shm`, whose size data loaders depend on, and
    /// without a memory limit it is left to you.
    ///
    /// ## References
    ///
    /// - [emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)
    /// - [tmpfs in the memory controller](https://docs.kernel.org/admin-guide/cgroup-v2.html#memory)
    pub(super) static RULE = {
        id: "MEM006",
        name: "tmpfs-without-size",
        title: "files in a tmpfs without a size end in an OOM kill",
        family: Family::Mem,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "Counts tmpfs pages as memory that cannot be reclaimed, and names them in its record.",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, manifest) in python_services(context) {
        let mounts = manifest.container.get("volumeMounts");
        for mount in mounts.map(Node::items).unwrap_or_default() {
            let text = |key| mount.get(key).and_then(Node::text);
            if let (Some(path), Some(name)) = (text("mountPath"), text("name")) {
                findings.extend(judge(workload, &manifest, path, name));
            }
        }
    }
}

fn judge(workload: &Workload, manifest: &Manifest<'_>, path: &str, name: &str) -> Option<Finding> {
    let volumes = manifest.pod.get("volumes")?.items();
    let volume = volumes
        .iter()
        .find(|volume| volume.get("name").and_then(Node::text) == Some(name))?;
    let folder = volume.get("emptyDir")?;
    let is_tmpfs = folder.get("medium").and_then(Node::text) == Some("Memory");
    if !is_tmpfs || folder.get("sizeLimit").is_some() {
        return None;
    }
    let is_shm = path.trim_end_matches('/') == "/dev/shm";
    let message = match &workload.limits.memory {
        Some(limit) => format!(
            "what is written to {path} counts as memory, and no size stops it before the limit of {} does",
            memory(limit.value)
        ),
        None => format!("what is written to {path} is the node's memory, and no size stops it"),
    };
    let mut finding =
        Finding::new(&RULE, manifest.at(volume.key("emptyDir")?), message).within(workload);
    if let Some(limit) = &workload.limits.memory {
        finding = finding.because(
            limit.at,
            format!("the memory limit is {}", memory(limit.value)),
        );
    }
    if is_shm {
        finding = finding.severity(Severity::Info);
    }
    Some(finding.fix(fix(workload, manifest, folder).filter(|_| !is_shm)))
}

fn fix(workload: &Workload, manifest: &Manifest<'_>, folder: &Node) -> Option<Fix> {
    let limit = workload.limits.memory.as_ref()?.value;
    let size = memory((limit / 4).max(LEAST));
    let edit = insert_key(manifest.target, folder, "sizeLimit", &New::plain(&size))?;
    Some(Fix::changing(
        format!("bound it at {size}, a quarter of the memory limit"),
        vec![edit],
    ))
}
