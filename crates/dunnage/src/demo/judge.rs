//! What was counted, and whether "after" is better than "before". No IO: the same counts always get the same verdict.

use dunnage_timeline::verdict::Kind;
use serde::Serialize;

/// A group that got less of its quota than this was held up by other people's work: its counters say nothing.
pub(super) const QUOTA_USED_AT_LEAST_PERCENT: f64 = 90.0;

/// The same application, three times.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Trio<T> {
    /// As PID 1 itself.
    pub(super) plain: T,
    /// Below tini; `None` where that is not installed.
    pub(super) tini: Option<T>,
    /// Below `dunnage run`.
    pub(super) dunnage: T,
}

impl<T> Trio<T> {
    fn without(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.plain).chain(&self.tini)
    }
}

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Count {
    pub(super) good: usize,
    pub(super) of: usize,
}

/// How an application that does not stop ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Ending {
    /// As the container runtime sees it.
    pub(super) exit_code: i32,
    /// From the stop signal to the end.
    pub(super) took_ms: u64,
    /// What the runtime waits before it kills everything.
    pub(super) grace_ms: u64,
    /// The runtime had to kill it.
    pub(super) by_runtime: bool,
    /// Who did not stop, as far as anybody said.
    pub(super) culprits: Vec<String>,
}

/// What became of the orphans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Zombies {
    pub(super) orphans: usize,
    pub(super) left: usize,
}

/// How an application that takes ever more memory ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Death {
    /// As the container runtime sees it.
    pub(super) exit_code: i32,
    /// Processes that the kernel killed because the limit was reached.
    pub(super) oom_kills: u64,
    /// Where the application grew, as far as anybody said.
    pub(super) named: Option<String>,
}

/// How far an application came that fits its limit only if freed memory goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Survival {
    /// As the container runtime sees it.
    pub(super) exit_code: i32,
    pub(super) tables: usize,
    pub(super) of: usize,
    /// The most that was in use, page cache included.
    pub(super) peak_bytes: Option<u64>,
}

/// What became of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Answers {
    /// Not answered, or not to the end.
    pub(super) lost: usize,
    pub(super) of: usize,
    /// Processes that the kernel killed because the limit was reached.
    pub(super) oom_kills: u64,
    /// Workers that were told to go before that, as far as anybody said.
    pub(super) recycled: usize,
}

/// A service with a call that holds the GIL, in three places.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Stalls {
    /// With a quota that one call uses up.
    pub(super) limited: Stalled,
    /// Without one.
    pub(super) unlimited: Stalled,
    /// With an ample one, among neighbours that want every CPU.
    pub(super) contended: Stalled,
}

/// How it went there, and what a recording of it says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Stalled {
    #[serde(flatten)]
    pub(super) service: Service,
    /// CPU time that was used, of one CPU.
    pub(super) cpu_percent: f64,
    pub(super) periods: u64,
    pub(super) throttled: u64,
    /// The cause, as `dunnage record` sees it.
    pub(super) kind: Kind,
    /// The same in a sentence.
    pub(super) headline: String,
}

/// What the service itself saw of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(super) struct Service {
    pub(super) requests: u64,
    pub(super) p50_usec: u64,
    pub(super) p99_usec: u64,
    pub(super) max_usec: u64,
}

/// Work at a quota, from its first product to its last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Throttling {
    pub(super) periods: u64,
    pub(super) throttled: u64,
    pub(super) throttled_usec: u64,
    /// CPU time that the group got, in per cent of its quota.
    pub(super) quota_used_percent: f64,
    #[serde(flatten)]
    pub(super) seen: Seen,
}

/// What the application itself saw.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
pub(super) struct Seen {
    pub(super) wall_usec: u64,
    pub(super) probes: u64,
    pub(super) probe_p50_usec: u64,
    pub(super) probe_p99_usec: u64,
    pub(super) probe_max_usec: u64,
    pub(super) threads: u64,
}

/// The outcome of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Better,
    NotBetter,
    /// The machine was too busy to tell.
    Inconclusive,
    /// Something that it needs is not here.
    NotRun,
}

