//! What Python believes beside what the kernel enforces, row by row. Pure.

use dunnage_cgroup::Confidence;
use dunnage_policy::plan::{bytes_in_words, count_of_cpus};
use serde::Serialize;

use super::belief::{cpu_count, deciding_variable, process_cpu_count};
use super::facts::{Facts, Python, Ulimit};
use super::judge::planned;

/// One row; each side may be several lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What it is about.
    pub what: String,
    /// What Python believes.
    pub believes: Vec<String>,
    /// What the kernel enforces.
    pub enforced: Vec<String>,
}

const UNKNOWN: &str = "unknown";

/// The whole table.
pub fn table(facts: &Facts) -> Vec<Row> {
    let mut rows = vec![cpus(facts), memory(facts), processes(facts)];
    rows.extend(shared_memory(facts));
    rows.extend(facts.python.as_ref().map(ulimits));
    rows.extend(facts.python.as_ref().map(|python| threads(facts, python)));
    rows.extend(libraries(facts));
    rows
}

fn cpus(facts: &Facts) -> Row {
    let mut believes = match cpu_count(facts) {
        Some(belief) => vec![format!(
            "os.cpu_count() {}: {}",
            belief.value, belief.because
        )],
        None => vec![format!("os.cpu_count() {UNKNOWN}")],
    };
    if let Some(belief) = process_cpu_count(facts) {
        believes.push(format!(
            "os.process_cpu_count() {}: {}",
            belief.value, belief.because
        ));
    }
    let cpu = &facts.limits.cpu;
    let mut enforced = match (cpu.limit, cpu.bandwidth) {
        (Some(limit), Some(bandwidth)) => vec![
            format!(
                "{}: {} ms of each {} ms",
                count_of_cpus(limit),
                bandwidth.quota_usec as f64 / 1000.0,
                bandwidth.period_usec as f64 / 1000.0
            ),
            from(&cpu.effective.source, cpu.effective.confidence),
        ],
        (Some(limit), None) => vec![count_of_cpus(limit)],
        (None, _) if cpu.effective.confidence == Confidence::Unknown => {
            vec!["no quota can be seen".to_owned()]
        }
        (None, _) => vec!["no quota".to_owned()],
    };
    enforced.push(format!(
        "{} by affinity",
        count_of_cpus(f64::from(cpu.affinity))
    ));
    Row {
        what: "CPUs".to_owned(),
        believes,
        enforced,
    }
}

/// The file's name and how sure it is; the whole path stands in the JSON.
fn from(source: &str, confidence: Confidence) -> String {
    let name = source.rsplit('/').next().unwrap_or(source);
    let level = match confidence {
        Confidence::Leaf => "its own cgroup",
        Confidence::Ancestor => "a cgroup above",
        Confidence::Override => "stated",
        Confidence::Affinity => "affinity",
        Confidence::Unknown => "unsure",
    };
    format!("{name}, {level}")
}

fn memory(facts: &Facts) -> Row {
    let total = facts
        .node
        .memory_bytes
        .map_or_else(|| UNKNOWN.to_owned(), bytes_in_words);
    let memory = &facts.limits.memory;
    let mut enforced = match &memory.limit {
        Some(limit) => vec![
            bytes_in_words(limit.value),
            from(&limit.source, limit.confidence),
        ],
        None if memory.confidence == Confidence::Unknown => vec!["no limit can be seen".to_owned()],
        None => vec!["no limit".to_owned()],
    };
    enforced.extend(
        memory
            .high
            .map(|high| format!("slowed down above {}", bytes_in_words(high))),
    );
    Row {
        what: "memory".to_owned(),
        believes: vec![format!("psutil, sysconf: {total}")],
        enforced,
    }
}

fn processes(facts: &Facts) -> Row {
    let ulimit = facts
        .python
        .as_ref()
        .and_then(|python| python.ulimits.get("nproc"));
    let believes = ulimit.map_or_else(
        || UNKNOWN.to_owned(),
        |limit| format!("RLIMIT_NPROC {}", number(limit.soft)),
    );
    let enforced = match &facts.counted.beside.pids {
        None => "the pids controller is not visible".to_owned(),
        Some(pids) => {
            let current = pids
                .current
                .map_or_else(|| UNKNOWN.to_owned(), |current| current.to_string());
            match &pids.limit {
                Some(limit) => format!("{}, {current} now (pids.max)", limit.value),
                None => format!("no limit, {current} now"),
            }
        }
    };
    Row {
        what: "pids".to_owned(),
        believes: vec![believes],
        enforced: vec![enforced],
    }
}

