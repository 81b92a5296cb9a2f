//! One Python process.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use dunnage_policy::plan::knobs::KNOBS;
use dunnage_python::pools::{Kind, read_libraries};
use dunnage_python::process::{read_status, read_task, read_tasks};
use dunnage_python::{Error, Target};
use dunnage_sys::{read_bounded, read_link_bounded};

use super::Refused;
use super::descriptors::Descriptors;
use super::files::read_heartbeat;
use super::sockets::read_sockets;
use crate::commands::doctor::facts::{Library, Python, Signals, Ulimit};

/// The most threads whose names are read.
const MAX_THREADS: usize = 2000;
/// The most of an environment or a command line that is read.
const MAX_TEXT: u64 = 256 << 10;

/// Variables besides those of the plan's table that decide something. Others are never kept.
const VARIABLES: &[&str] = &[
    "DUNNAGE_AGENT",
    "DUNNAGE_CPU_COUNT",
    "DUNNAGE_DISABLE",
    "DUNNAGE_GRACE",
    "DUNNAGE_PLANNED",
    "FLASK_DEBUG",
    "GUNICORN_CMD_ARGS",
    "LD_PRELOAD",
    "MALLOC_ARENA_MAX",
    "PYTHONMALLOC",
    "PYTHONUNBUFFERED",
    "PYTHON_CPU_COUNT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "WEB_CONCURRENCY",
    "WERKZEUG_RUN_MAIN",
];

/// Looks at one process.
pub(super) fn read(pid: i32, refused: &mut Refused) -> Python {
    let words = refused.take(&format!("/proc/{pid}/cmdline"), read_words(pid));
    let (libraries, is_musl) = read_known_libraries(pid, refused);
    let status = |key| read_status(&pid.to_string(), key);
    let open = Descriptors::read(pid);
    let heartbeat = open.as_ref().and_then(|open| open.heartbeat.as_deref());
    Python {
        pid,
        words: words.unwrap_or_default(),
        version: read_version(pid, refused),
        uid: status("Uid").and_then(|ids| ids.get(1)?.parse().ok()),
        rss_bytes: read_rss(pid),
        threads: read_threads(pid),
        is_musl,
        affinity: status("Cpus_allowed").and_then(|fields| count_bits(fields.first()?)),
        signals: read_signals(pid),
        environment: read_environment(pid, refused),
        libraries,
        ulimits: read_ulimits(pid),
        open_files: open.as_ref().map(|open| open.count),
        stdout: read_stdout(pid),
        heartbeat: heartbeat.map(|path| read_heartbeat(pid, path)),
        sockets: open
            .as_ref()
            .and_then(|open| read_sockets(pid, &open.sockets)),
    }
}

fn read_version(pid: i32, refused: &mut Refused) -> Option<String> {
    match Target::prepare(pid) {
        Ok(target) => Some(target.version().to_string()),
        // a build whose stacks cannot be read has a version all the same
        Err(
            Error::UnknownVersion { version, .. }
            | Error::FreeThreaded { version, .. }
            | Error::OtherLayout { version, .. },
        ) => Some(version.to_string()),
        Err(error) => {
            refused.note(
                format!("the interpreter of process {pid}"),
                error.to_string(),
            );
            None
        }
    }
}

fn read_known_libraries(pid: i32, refused: &mut Refused) -> (Option<Vec<Library>>, bool) {
    match read_libraries(pid) {
        Ok((found, is_musl)) => (Some(found.into_iter().map(describe).collect()), is_musl),
        Err(error) => {
            refused.note(format!("/proc/{pid}/maps"), error.to_string());
            (None, false)
        }
    }
}

fn describe(library: dunnage_python::pools::Library) -> Library {
    let kind = match library.kind {
        Kind::Pool => "pool",
        Kind::Allocator => "allocator",
        Kind::Meter => "meter",
    };
    Library {
        name: library.name.to_owned(),
        kind: kind.to_owned(),
        path: library.path,
        threads: library.threads.ok(),
        how: library
            .threads
            .err()
            .or(library.source)
            .unwrap_or_default()
            .to_owned(),
    }
}

/// Resident memory in bytes.
pub(super) fn read_rss(pid: i32) -> Option<u64> {
    let fields = read_status(&pid.to_string(), "VmRSS")?;
    fields.first()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Signal masks.
pub(super) fn read_signals(pid: i32) -> Option<Signals> {
    let mask = |key| {
        let fields = read_status(&pid.to_string(), key)?;
        u64::from_str_radix(fields.first()?, 16).ok()
    };
    Some(Signals {
        caught: mask("SigCgt")?,
        ignored: mask("SigIgn")?,
        blocked: mask("SigBlk")?,
    })
}

/// Bits of a mask in hexadecimal groups: `ff,ffffffff`.
fn count_bits(mask: &str) -> Option<u32> {
    let digits = mask.chars().filter(|letter| *letter != ',');
    digits
        .map(|digit| digit.to_digit(16).map(u32::count_ones))
        .sum()
}

fn read_threads(pid: i32) -> BTreeMap<String, u32> {
    let mut names = BTreeMap::new();
    let tids = read_tasks(pid).unwrap_or_default();
    for tid in tids.into_iter().take(MAX_THREADS) {
        if let Some(task) = read_task(pid, tid) {
            *names.entry(without_number(&task.name)).or_insert(0) += 1;
        }
    }
    names
}

/// `polars-3` is one of `polars`.
fn without_number(name: &str) -> String {
    let bare = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let bare = bare.trim_end_matches(['-', '_', '/', '#', ':']);
    let is_program = name.starts_with("python") || bare.is_empty();
    if is_program { name } else { bare }.to_owned()
}

fn read_environment(pid: i32, refused: &mut Refused) -> Option<BTreeMap<String, String>> {
    let path = format!("/proc/{pid}/environ");
    let bytes = refused.take(&path, read_file(&path))?;
    let is_kept = |name: &str| {
        let by_plan = || KNOBS.iter().any(|knob| knob.ranking.contains(&name));
        VARIABLES.contains(&name) || by_plan()
    };
    let pairs = bytes.split(|byte| *byte == 0).filter_map(|pair| {
        let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
        is_kept(name).then(|| (name.to_owned(), value.chars().take(400).collect()))
    });
    Some(pairs.collect())
}

fn read_file(path: &str) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::with_capacity(4096);
    read_bounded(&PathBuf::from(path), MAX_TEXT, &mut buffer)?;
    Ok(buffer)
}

