//! Folders, ids, descriptors, and how the program was started.

use dunnage_policy::plan::bytes_in_words;

use super::{Status, Verdict, percent, why_not};
use crate::commands::doctor::facts::{Facts, Folder, Python};
use crate::commands::doctor::words::{development_server, read_flags};

/// A limit is nearly met from the first share of it on, in per cent, and as good as met from the second.
const CLOSE_PERCENT: u64 = 80;
const FULL_PERCENT: u64 = 95;
/// What an engine gives a container for `/dev/shm`.
const USUAL_SHM: u64 = 64 << 20;

fn closeness(used: u64, limit: u64) -> Status {
    match percent(used, limit) {
        share if share >= FULL_PERCENT => Status::Fail,
        share if share >= CLOSE_PERCENT => Status::Warn,
        _ => Status::Ok,
    }
}

/// Of a rule that says what may become full: it nearly is.
fn nearly_full(name: &'static str, rule: &'static str, status: Status, message: String) -> Verdict {
    Verdict::by_rule(name, rule, message).but(status, "it is nearly used up")
}

fn has_library(facts: &Facts, name: &str) -> bool {
    let libraries = facts
        .python
        .as_ref()
        .and_then(|python| python.libraries.as_ref());
    libraries.is_some_and(|libraries| libraries.iter().any(|library| library.name == name))
}

pub(super) fn shared_memory(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "shm";
    let folder = facts
        .folders
        .iter()
        .find(|folder| folder.path == "/dev/shm")?;
    if folder.file_system.is_none() {
        return Some(
            Verdict::by_rule(NAME, "MEM007", "there is no /dev/shm: multiprocessing.shared_memory, semaphores and PyTorch's workers fail")
                .seen("/dev/shm", "not there"),
        );
    }
    let used = folder.bytes.saturating_sub(folder.available);
    let said = format!(
        "{} of {} used",
        bytes_in_words(used),
        bytes_in_words(folder.bytes)
    );
    let status = closeness(used, folder.bytes);
    let seen =
        |verdict: Verdict| verdict.seen("/dev/shm", format!("{used} of {} bytes", folder.bytes));
    let advice = "an emptyDir with medium Memory and a sizeLimit at /dev/shm, or shm_size in Compose; it counts as memory";
    if status != Status::Ok {
        let message =
            format!("{said}: what does not fit ends in SIGBUS, which Python cannot catch");
        let verdict = nearly_full(NAME, "MEM007", status, message);
        return Some(seen(verdict).advise(advice));
    }
    if has_library(facts, "PyTorch") && folder.bytes <= USUAL_SHM {
        let message = format!(
            "{said}: PyTorch is loaded, and the workers of its DataLoader pass batches through it"
        );
        return Some(seen(Verdict::by_rule(NAME, "MEM007", message)).advise(advice));
    }
    let limit = facts.limits.memory.limit.as_ref().map(|limit| limit.value);
    let more = limit
        .filter(|limit| folder.bytes > *limit)
        .map(|_| "; it may grow past the memory limit, which counts it")
        .unwrap_or_default();
    Some(seen(Verdict::ok(NAME, format!("{said}{more}"))))
}

pub(super) fn temporary(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "tmp";
    let tried: Vec<&Folder> = facts
        .folders
        .iter()
        .filter(|folder| folder.path != "/dev/shm")
        .collect();
    let Some(found) = tried.iter().find(|folder| folder.is_writable) else {
        let names: Vec<_> = tried.iter().map(|folder| folder.path.as_str()).collect();
        let read_only = tried
            .iter()
            .find(|folder| folder.is_read_only)
            .map_or("", |folder| folder.path.as_str());
        return Some(
            Verdict::fail(NAME, format!("no folder for temporary files can be written ({}): tempfile raises FileNotFoundError, uploads and gunicorn fail", names.join(", ")))
                .seen(read_only, "read-only")
                .advise("an emptyDir at /tmp, or TMPDIR=/dev/shm"),
        );
    };
    let kind = found.file_system.clone().unwrap_or_default();
    let said = format!(
        "temporary files go to {} ({kind}, {} free)",
        found.path,
        bytes_in_words(found.available)
    );
    let skipped = tried
        .iter()
        .position(|folder| folder.path == found.path)
        .unwrap_or(0);
    let is_own = skipped + 1 == tried.len() && tried.len() > 2;
    let seen = |verdict: Verdict| verdict.seen(found.path.clone(), format!("writable, {kind}"));
    let is_full = found.bytes > 0 && percent(found.available, found.bytes) < 100 - FULL_PERCENT;
    if is_own || is_full {
        let why = if is_own {
            "the working directory, since no other can be written"
        } else {
            "nearly full"
        };
        return Some(
            seen(Verdict::warn(NAME, format!("{said}: {why}"))).advise("an emptyDir at /tmp"),
        );
    }
    let memory = if kind == "tmpfs" {
        "; they count as memory"
    } else {
        ""
    };
    Some(seen(Verdict::ok(NAME, format!("{said}{memory}"))))
}

pub(super) fn heartbeat(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "heartbeat";
    let heartbeat = facts.python.as_ref()?.heartbeat.as_ref()?;
    let kind = heartbeat
        .file_system
        .as_deref()
        .unwrap_or("an unknown file system");
    let said = format!("gunicorn's heartbeat lies on {kind}");
    let verdict = if matches!(kind, "tmpfs" | "ramfs") {
        Verdict::ok(NAME, said)
    } else {
        Verdict::by_rule(
            NAME,
            "IMG003",
            format!("{said}: a worker that waits for the disk there is taken for dead and killed"),
        )
        .advise("--worker-tmp-dir /dev/shm")
    };
    Some(verdict.seen(heartbeat.path.clone(), kind))
}

