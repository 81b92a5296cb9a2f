//! Timelines that are known to the nanosecond: what the page must show of them can be told beforehand.

use dunnage_timeline::recording::{About, Quality};
use dunnage_timeline::timeline::{
    Hold, Moment, Parts, Period, ProcessTrack, QuotaTrack, Request, Span, ThreadTrack, Timeline,
    What, Window,
};

/// One millisecond.
pub const MS: u64 = 1_000_000;
/// Where the stalls begin: each 4 s, from here.
pub const FIRST_STALL: u64 = 2_000 * MS;
const DURATION: u64 = 24_000 * MS;

/// Appends to a lane.
#[derive(Default)]
struct Lane {
    spans: Vec<Span>,
}

impl Lane {
    fn until(&mut self, end: u64, what: What, holder: Option<u32>) {
        let start = self.spans.last().map_or(0, |span| span.end);
        if end <= start {
            return;
        }
        if let Some(last) = self
            .spans
            .last_mut()
            .filter(|last| last.what == what && last.holder == holder)
        {
            last.end = end;
            return;
        }
        self.spans.push(Span {
            start,
            end,
            what,
            holder,
        });
    }

    fn into_thread(mut self, tid: i32, name: &str) -> ThreadTrack {
        self.until(DURATION, What::Sleeping, None);
        let mut parts = Parts::default();
        for span in &self.spans {
            parts[span.what] += span.end - span.start;
        }
        ThreadTrack {
            tid,
            name: name.to_owned(),
            spans: self.spans,
            parts,
        }
    }
}

/// What happens in [`stall`], as it is laid out.
#[derive(Default)]
struct World {
    report: Lane,
    web: Lane,
    gil: Vec<Hold>,
    windows: Vec<Window>,
    requests: Vec<Request>,
    free_at: u64,
}

impl World {
    /// The web thread takes each request in its turn, 2 ms each.
    fn serve(&mut self, arrival: u64) {
        let begin = arrival.max(self.free_at);
        let end = begin + 2 * MS;
        self.web.until(begin, What::Sleeping, None);
        self.web.until(end, What::Running, None);
        self.hold(begin, end, 2, What::Running);
        self.free_at = end;
        self.requests.push(Request {
            process: 0,
            thread: Some(2),
            name: "request".to_owned(),
            id: self.requests.len() as u64 + 1,
            begin: arrival,
            end,
            parts: Parts::default(),
        });
    }

    fn hold(&mut self, start: u64, end: u64, thread: u32, what: What) {
        self.gil.push(Hold {
            start,
            end,
            thread,
            what,
        });
    }

    /// The report takes the GIL for 80 ms of CPU time: it runs for 20 ms of each period and is throttled for 80. The web
    /// thread wants it from the 30th millisecond on.
    fn stand_still(&mut self, begin: u64) {
        self.report.until(begin, What::Sleeping, None);
        self.web.until(begin + 30 * MS, What::Sleeping, None);
        for turn in 0..4 {
            let at = begin + turn * 100 * MS;
            let (spent, refilled) = (at + 20 * MS, at + 100 * MS);
            self.report.until(spent, What::Running, None);
            self.hold(at, spent, 1, What::Running);
            if turn > 0 {
                self.web.until(spent, What::GilRunning, Some(1));
            }
            if turn == 3 {
                break;
            }
            self.report.until(refilled, What::Throttled, None);
            self.hold(spent, refilled, 1, What::Throttled);
            self.web.until(refilled, What::GilThrottled, Some(1));
            self.windows.push(Window {
                start: spent,
                end: refilled,
            });
        }
        self.free_at = begin + 320 * MS;
    }

    fn periods(&self) -> Vec<Period> {
        let starts = (0..DURATION).step_by(100 * MS as usize);
        let periods = starts.map(|start| {
            let end = start + 100 * MS;
            let within = |time: u64| time >= start && time < end;
            let busy = self.gil.iter();
            let busy = busy.filter(|hold| hold.what == What::Running && within(hold.start));
            Period {
                start,
                end,
                used: busy.map(|hold| hold.end - hold.start).sum(),
                throttled: self.windows.iter().any(|window| within(window.start)),
            }
        });
        periods.collect()
    }
}

/// A fifth of a CPU, requests of 2 ms each 50 ms, and each 4 s a call that holds the GIL for 80 ms of CPU time.
pub fn stall() -> Timeline {
    let mut world = World::default();
    let arrivals = (0..DURATION / (50 * MS)).map(|n| n * 50 * MS + 30 * MS);
    let mut stalls = (0..6).map(|n| FIRST_STALL + n * 4_000 * MS).peekable();
    for arrival in arrivals {
        if let Some(begin) = stalls.next_if(|begin| *begin <= arrival) {
            world.stand_still(begin);
        }
        world.serve(arrival);
    }
    world.gil.sort_by_key(|hold| hold.start);
    let periods = world.periods();
    let World {
        report,
        web,
        gil,
        windows,
        mut requests,
        ..
    } = world;
    let mut threads = vec![
        Lane::default().into_thread(12, "MainThread"),
        report.into_thread(19, "nightly-report"),
        web.into_thread(15, "http-worker"),
    ];
    threads.extend((0..6).map(|n| Lane::default().into_thread(20 + n, &format!("pool-{n}"))));
    explain(&mut requests, &threads);
    Timeline {
        about: about(),
        quality: quality(),
        processes: vec![ProcessTrack {
            pid: 12,
            command: "python -m shop --bind :8000".to_owned(),
            python: Some("3.13.0".to_owned()),
            has_gil: true,
            ended: None,
            threads,
            gil,
        }],
        quota: Some(quota(periods, windows)),
        moments: vec![Moment {
            process: 0,
            tid: 19,
            name: "report".to_owned(),
            id: 1,
            at: FIRST_STALL,
        }],
        stalls: Vec::new(),
        requests,
    }
}

