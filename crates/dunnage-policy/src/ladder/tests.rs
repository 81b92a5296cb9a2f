mod properties;
mod quiet;
mod shapes;

use super::*;

const MIB: f64 = 1024.0 * 1024.0;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// An application whose working set follows a course, and a supervisor that looks when the ladder says so.
struct Play {
    ladder: Ladder,
    capacity: f64,
    /// Page cache besides the working set, as a share.
    cache: f64,
    /// The limit is hit at each look.
    hits: bool,
    threads: u32,
    /// What a release gives back, as a share, half a second later; `None`: nobody answers.
    gives_back: Option<f64>,
    /// Given back so far.
    given: f64,
    /// The next looks come this much later: the supervisor is throttled.
    late: Duration,
    now: Duration,
    looks: u64,
    steps: Vec<(Duration, f64, Step)>,
    answer_at: Option<Duration>,
    record_at: Option<Duration>,
}

impl Play {
    fn new(capacity_mib: f64, rules: Rules) -> Self {
        Self {
            ladder: Ladder::new(rules),
            capacity: capacity_mib * MIB,
            cache: 0.0,
            hits: false,
            threads: 1,
            gives_back: None,
            given: 0.0,
            late: Duration::ZERO,
            now: Duration::ZERO,
            looks: 0,
            steps: Vec::new(),
            answer_at: None,
            record_at: None,
        }
    }

    /// Plays a course, shares of the capacity at seconds since its beginning, until its end or until it is killed.
    fn run(&mut self, seconds: f64, course: impl Fn(f64) -> f64) -> &mut Self {
        let begin = self.now;
        loop {
            let time = self.now.saturating_sub(begin).as_secs_f64();
            let share = course(time) - self.given;
            if time > seconds || share > 1.0 {
                return self;
            }
            self.look(share);
            self.now += self.ladder.next_look() + self.late;
        }
    }

    fn look(&mut self, share: f64) {
        if self.record_at.is_some_and(|at| at <= self.now) {
            self.record_at = None;
            self.ladder.recorded(self.now);
        }
        if self.answer_at.is_some_and(|at| at <= self.now) {
            self.answer_at = None;
            let given = self.gives_back.unwrap_or(0.0);
            self.given += given;
            self.ladder
                .released(Some((given * self.capacity) as u64), self.now);
        }
        self.looks += 1;
        let level = share * self.capacity;
        let usage = ((share + self.cache).min(1.0) * self.capacity) as u64;
        let wants = self.ladder.wants_working_set(usage, self.capacity as u64);
        let sample = Sample {
            usage,
            working_set: wants.then_some(level as u64),
            capacity: self.capacity as u64,
            hits: Some(if self.hits { self.looks } else { 0 }),
            threads: self.threads,
        };
        for step in self.ladder.observe(&sample, self.now) {
            match step {
                Step::Release if self.gives_back.is_some() => {
                    self.answer_at = Some(self.now + ms(500));
                }
                Step::Record(_) => self.record_at = Some(self.now + ms(20)),
                _ => {}
            }
            self.steps.push((self.now, share, step));
        }
    }

    fn taken(&self) -> Vec<Step> {
        self.steps.iter().map(|(_, _, step)| *step).collect()
    }

    fn count(&self, what: impl Fn(Step) -> bool) -> usize {
        self.steps.iter().filter(|(_, _, step)| what(*step)).count()
    }

    fn records(&self) -> Vec<Why> {
        let whys = self.steps.iter().filter_map(|(_, _, step)| match step {
            Step::Record(why) => Some(*why),
            _ => None,
        });
        whys.collect()
    }

    /// Steps but for preparations and telling.
    fn acts(&self) -> Vec<Step> {
        let mut steps = self.taken();
        steps.retain(|step| !matches!(step, Step::Prepare | Step::Tell(_)));
        steps
    }
}

fn eager() -> Rules {
    Rules {
        recycle: true,
        on_brink: OnBrink::Exit,
        ..Rules::default()
    }
}

/// A small generator of numbers from 0 to 1, the same each time.
fn noise(seed: u64, time: f64) -> f64 {
    let mut value = seed
        .wrapping_add((time * 1e6) as u64)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    value ^= value >> 29;
    value = value.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value ^= value >> 32;
    (value >> 11) as f64 / (1_u64 << 53) as f64
}