pub(super) fn pids(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "pids";
    let Some(pids) = &facts.counted.beside.pids else {
        return Some(Verdict::unknown(
            NAME,
            "the pids controller cannot be seen here",
        ));
    };
    let current = pids.current.unwrap_or(0);
    let Some(limit) = &pids.limit else {
        return Some(Verdict::ok(
            NAME,
            format!("{current} processes and threads; no limit that can be seen"),
        ));
    };
    let message = format!("{current} processes and threads of at most {}", limit.value);
    let status = closeness(current, limit.value);
    let seen = |verdict: Verdict| verdict.seen(limit.source.clone(), limit.value.to_string());
    Some(if status == Status::Ok {
        seen(Verdict::ok(NAME, message))
    } else {
        seen(nearly_full(NAME, "PID015", status, message))
            .advise("at the limit fork and new threads fail (\"can't start new thread\"): look for zombies and pools")
    })
}

pub(super) fn user_processes(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "nproc";
    let python = facts.python.as_ref()?;
    let Some(limit) = python.ulimits.get("nproc").and_then(|limit| limit.soft) else {
        return Some(Verdict::ok(NAME, "ulimit -u: no limit"));
    };
    if python.uid == Some(0) {
        return Some(Verdict::ok(
            NAME,
            format!("ulimit -u: {limit}, which does not bind root"),
        ));
    }
    let threads = u64::from(facts.processes.threads);
    let status = closeness(threads, limit);
    let message = format!(
        "ulimit -u: {threads} threads here of at most {limit} of this user on the whole node"
    );
    let verdict = Verdict::new(NAME, status, message).seen(
        format!("/proc/{}/limits", python.pid),
        format!("Max processes {limit}"),
    );
    Some(if status == Status::Ok {
        verdict
    } else {
        verdict.advise("raise it in the engine's settings, or use another uid for each application")
    })
}

pub(super) fn open_files(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "open-files";
    let python = facts.python.as_ref()?;
    let limit = python.ulimits.get("nofile").and_then(|limit| limit.soft)?;
    let Some(open) = python.open_files else {
        return Some(Verdict::unknown(
            NAME,
            format!("at most {limit}; how many are open may not be read"),
        ));
    };
    let status = closeness(open, limit);
    let verdict = Verdict::new(NAME, status, format!("{open} of at most {limit}")).seen(
        format!("/proc/{}/limits", python.pid),
        format!("Max open files {limit}"),
    );
    Some(if status == Status::Ok {
        verdict
    } else {
        verdict.advise("look for files and connections that are not closed; else raise ulimit -n")
    })
}

/// Whether Python writes to stdout as soon as it is told to.
fn is_unbuffered(python: &Python) -> Option<bool> {
    let flags = read_flags(&python.words);
    if flags.is_unbuffered {
        return Some(true);
    }
    if flags.ignores_environment {
        return Some(false);
    }
    let environment = python.environment.as_ref()?;
    Some(
        environment
            .get("PYTHONUNBUFFERED")
            .is_some_and(|value| !value.is_empty()),
    )
}

pub(super) fn stdout(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "stdout";
    let python = facts.python.as_ref()?;
    let kind = python.stdout.as_deref();
    if kind == Some("terminal") {
        return Some(Verdict::ok(NAME, "a terminal, written line by line"));
    }
    match is_unbuffered(python) {
        None => Some(Verdict::unknown(NAME, format!("whether it is buffered is not known: {}", why_not(facts, "/environ")))),
        Some(true) => Some(Verdict::ok(NAME, "unbuffered")),
        Some(false) => Some(
            Verdict::by_rule(NAME, "IMG002", "what is printed waits in a buffer of 8 KiB, and is lost when the process is killed")
                .seen(format!("/proc/{}/environ", python.pid), "PYTHONUNBUFFERED is not set")
                .seen(format!("/proc/{}/fd/1", python.pid), kind.unwrap_or("not readable"))
                .advise("PYTHONUNBUFFERED=1 (logging to stderr is not affected)"),
        ),
    }
}

pub(super) fn development(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "dev-server";
    let python = facts.python.as_ref()?;
    let environment = python.environment.as_ref();
    let has = |name: &str| environment.is_some_and(|environment| environment.contains_key(name));
    let by_command = facts.processes.pythons.iter().find_map(|one| {
        let words: Vec<_> = one.command.split(' ').map(str::to_owned).collect();
        Some((
            development_server(&words)?,
            format!("/proc/{}/cmdline", one.pid),
        ))
    });
    let by_variable = || {
        has("WERKZEUG_RUN_MAIN").then(|| {
            (
                "Werkzeug's reloader",
                format!("/proc/{}/environ", python.pid),
            )
        })
    };
    let Some((found, source)) = by_command.or_else(by_variable) else {
        return Some(Verdict::ok(NAME, "none"));
    };
    Some(
        Verdict::by_rule(NAME, "IMG001", format!("{found} serves: made for developing, with one process, a reloader that forks, and a debugger that executes what it is sent"))
            .seen(source, found)
            .advise("gunicorn or uvicorn, without a reloader"),
    )
}