impl Verdict {
    fn from_better(is_better: bool) -> Self {
        if is_better {
            Self::Better
        } else {
            Self::NotBetter
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::NotBetter => "NOT BETTER",
            Self::Inconclusive => "inconclusive",
            Self::NotRun => "not run",
        }
    }
}

/// More than each before.
pub(super) fn judge_counts(counts: &Trio<Count>) -> Verdict {
    let after = counts.dunnage;
    Verdict::from_better(counts.without().all(|before| after.good > before.good))
}

/// It ended within the grace, without the runtime, and somebody says what did not stop.
pub(super) fn judge_endings(endings: &Trio<Ending>) -> Verdict {
    let after = &endings.dunnage;
    let in_time = !after.by_runtime && after.took_ms < after.grace_ms && !after.culprits.is_empty();
    let others_are_worse = endings
        .without()
        .all(|before| before.by_runtime || before.culprits.is_empty());
    Verdict::from_better(in_time && others_are_worse)
}

/// Fewer than without an init; every init reaps, so tini is there to be as good as.
pub(super) fn judge_zombies(zombies: &Trio<Zombies>) -> Verdict {
    let after = zombies.dunnage.left;
    let as_good_as_tini = zombies.tini.is_none_or(|tini| after <= tini.left);
    Verdict::from_better(after < zombies.plain.left && as_good_as_tini)
}

/// Fewer throttled periods and a lower p99 of the probe, if every run got its CPU.
pub(super) fn judge_throttling(runs: &Trio<Throttling>) -> Verdict {
    let mut all = runs.without().chain([&runs.dunnage]);
    if all.any(|run| run.quota_used_percent < QUOTA_USED_AT_LEAST_PERCENT) {
        return Verdict::Inconclusive;
    }
    let after = &runs.dunnage;
    Verdict::from_better(runs.without().all(|before| {
        after.throttled < before.throttled && after.seen.probe_p99_usec < before.seen.probe_p99_usec
    }))
}

/// The quota made it slow, which the recording says, and it says something else where no quota did. Where requests with
/// a quota are not twice as slow as without, there was nothing to be explained.
pub(super) fn judge_stalls(stalls: &Stalls) -> Verdict {
    let p99 = |run: &Stalled| run.service.p99_usec;
    let (limited, unlimited) = (&stalls.limited, &stalls.unlimited);
    if limited.throttled == 0 || p99(limited) < 2 * p99(unlimited) {
        return Verdict::Inconclusive;
    }
    let blames_quota =
        |run: &Stalled| matches!(run.kind, Kind::ThrottledGilHolder | Kind::Throttled);
    Verdict::from_better(
        limited.kind == Kind::ThrottledGilHolder
            && ![unlimited, &stalls.contended].into_iter().any(blames_quota),
    )
}

/// Nobody outlives it; but it is said where it grew, and nobody else says so.
pub(super) fn judge_deaths(deaths: &Trio<Death>) -> Verdict {
    let mut all = deaths.without().chain([&deaths.dunnage]);
    if all.any(|death| death.oom_kills == 0) {
        return Verdict::Inconclusive;
    }
    let is_silent = |death: &Death| death.named.is_none();
    Verdict::from_better(!is_silent(&deaths.dunnage) && deaths.without().all(is_silent))
}

/// It came to its end where the others died. Where one of them lived, nothing had to be given back.
pub(super) fn judge_survivals(survivals: &Trio<Survival>) -> Verdict {
    let lived = |run: &Survival| run.exit_code == 0 && run.tables == run.of;
    if !lived(&survivals.dunnage) {
        return Verdict::NotBetter;
    }
    if survivals.without().any(lived) {
        return Verdict::Inconclusive;
    }
    Verdict::Better
}

/// Fewer are lost than by each before. Where none was lost before, there was nothing to be better at.
pub(super) fn judge_answers(answers: &Trio<Answers>) -> Verdict {
    let after = answers.dunnage.lost;
    if after == 0 && answers.without().any(|before| before.lost == 0) {
        return Verdict::Inconclusive;
    }
    Verdict::from_better(answers.without().all(|before| after < before.lost))
}

