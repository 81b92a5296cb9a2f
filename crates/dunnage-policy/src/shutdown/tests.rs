use proptest::prelude::*;

use super::*;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn rules() -> Rules {
    Rules {
        stop_signals: vec![Signal::TERM, Signal::INT],
        budget: Some(ms(8000)),
        drain_delay: Duration::ZERO,
        stray_grace: Some(ms(2000)),
    }
}

const CHILD_ONLY: Input = Input::Family {
    child: true,
    others: false,
};
const STRAYS_ONLY: Input = Input::Family {
    child: false,
    others: true,
};
const NOBODY: Input = Input::Family {
    child: false,
    others: false,
};

#[test]
fn a_stop_signal_is_passed_on_at_once_and_the_child_is_killed_at_the_deadline() {
    let mut sequence = Sequence::new(rules());
    assert_eq!(sequence.wake_at(), None);
    let actions = sequence.step(Input::Signal(Signal::TERM), ms(100));
    assert_eq!(
        actions,
        [
            Action::Announce {
                signal: Signal::TERM
            },
            Action::Forward(Signal::TERM)
        ]
    );
    assert_eq!(sequence.wake_at(), Some(ms(8100)));
    assert_eq!(sequence.step(Input::Time, ms(8099)), []);
    assert_eq!(sequence.step(Input::Time, ms(8100)), [Action::Kill]);
    assert_eq!(
        sequence.step(NOBODY, ms(8101)),
        [Action::Leave(End::Killed)]
    );
    assert_eq!(sequence.wake_at(), None);
}

#[test]
fn after_kill_we_leave_within_a_second_even_if_a_process_never_ends() {
    let mut sequence = Sequence::new(rules());
    sequence.step(Input::Signal(Signal::TERM), ms(0));
    assert_eq!(sequence.step(Input::Time, ms(8000)), [Action::Kill]);
    assert_eq!(
        sequence.step(Input::Time, ms(8500)),
        [Action::Kill],
        "what was forked meanwhile is killed too"
    );
    assert_eq!(
        sequence.step(Input::Time, ms(9000)),
        [Action::Leave(End::Stuck)]
    );
}

#[test]
fn a_second_stop_signal_skips_the_delay_and_is_not_sent_twice() {
    let mut sequence = Sequence::new(Rules {
        drain_delay: ms(3000),
        ..rules()
    });
    assert_eq!(
        sequence.step(Input::Signal(Signal::TERM), ms(0)),
        [Action::Announce {
            signal: Signal::TERM
        }]
    );
    assert_eq!(sequence.wake_at(), Some(ms(3000)));
    let hup = Signal::HUP;
    assert_eq!(
        sequence.step(Input::Signal(hup), ms(10)),
        [Action::Forward(hup)],
        "other signals do not wait"
    );
    assert_eq!(
        sequence.step(Input::Signal(Signal::TERM), ms(20)),
        [Action::Forward(Signal::TERM)]
    );
    assert_eq!(sequence.step(Input::Time, ms(3000)), []);
    assert_eq!(
        sequence.wake_at(),
        Some(ms(8000)),
        "the deadline counts from the first"
    );
}

#[test]
fn a_different_second_stop_signal_is_passed_on_too() {
    let mut sequence = Sequence::new(Rules {
        drain_delay: ms(3000),
        ..rules()
    });
    sequence.step(Input::Signal(Signal::TERM), ms(0));
    let actions = sequence.step(Input::Signal(Signal::INT), ms(20));
    assert_eq!(
        actions,
        [Action::Forward(Signal::TERM), Action::Forward(Signal::INT)]
    );
}

#[test]
fn the_delay_leaves_the_application_half_of_the_budget() {
    let mut sequence = Sequence::new(Rules {
        drain_delay: ms(60_000),
        ..rules()
    });
    sequence.step(Input::Signal(Signal::TERM), ms(0));
    assert_eq!(
        sequence.step(Input::Time, ms(4000)),
        [Action::Forward(Signal::TERM)]
    );
}

#[test]
fn descendants_finish_in_peace_then_are_told_then_killed() {
    let mut sequence = Sequence::new(rules());
    sequence.step(Input::Signal(Signal::TERM), ms(0));
    assert_eq!(sequence.step(STRAYS_ONLY, ms(500)), []);
    assert_eq!(sequence.wake_at(), Some(ms(2375)));
    assert_eq!(
        sequence.step(Input::Time, ms(2375)),
        [Action::TellStrays(Signal::TERM)]
    );
    assert_eq!(sequence.wake_at(), Some(ms(8000)));
    let mut patient = sequence.clone();
    assert_eq!(
        patient.step(NOBODY, ms(3000)),
        [Action::Leave(End::Stopped)]
    );
    assert_eq!(sequence.step(Input::Time, ms(8000)), [Action::Kill]);
}

