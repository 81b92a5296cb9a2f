//! What a read through [`Reader`] costs beside a bare `pread` of the same files, on the cgroup that this process is in.
//!
//! One JSON object on standard output: for each read the median of many rounds in nanoseconds, the two ways taken in turn
//! in every round so that a busy machine slows both.

#![allow(
    clippy::print_stdout,
    reason = "an example's answer goes to standard output"
)]

use dunnage_cgroup::{PressureKind, ReadError, Reader, Root};
use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Instant;

const ROUNDS: usize = 301;
const READS_A_ROUND: u32 = 100;

/// A read of ours and the files that it reads, in v1's and in v2's names.
struct Case {
    name: &'static str,
    controller: &'static str,
    files: [&'static [&'static str]; 2],
    read: fn(&mut Reader) -> Result<(), ReadError>,
}

const CASES: [Case; 8] = [
    Case {
        name: "memory_usage",
        controller: "memory",
        files: [&["memory.usage_in_bytes"], &["memory.current"]],
        read: |reader| reader.memory_usage().map(keep),
    },
    Case {
        name: "cpu_limit",
        controller: "cpu",
        files: [&["cpu.cfs_quota_us", "cpu.cfs_period_us"], &["cpu.max"]],
        read: |reader| reader.cpu_limit().map(keep),
    },
    Case {
        name: "throttling",
        controller: "cpu",
        files: [&["cpu.stat"], &["cpu.stat"]],
        read: |reader| reader.throttling().map(keep),
    },
    Case {
        name: "memory",
        controller: "memory",
        files: [
            &[
                "memory.stat",
                "memory.kmem.usage_in_bytes",
                "memory.usage_in_bytes",
            ],
            &[
                "memory.stat",
                "memory.max",
                "memory.swap.current",
                "memory.current",
            ],
        ],
        read: |reader| reader.memory().map(keep),
    },
    Case {
        name: "memory_events",
        controller: "memory",
        files: [
            &["memory.oom_control", "memory.failcnt"],
            &["memory.events"],
        ],
        read: |reader| reader.memory_events().map(keep),
    },
    Case {
        name: "bound_usage",
        controller: "memory",
        files: [&["memory.usage_in_bytes"], &["memory.current"]],
        read: |reader| reader.bound_usage().map(keep),
    },
    Case {
        name: "memory_bound",
        controller: "memory",
        files: [
            &["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"],
            &["memory.max", "memory.high", "memory.swap.max"],
        ],
        read: |reader| reader.memory_bound(None).map(keep),
    },
    Case {
        name: "pressure_memory",
        controller: "",
        files: [&["memory.pressure"], &["memory.pressure"]],
        read: |reader| reader.pressure(PressureKind::Memory).map(keep),
    },
];

fn main() {
    let mut reader = Reader::open(&Root::system());
    let mut guarded = Reader::open_guarded(&Root::system());
    let results: Vec<_> = CASES
        .iter()
        .map(|case| measure(case, &mut reader, &mut guarded))
        .collect();
    let report = serde_json::json!({
        "schema": "dunnage.read-cost/1",
        "rounds": ROUNDS,
        "reads_a_round": READS_A_ROUND,
        "reads": results,
    });
    println!("{report:#}");
}

fn measure(case: &Case, reader: &mut Reader, guarded: &mut Reader) -> serde_json::Value {
    if let Err(error) = (case.read)(reader) {
        return serde_json::json!({"read": case.name, "skipped": error.to_string()});
    }
    let Some((version, files)) = find_files(case) else {
        return serde_json::json!({"read": case.name, "skipped": "its files were not found for the bare pread"});
    };
    let mut buffer = vec![0; 16 * 1024];
    let (mut bare, mut ours, mut ours_guarded) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(time(|| {
            for file in &files {
                let _ = black_box(file.read_at(&mut buffer, 0));
            }
        }));
        ours.push(time(|| drop((case.read)(reader))));
        ours_guarded.push(time(|| drop((case.read)(guarded))));
    }
    let (bare, ours, ours_guarded) = (median(bare), median(ours), median(ours_guarded));
    serde_json::json!({
        "read": case.name,
        "cgroup": version,
        "files": files.len(),
        "bare_pread_ns": bare.round(),
        "ns": ours.round(),
        "ratio": (ours / bare * 100.0).round() / 100.0,
        "guarded_ns": ours_guarded.round(),
    })
}

/// The same files, found in a plain way: the folder of the controller that `/proc/self/cgroup` names.
fn find_files(case: &Case) -> Option<(&'static str, Vec<File>)> {
    let lines = fs::read_to_string("/proc/self/cgroup").ok()?;
    let open = |folder: PathBuf, names: &[&str]| {
        names
            .iter()
            .map(|name| File::open(folder.join(name)).ok())
            .collect::<Option<Vec<_>>>()
    };
    let path_of = |wanted: &str| {
        lines.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let controllers = fields.next()?;
            let path = fields.next()?;
            (controllers == wanted || controllers.split(',').any(|one| one == wanted))
                .then(|| path.trim_start_matches('/').to_owned())
        })
    };
    if case.controller.is_empty() {
        let path = path_of("")?;
        return ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
            .iter()
            .find_map(|mount| open(PathBuf::from(mount).join(&path), case.files[1]))
            .map(|files| ("v2", files));
    }
    if let Some(path) = path_of(case.controller) {
        let folder = PathBuf::from("/sys/fs/cgroup")
            .join(case.controller)
            .join(path);
        let mut names = case.files[0].to_vec();
        // a quota of -1 needs no period, and the reader reads none
        let quota = fs::read_to_string(folder.join("cpu.cfs_quota_us")).unwrap_or_default();
        names.retain(|name| *name != "cpu.cfs_period_us" || !quota.starts_with('-'));
        return open(folder, &names).map(|files| ("v1", files));
    }
    let folder = PathBuf::from("/sys/fs/cgroup").join(path_of("")?);
    open(folder, case.files[1]).map(|files| ("v2", files))
}

/// Keeps the compiler from leaving a read out.
fn keep<T>(value: T) {
    black_box(value);
}

/// Nanoseconds of one call, over a round.
fn time(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..READS_A_ROUND {
        call();
    }
    start.elapsed().as_nanos() as f64 / f64::from(READS_A_ROUND)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
