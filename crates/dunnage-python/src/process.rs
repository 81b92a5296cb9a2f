//! What `/proc` says of a process and its threads (`proc(5)`). A line that cannot be parsed is left out.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use dunnage_sys::{read_bounded, read_link_bounded};

/// The most that is read of `/proc/PID/maps`: some 40,000 mappings.
const MAX_MAPS: u64 = 4 << 20;

/// One mapping of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Its first address.
    pub start: u64,
    /// The address after its last.
    pub end: u64,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// The file, as the process sees it.
    pub path: String,
}

impl Mapping {
    /// The last part of the path.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// Parses one line of `maps`; `None` for what is not a file.
pub fn parse_mapping(line: &str) -> Option<Mapping> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let offset = fields.nth(1)?;
    let path = fields.nth(2)?.trim_start();
    path.starts_with('/').then_some(())?;
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        offset: u64::from_str_radix(offset, 16).ok()?,
        path: path.trim_end_matches(" (deleted)").to_owned(),
    })
}

/// The beginnings of the files that a process has mapped. They are read line by line: the list of a large application is
/// some hundred KiB, and the reader may be PID 1 of a container that is short of memory.
pub fn read_beginnings(pid: i32) -> io::Result<Vec<Mapping>> {
    let file = File::open(format!("/proc/{pid}/maps"))?;
    let mut lines = BufReader::new(file.take(MAX_MAPS));
    let (mut found, mut line) = (Vec::new(), Vec::new());
    while lines.read_until(b'\n', &mut line)? > 0 {
        let mapping = parse_mapping(String::from_utf8_lossy(line.trim_ascii_end()).as_ref());
        found.extend(mapping.filter(|mapping| mapping.offset == 0));
        line.clear();
    }
    Ok(found)
}

fn read(pid: i32, name: &str, limit: u64) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::with_capacity(512);
    read_bounded(
        &PathBuf::from(format!("/proc/{pid}/{name}")),
        limit,
        &mut buffer,
    )?;
    Ok(buffer)
}

/// The file that a process runs, as it sees it.
pub fn read_program(pid: i32) -> io::Result<String> {
    let path = read_link_bounded(&PathBuf::from(format!("/proc/{pid}/exe")))?;
    let path = String::from_utf8_lossy(&path).into_owned();
    Ok(path.trim_end_matches(" (deleted)").to_owned())
}

/// The command line, its arguments joined by blanks; at most 200 characters of it.
pub fn read_command(pid: i32) -> Option<String> {
    let bytes = read(pid, "cmdline", 4096).ok()?;
    let text =
        String::from_utf8_lossy(bytes.trim_ascii_end().strip_suffix(b"\0").unwrap_or(&bytes))
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .take(200)
            .collect::<String>();
    Some(text.trim_end().to_owned()).filter(|text| !text.is_empty())
}

/// What `/proc/PID/task/TID/stat` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskStat {
    /// `comm`, at most 15 bytes.
    pub name: String,
    /// `R`, `S`, `D`, `T`, …
    pub state: char,
    /// When it was started, in clock ticks since boot.
    pub start_ticks: u64,
    /// The CPU whose run queue it was last in.
    pub cpu: usize,
}

/// Parses `stat` (`proc_pid_stat(5)`). The name may itself hold parentheses: the last `)` ends it.
pub fn parse_stat(bytes: &[u8]) -> Option<TaskStat> {
    let open = bytes.iter().position(|byte| *byte == b'(')?;
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let name = bytes.get(open + 1..close)?;
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // the state is field 3, the start 22, the CPU 39
    let start_ticks = fields.nth(18)?.parse().ok()?;
    let cpu = fields.nth(16)?.parse().ok()?;
    Some(TaskStat {
        name: String::from_utf8_lossy(name).into_owned(),
        state,
        start_ticks,
        cpu,
    })
}

/// Looks at one thread.
pub fn read_task(pid: i32, tid: i32) -> Option<TaskStat> {
    parse_stat(&read(pid, &format!("task/{tid}/stat"), 4096).ok()?)
}

/// When a process was started, which with its id names it for good.
pub fn read_start(pid: i32) -> Option<u64> {
    Some(parse_stat(&read(pid, "stat", 4096).ok()?)?.start_ticks)
}