#[test]
fn with_a_short_budget_descendants_are_told_while_there_is_time_to_act_on_it() {
    let mut sequence = Sequence::new(Rules {
        budget: Some(ms(2400)),
        ..rules()
    });
    sequence.step(Input::Signal(Signal::TERM), ms(0));
    assert_eq!(sequence.step(STRAYS_ONLY, ms(0)), []);
    assert_eq!(
        sequence.step(Input::Time, ms(600)),
        [Action::TellStrays(Signal::TERM)]
    );
}

#[test]
fn after_the_childs_own_end_strays_have_two_seconds() {
    let mut sequence = Sequence::new(rules());
    assert_eq!(
        sequence.step(STRAYS_ONLY, ms(500)),
        [Action::TellStrays(Signal::TERM)]
    );
    assert_eq!(sequence.step(Input::Time, ms(2499)), []);
    assert_eq!(sequence.step(Input::Time, ms(2500)), [Action::Kill]);
}

#[test]
fn a_child_that_ends_during_the_delay_takes_the_signal_to_whoever_is_left() {
    let mut sequence = Sequence::new(Rules {
        drain_delay: ms(3000),
        ..rules()
    });
    sequence.step(Input::Signal(Signal::INT), ms(0));
    assert_eq!(
        sequence.step(STRAYS_ONLY, ms(10)),
        [Action::TellStrays(Signal::INT)]
    );
    assert_eq!(sequence.step(NOBODY, ms(20)), [Action::Leave(End::Stopped)]);
}

#[test]
fn a_child_without_descendants_is_left_with_at_once() {
    let mut sequence = Sequence::new(rules());
    assert_eq!(sequence.step(CHILD_ONLY, ms(1)), []);
    assert_eq!(sequence.step(NOBODY, ms(2)), [Action::Leave(End::Ended)]);
}

#[test]
fn without_stray_grace_we_leave_with_the_child_as_other_inits_do() {
    let mut sequence = Sequence::new(Rules {
        stray_grace: None,
        ..rules()
    });
    assert_eq!(
        sequence.step(STRAYS_ONLY, ms(2)),
        [Action::Leave(End::Ended)]
    );
}

#[test]
fn without_a_budget_nothing_is_ever_killed_after_a_stop_signal() {
    let mut sequence = Sequence::new(Rules {
        budget: None,
        ..rules()
    });
    sequence.step(Input::Signal(Signal::TERM), ms(0));
    assert_eq!(sequence.wake_at(), None);
    assert_eq!(sequence.step(Input::Time, ms(86_400_000)), []);
}

#[test]
fn the_margin_is_a_fifth_of_a_short_grace_and_two_seconds_of_a_long_one() {
    assert_eq!(margin(ms(30_000)), ms(2000));
    assert_eq!(margin(ms(10_000)), ms(2000));
    assert_eq!(margin(ms(3000)), ms(600));
    assert_eq!(margin(Duration::ZERO), Duration::ZERO);
}

/// A world of one child and some descendants, each ending at a time of its own or when killed.
#[derive(Debug, Clone)]
struct World {
    rules: Rules,
    signals: Vec<(Duration, Signal)>,
    child_ends: Option<Duration>,
    others_end: Vec<Option<Duration>>,
    unkillable: bool,
}

fn any_time() -> impl Strategy<Value = Duration> {
    (0..20_000_u64).prop_map(ms)
}

fn any_world() -> impl Strategy<Value = World> {
    let signal = prop_oneof![
        Just(Signal::TERM),
        Just(Signal::INT),
        Just(Signal::HUP),
        Just(Signal::QUIT)
    ];
    let rules = (
        prop::option::of(1..10_000_u64),
        0..12_000_u64,
        prop::option::of(0..3000_u64),
    )
        .prop_map(|(budget, delay, grace)| Rules {
            budget: budget.map(ms),
            drain_delay: ms(delay),
            stray_grace: grace.map(ms),
            ..rules()
        });
    let signals = prop::collection::vec((any_time(), signal), 0..6);
    let ends = || prop::option::weighted(0.7, any_time());
    (
        rules,
        signals,
        ends(),
        prop::collection::vec(ends(), 0..4),
        any::<bool>(),
    )
        .prop_map(|(rules, mut signals, child_ends, others_end, unkillable)| {
            signals.sort();
            World {
                rules,
                signals,
                child_ends,
                others_end,
                unkillable,
            }
        })
}

