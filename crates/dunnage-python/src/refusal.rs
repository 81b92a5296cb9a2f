//! What refuses to let a process be read, and what would help.
//!
//! The kernel answers with one number whoever refuses (`ptrace_access_check` in ptrace(2)), so the candidates are looked
//! at one by one: another user or group, or more capabilities, without CAP_SYS_PTRACE; Yama; a process that made itself
//! undumpable; a seccomp filter.

use std::io;

use crate::Error;
use crate::process::read_status;

/// CAP_SYS_PTRACE in `CapEff` (capabilities(7)).
const CAP_SYS_PTRACE: u32 = 19;

/// The most processes between two that are looked through.
const MAX_GENERATIONS: usize = 1000;

const ENOSYS: i32 = 38;
const ESRCH: i32 = 3;

/// A process as `ptrace_access_check` sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Credentials {
    /// Real, effective, saved and file system user.
    users: Vec<u32>,
    groups: Vec<u32>,
    /// `CapPrm`.
    permitted: u64,
}

impl Credentials {
    fn read(pid: &str) -> Self {
        let ids = |key| {
            let fields = read_status(pid, key).unwrap_or_default();
            fields.iter().filter_map(|id| id.parse().ok()).collect()
        };
        Self {
            users: ids("Uid"),
            groups: ids("Gid"),
            permitted: read_capabilities(pid, "CapPrm"),
        }
    }

    fn user(&self) -> u32 {
        self.users.first().copied().unwrap_or_default()
    }

    fn group(&self) -> u32 {
        self.groups.first().copied().unwrap_or_default()
    }
}

fn read_capabilities(pid: &str, key: &str) -> u64 {
    read_status(pid, key)
        .and_then(|fields| u64::from_str_radix(fields.first()?, 16).ok())
        .unwrap_or(0)
}

/// What was found out about the two processes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Circumstances {
    call_is_missing: bool,
    pid: i32,
    own: Credentials,
    target: Credentials,
    has_ptrace: bool,
    is_below_us: bool,
    yama: Option<u8>,
    target_is_undumpable: bool,
    is_filtered: bool,
}

/// Explains the error of the first reading.
pub(crate) fn explain(pid: i32, error: &io::Error) -> Error {
    if error.raw_os_error() == Some(ESRCH) || error.kind() == io::ErrorKind::NotFound {
        return Error::Gone(pid);
    }
    let reason = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported => look(pid, error).describe(),
        _ => error.to_string(),
    };
    Error::Refused { pid, reason }
}

fn look(pid: i32, error: &io::Error) -> Circumstances {
    use std::os::unix::fs::MetadataExt;
    let target = Credentials::read(&pid.to_string());
    let owner = std::fs::metadata(format!("/proc/{pid}/stat")).map(|file| file.uid());
    Circumstances {
        call_is_missing: error.raw_os_error() == Some(ENOSYS),
        pid,
        own: Credentials::read("self"),
        has_ptrace: read_capabilities("self", "CapEff") >> CAP_SYS_PTRACE & 1 == 1,
        is_below_us: is_below(pid, std::process::id().cast_signed()),
        yama: std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
            .ok()
            .and_then(|scope| scope.trim().parse().ok()),
        // /proc gives an undumpable process's files to root
        target_is_undumpable: owner.is_ok_and(|owner| owner == 0)
            && target.users.get(1).is_some_and(|user| *user != 0),
        target,
        is_filtered: read_status("self", "Seccomp")
            .is_some_and(|fields| fields.first().is_some_and(|mode| mode == "2")),
    }
}

/// Whether a process descends from another one, as far as can be seen.
fn is_below(pid: i32, ancestor: i32) -> bool {
    let parent =
        |pid: &i32| -> Option<i32> { read_status(&pid.to_string(), "PPid")?.first()?.parse().ok() };
    std::iter::successors(Some(pid), parent)
        .skip(1)
        .take(MAX_GENERATIONS)
        .any(|above| above == ancestor)
}

impl Circumstances {
    /// Another user's or group's, which is the usual case of an entrypoint that starts as root and becomes a user.
    fn describe_other_user(&self) -> Option<String> {
        let is_other = |theirs: &[u32], ours| theirs.iter().any(|id| *id != ours);
        let (user, group) = (self.target.user(), self.target.group());
        let (own_user, own_group) = (self.own.user(), self.own.group());
        let what = if is_other(&self.target.users, own_user) {
            format!("it belongs to user {user} and we are user {own_user}")
        } else if is_other(&self.target.groups, own_group) {
            format!("it belongs to group {group} and we are of group {own_group}")
        } else {
            return None;
        };
        let cures = if own_user == 0 {
            format!(
                "ask as that user (setpriv --reuid {user} --regid {group} --clear-groups dunnage dump {}), start the \
                 container as that user (runAsUser), or add SYS_PTRACE to its capabilities",
                self.pid
            )
        } else {
            "ask as that user, or as root with that capability".into()
        };
        let supervisor = if self.is_below_us {
            ""
        } else {
            ", or ask the supervisor above it"
        };
        Some(format!(
            "{what} without CAP_SYS_PTRACE; {cures}{supervisor}"
        ))
    }

