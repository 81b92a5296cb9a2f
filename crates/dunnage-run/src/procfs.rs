//! Looks at `/proc`: who is whose child, who is a shell, who catches what.
//!
//! Everything here is read while processes come and go, and what a process calls itself is its own choice: a row that
//! cannot be parsed is left out, never guessed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use dunnage_policy::process::{Identity, Process, ProcessTable, is_shell, mask_has, short_command};
use dunnage_policy::signal::Signal;
use dunnage_sys::{KeptLink, read_bounded, read_link_bounded};

/// The most processes that one look takes in; the kernel's own limit is 4 million, a container's some thousands.
const MAX_PROCESSES: usize = 100_000;

/// A file of `/proc/PID`, read at most as far as `limit` bytes.
fn read(pid: i32, name: &str, limit: u64, buffer: &mut Vec<u8>) -> Option<()> {
    read_bounded(&PathBuf::from(format!("/proc/{pid}/{name}")), limit, buffer).ok()
}

/// Every process that can be seen. Empty where `/proc` is not mounted or hides others (`hidepid`).
pub fn read_process_table() -> ProcessTable {
    read_process_table_up_to(MAX_PROCESSES)
}

/// The same, of at most so many processes.
pub fn read_process_table_up_to(most: usize) -> ProcessTable {
    let Ok(folder) = std::fs::read_dir("/proc") else {
        return ProcessTable::default();
    };
    let mut buffer = Vec::with_capacity(512);
    folder
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .take(most)
        .filter_map(|pid| read_process_into(pid, &mut buffer))
        .collect()
}

/// One process; `None` where it has gone.
pub fn read_process(pid: i32) -> Option<Process> {
    read_process_into(pid, &mut Vec::with_capacity(512))
}

fn read_process_into(pid: i32, buffer: &mut Vec<u8>) -> Option<Process> {
    read(pid, "stat", 4096, buffer)?;
    parse_stat(buffer).filter(|process| process.identity.pid == pid)
}

