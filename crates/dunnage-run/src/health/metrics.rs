//! The page `/metrics`, in the Prometheus text format 0.0.4. Values in, text out.
//!
//! What is not known is left out, as a series or as a whole family: a 0 would be a lie, and an alert on it would never
//! fire.

use std::fmt::{Display, Write};

use super::readings::Readings;
use super::snapshot::Snapshot;

/// The page's content type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a page is made of.
pub struct Facts<'a> {
    /// The program's version.
    pub version: &'a str,
    /// When the supervisor started, in seconds since 1970.
    pub start_time: f64,
    /// Whether the loop answered when it was last asked.
    pub responsive: bool,
    /// What the loop last said; `None` before it has said anything.
    pub snapshot: Option<Snapshot>,
    /// What the kernel counts.
    pub readings: Readings,
}

/// Renders the page.
pub fn render(facts: &Facts<'_>) -> String {
    let mut page = Page::default();
    let version = format!("version=\"{}\"", facts.version);
    page.gauge(
        "dunnage_build_info",
        "The program's version.",
        &[(&version, Some(1))],
    );
    page.gauge(
        "dunnage_start_time_seconds",
        "When the supervisor started, in seconds since 1970.",
        &[("", Some(facts.start_time))],
    );
    page.gauge(
        "dunnage_supervisor_responsive",
        "Whether the supervisor's loop answered when it was last asked.",
        &[("", Some(u8::from(facts.responsive)))],
    );
    if let Some(snapshot) = &facts.snapshot {
        render_snapshot(&mut page, snapshot);
    }
    render_cpu(&mut page, &facts.readings);
    render_memory(&mut page, &facts.readings);
    page.text
}

fn render_snapshot(page: &mut Page, snapshot: &Snapshot) {
    let flags = [
        (
            "dunnage_ready",
            "Whether requests should be sent to the application.",
            snapshot.unready().is_none(),
        ),
        (
            "dunnage_draining",
            "Whether a shutdown is under way.",
            snapshot.draining,
        ),
        (
            "dunnage_shedding",
            "Whether the application is held not ready because memory is short and grows.",
            snapshot.shedding,
        ),
    ];
    for (name, help, is_so) in flags {
        page.gauge(name, help, &[("", Some(u8::from(is_so)))]);
    }
    let memory = snapshot.memory;
    page.gauge(
        "dunnage_pressure_rung",
        "How far the watch over memory has gone: 0 calm, 1 watch, 2 release, 3 shed, 4 record, 5 brink.",
        &[("", memory.map(|memory| memory.rung))],
    );
    page.counter(
        "dunnage_memory_releases_total",
        "Times that the application was asked to give memory back.",
        &[("", memory.map(|memory| memory.releases))],
    );
    page.counter(
        "dunnage_memory_released_bytes_total",
        "Memory that it gave back when asked.",
        &[("", memory.map(|memory| memory.released_bytes))],
    );
    page.counter(
        "dunnage_records_total",
        "Records that the black box has written.",
        &[("", memory.map(|memory| memory.records))],
    );
    page.counter(
        "dunnage_orphans_reaped_total",
        "Processes that lost their parent and were reaped here.",
        &[("", Some(snapshot.orphans_reaped))],
    );
    page.gauge(
        "dunnage_zombies",
        "Zombies that only the application can reap, as of the last look, at most a minute ago.",
        &[("", snapshot.zombies)],
    );
    page.counter(
        "dunnage_signals_forwarded_total",
        "Signals that were passed on.",
        &[("", Some(snapshot.signals_forwarded))],
    );
    page.counter(
        "dunnage_pressure_notices_dropped_total",
        "Notices of memory pressure to processes that do not read theirs.",
        &[("", Some(snapshot.notices_dropped))],
    );
    page.gauge(
        "dunnage_cfs_longest_throttled_seconds",
        "The longest time for which it stood still at a stretch since the start, estimated from looks up to ten times a second.",
        &[("", snapshot.longest_throttled_usec.map(seconds))],
    );
}

