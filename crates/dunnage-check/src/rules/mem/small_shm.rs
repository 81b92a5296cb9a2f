//! MEM007.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Target, yaml};
use crate::graph::workload::{Origin, Workload};
use crate::parse::python::{Call, Value};
use crate::parse::yaml::Node;
use crate::repository::Repository;
use crate::rules::about::{about, modules, node, pod, pythons};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;

rule! {
    /// ## What it finds
    /// A program that puts data into `/dev/shm` (PyTorch's `DataLoader` with workers,
    /// `multiprocessing.shared_memory.SharedMemory`), in a container whose `/dev/shm` nobody has sized.
    ///
    /// ## Why
    /// Without a mount of its own a container's `/dev/shm` is a tmpfs of 64 MiB, whatever its memory limit. A `DataLoader`'s
    /// workers hand their batches over through it. Writing past its end is no error that Python could catch: the process
    /// gets SIGBUS, and the log says "DataLoader worker (pid 42) is killed by signal: Bus error".
    ///
    /// ## Example
    /// ```python
    /// DataLoader(dataset, batch_size=256, num_workers=8)
    /// ```
    ///
    /// ## Instead
    /// ```yaml
    /// volumeMounts: [{name: dshm, mountPath: /dev/shm}]
    /// volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 1Gi}}]
    /// ```
    /// Its pages count against the memory limit, so raise that, too.
    ///
    /// ## Fix
    /// Unsafe, since it chooses a size: 1 GiB.
    ///
    /// ## References
    /// - <https://docs.pytorch.org/docs/stable/multiprocessing.html#sharing-strategies>
    /// - shm_overview(7)
    pub(in crate::rules) static RULE = {
        id: "MEM007",
        name: "small-shared-memory",
        title: "data goes through /dev/shm, which has 64 MiB",
        family: Family::Mem,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context)
        .filter(|workload| workload.origin != Origin::Dockerfile && workload.limits.shm.is_none())
    {
        let Some((at, what)) = user(context.repository, workload) else {
            continue;
        };
        let message = format!("{what} goes through /dev/shm, which has 64 MiB here");
        let mut finding =
            Finding::new(&RULE, workload.at, message).because(at, format!("{what} is made here"));
        finding = finding.fix(enlarge(context.repository, workload));
        findings.push(about(finding, workload));
    }
}

fn user(repository: &Repository, workload: &Workload) -> Option<(Location, &'static str)> {
    modules(repository, workload).find_map(|(_, module)| {
        module
            .calls
            .iter()
            .find_map(|call| match call.name.as_str() {
                "torch.utils.data.DataLoader" if has_workers(call) => {
                    Some((call.callee, "a DataLoader with workers"))
                }
                "multiprocessing.shared_memory.SharedMemory" => Some((call.callee, "SharedMemory")),
                _ => None,
            })
    })
}

/// Is `num_workers` a number over 0, or an expression that will be?
fn has_workers(call: &Call) -> bool {
    match call.keyword("num_workers").map(|argument| &argument.value) {
        Some(Value::Int(count)) => *count > 0,
        Some(Value::Call(_) | Value::Expression(_)) => true,
        _ => false,
    }
}

fn enlarge(repository: &Repository, workload: &Workload) -> Option<Fix> {
    let (file, own) = node(repository, workload)?;
    let target = Target::of(repository, file);
    let edits = if matches!(workload.origin, Origin::Compose { .. }) {
        vec![yaml::set(
            target,
            own,
            &["shm_size"],
            &yaml::New::text("1gb"),
        )?]
    } else {
        let (_, pod) = pod(repository, workload)?;
        let mount = yaml::New::map([
            ("name", yaml::New::text("dshm")),
            ("mountPath", yaml::New::text("/dev/shm")),
        ]);
        let memory = yaml::New::map([
            ("medium", yaml::New::text("Memory")),
            ("sizeLimit", yaml::New::text("1Gi")),
        ]);
        let volume = yaml::New::map([("name", yaml::New::text("dshm")), ("emptyDir", memory)]);
        let add = |node: &Node, key: &str, item: yaml::New| match node.get(key) {
            Some(list) => yaml::append_item(target, list, &item),
            None => yaml::insert_key(target, node, key, &yaml::New::List(vec![item])),
        };
        vec![
            add(own, "volumeMounts", mount)?,
            add(pod, "volumes", volume)?,
        ]
    };
    Some(Fix::changing("give /dev/shm 1 GiB", edits))
}