/// The command line, at most its first hundred words.
pub(super) fn read_words(pid: i32) -> io::Result<Vec<String>> {
    let bytes = read_file(&format!("/proc/{pid}/cmdline"))?;
    let text = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let words = text.split(|byte| *byte == 0).take(100);
    Ok(words
        .map(|word| {
            let word = String::from_utf8_lossy(word);
            word.chars()
                .take(200)
                .map(|letter| if letter.is_control() { ' ' } else { letter })
                .collect()
        })
        .collect())
}

/// The limits that a Python meets, by their names in `/proc/PID/limits`.
const ULIMITS: [(&str, &str); 4] = [
    ("Max open files", "nofile"),
    ("Max processes", "nproc"),
    ("Max locked memory", "memlock"),
    ("Max stack size", "stack"),
];

fn read_ulimits(pid: i32) -> BTreeMap<String, Ulimit> {
    let text = read_file(&format!("/proc/{pid}/limits")).unwrap_or_default();
    parse_ulimits(&String::from_utf8_lossy(&text))
}

fn parse_ulimits(text: &str) -> BTreeMap<String, Ulimit> {
    let find = |(line, name): &(&str, &str)| {
        let rest = text.lines().find_map(|found| found.strip_prefix(line))?;
        let mut fields = rest.split_ascii_whitespace();
        let mut next = || match fields.next()? {
            "unlimited" => Some(None),
            number => number.parse().ok().map(Some),
        };
        let (soft, hard) = (next()?, next()?);
        Some(((*name).to_owned(), Ulimit { soft, hard }))
    };
    ULIMITS.iter().filter_map(find).collect()
}

fn read_stdout(pid: i32) -> Option<String> {
    let link = read_link_bounded(&PathBuf::from(format!("/proc/{pid}/fd/1"))).ok()?;
    let link = String::from_utf8_lossy(&link).into_owned();
    let kind = match link.as_str() {
        pipe if pipe.starts_with("pipe:") => "pipe",
        socket if socket.starts_with("socket:") => "socket",
        "/dev/null" => "/dev/null",
        terminal if terminal.starts_with("/dev/pts/") || terminal == "/dev/console" => "terminal",
        _ => "file",
    };
    Some(kind.to_owned())
}

/// The first number of a text.
pub(super) fn first_number(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_with_unlimited_as_none() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max stack size            8388608              unlimited            bytes     \n\
                    Max open files            1024                 524288               files     \n";
        let limits = parse_ulimits(text);
        assert_eq!(
            limits["stack"],
            Ulimit {
                soft: Some(8 << 20),
                hard: None
            }
        );
        assert_eq!(limits["nofile"].soft, Some(1024));
        assert_eq!(limits.len(), 2);
    }

    #[test]
    fn threads_of_a_pool_share_a_name_and_pythons_keep_theirs() {
        for (name, expected) in [
            ("polars-3", "polars"),
            ("tokio-runtime-w", "tokio-runtime-w"),
            ("python3", "python3"),
            ("python3.11", "python3.11"),
            ("7", "7"),
        ] {
            assert_eq!(without_number(name), expected);
        }
    }

    #[test]
    fn a_mask_of_many_words_is_counted() {
        assert_eq!(count_bits("ff,ffffffff"), Some(40));
        assert_eq!(count_bits("3"), Some(2));
        assert_eq!(count_bits("x"), None);
    }

    #[test]
    fn of_an_environment_only_what_decides_something_is_kept() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .env_clear()
            .env("DATABASE_URL", "postgres://secret")
            .env("OMP_NUM_THREADS", "3")
            .spawn()
            .unwrap();
        let pid = child.id().cast_signed();
        let started = std::time::Instant::now();
        let mut refused = Refused::default();
        let mut kept = read_environment(pid, &mut refused);
        // spawn waits for execve, a moment before the environment can be read
        while kept.as_ref().is_none_or(BTreeMap::is_empty) {
            assert!(started.elapsed() < std::time::Duration::from_mins(1));
            kept = read_environment(pid, &mut refused);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let expected = [("OMP_NUM_THREADS".to_owned(), "3".to_owned())];
        assert_eq!(kept, Some(BTreeMap::from(expected)));
    }
}