fn render_cpu(page: &mut Page, readings: &Readings) {
    page.gauge(
        "dunnage_cpu_limit_cores",
        "The CPU limit; absent without one.",
        &[("", readings.cpu_limit)],
    );
    let throttling = readings.throttling;
    page.counter(
        "dunnage_cfs_periods_total",
        "CFS periods in which the container had something to run.",
        &[("", throttling.map(|counted| counted.periods))],
    );
    page.counter(
        "dunnage_cfs_throttled_periods_total",
        "CFS periods in which it used up its quota and stood still.",
        &[("", throttling.map(|counted| counted.throttled))],
    );
    page.counter(
        "dunnage_cfs_throttled_seconds_total",
        "Time for which it stood still, summed over CPUs.",
        &[(
            "",
            throttling.map(|counted| seconds(counted.throttled_usec)),
        )],
    );
    let mut stalls = Vec::new();
    for (resource, pressure) in readings.pressure {
        let Some(pressure) = pressure else { continue };
        for (share, stall) in [("some", pressure.some), ("full", pressure.full)] {
            let labels = format!("resource=\"{resource}\",share=\"{share}\"");
            stalls.push((labels, stall.map(|stall| seconds(stall.total_usec))));
        }
    }
    let stalls: Vec<_> = stalls
        .iter()
        .map(|(labels, value)| (labels.as_str(), *value))
        .collect();
    page.counter(
        "dunnage_pressure_stalled_seconds_total",
        "Time in which some tasks, or all at once (full), waited for the resource.",
        &stalls,
    );
}

fn render_memory(page: &mut Page, readings: &Readings) {
    let memory = readings.memory.unwrap_or_default();
    let bound = readings.bound;
    page.gauge(
        "dunnage_memory_limit_bytes",
        "The tightest memory limit; absent without one.",
        &[("", bound.and_then(|bound| bound.limit))],
    );
    page.gauge(
        "dunnage_memory_high_bytes",
        "The tightest memory.high, above which allocations are slowed down; absent without one.",
        &[("", bound.and_then(|bound| bound.high))],
    );
    page.gauge(
        "dunnage_memory_capacity_bytes",
        "What there is: the limit or memory.high, whichever is less, and the swap that may be used.",
        &[("", bound.map(|bound| bound.capacity))],
    );
    page.gauge(
        "dunnage_memory_usage_bytes",
        "All memory that is charged to the container, the page cache included.",
        &[("", memory.usage)],
    );
    page.gauge(
        "dunnage_memory_working_set_bytes",
        "Usage less the page cache that the kernel takes back before it kills.",
        &[("", memory.working_set)],
    );
    page.gauge(
        "dunnage_memory_bytes",
        "Memory by kind. They overlap: file has shmem, active_file and inactive_file in it; swap is not in the usage.",
        &[
            ("kind=\"anon\"", memory.anon),
            ("kind=\"file\"", memory.file),
            ("kind=\"shmem\"", memory.shmem),
            ("kind=\"kernel\"", memory.kernel),
            ("kind=\"swap\"", memory.swap),
            ("kind=\"active_file\"", memory.active_file),
            ("kind=\"inactive_file\"", memory.inactive_file),
        ],
    );
    let events = readings.memory_events.unwrap_or_default();
    page.counter(
        "dunnage_memory_events_total",
        "Times that a memory limit was met: high (slowed down), max (about to go over), oom, oom_kill (processes killed).",
        &[
            ("event=\"high\"", events.high),
            ("event=\"max\"", events.max),
            ("event=\"oom\"", events.oom),
            ("event=\"oom_kill\"", events.oom_kill),
            ("event=\"oom_group_kill\"", events.oom_group_kill),
        ],
    );
}

fn seconds(usec: u64) -> f64 {
    usec as f64 / 1e6
}