fn quota(periods: Vec<Period>, windows: Vec<Window>) -> QuotaTrack {
    QuotaTrack {
        source: "/sys/fs/cgroup/cpu.stat".to_owned(),
        limit: Some(0.2),
        period: 100 * MS,
        counted_periods: 236,
        counted_throttled: windows.len() as u64,
        throttled_time: windows.iter().map(|window| window.end - window.start).sum(),
        periods,
        windows,
        graph: (0..=24)
            .map(|n| (n * 1_000 * MS, 0.055 + 0.005 * ((n % 4) as f64)))
            .collect(),
    }
}

fn explain(requests: &mut [Request], threads: &[ThreadTrack]) {
    for request in requests {
        let Some(thread) = request
            .thread
            .and_then(|thread| threads.get(thread as usize))
        else {
            continue;
        };
        for span in &thread.spans {
            let (start, end) = (span.start.max(request.begin), span.end.min(request.end));
            request.parts[span.what] += end.saturating_sub(start);
        }
    }
}

fn about() -> About {
    About {
        started: "2026-11-29T02:14:07Z".to_owned(),
        monotonic: 5_000_000 * MS,
        duration: DURATION,
        dunnage: "0.1.0".to_owned(),
        kernel: "6.18.44".to_owned(),
        cgroup_version: Some(2),
        cpus: 2,
    }
}

fn quality() -> Quality {
    Quality {
        asked_interval: MS,
        interval_median: 1_040_000,
        interval_p99: 1_400_000,
        interval_max: 5 * MS,
        own_cpu: 620 * MS,
        own_bytes: Some(3_400_000),
        permission: "supervisor".to_owned(),
        notes: vec!["1 thread ended before its name was read".to_owned()],
    }
}

/// A busy recording of this many threads and spans, for measuring.
pub fn large(threads: u32, spans: u32) -> Timeline {
    let mut timeline = stall();
    let duration = 60_000 * MS;
    timeline.about.duration = duration;
    let mut dice = 1_u64;
    let mut roll = |below: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % below
    };
    let each = u64::from(spans / threads);
    let mean = duration / each;
    let kinds = [
        What::Running,
        What::GilRunning,
        What::Sleeping,
        What::GilThrottled,
        What::Sleeping,
        What::RunQueue,
        What::Throttled,
        What::GilRunnable,
    ];
    let tracks = (0..threads).map(|number| {
        let mut lane = Vec::new();
        let mut start = 0;
        for n in 0..each {
            let end = if n + 1 == each {
                duration
            } else {
                (n + 1) * mean - roll(mean / 2)
            };
            let what = kinds[(n as usize + roll(3) as usize) % kinds.len()];
            let holder =
                (what as u8 >= 1 && what as u8 <= 4).then(|| roll(u64::from(threads)) as u32);
            lane.push(Span {
                start,
                end,
                what,
                holder,
            });
            start = end;
        }
        let mut parts = Parts::default();
        for span in &lane {
            parts[span.what] += span.end - span.start;
        }
        ThreadTrack {
            tid: 100 + number as i32,
            name: format!("worker-{number}"),
            spans: lane,
            parts,
        }
    });
    let process = &mut timeline.processes[0];
    process.threads = tracks.collect();
    process.gil = (0..duration / (5 * MS))
        .map(|n| Hold {
            start: n * 5 * MS,
            end: n * 5 * MS + 4 * MS,
            thread: (n % u64::from(threads)) as u32,
            what: if n % 9 == 0 {
                What::Throttled
            } else {
                What::Running
            },
        })
        .collect();
    let mut requests: Vec<Request> = (0..3000)
        .map(|n| Request {
            process: 0,
            thread: Some((n % u64::from(threads)) as u32),
            name: "request".to_owned(),
            id: n,
            begin: n * 20 * MS,
            end: (n * 20 * MS + (2 + roll(30) * roll(12)) * MS).min(duration),
            parts: Parts::default(),
        })
        .collect();
    explain(&mut requests[..100], &timeline.processes[0].threads);
    timeline.requests = requests;
    if let Some(quota) = &mut timeline.quota {
        quota.graph = (0..=60).map(|n| (n * 1_000 * MS, 0.06)).collect();
    }
    timeline
}
