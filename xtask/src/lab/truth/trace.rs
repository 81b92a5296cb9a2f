//! What the kernel tells, as events: the lines of its tracer, and the switches that `lab/truth/switches.py` notes. Only what the
//! instrument asks for is understood.

/// Nanoseconds of `CLOCK_MONOTONIC`. The tracer's text has microseconds, cut off.
pub(super) type Time = u64;

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) time: Time,
    pub(super) cpu: u32,
    /// The thread that was on the CPU.
    pub(super) tid: i32,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A CPU goes from one thread to another.
    Switch {
        prev: i32,
        /// Whether the one that leaves would go on if it could: state R.
        ready: bool,
        next: i32,
        /// Whether the quota took it off.
        throttled: bool,
    },
    /// A thread is woken.
    Waking(i32),
    /// A thread begins to ask for the GIL.
    Take,
    /// It has it.
    Taken,
    /// It begins to give it up.
    Drop,
    /// It has given it up and, if it was asked to, seen another one take it.
    Dropped,
    /// A timer of a quota expires: the period's, or the one that hands out what others left over.
    Quota { timer: u64, period: bool },
}

/// All events of the tracer's text and of the noted switches, by time.
pub(super) fn parse(trace: &str, switches: &str) -> Result<Vec<Event>, String> {
    let is_wanted = |line: &&str| !line.starts_with('#') && !line.is_empty();
    let mut events: Vec<Event> = trace
        .lines()
        .filter(is_wanted)
        .map(|line| parse_line(line).ok_or_else(|| format!("not a line of a trace: {line}")))
        .collect::<Result<_, _>>()?;
    let switches = switches
        .lines()
        .filter(is_wanted)
        .map(|line| parse_switch(line).ok_or_else(|| format!("not a switch: {line}")));
    events.extend(switches.collect::<Result<Vec<_>, _>>()?);
    // keeps the order of the tracer's lines within a microsecond
    events.sort_by_key(|event| event.time);
    Ok(events)
}

fn parse_switch(line: &str) -> Option<Event> {
    let mut words = line.split(' ');
    let time = words.next()?.parse().ok()?;
    let cpu = words.next()?.parse().ok()?;
    let prev = words.next()?.parse().ok()?;
    let kind = Kind::Switch {
        prev,
        next: words.next()?.parse().ok()?,
        ready: words.next()? == "1",
        throttled: words.next()? == "1",
    };
    Some(Event {
        time,
        cpu,
        tid: prev,
        kind,
    })
}

fn parse_line(line: &str) -> Option<Event> {
    // a thread's name may hold blanks and brackets: the CPU is the first bracket with three digits
    let (task, rest) = line.match_indices(" [").find_map(|(at, _)| {
        let rest = &line[at + 2..];
        let is_cpu = rest.get(..3)?.bytes().all(|byte| byte.is_ascii_digit());
        (is_cpu && rest.get(3..5)? == "] ").then_some((&line[..at], rest))
    })?;
    let tid = task.rsplit('-').next()?.trim().parse().ok()?;
    let cpu = rest[..3].parse().ok()?;
    let (_, rest) = rest[5..].trim_start().split_once(' ')?;
    let (time, rest) = rest.trim_start().split_once(": ")?;
    let (name, details) = rest.split_once(':')?;
    Some(Event {
        time: parse_time(time)?,
        cpu,
        tid,
        kind: parse_kind(name, details)?,
    })
}

fn parse_time(text: &str) -> Option<Time> {
    let (seconds, micros) = text.split_once('.')?;
    let (seconds, micros): (u64, u64) = (seconds.parse().ok()?, micros.parse().ok()?);
    // the middle of the microsecond
    Some(seconds * 1_000_000_000 + micros * 1000 + 500)
}

fn parse_kind(name: &str, details: &str) -> Option<Kind> {
    Some(match name {
        "sched_waking" | "sched_wakeup_new" => Kind::Waking(field(details, " pid=")?.parse().ok()?),
        "take" => Kind::Take,
        "taken" => Kind::Taken,
        "drop" => Kind::Drop,
        "dropped" => Kind::Dropped,
        "hrtimer_expire_entry" => Kind::Quota {
            timer: u64::from_str_radix(field(details, " hrtimer=")?.trim_start_matches("0x"), 16)
                .ok()?,
            period: field(details, " function=")? == "sched_cfs_period_timer",
        },
        _ => return None,
    })
}

/// What stands behind the last of these keys: a name in front of it may hold anything.
fn field<'a>(details: &'a str, key: &str) -> Option<&'a str> {
    let at = details.rfind(key)? + key.len();
    details[at..].split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_is_understood_and_put_in_order_of_time() {
        let trace = "\
# tracer: nop

 memfd:sealed-91-21170   [000] dN.5. 2.000001: sched_waking: comm=py pid=4 [000] x pid=77 prio=120 target_cpu=001
          <idle>-0       [000] d.h1. 3.000000: hrtimer_expire_entry: hrtimer=ffff888101f5c8e0 function=sched_cfs_period_timer now=12330900000000
        py [000]-77      [001] ..... 4.000002: take: (0x7f1aa224f7b0)
          python-77      [001] ..... 4.000003: taken: (0x7f1aa224fd5e <- 0x7f1aa224f7b0)
";
        let events = parse(trace, "2000004000 1 5 0 1 0\n3000000100 1 6 0 1 1\n").unwrap();
        let event = |time, cpu, tid, kind| Event {
            time,
            cpu,
            tid,
            kind,
        };
        let switch = |prev, throttled| Kind::Switch {
            prev,
            ready: true,
            next: 0,
            throttled,
        };
        let quota = Kind::Quota {
            timer: 0xffff_8881_01f5_c8e0,
            period: true,
        };
        assert_eq!(
            events,
            [
                event(2_000_001_500, 0, 21170, Kind::Waking(77)),
                event(2_000_004_000, 1, 5, switch(5, false)),
                event(3_000_000_100, 1, 6, switch(6, true)),
                event(3_000_000_500, 0, 0, quota),
                event(4_000_002_500, 1, 77, Kind::Take),
                event(4_000_003_500, 1, 77, Kind::Taken),
            ]
        );
    }

    #[test]
    fn a_line_that_is_not_understood_is_an_error_and_not_left_out() {
        assert!(parse("CPU:1 [LOST 12 EVENTS]", "").is_err());
        assert!(parse("a-1 [000] ..... 1.000000: other: x", "").is_err());
        assert!(parse("", "1 0 x 2 1 0").is_err());
    }
}
