//! How far the next OOM kill is, and what hides it.

use dunnage_cgroup::Confidence;
use dunnage_policy::plan::bytes_in_words;

use super::{Status, Verdict, counted, percent};
use crate::commands::doctor::facts::Facts;

/// Free of the limit, in per cent: below the first a kill is near, below the second a peak is enough.
const NEAR_PERCENT: u64 = 5;
const TIGHT_PERCENT: u64 = 15;
/// Tasks waited for memory in this share of the last 10 s.
const PRESSED_PERCENT: f64 = 10.0;
/// Page cache that was used twice counts as used for `kubectl top` and evictions; from this share of the limit on it misleads.
const MISLEADING_PERCENT: u64 = 25;

/// A file of the cgroup's memory folder.
fn file(facts: &Facts, v2: &str, v1: &str) -> String {
    let folder = facts.counted.beside.memory_folder.as_ref();
    let folder = folder.map_or_else(
        || "memory".to_owned(),
        |folder| folder.display().to_string(),
    );
    let name = if facts
        .counted
        .events
        .is_some_and(|events| events.oom.is_some())
    {
        v2
    } else {
        v1
    };
    format!("{folder}/{name}")
}

pub(super) fn limit(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "memory-limit";
    let memory = &facts.limits.memory;
    match &memory.limit {
        Some(limit) => Some(
            Verdict::ok(NAME, bytes_in_words(limit.value))
                .seen(limit.source.clone(), limit.value.to_string()),
        ),
        None if memory.confidence == Confidence::Unknown => Some(Verdict::unknown(
            NAME,
            "no memory limit can be seen, and one may be hidden in the levels above",
        )),
        None => Some(
            Verdict::by_rule(
                NAME,
                "MEM001",
                "no memory limit: whoever grows, the node decides whom it kills",
            )
            .seen(
                file(facts, "memory.max", "memory.limit_in_bytes"),
                "no limit",
            )
            .advise("resources.limits.memory, equal to the request"),
        ),
    }
}

pub(super) fn headroom(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "headroom";
    facts.limits.memory.limit.as_ref()?;
    let memory = facts.counted.memory?;
    let (Some(limit), Some(set), Some(headroom)) =
        (memory.limit, memory.working_set, memory.headroom())
    else {
        return Some(Verdict::unknown(NAME, "the memory in use cannot be read"));
    };
    let free = percent(headroom, limit);
    let message = format!(
        "{} of {} left ({free} %), the page cache counted as free",
        bytes_in_words(headroom),
        bytes_in_words(limit)
    );
    let pressed = facts
        .counted
        .memory_pressure
        .is_some_and(|share| share >= PRESSED_PERCENT);
    let status = if free < NEAR_PERCENT {
        Status::Fail
    } else if free < TIGHT_PERCENT || pressed {
        Status::Warn
    } else {
        Status::Ok
    };
    let verdict = match status {
        Status::Ok => Verdict::ok(NAME, message),
        Status::Warn => Verdict::by_rule(NAME, "MEM003", message)
            .but(Status::Warn, "it fits, though not by much"),
        _ => Verdict::by_rule(NAME, "MEM003", message),
    };
    let mut verdict = verdict.seen(
        file(facts, "memory.stat", "memory.stat"),
        format!("usage less inactive_file and active_file is {set}"),
    );
    if let Some(pressure) = facts.counted.memory_pressure {
        verdict = verdict.seen("memory.pressure", format!("some avg10={pressure:.2}"));
    }
    if status == Status::Ok {
        return Some(verdict);
    }
    Some(verdict.advise("a higher limit, fewer workers, or `dunnage run --`, which gives memory back and writes down who grew"))
}

pub(super) fn kills(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "oom-kills";
    let Some(kills) = facts.counted.events.and_then(|events| events.oom_kill) else {
        return Some(Verdict::unknown(
            NAME,
            "the kernel does not count OOM kills here",
        ));
    };
    let source = file(facts, "memory.events", "memory.oom_control");
    if kills == 0 {
        return Some(
            Verdict::ok(NAME, "none since the container was made").seen(source, "oom_kill 0"),
        );
    }
    Some(
        Verdict::by_rule(NAME, "MEM004", format!("{} in this container: workers that vanish without a word", counted(kills, "OOM kill")))
            .seen(source, format!("oom_kill {kills}"))
            .advise("a higher limit or fewer workers; `dunnage run --report-dir DIR` writes down who grew before the next one"),
    )
}

pub(super) fn high(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "memory-high";
    let high = facts.limits.memory.high?;
    let met = facts
        .counted
        .events
        .and_then(|events| events.high)
        .unwrap_or(0);
    let usage = facts.counted.memory.and_then(|memory| memory.usage);
    let source = file(facts, "memory.high", "memory.high");
    let message = format!(
        "memory.high is {}: above it the kernel slows each allocation down instead of killing",
        bytes_in_words(high)
    );
    let is_over = usage.is_some_and(|usage| usage >= high);
    let status = match (is_over, met) {
        (true, _) => Status::Fail,
        (false, 0) => Status::Ok,
        (false, _) => Status::Warn,
    };
    let verdict = Verdict::new(NAME, status, message)
        .seen(source, high.to_string())
        .seen(file(facts, "memory.events", ""), format!("high {met}"));
    Some(if status == Status::Ok {
        verdict
    } else {
        verdict.advise("a higher limit: requests hang here without a kill to explain it")
    })
}