/// A page under way.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn gauge<T: Display>(&mut self, name: &str, help: &str, samples: &[(&str, Option<T>)]) {
        self.family(name, "gauge", help, samples);
    }

    fn counter<T: Display>(&mut self, name: &str, help: &str, samples: &[(&str, Option<T>)]) {
        self.family(name, "counter", help, samples);
    }

    /// One family: its help, its type, and each sample that is known. `help` and labels need no escaping.
    fn family<T: Display>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: &[(&str, Option<T>)],
    ) {
        let known = |(labels, value): &'_ (&str, Option<T>)| {
            value.as_ref().map(|value| {
                if labels.is_empty() {
                    format!("{name} {value}\n")
                } else {
                    format!("{name}{{{labels}}} {value}\n")
                }
            })
        };
        let samples: String = samples.iter().filter_map(known).collect();
        if !samples.is_empty() {
            // writing into a string cannot fail
            let _ = write!(
                self.text,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::snapshot::MemoryWork;
    use super::*;
    use dunnage_cgroup::{Memory, MemoryBound, MemoryEvents, Pressure, Stall, Throttling};

    fn everything() -> Facts<'static> {
        let stall = |total_usec| {
            Some(Stall {
                avg10: 0.0,
                avg60: 0.0,
                avg300: 0.0,
                total_usec,
            })
        };
        let pressure = Some(Pressure {
            some: stall(1_500_000),
            full: stall(20),
        });
        Facts {
            version: "1.2.3",
            start_time: 1_764_432_000.125,
            responsive: true,
            snapshot: Some(Snapshot {
                started: true,
                memory: Some(MemoryWork {
                    rung: 2,
                    releases: 3,
                    released_bytes: 4_294_967_296,
                    records: 1,
                }),
                orphans_reaped: 7,
                zombies: Some(0),
                signals_forwarded: 2,
                notices_dropped: 3,
                longest_throttled_usec: Some(83_900),
                ..Snapshot::default()
            }),
            readings: Readings {
                cpu_limit: Some(0.5),
                bound: Some(MemoryBound {
                    limit: Some(536_870_912),
                    high: Some(500_000_000),
                    swap: 1_000_000,
                    capacity: 501_000_000,
                }),
                memory: Some(Memory {
                    limit: Some(536_870_912),
                    usage: Some(400_000_000),
                    working_set: Some(300_000_000),
                    anon: Some(250_000_000),
                    file: Some(120_000_000),
                    shmem: Some(20_000_000),
                    kernel: Some(30_000_000),
                    swap: Some(0),
                    inactive_file: Some(60_000_000),
                    active_file: Some(40_000_000),
                }),
                memory_events: Some(MemoryEvents {
                    low: Some(0),
                    high: Some(0),
                    max: Some(12),
                    oom: Some(1),
                    oom_kill: Some(1),
                    oom_group_kill: Some(0),
                }),
                throttling: Some(Throttling {
                    periods: 1000,
                    throttled: 250,
                    throttled_usec: 12_345_678,
                }),
                pressure: [("cpu", pressure), ("memory", pressure), ("io", None)],
            },
        }
    }

    #[test]
    fn a_page_with_everything() {
        insta::assert_snapshot!(render(&everything()));
    }

    #[test]
    fn a_page_of_a_container_without_limits_watch_or_cgroup() {
        let facts = Facts {
            version: "1.2.3",
            start_time: 1.0,
            responsive: true,
            snapshot: Some(Snapshot {
                draining: true,
                ..Snapshot::default()
            }),
            readings: Readings::default(),
        };
        insta::assert_snapshot!(render(&facts));
    }

    #[test]
    fn a_page_before_the_loop_has_said_anything() {
        let facts = Facts {
            version: "1.2.3",
            start_time: 1.0,
            responsive: false,
            snapshot: None,
            readings: Readings::default(),
        };
        insta::assert_snapshot!(render(&facts));
    }

    #[test]
    fn every_family_has_its_help_and_type_once_and_before_its_samples() {
        let text = render(&everything());
        let mut lines = text.lines().peekable();
        let mut seen = Vec::new();
        while let Some(line) = lines.next() {
            let name = line
                .strip_prefix("# HELP ")
                .and_then(|rest| rest.split(' ').next());
            let name = name.unwrap();
            assert!(!seen.contains(&name), "{name} comes twice");
            seen.push(name);
            let kind = lines.next().unwrap();
            assert!(kind.starts_with(&format!("# TYPE {name} ")), "{kind}");
            assert_eq!(
                kind.ends_with(" counter"),
                name.ends_with("_total"),
                "counters and only they end in _total"
            );
            while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
                assert!(
                    sample.starts_with(&format!("{name} "))
                        || sample.starts_with(&format!("{name}{{"))
                );
            }
        }
    }
}
