//! The container as a Kubernetes node makes it, in the form of the OCI runtime specification.
//!
//! The mounts, masked paths and capabilities are those that the container runtimes of a node give a container whose
//! securityContext says `runAsUser: 1000`, `readOnlyRootFilesystem`, `allowPrivilegeEscalation: false` and
//! `capabilities: drop: [ALL]`. With `User::Root` the capabilities are an engine's default ones.

use super::case::{Case, User};
use super::cgroup::{Version, has_swap, quota, version};
use super::seccomp;
use crate::tools::Result;
use serde_json::{Value, json};
use std::path::Path;

/// An engine's default capabilities.
const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// Files and folders of ours that a container sees.
pub(crate) struct Volumes<'a> {
    pub(crate) rootfs: &'a Path,
    pub(crate) program: &'a Path,
    pub(crate) lab: &'a Path,
    pub(crate) out: &'a Path,
    pub(crate) packages: &'a Path,
    pub(crate) termination_log: &'a Path,
}

/// The folders above as the container names them. A root file system needs them as mount points.
pub(crate) const MOUNT_POINTS: [&str; 3] = ["lab", "out", "opt/packages"];
/// Where the program is put, a file.
pub(crate) const PROGRAM_POINT: &str = "usr/local/bin/dunnage";

/// The `config.json` of a case.
pub(crate) fn config(
    case: &Case,
    words: &[String],
    env: &[(String, String)],
    working_folder: &str,
    cgroup: &str,
    host_cgroup_namespace: bool,
    volumes: &Volumes,
) -> Result<Value> {
    let root = case.user == User::Root;
    let uid = case.user.id();
    let capabilities: &[&str] = if root { &CAPABILITIES } else { &[] };
    let env: Vec<String> = env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut namespaces = vec!["pid", "network", "ipc", "uts", "mount"];
    if !host_cgroup_namespace {
        namespaces.push("cgroup");
    }
    let mut rlimits = Vec::new();
    if let Some(files) = case.limits.nofile {
        rlimits.push(json!({"type": "RLIMIT_NOFILE", "hard": files, "soft": files}));
    }
    Ok(json!({
        "ociVersion": "1.0.2",
        "hostname": "lab",
        "process": {
            "terminal": false,
            "user": {"uid": uid, "gid": uid},
            "args": words,
            "env": env,
            "cwd": working_folder,
            "noNewPrivileges": true,
            "oomScoreAdj": 986,
            "rlimits": rlimits,
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
                "inheritable": [], "ambient": [],
            },
        },
        "root": {"path": volumes.rootfs, "readonly": true},
        "mounts": mounts(case, volumes),
        "linux": {
            "cgroupsPath": cgroup,
            "resources": resources(case),
            "namespaces": namespaces.iter().map(|name| json!({"type": name})).collect::<Vec<_>>(),
            "maskedPaths": [
                "/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            "seccomp": seccomp::profile(capabilities, &case.refused_calls)?,
        },
    }))
}

fn resources(case: &Case) -> Value {
    let mut cpu = json!({"shares": 512});
    if let Some(cpus) = case.limits.cpus {
        cpu["quota"] = quota(cpus).into();
        cpu["period"] = 100_000.into();
    }
    let mut resources = json!({"devices": [{"allow": false, "access": "rwm"}], "cpu": cpu});
    if let Some(mib) = case.limits.memory_mib {
        resources["memory"] = json!({"limit": mib << 20});
        if has_swap() {
            // of both together, on either version
            resources["memory"]["swap"] = ((mib + case.limits.swap_mib) << 20).into();
        }
    }
    if let Some(pids) = case.limits.pids {
        resources["pids"] = json!({"limit": pids});
    }
    if case.limits.oom_group && version() == Version::V2 {
        resources["unified"] = json!({"memory.oom.group": "1"});
    }
    resources
}

fn mounts(case: &Case, volumes: &Volumes) -> Vec<Value> {
    let mount = |target: &str, kind: &str, options: &[&str]| json!({"destination": target, "type": kind, "source": kind, "options": options});
    let bind = |target: &str, source: &Path, mode: &str| json!({"destination": target, "type": "bind", "source": source, "options": ["bind", mode]});
    let usual = vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount(
            "/dev",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount(
            "/dev/pts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        ),
        mount(
            "/dev/shm",
            "tmpfs",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
        ),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", "ro"],
        ),
        mount("/tmp", "tmpfs", &["nosuid", "nodev", "mode=1777"]),
        bind("/lab", volumes.lab, "ro"),
        bind("/out", volumes.out, "rw"),
        bind("/opt/packages", volumes.packages, "ro"),
        bind("/usr/local/bin/dunnage", volumes.program, "ro"),
        bind("/dev/termination-log", volumes.termination_log, "rw"),
    ];
    let mut mounts: Vec<Value> = usual
        .into_iter()
        .filter(|mount| {
            let target = mount["destination"].as_str().unwrap_or_default();
            !case.mounts.without.iter().any(|name| name == target)
        })
        .collect();
    for mount in &mut mounts {
        let target = mount["destination"].as_str().unwrap_or_default().to_owned();
        let more = case.mounts.options.get(&target).into_iter().flatten();
        if let Some(options) = mount["options"].as_array_mut() {
            options.extend(more.cloned().map(Value::from));
        }
    }
    mounts.extend(
        case.mounts
            .add
            .iter()
            .map(|mount| with_source(mount, volumes.lab)),
    );
    mounts
}

/// A mount of a case, whose source may be a file of the lab.
fn with_source(mount: &Value, lab: &Path) -> Value {
    let mut mount = mount.clone();
    let source = mount["source"].as_str().unwrap_or_default();
    mount["source"] = source.replace("{lab}", &lab.display().to_string()).into();
    mount
}
