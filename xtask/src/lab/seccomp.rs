//! The default seccomp profile, flattened for a runtime.
//!
//! The profile of the containers/common project, which Debian packages: the ancestor that podman uses and that
//! containerd's RuntimeDefault differs from in details only. It is written with conditions on capabilities and machine
//! types, which engines resolve before they hand it to runc.

use crate::tools::Result;
use serde_json::{Value, json};
use std::fs;

/// Where Debian's golang-github-containers-common puts it.
pub(crate) const PROFILE: &str = "/usr/share/containers/seccomp.json";

/// The profile for a process with these capabilities on this machine, less some calls.
pub(crate) fn profile(capabilities: &[&str], refused: &[String]) -> Result<Value> {
    let text = fs::read_to_string(PROFILE).map_err(|error| format!("{PROFILE}: {error}"))?;
    let profile = serde_json::from_str(&text).map_err(|error| format!("{PROFILE}: {error}"))?;
    let mut profile = flatten(&profile, capabilities, std::env::consts::ARCH);
    refuse(&mut profile, refused);
    Ok(profile)
}

/// Takes calls out of what is allowed, and refuses them with EPERM.
fn refuse(profile: &mut Value, calls: &[String]) {
    if calls.is_empty() {
        return;
    }
    let Some(groups) = profile["syscalls"].as_array_mut() else {
        return;
    };
    for group in groups.iter_mut() {
        if let Some(names) = group["names"].as_array_mut() {
            names.retain(|name| !calls.iter().any(|call| name == call));
        }
    }
    // a group without names is an error
    groups.retain(|group| {
        group["names"]
            .as_array()
            .is_some_and(|names| !names.is_empty())
    });
    groups.push(json!({"names": calls, "action": "SCMP_ACT_ERRNO", "errnoRet": 1}));
}

fn flatten(profile: &Value, capabilities: &[&str], arch: &str) -> Value {
    // what Go and the profile call this machine, and libseccomp's name for it
    let (short, long) = match arch {
        "x86_64" => ("amd64", "SCMP_ARCH_X86_64"),
        "aarch64" => ("arm64", "SCMP_ARCH_AARCH64"),
        other => (other, ""),
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut architectures = vec![json!(long)];
    for entry in list(&profile["archMap"]) {
        if entry["architecture"] == long {
            architectures.extend(list(&entry["subArchitectures"]));
        }
    }
    let has = |name: &Value| {
        name.as_str()
            .is_some_and(|name| capabilities.contains(&name))
    };
    let fits = |group: &Value| {
        let needed = list(&group["includes"]["caps"]);
        let machines = list(&group["includes"]["arches"]);
        needed.iter().all(has)
            && (machines.is_empty() || machines.iter().any(|machine| machine == short))
            && !list(&group["excludes"]["caps"]).iter().any(has)
            && !list(&group["excludes"]["arches"])
                .iter()
                .any(|machine| machine == short)
    };
    let groups = list(&profile["syscalls"])
        .into_iter()
        .filter(fits)
        .map(|group| {
            let mut flat = json!({"names": group["names"], "action": group["action"]});
            let arguments = list(&group["args"]);
            if !arguments.is_empty() {
                flat["args"] = arguments.into();
            }
            if let Some(code) = group.get("errnoRet") {
                flat["errnoRet"] = code.clone();
            }
            flat
        });
    json!({
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": architectures,
        "syscalls": groups.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_call_stands_nowhere_else() {
        let mut profile = json!({"syscalls": [
            {"names": ["read", "ptrace"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW"},
        ]});
        refuse(&mut profile, &["ptrace".to_owned()]);
        let expected = json!([
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["ptrace"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
        ]);
        assert_eq!(profile["syscalls"], expected);
    }

    #[test]
    fn rules_for_missing_capabilities_and_other_machines_are_left_out() {
        let profile = json!({
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
            "archMap": [
                {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
                {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
            ],
            "syscalls": [
                {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": null, "includes": {}, "excludes": {}},
                {"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_CHROOT"]}},
                {"names": ["chroot"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "excludes": {"caps": ["CAP_SYS_CHROOT"]}},
                {"names": ["arm_only"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
                {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
            ],
        });
        let names = |capabilities: &[&str]| {
            let flat = flatten(&profile, capabilities, "x86_64");
            assert_eq!(
                flat["architectures"],
                json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"])
            );
            flat["syscalls"]
                .as_array()
                .unwrap()
                .iter()
                .map(|group| format!("{} {}", group["names"][0], group["action"]))
                .collect::<Vec<_>>()
        };
        let read = "\"read\" \"SCMP_ACT_ALLOW\"";
        let arch = "\"arch_prctl\" \"SCMP_ACT_ALLOW\"";
        assert_eq!(names(&[]), [read, "\"chroot\" \"SCMP_ACT_ERRNO\"", arch]);
        assert_eq!(
            names(&["CAP_SYS_CHROOT"]),
            [read, "\"chroot\" \"SCMP_ACT_ALLOW\"", arch]
        );
    }
}