/// What happened in a world, in order.
#[derive(Debug, Default)]
struct Trace {
    actions: Vec<(Duration, Action)>,
    first_stop: Option<Duration>,
    killed: Option<Duration>,
    child_ended: Option<Duration>,
    left_at_exit: (bool, bool),
}

fn play(world: &World) -> Trace {
    let mut sequence = Sequence::new(world.rules.clone());
    let mut trace = Trace::default();
    let mut signals = world.signals.iter().peekable();
    let gone =
        |end: Option<Duration>, killed: Option<Duration>, now: Duration, unkillable: bool| {
            end.is_some_and(|end| now >= end)
                || (!unkillable && killed.is_some_and(|at| now >= at + ms(1)))
        };
    let mut family = (true, !world.others_end.is_empty());
    let mut at = 0;
    while at < 40_000 {
        let now = ms(at);
        at += 5;
        let mut inputs = vec![];
        let child = !gone(world.child_ends, trace.killed, now, world.unkillable);
        let others = world
            .others_end
            .iter()
            .any(|end| !gone(*end, trace.killed, now, world.unkillable));
        if (child, others) != family {
            family = (child, others);
            if !child && trace.child_ended.is_none() {
                trace.child_ended = Some(now);
            }
            inputs.push(Input::Family { child, others });
        }
        while let Some((_, signal)) = signals.next_if(|(when, _)| *when <= now) {
            if trace.first_stop.is_none() && world.rules.stop_signals.contains(signal) {
                trace.first_stop = Some(now);
            }
            inputs.push(Input::Signal(*signal));
        }
        if sequence.wake_at().is_some_and(|wake| wake <= now) {
            inputs.push(Input::Time);
        }
        for input in inputs {
            for action in sequence.step(input, now) {
                trace.actions.push((now, action));
                match action {
                    Action::Kill => trace.killed = trace.killed.or(Some(now)),
                    Action::Leave(_) => {
                        trace.left_at_exit = family;
                        return trace;
                    }
                    _ => {}
                }
            }
        }
    }
    trace
}

fn left(trace: &Trace) -> Option<(Duration, End)> {
    trace.actions.iter().find_map(|(at, action)| {
        if let Action::Leave(end) = action {
            Some((*at, *end))
        } else {
            None
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_signal_is_lost_while_the_child_lives(world in any_world()) {
        let trace = play(&world);
        for (at, signal) in &world.signals {
            let heard = trace.actions.iter().any(|(when, action)| {
                when >= at && matches!(action, Action::Forward(s) | Action::TellStrays(s) if s == signal)
            });
            // a signal may come too late: the child has ended, or is being killed
            let end = trace.child_ended.into_iter().chain(trace.killed).chain(left(&trace).map(|(at, _)| at)).min();
            // a delayed one may still be waiting when the deadline (or a child's own end, with nobody left) overtakes it
            // (a step of this world is 5 ms: one until it is taken, one until it is passed on)
            let due = *at + world.rules.effective_drain_delay() + ms(10);
            prop_assert!(heard || end.is_some_and(|end| end <= due), "{signal} at {at:?} went nowhere: {trace:?}");
        }
    }

    #[test]
    fn nobody_waits_past_the_deadline(world in any_world()) {
        let trace = play(&world);
        if let (Some(stop), Some(budget)) = (trace.first_stop, world.rules.budget) {
            let (at, _) = left(&trace).expect("a stop signal with a budget always ends");
            prop_assert!(at <= stop.max(trace.child_ended.unwrap_or_default()) + budget + KILL_WAIT + ms(10));
            prop_assert!(at <= stop + budget + KILL_WAIT + ms(10), "{at:?} after a stop at {stop:?}");
        }
    }

    #[test]
    fn nobody_leaves_before_the_last_descendant_is_gone_or_killed(world in any_world()) {
        let trace = play(&world);
        let Some((at, end)) = left(&trace) else { return Ok(()) };
        let (child, others) = trace.left_at_exit;
        if child || (others && world.rules.stray_grace.is_some()) {
            let killed = trace.killed.expect("left somebody behind without killing");
            prop_assert_eq!(end, End::Stuck);
            prop_assert!(at >= killed + KILL_WAIT);
        }
        prop_assert!(matches!(trace.actions.last(), Some((_, Action::Leave(_)))));
    }

    #[test]
    fn nothing_is_killed_before_its_time(world in any_world()) {
        let trace = play(&world);
        if let Some(killed) = trace.killed {
            let stop = trace.first_stop.zip(world.rules.budget).map(|(stop, budget)| stop + budget);
            let stray = trace.child_ended.zip(world.rules.stray_grace).map(|(ended, grace)| ended + grace);
            prop_assert!(stop.into_iter().chain(stray).any(|at| killed >= at), "{trace:?}");
        }
    }
}