#[test]
fn a_leak_that_nobody_can_give_back_is_shed_recycled_and_at_last_recorded_twice() {
    let mut play = Play::new(1024.0, eager());
    play.gives_back = Some(0.01);
    // ten points in ten seconds
    play.run(200.0, |time| 0.3 + 0.01 * time);
    let acts = play.acts();
    let expected = [
        Step::Release,
        Step::Shed(true),
        Step::Recycle,
        Step::Record(Why::Level),
        Step::Record(Why::Brink),
    ];
    for step in expected {
        assert!(acts.contains(&step), "{step:?} of {:?}", play.steps);
    }
    assert_eq!(play.records(), [Why::Level, Why::Brink]);
}

#[test]
fn growth_that_a_release_answers_is_not_shed() {
    let mut play = Play::new(1024.0, eager());
    play.gives_back = Some(0.2);
    play.run(100.0, |time| 0.6 + 0.01 * time);
    assert_eq!(play.count(Step::touches), 0, "{:?}", play.steps);
    assert!(play.count(|step| step == Step::Release) >= 3);
}

#[test]
fn growth_without_time_is_recorded_before_the_level_says_so() {
    let mut play = Play::new(1024.0, Rules::default());
    // 2 GiB a second
    play.run(1.0, |time| 2.0 * time);
    assert_eq!(play.records(), [Why::Growth]);
    let (_, share, _) = play
        .steps
        .iter()
        .find(|(_, _, step)| matches!(step, Step::Record(_)))
        .unwrap();
    assert!((0.70..0.85).contains(share), "{share}");
}

#[test]
fn the_kernel_s_word_that_the_limit_is_hit_is_believed_only_where_the_working_set_is_high() {
    let mut play = Play::new(256.0, Rules::default());
    play.run(10.0, |_| 0.87);
    assert_eq!(play.records(), []);
    play.hits = true;
    play.run(1.0, |_| 0.87);
    assert_eq!(play.records(), [Why::LimitHit]);
}

/// Ten points of growth in ten seconds from 84 %, with nobody who gives memory back: it is shed.
fn shed(rules: Rules) -> Play {
    let mut play = Play::new(1024.0, rules);
    play.gives_back = Some(0.0);
    play.run(20.0, |_| 0.84);
    play.run(8.0, |time| 0.84 + 0.01 * time);
    assert!(play.acts().contains(&Step::Shed(true)), "{:?}", play.steps);
    play
}

#[test]
fn what_was_shed_is_ready_again_once_memory_has_fallen() {
    let mut play = shed(Rules::default());
    play.run(1.0, |_| 0.81);
    assert_eq!(play.count(|step| step == Step::Shed(false)), 0);
    play.run(1.0, |_| 0.79);
    assert_eq!(play.count(|step| step == Step::Shed(false)), 1);
}

#[test]
fn what_was_shed_and_grows_no_more_is_not_unready_for_ever() {
    let mut play = shed(Rules::default());
    play.run(50.0, |_| 0.92);
    assert_eq!(play.count(|step| step == Step::Shed(false)), 0);
    play.run(500.0, |_| 0.92);
    assert_eq!(play.count(|step| step == Step::Shed(false)), 1);
    assert_eq!(play.count(|step| step == Step::Shed(true)), 1);
}

#[test]
fn workers_are_recycled_one_after_the_other_and_only_while_it_grows() {
    let mut play = shed(eager());
    play.run(40.0, |_| 0.92);
    assert_eq!(play.count(|step| step == Step::Recycle), 1);
    let mut play = shed(eager());
    play.run(40.0, |time| 0.92 + 0.0019 * time);
    assert_eq!(
        play.count(|step| step == Step::Recycle),
        2,
        "{:?}",
        play.steps
    );
}

#[test]
fn a_release_that_nobody_answers_is_no_help_after_three_seconds() {
    let mut play = Play::new(1024.0, Rules::default());
    play.run(60.0, |time| 0.75 + 0.01 * time);
    let time_of = |what: Step| {
        play.steps
            .iter()
            .find(|(_, _, step)| *step == what)
            .map(|(at, ..)| *at)
    };
    let asked = time_of(Step::Release).unwrap();
    assert!(time_of(Step::Shed(true)).unwrap() >= asked + ms(3000));
}