/// Parses `/proc/PID/stat` (`proc_pid_stat(5)`). The name stands in parentheses and may itself hold parentheses, spaces
/// and line breaks: the last `)` ends it.
pub fn parse_stat(bytes: &[u8]) -> Option<Process> {
    let open = bytes.iter().position(|byte| *byte == b'(')?;
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(bytes.get(..open)?)
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let comm = String::from_utf8_lossy(bytes.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    // fields 6 to 19 lie between the process group (5) and the number of threads (20), one between that and the start (22)
    let threads = fields.nth(14)?.parse().ok()?;
    let start_ticks = fields.nth(1)?.parse().ok()?;
    Some(Process {
        identity: Identity { pid, start_ticks },
        parent,
        group,
        state,
        threads,
        command: comm,
    })
}

/// The longest way up that is walked; a process deeper than that is nobody's descendant.
const MAX_DEPTH: usize = 128;

/// Whether `pid` is below `ancestor`, by parents. Not where `/proc` does not say so.
pub fn descends_from(pid: i32, ancestor: i32) -> bool {
    let mut pid = pid;
    for _ in 0..MAX_DEPTH {
        match read_process(pid).map(|process| process.parent) {
            Some(parent) if parent == ancestor => return true,
            Some(parent) if parent > 1 => pid = parent,
            _ => return false,
        }
    }
    false
}

/// Whether the process of that id is still the one it was.
pub fn is_still(identity: Identity) -> bool {
    read_process(identity.pid).is_some_and(|process| process.identity == identity)
}

/// Anonymous resident memory in bytes, from `statm`: a tenth of the time that `status` takes. `None` where it has gone.
pub fn read_rss_anon(pid: i32, buffer: &mut Vec<u8>) -> Option<u64> {
    read(pid, "statm", 256, buffer)?;
    parse_statm(buffer)?.checked_mul(dunnage_sys::page_size())
}

/// `resident` less `shared` of `statm` (`proc_pid_statm(5)`), in pages.
pub fn parse_statm(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut fields = text.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(resident.saturating_sub(shared))
}

/// The minor faults of a process's threads, at most so many of them: who touches memory that was not there before.
pub fn read_minor_faults(pid: i32, most: usize, buffer: &mut Vec<u8>) -> BTreeMap<i32, u64> {
    let folder = std::fs::read_dir(format!("/proc/{pid}/task"));
    let names = folder.into_iter().flatten().flatten();
    let tids = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut faults = BTreeMap::new();
    for tid in tids.take(most) {
        let read = read(pid, &format!("task/{tid}/stat"), 4096, buffer);
        faults.extend(
            read.and_then(|()| parse_minor_faults(buffer))
                .map(|count| (tid, count)),
        );
    }
    faults
}

/// `minflt` of `stat`, field 10.
pub fn parse_minor_faults(bytes: &[u8]) -> Option<u64> {
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    // the first behind the name is field 3
    rest.split_ascii_whitespace().nth(7)?.parse().ok()
}

/// The proportional set size in bytes (`smaps_rollup`). The kernel walks all pages for it: some 9 ms a GiB.
pub fn read_pss(pid: i32, buffer: &mut Vec<u8>) -> Option<u64> {
    read(pid, "smaps_rollup", 4096, buffer)?;
    parse_pss(buffer)
}

/// The `Pss` line of `smaps_rollup`.
pub fn parse_pss(bytes: &[u8]) -> Option<u64> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let line = lines.find_map(|line| line.strip_prefix(b"Pss:"))?;
    let text = std::str::from_utf8(line).ok()?.trim();
    let kib: u64 = text.strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

/// The file that a process runs; empty where it cannot be read.
pub fn read_program(pid: i32) -> Vec<u8> {
    read_link_bounded(&PathBuf::from(format!("/proc/{pid}/exe"))).unwrap_or_default()
}

/// A process's command line, its first eight words; none where it has gone or is the kernel's.
pub fn read_arguments(pid: i32) -> Vec<String> {
    let mut buffer = Vec::new();
    if read(pid, "cmdline", 4096, &mut buffer).is_none() {
        return Vec::new();
    }
    let text = buffer.strip_suffix(b"\0").unwrap_or(&buffer);
    if text.is_empty() {
        return Vec::new();
    }
    text.split(|byte| *byte == 0)
        .take(8)
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect()
}

fn as_strs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// What a person would call a process.
pub fn describe(process: &Process) -> String {
    let arguments = if process.is_zombie() {
        Vec::new()
    } else {
        read_arguments(process.identity.pid)
    };
    if arguments.is_empty() && process.is_zombie() {
        return process.command.clone();
    }
    short_command(&as_strs(&arguments), &process.command)
}

/// The file that a process runs, kept to be asked for while somebody waits for the answer.
pub fn open_program_link(pid: i32) -> Option<KeptLink> {
    KeptLink::open(&PathBuf::from(format!("/proc/{pid}/exe"))).ok()
}

/// Whether that file rules out by itself that the process is a shell. Opens nothing and needs no memory.
pub fn is_no_shell(program: &KeptLink) -> bool {
    let mut buffer = [0; 256];
    let program = program.read(&mut buffer).ok();
    rules_out_shell(program.and_then(|path| std::str::from_utf8(path).ok()))
}

/// Whether a process is a shell that neither became its command nor catches `signal`: it would keep the signal to itself.
pub fn keeps_to_itself(pid: i32, signal: Signal) -> bool {
    let program = read_link_bounded(&PathBuf::from(format!("/proc/{pid}/exe"))).ok();
    let program = program.as_deref().map(String::from_utf8_lossy);
    !rules_out_shell(program.as_deref())
        && is_shell(program.as_deref(), &as_strs(&read_arguments(pid)))
        && !catches(pid, signal)
}

/// Most are ruled out by their file; another user's cannot be read, and then the command line decides.
fn rules_out_shell(program: Option<&str>) -> bool {
    program.is_some_and(|program| !is_shell(Some(program), &["sh"]))
}

/// Whether a process is a Python by its program file's name, or by what it was called as where the file cannot be read.
pub fn is_python(process: &Process) -> bool {
    let pid = process.identity.pid;
    let program = read_link_bounded(&PathBuf::from(format!("/proc/{pid}/exe")));
    let program = program.ok().map_or_else(
        || {
            let called = read_arguments(pid).into_iter().next();
            called.unwrap_or_else(|| process.command.clone())
        },
        |path| String::from_utf8_lossy(&path).into_owned(),
    );
    let name = program.rsplit('/').next().unwrap_or_default();
    name.starts_with("python") || name.starts_with("pypy")
}

fn catches(pid: i32, signal: Signal) -> bool {
    let mut buffer = Vec::new();
    // unknown counts as caught: then nobody but the shell itself is signalled
    read(pid, "status", 8192, &mut buffer)
        .and_then(|()| parse_caught(&buffer))
        .is_none_or(|mask| mask_has(mask, signal))
}

/// The `SigCgt` line of `/proc/PID/status`.
pub fn parse_caught(bytes: &[u8]) -> Option<u64> {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"SigCgt:"))?;
    u64::from_str_radix(std::str::from_utf8(line).ok()?.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_fools_nobody() {
        let stat =
            b"77 (a) S 1 (b) Z 42 40 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 10";
        let process = parse_stat(stat).unwrap();
        assert_eq!(process.command, "a) S 1 (b");
        assert_eq!(
            (process.state, process.parent, process.group),
            ('Z', 42, 40)
        );
        assert_eq!(
            process.identity,
            Identity {
                pid: 77,
                start_ticks: 123_456
            }
        );
    }

    #[test]
    fn we_find_ourselves_and_our_child() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let own = std::process::id() as i32;
        let pid = child.id() as i32;
        // its descriptors are closed, which spawn waits for, a moment before its arguments can be read
        let arguments = format!("/proc/{pid}/cmdline");
        let started = std::time::Instant::now();
        while std::fs::read(&arguments).unwrap().is_empty() {
            assert!(started.elapsed() < std::time::Duration::from_mins(1));
            std::thread::yield_now();
        }
        let table = read_process_table();
        let seen = table.get(pid).expect("the child is in the table");
        assert_eq!(seen.parent, own);
        assert_eq!(describe(seen), "sleep");
        assert!(is_still(seen.identity));
        assert!(!is_still(Identity {
            start_ticks: seen.identity.start_ticks + 1,
            ..seen.identity
        }));
        assert!(!keeps_to_itself(pid, Signal::TERM));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_still(seen.identity));
    }

    #[test]
    fn a_grandchild_descends_from_us_and_our_parent_does_not() {
        let mut shell = std::process::Command::new("sh")
            .args(["-c", "sleep 60 & echo $!; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = std::io::BufReader::new(shell.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        let (grandchild, child) = (line.trim().parse().unwrap(), shell.id() as i32);
        let own = std::process::id() as i32;
        assert!(descends_from(child, own) && descends_from(grandchild, own));
        assert!(!descends_from(own, own) && !descends_from(own, child));
        assert!(!descends_from(
            std::os::unix::process::parent_id() as i32,
            own
        ));
        assert!(!descends_from(0, own) && !descends_from(-1, own));
        let _ = dunnage_sys::kill(grandchild, Signal::KILL.number());
        shell.kill().unwrap();
        shell.wait().unwrap();
    }

    #[test]
    fn a_shell_keeps_a_signal_that_it_does_not_catch() {
        let shell = |script: &str, expected: bool| {
            let mut child = std::process::Command::new("sh")
                .args(["-c", script])
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            // a line on stdout says that the shell has come so far; the execve after it takes a moment more
            std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
            let look = || keeps_to_itself(child.id() as i32, Signal::TERM) == expected;
            let seen = (0..1000).any(|_| {
                look() || {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    false
                }
            });
            child.kill().unwrap();
            child.wait().unwrap();
            seen
        };
        assert!(shell("echo; sleep 60; true", true));
        assert!(shell("trap : TERM; echo; sleep 60; true", false));
        assert!(shell("echo; exec sleep 60", false));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_stat(&bytes);
            let _ = parse_caught(&bytes);
            let _ = (parse_statm(&bytes), parse_pss(&bytes), parse_minor_faults(&bytes));
        }

        #[test]
        fn any_name_is_read_back(name in "\\PC{0,15}", pid in 1..i32::MAX, parent in 0..i32::MAX, start in any::<u64>()) {
            let stat = format!("{pid} ({name}) R {parent} 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 {start} 23 24\n");
            let process = parse_stat(stat.as_bytes()).unwrap();
            prop_assert_eq!((process.identity.pid, process.parent, process.identity.start_ticks), (pid, parent, start));
            prop_assert_eq!(process.command, name);
            prop_assert_eq!(parse_minor_faults(stat.as_bytes()), Some(10));
        }
    }
}
