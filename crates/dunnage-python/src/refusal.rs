//! What refuses to let a process be read, and what would help.
//!
//! The kernel answers with one number whoever refuses (`ptrace_access_check` in ptrace(2)), so the candidates are looked
//! at one by one: another user without CAP_SYS_PTRACE, Yama, a process that made itself undumpable, a seccomp filter.

use std::io;

use crate::Error;
use crate::process::read_status;

/// CAP_SYS_PTRACE in `CapEff` (capabilities(7)).
const CAP_SYS_PTRACE: u32 = 19;

const ENOSYS: i32 = 38;
const ESRCH: i32 = 3;

/// What was found out about the two processes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Circumstances {
    call_is_missing: bool,
    own_user: u32,
    target_users: Vec<u32>,
    has_ptrace: bool,
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
    let own = |key| read_status("self", key);
    let target_users: Vec<u32> = read_status(&pid.to_string(), "Uid")
        .unwrap_or_default()
        .iter()
        .filter_map(|user| user.parse().ok())
        .collect();
    let owner = std::fs::metadata(format!("/proc/{pid}/stat")).map(|file| file.uid());
    let capabilities = own("CapEff")
        .and_then(|fields| u64::from_str_radix(fields.first()?, 16).ok())
        .unwrap_or(0);
    Circumstances {
        call_is_missing: error.raw_os_error() == Some(ENOSYS),
        own_user: dunnage_sys::current_uid(),
        has_ptrace: capabilities >> CAP_SYS_PTRACE & 1 == 1,
        yama: std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
            .ok()
            .and_then(|scope| scope.trim().parse().ok()),
        // /proc gives an undumpable process's files to root
        target_is_undumpable: owner.is_ok_and(|owner| owner == 0)
            && target_users.get(1).is_some_and(|user| *user != 0),
        target_users,
        is_filtered: own("Seccomp")
            .is_some_and(|fields| fields.first().is_some_and(|mode| mode == "2")),
    }
}

impl Circumstances {
    fn describe(&self) -> String {
        if self.call_is_missing {
            return "this kernel or sandbox has no process_vm_readv(2) (gVisor, or a seccomp filter that hides it)".into();
        }
        let is_other_user = self.target_users.iter().any(|user| *user != self.own_user);
        if is_other_user && !self.has_ptrace {
            let user = self
                .target_users
                .first()
                .map_or_else(|| "another user".into(), |user| format!("user {user}"));
            return format!(
                "it belongs to {user} and we are user {} without CAP_SYS_PTRACE; ask as that user, as root with that \
                 capability, or the supervisor above it",
                self.own_user
            );
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

    fn describe(change: impl FnOnce(&mut Circumstances)) -> String {
        let mut circumstances = Circumstances {
            own_user: 1000,
            target_users: vec![1000; 4],
            ..Circumstances::default()
        };
        change(&mut circumstances);
        circumstances.describe()
    }

    #[test]
    fn what_refuses_is_named() {
        assert!(describe(|c| c.call_is_missing = true).contains("gVisor"));
        assert!(describe(|c| c.target_users[0] = 33).contains("user 33"));
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
    fn a_process_that_has_gone_is_not_called_refused() {
        let error = io::Error::from_raw_os_error(ESRCH);
        assert!(matches!(explain(1, &error), Error::Gone(1)));
    }
}