/// 1 where something was not better, else 3 where something could not be judged, else 0.
pub(super) fn exit_code(verdicts: &[Verdict]) -> u8 {
    let is_judged = |verdict: &Verdict| matches!(verdict, Verdict::Better | Verdict::NotBetter);
    if verdicts.contains(&Verdict::NotBetter) {
        1
    } else if verdicts.is_empty() || !verdicts.iter().all(is_judged) {
        3
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trio<T>(plain: T, tini: T, dunnage: T) -> Trio<T> {
        Trio {
            plain,
            tini: Some(tini),
            dunnage,
        }
    }

    fn count(good: usize) -> Count {
        Count { good, of: 12 }
    }

    #[test]
    fn an_after_that_only_equals_a_before_is_not_better() {
        let judge =
            |plain, tini, dunnage| judge_counts(&trio(count(plain), count(tini), count(dunnage)));
        assert_eq!(judge(0, 0, 12), Verdict::Better);
        assert_eq!(judge(0, 3, 4), Verdict::Better);
        assert_eq!(judge(0, 12, 12), Verdict::NotBetter);
        assert_eq!(judge(0, 0, 0), Verdict::NotBetter);
        assert_eq!(judge(5, 0, 4), Verdict::NotBetter);
        let alone = Trio {
            plain: count(0),
            tini: None,
            dunnage: count(1),
        };
        assert_eq!(judge_counts(&alone), Verdict::Better);
    }

    fn ending(took_ms: u64, by_runtime: bool, culprits: &[&str]) -> Ending {
        Ending {
            exit_code: 137,
            took_ms,
            grace_ms: 3000,
            by_runtime,
            culprits: culprits.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn who_ignores_the_signal_must_be_ended_in_time_and_named() {
        let before = ending(3001, true, &[]);
        let judge = |after| judge_endings(&trio(before.clone(), before.clone(), after));
        assert_eq!(judge(ending(2400, false, &["python (2)"])), Verdict::Better);
        assert_eq!(judge(ending(2400, false, &[])), Verdict::NotBetter);
        assert_eq!(
            judge(ending(3000, false, &["python (2)"])),
            Verdict::NotBetter
        );
        assert_eq!(
            judge(ending(3001, true, &["python (2)"])),
            Verdict::NotBetter
        );
        let good = ending(2400, false, &["python (2)"]);
        assert_eq!(
            judge_endings(&trio(before, good.clone(), good)),
            Verdict::NotBetter
        );
    }

    #[test]
    fn zombies_must_be_fewer_than_without_an_init_and_no_more_than_with_tini() {
        let left = |left| Zombies {
            orphans: 20_000,
            left,
        };
        let judge =
            |plain, tini, dunnage| judge_zombies(&trio(left(plain), left(tini), left(dunnage)));
        assert_eq!(judge(20_000, 0, 0), Verdict::Better);
        assert_eq!(judge(20_000, 0, 1), Verdict::NotBetter);
        assert_eq!(judge(0, 0, 0), Verdict::NotBetter);
    }

    fn run(throttled: u64, probe_p99_usec: u64, quota_used_percent: f64) -> Throttling {
        Throttling {
            periods: 20,
            throttled,
            throttled_usec: throttled * 50_000,
            quota_used_percent,
            seen: Seen {
                wall_usec: 2_000_000,
                probes: 1000,
                probe_p50_usec: 1080,
                probe_p99_usec,
                probe_max_usec: probe_p99_usec * 2,
                threads: 3,
            },
        }
    }

    #[test]
    fn throttling_counts_only_where_every_run_got_its_cpu() {
        let before = run(19, 47_000, 100.0);
        let judge = |after| judge_throttling(&trio(before.clone(), before.clone(), after));
        assert_eq!(judge(run(0, 1_760, 99.0)), Verdict::Better);
        assert_eq!(judge(run(0, 1_760, 89.9)), Verdict::Inconclusive);
        assert_eq!(judge(run(19, 1_760, 99.0)), Verdict::NotBetter);
        assert_eq!(judge(run(0, 47_000, 99.0)), Verdict::NotBetter);
        let starved = run(0, 1_000, 60.0);
        let after = run(0, 1_760, 99.0);
        assert_eq!(
            judge_throttling(&trio(starved, before, after)),
            Verdict::Inconclusive
        );
    }

    #[test]
    fn a_death_is_better_only_if_its_place_is_named_and_was_not_before() {
        let death = |oom_kills, named: Option<&str>| Death {
            exit_code: 137,
            oom_kills,
            named: named.map(str::to_owned),
        };
        let judge = |plain, after| judge_deaths(&trio(plain, death(1, None), after));
        let named = || death(1, Some("leak.py:14 in build_report"));
        assert_eq!(judge(death(1, None), named()), Verdict::Better);
        assert_eq!(judge(death(1, None), death(1, None)), Verdict::NotBetter);
        assert_eq!(judge(named(), named()), Verdict::NotBetter);
        assert_eq!(judge(death(0, None), named()), Verdict::Inconclusive);
        assert_eq!(judge(death(1, None), death(0, None)), Verdict::Inconclusive);
    }

    #[test]
    fn a_batch_must_live_where_the_others_died() {
        let survival = |exit_code, tables| Survival {
            exit_code,
            tables,
            of: 3,
            peak_bytes: None,
        };
        let (died, lived) = (survival(137, 0), survival(0, 3));
        let judge = |plain, after| judge_survivals(&trio(plain, died, after));
        assert_eq!(judge(died, lived), Verdict::Better);
        assert_eq!(judge(died, survival(137, 2)), Verdict::NotBetter);
        assert_eq!(judge(lived, lived), Verdict::Inconclusive);
        assert_eq!(judge(lived, died), Verdict::NotBetter);
    }

    #[test]
    fn where_no_answer_was_lost_before_nothing_is_shown() {
        let lost = |lost| Answers {
            lost,
            of: 12,
            oom_kills: 0,
            recycled: 0,
        };
        let judge =
            |plain, tini, dunnage| judge_answers(&trio(lost(plain), lost(tini), lost(dunnage)));
        assert_eq!(judge(7, 1, 0), Verdict::Better);
        assert_eq!(judge(7, 0, 0), Verdict::Inconclusive);
        assert_eq!(judge(0, 0, 1), Verdict::NotBetter);
        assert_eq!(judge(7, 6, 6), Verdict::NotBetter);
    }

    #[test]
    fn a_stall_must_be_blamed_on_the_quota_where_it_was_and_nowhere_else() {
        let stalled = |p99_usec, throttled, kind| Stalled {
            service: Service {
                requests: 300,
                p50_usec: 2_200,
                p99_usec,
                max_usec: p99_usec,
            },
            cpu_percent: 6.1,
            periods: 122,
            throttled,
            kind,
            headline: String::new(),
        };
        let judge = |limited, unlimited, contended| {
            judge_stalls(&Stalls {
                limited,
                unlimited,
                contended,
            })
        };
        let slow = |kind| stalled(420_000, 41, kind);
        let fair = |kind| stalled(60_000, 0, kind);
        let better = judge(
            slow(Kind::ThrottledGilHolder),
            fair(Kind::Gil),
            slow(Kind::HostContention),
        );
        assert_eq!(better, Verdict::Better);
        let wrong = [
            judge(slow(Kind::Gil), fair(Kind::Gil), fair(Kind::Gil)),
            judge(
                slow(Kind::ThrottledGilHolder),
                fair(Kind::Throttled),
                fair(Kind::Gil),
            ),
            judge(
                slow(Kind::ThrottledGilHolder),
                fair(Kind::Gil),
                fair(Kind::ThrottledGilHolder),
            ),
        ];
        assert_eq!(wrong, [Verdict::NotBetter; 3]);
        let nothing_to_see = judge(
            stalled(100_000, 41, Kind::ThrottledGilHolder),
            fair(Kind::Gil),
            fair(Kind::Gil),
        );
        assert_eq!(nothing_to_see, Verdict::Inconclusive);
    }

    #[test]
    fn the_exit_code_tells_worse_from_unknown_from_better() {
        use Verdict::{Better, Inconclusive, NotBetter, NotRun};
        assert_eq!(exit_code(&[Better, Better]), 0);
        assert_eq!(exit_code(&[Better, NotBetter, Inconclusive]), 1);
        assert_eq!(exit_code(&[Better, Inconclusive]), 3);
        assert_eq!(exit_code(&[NotRun, Better]), 3);
        assert_eq!(exit_code(&[]), 3);
    }
}