/// How often a thread was put on a CPU (third field of `schedstat`). `None` where the kernel does not count.
pub fn read_runs(pid: i32, tid: i32) -> Option<u64> {
    let bytes = read(pid, &format!("task/{tid}/schedstat"), 256).ok()?;
    parse_runs(&bytes)
}

/// Parses `schedstat`.
pub fn parse_runs(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let runs = text.split_ascii_whitespace().nth(2)?.parse().ok()?;
    Some(runs).filter(|runs| *runs > 0)
}

/// The address on which a thread waits in `futex(2)`, if that is where it is (`/proc/PID/task/TID/syscall`).
pub fn read_futex(pid: i32, tid: i32) -> Option<u64> {
    parse_futex(&read(pid, &format!("task/{tid}/syscall"), 256).ok()?)
}

#[cfg(target_arch = "x86_64")]
const FUTEX: &str = "202";
#[cfg(not(target_arch = "x86_64"))]
const FUTEX: &str = "98";

/// Parses `syscall`: the number, then the arguments in hexadecimal.
pub fn parse_futex(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut fields = text.split_ascii_whitespace();
    (fields.next()? == FUTEX).then_some(())?;
    u64::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok()
}

/// The ids of a process's threads, in order.
pub fn read_tasks(pid: i32) -> io::Result<Vec<i32>> {
    let mut tasks: Vec<i32> = std::fs::read_dir(format!("/proc/{pid}/task"))?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .take(100_000)
        .collect();
    tasks.sort_unstable();
    Ok(tasks)
}

/// One line of `/proc/PID/status`, such as `Uid` or `CapEff`, as its fields.
pub fn read_status(pid: &str, key: &str) -> Option<Vec<String>> {
    let mut buffer = Vec::new();
    read_bounded(
        &PathBuf::from(format!("/proc/{pid}/status")),
        8192,
        &mut buffer,
    )
    .ok()?;
    let text = String::from_utf8_lossy(&buffer);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(line.split_ascii_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mapping_of_a_file_is_read_and_others_are_not() {
        let line = "7fb107600000-7fb107670000 r--p 00001000 fe:00 394242                     /usr/lib/my lib.so (deleted)";
        let mapping = parse_mapping(line).unwrap();
        assert_eq!(
            (mapping.start, mapping.end, mapping.offset),
            (0x7fb1_0760_0000, 0x7fb1_0767_0000, 0x1000)
        );
        assert_eq!(
            (mapping.path.as_str(), mapping.file_name()),
            ("/usr/lib/my lib.so", "my lib.so")
        );
        assert_eq!(
            parse_mapping(
                "7ffd9e5d6000-7ffd9e5f7000 rw-p 00000000 00:00 0                          [stack]"
            ),
            None
        );
        assert_eq!(
            parse_mapping("7ffd9e5d6000-7ffd9e5f7000 rw-p 00000000 00:00 0 "),
            None
        );
    }

    #[test]
    fn our_own_thread_is_read() {
        let pid = std::process::id() as i32;
        let stat = read_task(pid, pid).unwrap();
        assert!(!stat.name.is_empty());
        assert!(read_tasks(pid).unwrap().contains(&pid));
        assert_eq!(read_start(pid), Some(stat.start_ticks));
    }

    #[test]
    fn a_futex_is_told_from_other_calls() {
        let line = format!("{FUTEX} 0x7f00 0x80 0x0 0x0 0x0 0x0 0x7ffe 0x7f\n");
        assert_eq!(parse_futex(line.as_bytes()), Some(0x7f00));
        assert_eq!(parse_futex(b"running\n"), None);
        assert_eq!(
            parse_futex(b"7 0x7f00 0x80 0x0 0x0 0x0 0x0 0x7ffe 0x7f\n"),
            None
        );
        assert_eq!(parse_runs(b"12 34 5\n"), Some(5));
        assert_eq!(parse_runs(b"0 0 0\n"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC{0,120}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_mapping(&text);
            let _ = (parse_stat(&bytes), parse_runs(&bytes), parse_futex(&bytes));
        }
    }
}