pub(super) fn group(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "oom-group";
    let Some(group) = &facts.counted.beside.oom_group else {
        return Some(Verdict::ok(
            NAME,
            "an OOM kill takes one process (cgroup v1)",
        ));
    };
    let value = u8::from(group.value);
    let processes = facts.processes.count;
    let message = if group.value {
        format!(
            "an OOM kill ends all {processes} processes at once, the init and its last words too"
        )
    } else {
        "an OOM kill takes one process".to_owned()
    };
    // kubelet sets it for every container: with one process it changes nothing
    let status = if group.value && facts.processes.workers > 1 {
        Status::Warn
    } else {
        Status::Ok
    };
    let verdict = Verdict::new(NAME, status, message).seen(group.source.clone(), value.to_string());
    Some(if status == Status::Ok {
        verdict
    } else {
        verdict.advise("`dunnage run --` ends the worker that grows before the kernel ends all")
    })
}

pub(super) fn believed(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "memory-believed";
    let limit = facts.limits.memory.limit.as_ref()?;
    let total = facts.node.memory_bytes?;
    let libraries = facts.python.as_ref()?.libraries.as_ref()?;
    let psutil = libraries.iter().find(|library| library.name == "psutil");
    let Some(psutil) = psutil.filter(|_| limit.value < total / 2) else {
        return Some(Verdict::ok(
            NAME,
            "nothing that is loaded takes the node's memory for its own (psutil)",
        ));
    };
    Some(
        Verdict::by_rule(
            NAME,
            "MEM010",
            format!(
                "psutil is loaded: virtual_memory() says {}, the limit is {}",
                bytes_in_words(total),
                bytes_in_words(limit.value)
            ),
        )
        .seen("/proc/meminfo", format!("MemTotal {total}"))
        .seen(psutil.path.clone(), "mapped")
        .advise("size caches by dunnage.memory().limit"),
    )
}

pub(super) fn page_cache(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "page-cache";
    let memory = facts.counted.memory?;
    let (usage, inactive, active) = (memory.usage?, memory.inactive_file?, memory.active_file?);
    let cache = inactive.saturating_add(active);
    let message = format!(
        "{} of {} in use is page cache, which the kernel gives back",
        bytes_in_words(cache),
        bytes_in_words(usage)
    );
    let source = file(facts, "memory.stat", "memory.stat");
    let verdict = Verdict::ok(NAME, message.clone()).seen(
        source,
        format!("inactive_file {inactive}, active_file {active}"),
    );
    let Some(limit) = memory
        .limit
        .filter(|limit| percent(active, *limit) >= MISLEADING_PERCENT)
    else {
        return Some(verdict);
    };
    let shown = usage.saturating_sub(inactive);
    let message = format!(
        "{message}; kubectl top and the HPA show {} ({} % of the limit), since they count cache that was used twice",
        bytes_in_words(shown),
        percent(shown, limit)
    );
    Some(
        Verdict {
            status: Status::Warn,
            message,
            ..verdict
        }
        .advise("look at memory.working_set in dunnage's metrics, not at kubectl top"),
    )
}

pub(super) fn swap(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "swap";
    let node = facts.node.swap_bytes.unwrap_or(0);
    let used = facts
        .counted
        .memory
        .and_then(|memory| memory.swap)
        .unwrap_or(0);
    if used > 0 {
        return Some(
            Verdict::warn(NAME, format!("{} in swap: each page that is needed again waits for the disk, the collector touches them all", bytes_in_words(used)))
                .seen(file(facts, "memory.swap.current", "memory.stat"), used.to_string())
                .advise("a higher memory limit, or no swap for this pod"),
        );
    }
    let may = facts.limits.memory.swap != Some(0) && node > 0;
    Some(if may {
        Verdict::ok(
            NAME,
            format!("none used; the node has {}", bytes_in_words(node)),
        )
        .seen("/proc/meminfo", format!("SwapTotal {node}"))
    } else {
        Verdict::ok(NAME, "none to be used")
    })
}

pub(super) fn huge_pages(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "huge-pages";
    let mode = facts.node.huge_pages.as_ref()?;
    let used = facts.counted.beside.huge_bytes.unwrap_or(0);
    let memory = facts.counted.memory;
    let anon = memory.and_then(|memory| memory.anon).unwrap_or(0);
    let source = "/sys/kernel/mm/transparent_hugepage/enabled";
    let share = percent(used, anon);
    let message = if used == 0 {
        format!("{mode}; none used")
    } else {
        format!(
            "{mode}; {} used, {share} % of the anonymous memory",
            bytes_in_words(used)
        )
    };
    let is_tight = memory
        .and_then(|memory| Some(percent(memory.headroom()?, memory.limit?)))
        .is_some_and(|free| free < TIGHT_PERCENT);
    // they cost memory only where it is short: a heap with holes cannot give back less than 2 MiB at once
    if mode == "always" && is_tight && share >= 25 {
        return Some(
            Verdict::warn(NAME, format!("{message}: where memory is short, a page of 2 MiB is kept for what a few KiB of it hold"))
                .seen(source, mode)
                .advise("madvise on the node, or PR_SET_THP_DISABLE for this container"),
        );
    }
    Some(Verdict::ok(NAME, message).seen(source, mode))
}