#[test]
fn a_supervisor_that_is_throttled_records_too() {
    for (late, sheds) in [(100, 1), (900, 1), (3000, 0)] {
        let mut play = Play::new(1024.0, Rules::default());
        play.late = ms(late);
        play.run(100.0, |time| 0.1 + 0.01 * time);
        // five looks in the last fifteen seconds are not enough to shed
        assert_eq!(play.count(|step| step == Step::Shed(true)), sheds, "{late}");
        assert!(!play.records().is_empty(), "{late}");
    }
}

#[test]
fn two_looks_after_a_long_pause_do_not_prove_growth_that_lasts() {
    let mut play = shed(Rules::default());
    play = Play {
        steps: Vec::new(),
        ..play
    };
    play.run(10.0, |_| 0.5);
    play.late = ms(5000);
    play.run(4.0, |_| 0.95);
    play.run(4.0, |_| 0.96);
    assert_eq!(play.count(Step::touches), 0, "{:?}", play.steps);
}

#[test]
fn hooks_are_told_again_after_a_fall_that_only_the_usage_shows() {
    let mut play = Play::new(1024.0, Rules::default());
    for level in [0.3, 0.75, 0.3, 0.75] {
        play.run(1.0, |_| level);
    }
    assert_eq!(play.count(|step| step == Step::Tell(Level::Warn)), 2);
}

#[test]
fn a_limit_below_use_is_recorded_and_does_not_touch() {
    let mut play = Play::new(1024.0, eager());
    play.run(60.0, |_| 0.6);
    play.capacity = 600.0 * MIB;
    play.run(10.0, |_| 0.999);
    assert_eq!(play.acts(), [Step::Release, Step::Record(Why::Level)]);
    play.capacity = 1024.0 * MIB;
    play.run(1.0, |_| 0.6);
    assert_eq!(play.ladder.rung(), Rung::Calm);
}

#[test]
fn usage_alone_never_proves_that_memory_is_short() {
    let mut ladder = Ladder::new(eager());
    for look in 0..1000 {
        let sample = Sample {
            usage: look * 1_000_000,
            capacity: 1_000_000_000,
            hits: Some(look),
            ..Sample::default()
        };
        let steps = ladder.observe(&sample, ms(look * 10));
        assert!(steps.iter().all(|step| *step == Step::Prepare), "{steps:?}");
    }
    assert_eq!(ladder.rung(), Rung::Calm);
}

#[test]
fn old_hits_are_not_hits_of_now() {
    let mut ladder = Ladder::new(Rules::default());
    let mut observe = |time, hits| {
        let sample = Sample {
            usage: 870,
            working_set: Some(870),
            capacity: 1000,
            hits,
            threads: 1,
        };
        ladder.observe(&sample, ms(time))
    };
    observe(0, Some(5));
    observe(10, None);
    assert!(!observe(20, Some(900)).contains(&Step::Record(Why::LimitHit)));
    assert!(observe(30, Some(901)).contains(&Step::Record(Why::LimitHit)));
}

#[test]
fn while_a_record_is_written_no_other_is_asked_for() {
    let mut play = Play::new(1024.0, Rules::default());
    play.run(10.0, |_| 0.5);
    play.run(10.0, |_| 0.91);
    assert_eq!(play.records(), [Why::Growth]);
    let mut ladder = play.ladder;
    ladder.records = Records::new();
    let sample = |mib: u64| Sample {
        usage: mib << 20,
        working_set: Some(mib << 20),
        capacity: 1 << 30,
        ..Sample::default()
    };
    let is_record = |step: &Step| matches!(step, Step::Record(_));
    assert!(ladder.observe(&sample(940), play.now).iter().any(is_record));
    ladder
        .records
        .fall(0.0, &Rules::default(), play.now + ms(40_000));
    assert!(
        !ladder
            .observe(&sample(1000), play.now + ms(1000))
            .iter()
            .any(is_record)
    );
}

#[test]
fn looks_are_rarer_while_nothing_grows_and_rarest_once_it_is_recorded() {
    let mut play = Play::new(128.0, Rules::default());
    play.run(60.0, |_| 0.89);
    assert_eq!(play.ladder.next_look(), AT_REST);
    play.run(60.0, |_| 0.95);
    assert_eq!(play.ladder.next_look(), AT_REST_RECORDED);
    play.look(0.97);
    assert_eq!(play.ladder.next_look(), ms(1));
}
