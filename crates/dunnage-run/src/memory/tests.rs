//! The watch on a folder of files that change between its looks.

use super::*;
use dunnage_cgroup::Root;
use std::fs;
use tempfile::TempDir;

const MS: Duration = Duration::from_millis(1);

/// A v2 container with a limit of 1000 MB, of which `files` MB are page cache.
struct Container(TempDir);

impl Container {
    fn new() -> Self {
        let container = Self(tempfile::tempdir().unwrap());
        container.put("proc/self/cgroup", "0::/app\n");
        let mount = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        container.put("proc/self/mountinfo", mount);
        container.limit("1000000000");
        container.events(0);
        container.use_mb(100, 0);
        container
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn limit(&self, limit: &str) {
        self.put("sys/fs/cgroup/app/memory.max", &format!("{limit}\n"));
    }

    fn events(&self, max: u64) {
        self.put("sys/fs/cgroup/app/memory.events", &format!("max {max}\n"));
    }

    fn use_mb(&self, all: u64, files: u64) {
        let bytes = |mb: u64| mb * 1_000_000;
        self.put(
            "sys/fs/cgroup/app/memory.current",
            &format!("{}\n", bytes(all)),
        );
        let stat = format!(
            "anon {}\ninactive_file {}\nactive_file 0\n",
            bytes(all - files),
            bytes(files)
        );
        self.put("sys/fs/cgroup/app/memory.stat", &stat);
    }

    fn watch(&self) -> MemoryWatch {
        watch_below(&Root::at(self.0.path()), None)
    }
}

fn watch_below(root: &Root, stated: Option<u64>) -> MemoryWatch {
    let cgroup = OwnCgroup::below(root.clone());
    MemoryWatch::new(cgroup, Rules::default(), stated, None, Duration::ZERO)
}

/// Looks once, when it is next due and not before `at`.
fn look(watch: &mut MemoryWatch, at: &mut Duration) -> Looked {
    *at = (*at).max(watch.wake_at().unwrap());
    let looked = watch.look(*at).unwrap();
    *at += MS;
    looked
}

#[test]
fn a_calm_look_knows_the_usage_alone_and_a_close_one_the_working_set() {
    let container = Container::new();
    let (mut watch, mut at) = (container.watch(), Duration::ZERO);
    let first = look(&mut watch, &mut at);
    assert!(first.steps.is_empty() && first.event.is_none() && !first.resized);
    assert_eq!(
        (watch.latest.usage, watch.latest.working_set),
        (100_000_000, None)
    );
    container.use_mb(900, 850);
    let close = look(&mut watch, &mut at);
    assert_eq!(watch.latest.working_set, Some(50_000_000));
    assert!(close.event.is_none(), "page cache is no pressure");
    assert_eq!(watch.level(), None);
}

#[test]
fn a_limit_that_is_taken_away_ends_what_was_done_about_it() {
    let container = Container::new();
    let (mut watch, mut at) = (container.watch(), Duration::ZERO);
    let mut steps = Vec::new();
    for tenths in 0..200 {
        container.use_mb(840 + tenths, 0);
        at += 100 * MS;
        steps.extend(look(&mut watch, &mut at).steps);
        watch.released(Some(0), at);
        if steps.contains(&Step::Shed(true)) {
            break;
        }
    }
    assert!(steps.contains(&Step::Shed(true)), "{steps:?}");
    container.limit("max");
    at += 1000 * MS;
    assert_eq!(look(&mut watch, &mut at).steps, [Step::Shed(false)]);
    assert_eq!(watch.level(), None);
}

#[test]
fn what_rises_is_asked_for_its_page_cache_and_what_stands_still_only_now_and_then() {
    let container = Container::new();
    container.use_mb(900, 300);
    let (mut watch, mut at) = (container.watch(), Duration::ZERO);
    let mut seen = |after| {
        at += after;
        look(&mut watch, &mut at);
        watch.working_set() / 1_000_000
    };
    assert_eq!(seen(MS), 600);
    container.use_mb(900, 200);
    assert_eq!(seen(MS), 600, "it stands still");
    container.use_mb(901, 200);
    assert_eq!(seen(MS), 701, "it has risen");
    container.use_mb(901, 100);
    assert_eq!(seen(MS * 50), 801, "that was long ago");
    container.use_mb(850, 100);
    assert_eq!(seen(MS), 750, "a fall is believed");
}

#[test]
fn nothing_is_looked_at_before_its_time_and_never_without_a_limit() {
    let container = Container::new();
    let mut watch = container.watch();
    assert!(watch.look(Duration::ZERO).is_some());
    let next = watch.wake_at().unwrap();
    assert!(next > Duration::ZERO && watch.look(next / 2).is_none());
    container.limit("max");
    let gone = watch.look(Duration::from_millis(200)).unwrap();
    assert!(gone.resized);
    assert_eq!((watch.wake_at(), watch.capacity()), (None, 0));
    assert!(watch.look(Duration::from_secs(9)).is_none());
    container.limit("500000000");
    watch.look_for_limit(Duration::from_mins(1));
    assert!(watch.look(Duration::from_mins(1)).unwrap().resized);
    assert_eq!(watch.capacity(), 500_000_000);
}

#[test]
fn a_limit_that_was_changed_is_told_at_the_next_look_and_once() {
    let container = Container::new();
    let (mut watch, mut at) = (container.watch(), Duration::ZERO);
    look(&mut watch, &mut at);
    container.limit("300000000");
    at += LIMITS;
    assert!(look(&mut watch, &mut at).resized);
    assert_eq!(watch.capacity(), 300_000_000);
    at += LIMITS;
    assert!(!look(&mut watch, &mut at).resized);
}

const LIMITS: Duration = Duration::from_millis(100);

#[test]
fn a_rise_is_told_with_the_looks_that_matter() {
    let container = Container::new();
    let (mut watch, mut at) = (container.watch(), Duration::ZERO);
    let mut told = |mb: u64| {
        container.use_mb(mb, 0);
        at += Duration::from_secs(1);
        look(&mut watch, &mut at).event
    };
    assert_eq!(told(600), None);
    let Some(Event::MemoryPressure {
        rung,
        working_set_bytes,
        capacity_bytes,
        ..
    }) = told(720)
    else {
        panic!("nothing was said of a rise");
    };
    assert_eq!(
        (rung, working_set_bytes, capacity_bytes),
        ("watch", Some(720_000_000), 1_000_000_000)
    );
    let further = told(820);
    assert!(
        matches!(
            further,
            Some(Event::MemoryRung {
                rung: "release",
                ..
            })
        ),
        "{further:?}"
    );
    let fallen = told(600);
    let Some(Event::MemoryFallen {
        working_set_bytes,
        highest_bytes,
        rung,
        lasted_ms,
        ..
    }) = fallen
    else {
        panic!("{fallen:?}");
    };
    assert_eq!(
        (working_set_bytes, highest_bytes),
        (600_000_000, 820_000_000)
    );
    assert!(rung == "release" && lasted_ms >= 2000, "{rung} {lasted_ms}");
}

#[test]
fn steady_at_ninety_percent_is_one_record_and_nothing_that_touches() {
    let container = Container::new();
    container.use_mb(905, 0);
    let (mut watch, mut at) = (container.watch(), Duration::ZERO);
    let mut steps = Vec::new();
    for _ in 0..2000 {
        steps.extend(look(&mut watch, &mut at).steps);
        if steps
            .last()
            .is_some_and(|step| matches!(step, Step::Record(_)))
        {
            watch.recorded(at);
        }
    }
    let records = steps.iter().filter(|step| matches!(step, Step::Record(_)));
    assert_eq!(records.count(), 1, "{steps:?}");
    assert!(!steps.iter().any(|step| step.touches()), "{steps:?}");
}

#[test]
fn the_kernel_s_word_that_the_limit_was_met_is_looked_into_at_once() {
    let container = Container::new();
    let (mut watch, mut at) = (container.watch(), Duration::ZERO);
    look(&mut watch, &mut at);
    assert!(watch.alarm().is_some());
    let early = at.saturating_sub(MS);
    assert!(watch.look(early).is_none());
    container.events(1);
    let looked = watch.look(early);
    assert!(looked.is_some() && watch.latest.hits == Some(1));
    assert!(watch.look(early).is_none(), "once");
}

#[test]
fn files_that_cannot_be_read_are_told_once_and_tried_again() {
    let container = Container::new();
    let (mut watch, mut at) = (container.watch(), Duration::ZERO);
    look(&mut watch, &mut at);
    let broken = |watch: &mut MemoryWatch, at: &mut Duration| {
        container.put("sys/fs/cgroup/app/memory.current", "many\n");
        look(watch, at).event
    };
    let event = broken(&mut watch, &mut at);
    assert!(matches!(event, Some(Event::Degraded { .. })), "{event:?}");
    assert!(broken(&mut watch, &mut at).is_none());
    container.use_mb(720, 0);
    assert!(matches!(
        look(&mut watch, &mut at).event,
        Some(Event::MemoryPressure { .. })
    ));
    assert!(
        broken(&mut watch, &mut at).is_some(),
        "it is another failure"
    );
}

#[test]
fn a_record_gets_what_is_known() {
    let container = Container::new();
    let (mut watch, mut at) = (container.watch(), Duration::ZERO);
    for mb in [100, 300, 700, 950] {
        container.use_mb(mb, 50);
        look(&mut watch, &mut at);
    }
    let evidence = watch.evidence(at);
    assert_eq!(evidence.capacity, 1_000_000_000);
    assert_eq!(evidence.memory.anon, Some(900_000_000));
    assert_eq!(evidence.memory.limit, Some(1_000_000_000));
    assert_eq!(evidence.samples.len(), 4);
    assert_eq!(evidence.samples.last().unwrap().1, 900_000_000);
    assert!(evidence.bytes_per_second > 0.0 && evidence.time_to_limit.is_some());
}

#[test]
fn without_cgroups_nothing_is_said_or_looked_at_unless_a_limit_was_stated() {
    let empty = tempfile::tempdir().unwrap();
    let root = Root::at(empty.path());
    let mut watch = watch_below(&root, None);
    let looked = watch.look(Duration::ZERO).unwrap();
    assert!(looked.event.is_none() && watch.wake_at().is_none());
    let mut watch = watch_below(&root, Some(1 << 30));
    let looked = watch.look(Duration::ZERO).unwrap();
    assert!(matches!(looked.event, Some(Event::Degraded { .. })));
    assert_eq!(watch.wake_at(), None);
    watch.look_for_limit(Duration::from_mins(1));
    assert!(
        watch.look(Duration::from_mins(1)).unwrap().event.is_none(),
        "it was said"
    );
}

#[test]
fn in_a_full_container_nothing_new_is_needed_where_one_process_is_killed_and_never_for_long() {
    let container = Container::new();
    let group = |value: &str| container.put("sys/fs/cgroup/app/memory.oom.group", value);
    let held_at = |used: u64, kills: Option<Kills>| {
        container.use_mb(used, 0);
        let cgroup = OwnCgroup::below(Root::at(container.0.path()));
        let mut watch = MemoryWatch::new(cgroup, Rules::default(), None, kills, Duration::ZERO);
        let mut at = Duration::ZERO;
        look(&mut watch, &mut at);
        (watch.is_held(), watch.may_outlive_a_kill())
    };
    assert_eq!(
        held_at(999, None),
        (false, false),
        "it is not told what is killed"
    );
    group("1\n");
    assert_eq!(held_at(999, None), (false, false));
    assert_eq!(held_at(999, Some(Kills::Process)), (true, true));
    group("0\n");
    assert_eq!(held_at(999, None), (true, true));
    assert_eq!(held_at(900, None), (false, true));
    assert_eq!(held_at(300, None), (false, false));
    assert_eq!(held_at(999, Some(Kills::Group)), (false, false));

    container.use_mb(999, 0);
    let (mut watch, mut at) = (container.watch(), Duration::ZERO);
    let mut held_for = Duration::ZERO;
    while at < MS * 2000 {
        look(&mut watch, &mut at);
        if watch.is_held() {
            held_for = at;
        }
    }
    assert!(held_for > MS * 100 && held_for <= PATIENCE, "{held_for:?}");
    container.use_mb(900, 0);
    look(&mut watch, &mut at);
    container.use_mb(999, 0);
    at += MS * 100;
    look(&mut watch, &mut at);
    assert!(watch.is_held(), "anew after there was room");
}

#[test]
fn a_container_of_which_nothing_can_be_read_any_more_holds_nobody_up() {
    let container = Container::new();
    container.put("sys/fs/cgroup/app/memory.oom.group", "0\n");
    container.use_mb(999, 0);
    let (mut watch, mut at) = (container.watch(), Duration::ZERO);
    look(&mut watch, &mut at);
    assert!(watch.is_held());
    container.put("sys/fs/cgroup/app/memory.current", "many\n");
    let looked = look(&mut watch, &mut at);
    assert!(!watch.is_held() && matches!(looked.event, Some(Event::Degraded { .. })));
}

/// How often this thread has read anything, as the kernel counts; `None` where it does not.
fn count_reads() -> Option<u64> {
    let text = fs::read_to_string("/proc/thread-self/io").ok()?;
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix("syscr: ")?.parse().ok())
}

#[test]
fn who_is_to_outlive_a_kill_looks_with_no_more_reads_than_others() {
    if count_reads().is_none() {
        println!(
            "skipped: who_is_to_outlive_a_kill_looks_with_no_more_reads_than_others: needs /proc/thread-self/io"
        );
        return;
    }
    let reads_of_a_look = |kills_group: &str| {
        let container = Container::new();
        container.put("sys/fs/cgroup/app/memory.oom.group", kills_group);
        container.use_mb(990, 0);
        let (mut watch, mut at) = (container.watch(), Duration::ZERO);
        // some look at the limits too
        let reads = (0..50).map(|_| {
            let before = count_reads();
            look(&mut watch, &mut at);
            count_reads()
                .zip(before)
                .map(|(after, before)| after - before)
        });
        let fewest = reads.min().flatten();
        assert!(watch.rung() >= Rung::Record && fewest.is_some());
        (watch.may_outlive_a_kill(), fewest)
    };
    let (others, outliving) = (reads_of_a_look("1\n"), reads_of_a_look("0\n"));
    assert_eq!((others.0, outliving.0), (false, true));
    assert_eq!(others.1, outliving.1);
}