    fn describe(&self) -> String {
        if self.call_is_missing {
            return "this kernel or sandbox has no process_vm_readv(2) (gVisor, or a seccomp filter that hides it)".into();
        }
        if !self.has_ptrace
            && let Some(text) = self.describe_other_user()
        {
            return text;
        }
        if !self.has_ptrace && self.target.permitted & !self.own.permitted != 0 {
            return "it has capabilities that we have not, and we are without CAP_SYS_PTRACE; drop its capabilities, or add \
                    that one"
                .into();
        }
        match self.yama {
            Some(3) => {
                return "Yama forbids it to everybody (kernel.yama.ptrace_scope is 3, until the node is started anew)".into();
            }
            Some(2) if !self.has_ptrace => {
                return "Yama allows it only with CAP_SYS_PTRACE (kernel.yama.ptrace_scope is 2); add that capability".into();
            }
            Some(1) if !self.has_ptrace => {
                return "Yama allows it only to a process's ancestors (kernel.yama.ptrace_scope is 1); ask the supervisor \
                        above it, or add CAP_SYS_PTRACE"
                    .into();
            }
            _ => {}
        }
        if self.target_is_undumpable && !self.has_ptrace {
            return "it made itself undumpable, as programs do that changed their user; CAP_SYS_PTRACE would help".into();
        }
        if self.is_filtered {
            return "a seccomp filter is on, and profiles of before 2021 (Docker 20.10, containerd 1.6) refuse \
                    process_vm_readv(2); a newer profile or CAP_SYS_PTRACE would help"
                .into();
        }
        "the kernel refuses it (a security module, or a process of another user namespace)".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(id: u32) -> Credentials {
        Credentials {
            users: vec![id; 4],
            groups: vec![id; 4],
            permitted: 0,
        }
    }

    fn describe(change: impl FnOnce(&mut Circumstances)) -> String {
        let mut circumstances = Circumstances {
            pid: 7,
            own: credentials(1000),
            target: credentials(1000),
            ..Circumstances::default()
        };
        change(&mut circumstances);
        circumstances.describe()
    }

    #[test]
    fn what_refuses_is_named() {
        assert!(describe(|c| c.call_is_missing = true).contains("gVisor"));
        assert!(describe(|c| c.target.users[0] = 33).contains("user 33"));
        assert!(describe(|c| c.target.groups[2] = 33).contains("of group 1000"));
        assert!(describe(|c| c.target.permitted = 1).contains("capabilities that we have not"));
        assert!(describe(|c| c.yama = Some(1)).contains("ptrace_scope is 1"));
        assert!(describe(|c| c.yama = Some(2)).contains("ptrace_scope is 2"));
        assert!(
            describe(|c| (c.yama, c.has_ptrace) = (Some(3), true)).contains("ptrace_scope is 3")
        );
        assert!(describe(|c| c.target_is_undumpable = true).contains("undumpable"));
        assert!(describe(|c| c.is_filtered = true).contains("seccomp"));
        assert!(describe(|c| (c.yama, c.has_ptrace) = (Some(1), true)).contains("security module"));
    }

    #[test]
    fn a_supervisor_that_is_root_is_told_what_its_container_lacks() {
        let text = describe(|c| {
            c.own = credentials(0);
            c.own.permitted = 0xa804_25fb;
            c.is_below_us = true;
        });
        assert_eq!(
            text,
            "it belongs to user 1000 and we are user 0 without CAP_SYS_PTRACE; ask as that user (setpriv --reuid 1000 --regid 1000 --clear-groups dunnage dump 7), start the container as that user \
             (runAsUser), or add SYS_PTRACE to its capabilities"
        );
        // a session beside it has one to ask
        assert!(describe(|c| c.own = credentials(0)).ends_with(", or ask the supervisor above it"));
        let text = describe(|c| c.target = credentials(0));
        assert!(text.contains("; ask as that user, or as root with that capability, or ask"));
    }

    #[test]
    fn a_child_is_below_us_and_init_is_not() {
        let own = std::process::id().cast_signed();
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        let child_is_below = is_below(child.id().cast_signed(), own);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(child_is_below && !is_below(1, own) && !is_below(own, own));
    }

    #[test]
    fn a_process_that_has_gone_is_not_called_refused() {
        let error = io::Error::from_raw_os_error(ESRCH);
        assert!(matches!(explain(1, &error), Error::Gone(1)));
    }
}
