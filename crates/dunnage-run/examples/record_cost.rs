//! What a memory record costs: from the request to its `complete` marker, and the memory of the thread that takes it.
//!
//! `cargo run --release -p dunnage-run --example record_cost -- [RECORDS] [PYTHON]`; a Python with 20 threads, of which one
//! works and the others wait, stands for the application.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example says what it measured, and stops at what it did not expect"
)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dunnage_cgroup::{Reader, Root};
use dunnage_run::black_box::{BlackBox, RecordRequest, Recorded, Seen, Settings};
use dunnage_sys::{Interest, poll};
use std::os::fd::AsFd;

const APPLICATION: &str = "
import sys, threading
def deeper(n, last):
    return deeper(n - 1, last) if n else last()
lock = threading.Lock(); lock.acquire()
for n in range(19):
    threading.Thread(target=deeper, args=(20, lock.acquire), daemon=True).start()
def works():
    print('up', flush=True)
    kept = []
    while True:
        kept = [str(n) for n in range(1000)]
deeper(20, works)
";

/// Our own resident memory in KiB: now, and at most.
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    (line("VmRSS:"), line("VmHWM:"))
}

/// Waits as the loop does: for the descriptor.
fn wait(black_box: &mut BlackBox) -> Recorded {
    loop {
        if let Some(recorded) = black_box.take_done() {
            return recorded;
        }
        while let Some(event) = black_box.take_event() {
            println!("{}", event.text());
        }
        poll(
            &[Some((black_box.as_fd(), Interest::Read))],
            Some(Duration::from_secs(10)),
        )
        .unwrap();
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted[at].as_secs_f64() * 1000.0
}

fn main() {
    let mut words = std::env::args().skip(1);
    let count: u32 = words.next().map_or(200, |word| word.parse().unwrap());
    let python = words.next().unwrap_or_else(|| "python3".to_owned());
    let mut application = Command::new(python)
        .args(["-c", APPLICATION])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(application.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();

    let folder = std::env::temp_dir().join(format!("record-cost-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let mut reader = Reader::open(&Root::system());
    let memory = reader.memory().unwrap_or_default();
    let before = resident();
    let mut black_box = BlackBox::start(Settings {
        folder: Some(folder.clone()),
        command: "python3".to_owned(),
        supervisor: std::process::id() as i32,
        ..Settings::default()
    })
    .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let started = resident();
    black_box.prepare(Seen::default());
    std::thread::sleep(Duration::from_millis(500));
    let prepared = resident();

    let samples: Vec<_> = (0..600)
        .map(|n| (60_000 - n * 100, u64::from(n) << 20))
        .collect();
    let (mut took, mut seen) = (Vec::new(), Vec::new());
    let mut torn = 0;
    for number in 1..=count {
        let asked = Instant::now();
        black_box
            .record(RecordRequest {
                why: "level",
                number,
                memory,
                capacity: memory.limit.unwrap_or(1 << 30),
                samples: samples.clone(),
                ..RecordRequest::default()
            })
            .unwrap();
        let recorded = wait(&mut black_box);
        assert!(recorded.complete, "{recorded:?}");
        took.push(recorded.took);
        seen.push(asked.elapsed());
        torn += usize::from(recorded.text.contains(", torn"));
        // the proportional sizes come after the answer
        std::thread::sleep(Duration::from_millis(30));
    }
    let after = resident();
    took.sort_unstable();
    seen.sort_unstable();
    println!(
        "{count} records of one process with 20 threads, {torn} with a torn growing thread: request to marker p50 {:.1} ms, \
         p99 {:.1} ms, most {:.1} ms; until the loop knows p50 {:.1} ms, p99 {:.1} ms",
        percentile(&took, 50),
        percentile(&took, 99),
        percentile(&took, 100),
        percentile(&seen, 50),
        percentile(&seen, 99)
    );
    println!(
        "resident memory: {} KiB before the thread, {:+} KiB with it, {:+} KiB prepared, {:+} KiB after the records, at most {:+} KiB",
        before.0,
        started.0 as i64 - before.0 as i64,
        prepared.0 as i64 - before.0 as i64,
        after.0 as i64 - before.0 as i64,
        after.1 as i64 - before.0 as i64
    );
    application.kill().unwrap();
    application.wait().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}
