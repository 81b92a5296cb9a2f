//! What each name, command line and environment comes to. That it is what the real programs do is tested on them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use dunnage_policy::event::Level;
use dunnage_policy::signal::Signal;
use dunnage_policy::target::SignalTo;
use dunnage_sys::Group;
use proptest::prelude::*;

use super::{Invocation, invocation};
use crate::config::{Config, Forwarded, JobControl, Manners, PlanMode};

type Variables<'a> = &'a [(&'a str, &'a str)];

fn read(words: &[&str], variables: Variables<'_>) -> Option<Invocation> {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    invocation(&words, &|name| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| OsString::from(value))
    })
}

fn run(words: &[&str], variables: Variables<'_>) -> Config {
    match read(words, variables) {
        Some(Invocation::Run(config)) => *config,
        other => panic!("{other:?}"),
    }
}

fn extended(words: &[&str], variables: Variables<'_>) -> Vec<String> {
    let all: Vec<_> = [("DUNNAGE_COMPAT", "extend")]
        .iter()
        .chain(variables)
        .copied()
        .collect();
    match read(words, &all) {
        Some(Invocation::Extend(words)) => words
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn refused(words: &[&str], variables: Variables<'_>) -> (String, u8) {
    match read(words, variables) {
        Some(Invocation::Refuse { message, code }) => (message, code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_four_names_are_taken_wherever_the_program_stands() {
    for name in [
        "tini",
        "/usr/bin/tini",
        "./tini-static",
        "/sbin/docker-init",
        "dumb-init",
        "//usr/bin/dumb-init",
    ] {
        assert!(read(&[name, "true"], &[]).is_some(), "{name}");
    }
    for name in [
        "dunnage",
        "tini2",
        "tini/",
        "Tini",
        "init",
        "",
        "/",
        "dumb_init",
    ] {
        let taken = read(&[name, "true"], &[]).is_some();
        // a slash at the end is not part of a file's name
        assert_eq!(taken, name == "tini/", "{name}");
    }
    assert!(read(&[], &[]).is_none());
}

#[test]
fn nothing_is_added_unless_asked_for() {
    for name in ["tini", "dumb-init"] {
        let config = run(
            &[name, "sh", "-c", "exit 7"],
            &[("DUNNAGE_GRACE", "1s"), ("DUNNAGE_DISABLE", "1")],
        );
        assert_eq!(config.command, ["sh", "-c", "exit 7"]);
        assert!(matches!(config.plan, PlanMode::Off) && !config.evidence);
        assert!(config.voice.termination_log.is_none());
        let rules = &config.conduct.rules;
        assert!(
            rules.stop_signals.is_empty() && rules.budget.is_none() && rules.stray_grace.is_none()
        );
        assert!(!config.conduct.subreaper && !config.watched.zombies && !config.watched.limits);
    }
}

#[test]
fn tinis_options_say_what_they_say() {
    let conduct = run(&["tini", "-swge7", "-p", "SIGKILL", "-e", "143", "x"], &[]).conduct;
    assert!(conduct.subreaper && conduct.report_reaped);
    assert_eq!(conduct.manners, Manners::Tini);
    assert_eq!(conduct.signal_to, SignalTo::Group);
    assert_eq!(conduct.parent_death, Some(Signal::KILL));
    assert_eq!(conduct.exit_map.0, [(7, 0), (143, 0)]);
    let conduct = run(
        &["tini", "x"],
        &[("TINI_SUBREAPER", ""), ("TINI_KILL_PROCESS_GROUP", "0")],
    )
    .conduct;
    assert!(conduct.subreaper && conduct.signal_to == SignalTo::Group);
}

#[test]
fn tinis_verbosity_is_the_variables_before_the_options() {
    let level = |words: &[&str], variables: Variables<'_>| run(words, variables).voice.threshold;
    assert_eq!(level(&["tini", "x"], &[]), Some(Level::Warn));
    assert_eq!(level(&["tini", "-v", "x"], &[]), Some(Level::Info));
    assert_eq!(level(&["tini", "-vvvv", "x"], &[]), Some(Level::Debug));
    for (value, expected) in [
        ("0", Level::Error),
        ("x", Level::Error),
        ("", Level::Error),
        ("2x", Level::Info),
        ("-1", Level::Debug),
    ] {
        let variables = [("TINI_VERBOSITY", value)];
        assert_eq!(level(&["tini", "-v", "x"], &variables), Some(expected));
    }
}

#[test]
fn dumb_init_starts_a_session_unless_told_not_to() {
    let conduct = run(&["dumb-init", "x"], &[]).conduct;
    assert_eq!(conduct.manners, Manners::DumbInit);
    assert_eq!(
        (conduct.group, conduct.signal_to, conduct.terminal),
        (Group::Session, SignalTo::Group, true)
    );
    assert_eq!(
        (conduct.forwarded, conduct.job_control),
        (Forwarded::All, JobControl::StopAfterForwarding)
    );
    assert_eq!(conduct.passed_on_as(Signal::TSTP), Some(Signal::STOP));
    assert_eq!(conduct.group_signal_at_end, Some(Signal::TERM));
    let alone: [(&[&str], Variables<'_>); 3] = [
        (&["dumb-init", "-c", "x"], &[]),
        (&["dumb-init", "--sing", "x"], &[]),
        (&["dumb-init", "x"], &[("DUMB_INIT_SETSID", "0")]),
    ];
    for (words, variables) in alone {
        let conduct = run(words, variables).conduct;
        assert_eq!(
            (conduct.group, conduct.signal_to, conduct.terminal),
            (Group::Inherited, SignalTo::Child, false)
        );
        assert_eq!(conduct.passed_on_as(Signal::TSTP), Some(Signal::TSTP));
        assert_eq!(conduct.group_signal_at_end, None);
    }
    let silent = run(&["dumb-init", "x"], &[("DUMB_INIT_DEBUG", "yes")]);
    assert_eq!(silent.voice.threshold, Some(Level::Error));
    let verbose = run(&["dumb-init", "x"], &[("DUMB_INIT_DEBUG", "1")]);
    assert_eq!(verbose.voice.threshold, Some(Level::Debug));
}

#[test]
fn dumb_inits_last_term_is_rewritten_too_and_stops_can_be_kept_as_they_are() {
    let words = [
        "dumb-init",
        "-r",
        "15:2",
        "--rewrite=20:20",
        "-r",
        "21:0",
        "x",
    ];
    let conduct = run(&words, &[]).conduct;
    assert_eq!(conduct.group_signal_at_end, Some(Signal::INT));
    assert_eq!(conduct.passed_on_as(Signal::TSTP), Some(Signal::TSTP));
    assert_eq!(conduct.passed_on_as(Signal::TTIN), None);
    assert_eq!(conduct.passed_on_as(Signal::TTOU), Some(Signal::STOP));
    let dropped = run(&["dumb-init", "-r", "15:0", "x"], &[]).conduct;
    assert_eq!(dropped.group_signal_at_end, None);
}

#[test]
fn extended_the_options_become_those_of_run() {
    assert_eq!(
        extended(
            &[
                "tini", "-sgvv", "-e", "143", "-p", "SIGTERM", "--", "python", "-m", "shop"
            ],
            &[]
        ),
        [
            "dunnage",
            "run",
            "--subreaper=on",
            "--signal-to=group",
            "--parent-death=SIGTERM",
            "--map-exit=143=0",
            "--log-level=debug",
            "--",
            "python",
            "-m",
            "shop"
        ]
    );
    assert_eq!(
        extended(&["docker-init", "--", "x"], &[("TINI_VERBOSITY", "1")]),
        ["dunnage", "run", "--", "x"]
    );
    assert_eq!(
        extended(&["dumb-init", "-cv", "-r", "15:3", "-r", "1:0", "x"], &[]),
        [
            "dunnage",
            "run",
            "--signal-to=child",
            "--rewrite=SIGTERM=SIGQUIT",
            "--rewrite=SIGHUP=none",
            "--log-level=debug",
            "--",
            "x"
        ]
    );
}

#[test]
fn what_is_wrong_is_named_with_the_programs_code_or_ours() {
    for (words, named) in [
        (&["tini", "-e", "256", "x"] as &[&str], "`256`"),
        (&["tini", "-p", "TERM", "x"], "`TERM`"),
        (&["tini", "--version", "x"], "unknown option --"),
        (&["tini"], "no program"),
        (&["dumb-init", "-r", "15:32", "x"], "`15:32`"),
        (&["dumb-init", "--ver", "x"], "--verbose or --version"),
        (&["dumb-init", "--"], "no program"),
    ] {
        let (message, code) = refused(words, &[]);
        assert!(code == 1 && message.contains(named), "{message}");
    }
    for name in ["tini", "dumb-init"] {
        let (message, code) = refused(&[name, "x"], &[("DUNNAGE_COMPAT", "more")]);
        assert!(code == 125 && message.contains("DUNNAGE_COMPAT is more"));
    }
}

#[test]
fn texts_are_printed_at_the_first_option_that_asks() {
    for words in [
        &["tini", "--version"] as &[&str],
        &["tini", "-sh", "-x"],
        &["tini", "-l"],
        &["dumb-init", "-V", "--no-such"],
        &["dumb-init", "--help"],
    ] {
        assert!(matches!(read(words, &[]), Some(Invocation::Print(_))));
    }
}

/// Words that come near to options.
fn word() -> impl Strategy<Value = Vec<u8>> {
    let near = prop::sample::select(vec![
        "-",
        "--",
        "-s",
        "-e",
        "-p",
        "-r",
        "-c",
        "-v",
        "7",
        "15:3",
        "SIGTERM",
        "--rewrite",
        "--version",
        "--s",
        "-r1:2",
        "=",
    ]);
    prop_oneof![
        near.prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(1_u8..=255, 0..8)
    ]
}

proptest! {
    #[test]
    fn any_command_line_is_read_and_a_command_is_its_tail(
        name in prop::sample::select(vec!["tini", "dumb-init"]),
        words in prop::collection::vec(word(), 0..8),
        value in prop::option::of("\\PC*"),
        extend in any::<bool>(),
    ) {
        let words: Vec<OsString> = std::iter::once(name.as_bytes())
            .chain(words.iter().map(Vec::as_slice))
            .map(|word| OsStr::from_bytes(word).to_owned())
            .collect();
        let lookup = |variable: &str| match variable {
            "DUNNAGE_COMPAT" => extend.then(|| OsString::from("extend")),
            _ => value.clone().map(OsString::from),
        };
        match invocation(&words, &lookup) {
            Some(Invocation::Run(config)) => {
                prop_assert!(!extend && !config.command.is_empty());
                prop_assert!(words.ends_with(&config.command));
                prop_assert!(words.len() > config.command.len());
            }
            Some(Invocation::Extend(run)) => {
                let at = run.iter().position(|word| word == "--").unwrap();
                prop_assert!(extend && words.ends_with(&run[at + 1..]));
            }
            Some(Invocation::Refuse { message, code }) => prop_assert!(code == 1 && !message.is_empty()),
            Some(Invocation::Print(text)) => prop_assert!(text.ends_with('\n')),
            None => prop_assert!(false, "a name that is known"),
        }
    }
}
