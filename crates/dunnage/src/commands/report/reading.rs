//! A record read as somebody who has seen many would read it: what is to be seen, why, and what to do. Each sentence
//! stands on numbers of the record; where they do not say, it says nothing.

use dunnage_python::ThreadDump;
use dunnage_run::black_box::{Best, whereabouts};
use dunnage_run::record::{ProcessNow, Record, RecordFile, share, shown_bytes};

use super::printable;

/// Above this share of the working set a kind of memory, or what is pinned, is worth a sentence.
const NOTABLE: f64 = 0.25;

/// A limit that is nearer than this is reached by one call, not by a leak.
const SOON_MS: u64 = 10_000;

/// The sentences.
pub fn read(file: &RecordFile, record: Option<&Record>, is_alive: bool) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(record) = record {
        sentences.push(level(record));
        sentences.extend(kinds(record));
        sentences.extend(grower(record));
        sentences.extend(given_back(record));
        sentences.extend(advice(record));
    }
    sentences.push(end(file, record, is_alive));
    sentences.iter().map(|text| printable(text)).collect()
}

fn working_set(record: &Record) -> Option<u64> {
    let memory = record.memory?;
    memory.working_set.or(memory.usage)
}

/// The share of the working set that some bytes are.
fn part(record: &Record, bytes: Option<u64>) -> f64 {
    let (Some(bytes), Some(whole @ 1..)) = (bytes, working_set(record)) else {
        return 0.0;
    };
    bytes as f64 / whole as f64
}

fn level(record: &Record) -> String {
    let begin = &record.begin;
    let mut text = working_set(record).map_or_else(
        || "The working set is not known".to_owned(),
        |bytes| format!("The working set was {}", share(bytes, begin.capacity)),
    );
    if begin.bytes_per_second >= 1.0 {
        text.push_str(&format!(
            " and grew by {}/s",
            shown_bytes(begin.bytes_per_second as u64)
        ));
        if let Some(ms) = begin.ms_to_limit {
            text.push_str(&format!(
                ", {:.1} s from the limit at that rate",
                ms as f64 / 1000.0
            ));
        }
    } else {
        text.push_str(" and did not grow");
    }
    let lowest = record.curve.samples.iter().min_by_key(|(_, bytes)| *bytes);
    if let (Some((ms, bytes)), Some(now)) = (lowest, working_set(record))
        && now.saturating_sub(*bytes) > now / 10
    {
        text.push_str(&format!(
            ", up from {} {:.0} s before",
            shown_bytes(*bytes),
            f64::from(*ms) / 1000.0
        ));
    }
    text + "."
}

/// What it consists of, where that is not simply what programs allocated.
fn kinds(record: &Record) -> Vec<String> {
    let memory = record.memory.unwrap_or_default();
    let mut sentences = Vec::new();
    if let Some(shmem) = memory
        .shmem
        .filter(|bytes| part(record, Some(*bytes)) > NOTABLE)
    {
        sentences.push(format!(
            "{} of it are files in memory (/dev/shm, an emptyDir of medium Memory) or shared memory, which belong to no \
             process and stay until they are removed.",
            shown_bytes(shmem)
        ));
    }
    if let Some(kernel) = memory
        .kernel
        .filter(|bytes| part(record, Some(*bytes)) > NOTABLE)
    {
        sentences.push(format!(
            "{} are the kernel's own (socket buffers, page tables, many files or processes), which no process shows.",
            shown_bytes(kernel)
        ));
    }
    let known = record
        .processes
        .iter()
        .filter_map(|process| process.rss_anon);
    let known = known.fold(0, u64::saturating_add);
    let elsewhere = memory.anon.unwrap_or(0).saturating_sub(known);
    if record.complete.is_some() && known > 0 && part(record, Some(elsewhere)) > NOTABLE {
        sentences.push(format!(
            "{} of what programs allocated is of no process listed here: sessions of kubectl exec, or one that had just \
             ended.",
            shown_bytes(elsewhere)
        ));
    }
    sentences
}

fn grower(record: &Record) -> Option<String> {
    let process = record.growing()?;
    let mut text = format!(
        "The process to look at is {} ({})",
        process.command, process.pid
    );
    if let Some(rss) = process.rss_anon {
        text.push_str(&format!(", which held {}", shown_bytes(rss)));
    }
    if let (Some(grew), Some(ms)) = (process.grew, process.grew_ms)
        && grew > 1 << 20
    {
        let grew = shown_bytes(grew.unsigned_abs());
        text.push_str(&format!(
            " and had grown by {grew} in {:.1} s",
            ms as f64 / 1000.0
        ));
    }
    if let Some(thread) = best_thread(record, process)
        && let Some(place) = whereabouts(&thread)
    {
        let name = thread.name.as_deref().unwrap_or("a thread without a name");
        text.push_str(&format!("; {name} was at {place}"));
    }
    let dump = record
        .tracebacks
        .iter()
        .find(|dump| dump.pid == process.pid);
    if let Some(error) = dump.and_then(|dump| dump.error.as_ref()) {
        text.push_str(&format!("; its threads were not read, or not all: {error}"));
    }
    Some(text + ".")
}