fn number(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

fn size(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), bytes_in_words)
}

fn shared_memory(facts: &Facts) -> Option<Row> {
    let folder = facts
        .folders
        .iter()
        .find(|folder| folder.path == "/dev/shm")?;
    let used = folder.bytes.saturating_sub(folder.available);
    let enforced = match (&folder.file_system, &facts.limits.memory.limit) {
        (None, _) => "not there".to_owned(),
        (_, Some(limit)) => format!(
            "{} used; part of the {} of memory",
            bytes_in_words(used),
            bytes_in_words(limit.value)
        ),
        (_, None) => format!("{} used; no memory limit", bytes_in_words(used)),
    };
    Some(Row {
        what: "/dev/shm".to_owned(),
        believes: vec![bytes_in_words(folder.bytes)],
        enforced: vec![enforced],
    })
}

fn ulimits(python: &Python) -> Row {
    let of = |name: &str| python.ulimits.get(name);
    let hard = |limit: &Ulimit, show: fn(Option<u64>) -> String| {
        if limit.hard == limit.soft {
            String::new()
        } else {
            format!(" (may be raised to {})", show(limit.hard))
        }
    };
    let mut believes = Vec::new();
    believes.extend(
        of("nofile").map(|limit| format!("files {}{}", number(limit.soft), hard(limit, number))),
    );
    believes.extend(of("memlock").map(|limit| format!("locked memory {}", size(limit.soft))));
    believes.extend(of("stack").map(|limit| format!("stack {}", size(limit.soft))));
    let enforced = match python.open_files {
        Some(open) => vec![format!("{open} files open")],
        None => vec!["open files: may not be read".to_owned()],
    };
    Row {
        what: "ulimits".to_owned(),
        believes,
        enforced,
    }
}

fn threads(facts: &Facts, python: &Python) -> Row {
    let all: u32 = python.threads.values().sum();
    let named = python
        .threads
        .iter()
        .map(|(name, count)| format!("{count} {name}"));
    let mut believes = vec![format!(
        "{all} alive: {}",
        named.collect::<Vec<_>>().join(", ")
    )];
    if facts.processes.pythons.len() > 1 {
        believes.push(format!(
            "in 1 of {} Python processes",
            facts.processes.pythons.len()
        ));
    }
    let enforced = match facts.limits.cpu.limit {
        Some(limit) => format!("{} at once for long", (limit.ceil() as u64).max(1)),
        None => "no quota".to_owned(),
    };
    Row {
        what: "threads".to_owned(),
        believes,
        enforced: vec![enforced],
    }
}

fn libraries(facts: &Facts) -> Vec<Row> {
    let Some(python) = &facts.python else {
        return Vec::new();
    };
    let Some(libraries) = &python.libraries else {
        return vec![Row {
            what: "libraries".to_owned(),
            believes: vec![format!("{UNKNOWN}: the mappings may not be read")],
            enforced: Vec::new(),
        }];
    };
    let plan = planned(facts);
    let wanted = match plan.threads {
        Some(threads) => format!("{threads} for each pool (dunnage plan)"),
        None => "no quota".to_owned(),
    };
    let pools = libraries.iter().filter(|library| library.kind == "pool");
    let mut rows: Vec<Row> = pools
        .map(|pool| {
            let count = match pool.threads {
                Some(1) => "1 thread".to_owned(),
                Some(threads) => format!("{threads} threads"),
                None => format!("threads {UNKNOWN}: {}", pool.how),
            };
            let file = pool.path.rsplit('/').next().unwrap_or_default();
            let mut believes = vec![count, file.to_owned()];
            believes.extend(deciding_variable(facts, &pool.name));
            Row {
                what: pool.name.clone(),
                believes,
                enforced: vec![wanted.clone()],
            }
        })
        .collect();
    let others: Vec<_> = libraries
        .iter()
        .filter(|library| library.kind == "allocator")
        .map(|library| library.name.clone())
        .collect();
    if !others.is_empty() {
        rows.push(Row {
            what: "allocator".to_owned(),
            believes: vec![others.join(", ")],
            enforced: Vec::new(),
        });
    }
    rows
}