fn best_thread(record: &Record, process: &ProcessNow) -> Option<ThreadDump> {
    let pid = process.pid;
    let dump = record.tracebacks.iter().find(|dump| dump.pid == pid)?;
    let mut best = Best::of(process.thread);
    for thread in &dump.threads {
        best.offer(pid, thread);
    }
    best.thread()
        .filter(|thread| !thread.frames.is_empty())
        .cloned()
}

fn pinned(record: &Record) -> u64 {
    let pinned = record
        .released
        .iter()
        .filter_map(|released| released.pinned);
    pinned.fold(0, u64::saturating_add)
}

fn given_back(record: &Record) -> Option<String> {
    let count = record.released.len();
    if count == 0 {
        return None;
    }
    let back = record
        .released
        .iter()
        .fold(0_u64, |sum, one| sum.saturating_add(one.rss));
    let who = if count == 1 {
        "one process"
    } else {
        &format!("{count} processes")
    };
    let pinned = match pinned(record) {
        0 => String::new(),
        bytes => format!(
            "; {} more are empty but pinned by objects that live",
            shown_bytes(bytes)
        ),
    };
    Some(format!(
        "Asked to, {who} gave back {}{pinned}.",
        shown_bytes(back)
    ))
}

/// What to do, by what stands out.
fn advice(record: &Record) -> Vec<String> {
    let mut advice = Vec::new();
    if part(record, Some(pinned(record))) > NOTABLE {
        advice.push(
            "What is pinned only a new process returns: recycle workers (gunicorn --max-requests, --recycle) or start with \
             PYTHONMALLOC=malloc."
                .to_owned(),
        );
    }
    if part(record, record.memory.and_then(|memory| memory.shmem)) > NOTABLE {
        advice.push(
            "Remove files from memory when they are done with, or give them a disk.".to_owned(),
        );
    }
    let alike = record
        .processes
        .iter()
        .filter(|process| is_large(record, process.rss_anon))
        .count();
    let largest = record
        .processes
        .iter()
        .filter_map(|process| process.rss_anon)
        .max();
    if alike >= 2 && part(record, largest) < 0.5 {
        advice.push(format!(
            "{alike} processes hold a tenth of it or more each: fewer of them fit better, or more is shared by loading it \
             before they are forked."
        ));
    }
    advice.push(
        match (record.begin.bytes_per_second >= 1.0, record.begin.ms_to_limit) {
            (true, Some(..=SOON_MS)) => {
                "Growth that fast is usually one piece of work: look at what that line builds, do it in smaller pieces, or \
                 give the container room for its peak."
            }
            (true, _) => {
                "Growth that slow is usually something that is kept: a cache without a bound, a list that is only appended \
                 to. Compare two records, or look at what that line keeps."
            }
            (false, _) => {
                "Use that high and steady needs no cure but room: a higher limit, or less at once (workers, threads, batch \
                 sizes)."
            }
        }
        .to_owned(),
    );
    advice
}

fn is_large(record: &Record, rss: Option<u64>) -> bool {
    part(record, rss) > 0.1
}

fn end(file: &RecordFile, record: Option<&Record>, is_alive: bool) -> String {
    const KILLED: &str = "killed from outside together with its supervisor, as the kernel's OOM killer does in Kubernetes, \
                          or lost with its node";
    let broken = match record {
        Some(record) if record.complete.is_none() && is_alive => {
            "The record is still being written. "
        }
        Some(record) if record.complete.is_none() => {
            "The record breaks off: what wrote it ended in the middle. "
        }
        _ => "",
    };
    let rest = match (&file.ended, &file.continued, record) {
        (Some(ended), _, _) => format!("The run ended later: {}.", ended.sentence),
        (None, Some(next), _) => format!("The run went on; its next records are in {}.", next.file),
        _ if is_alive => "The application still runs.".to_owned(),
        (None, None, Some(_)) if file.told => {
            format!("The file has no end: the application was {KILLED}.")
        }
        (None, None, Some(_)) => {
            format!("The file has no end: the application was {KILLED}, or still runs elsewhere.")
        }
        (None, None, None) => format!("The file holds no record: {}.", file.tell()),
    };
    format!("{broken}{rest}")
}
