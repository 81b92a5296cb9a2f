//! Process 1, its children, and the time to stop.

use dunnage_policy::process::{is_shell, mask_has};
use dunnage_policy::signal::Signal;

use super::{Status, Verdict, counted, environment};
use crate::commands::doctor::facts::{Facts, Init, Signals};
use crate::commands::doctor::words::{base, option, patience, wrapper};

/// Programs that are made to be process 1.
const INITS: [&str; 11] = [
    "dunnage",
    "tini",
    "tini-static",
    "docker-init",
    "dumb-init",
    "catatonit",
    "pid1",
    "s6-svscan",
    "systemd",
    "supervisord",
    "pause",
];

/// The name by which an init is known; its program file decides, where it can be read.
fn known_init(init: &Init) -> Option<&'static str> {
    let file = base(&init.program);
    let name = if file.is_empty() {
        init.name.as_str()
    } else {
        file
    };
    let found = INITS
        .into_iter()
        .find(|known| name == *known || init.name == *known);
    // `init` is whatever the machine calls it
    found.or_else(|| (init.name == "init" || init.name == "systemd").then_some("systemd"))
}

fn masks(signals: Signals) -> String {
    format!(
        "SigCgt {:016x}, SigIgn {:016x}, SigBlk {:016x}",
        signals.caught, signals.ignored, signals.blocked
    )
}

pub(super) fn init(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "pid-1";
    let Some(init) = &facts.init else {
        return Some(Verdict::unknown(NAME, "process 1 cannot be seen"));
    };
    let Some(signals) = init.signals else {
        return Some(Verdict::unknown(
            NAME,
            "the signals of process 1 cannot be read",
        ));
    };
    let status = format!("/proc/{}/status", init.pid);
    let seen = |verdict: Verdict| verdict.seen(&status, masks(signals));
    let command = command(init);
    if let Some(known) = known_init(init) {
        let what = if known == "dunnage" {
            "dunnage run"
        } else {
            known
        };
        return Some(seen(Verdict::ok(
            NAME,
            format!("{what} is process 1: it passes SIGTERM on and reaps"),
        )));
    }
    let words: Vec<&str> = init.words.iter().map(String::as_str).collect();
    let program = Some(init.program.as_str()).filter(|program| !program.is_empty());
    let handles = mask_has(signals.caught, Signal::TERM) || mask_has(signals.blocked, Signal::TERM);
    if !handles && is_shell(program, &words) {
        return Some(
            seen(Verdict::by_rule(
                NAME,
                "PID001",
                format!("the shell `{command}` is process 1 and passes no signal on: SIGTERM does not reach the application, and SIGKILL ends it after the grace"),
            ))
            .advise("start the application with exec, in JSON form, or under `dunnage run --`"),
        );
    }
    if mask_has(signals.ignored, Signal::TERM) || !handles {
        let how = if mask_has(signals.ignored, Signal::TERM) {
            "ignores SIGTERM"
        } else {
            "has no handler for SIGTERM, which the kernel then drops"
        };
        return Some(
            seen(Verdict::by_rule(
                NAME,
                "LIFE001",
                format!(
                    "`{command}` is process 1 and {how}: it is ended by SIGKILL after the grace"
                ),
            ))
            .advise("handle SIGTERM, or let `dunnage run --` be process 1"),
        );
    }
    if let Some(wrapper) = wrapper(&init.words) {
        return Some(
            seen(Verdict::by_rule(NAME, "PID008", format!("{wrapper} run is process 1 and the application its child: one process more, and its way with signals and orphans")))
                .advise("start the program of the virtual environment itself"),
        );
    }
    Some(seen(Verdict::ok(
        NAME,
        format!("`{command}` is process 1 and has a handler for SIGTERM"),
    )))
}

fn command(init: &Init) -> String {
    let text = if init.words.is_empty() {
        init.name.clone()
    } else {
        init.words.join(" ")
    };
    if text.chars().count() > 60 {
        text.chars().take(59).chain(['…']).collect()
    } else {
        text
    }
}

/// From this many on, zombies of an application that does not wait for them are a matter of time.
const MANY_ZOMBIES: u32 = 100;

pub(super) fn zombies(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "zombies";
    let processes = &facts.processes;
    let Some(first) = processes.zombies.first() else {
        return Some(Verdict::ok(NAME, "none"));
    };
    let count = processes.zombie_count;
    let init = facts.init.as_ref();
    let of_init = processes
        .zombies
        .iter()
        .find(|zombie| init.is_some_and(|init| init.pid == zombie.parent.pid));
    let named = of_init.unwrap_or(first);
    let many = counted(count, "zombie");
    let parent = format!(
        "{} (pid {})",
        short(&named.parent.command),
        named.parent.pid
    );
    let wait = "wait for each child: subprocess.run, Popen as a context manager, Process.join";
    let verdict = match (of_init, init.and_then(known_init)) {
        (Some(_), None) => Verdict::by_rule(NAME, "PID004", format!("{many}: process 1, {parent}, does not wait for what it inherits, and each keeps an entry of the pids limit"))
            .but(Status::Fail, "there are some already")
            .advise("let an init be process 1: `dunnage run --`"),
        _ if count >= MANY_ZOMBIES => Verdict::by_rule(NAME, "PID011", format!("{many}: {parent} starts children and never waits for them; no init can reap these"))
            .but(Status::Fail, "there are many already")
            .advise(wait),
        _ => Verdict::by_rule(NAME, "PID011", format!("{many}: {parent} has not waited for its child; no init can reap it"))
            .advise(wait),
    };
    let value = format!("State: Z (zombie), {}", named.name);
    Some(verdict.seen(format!("/proc/{}/status", named.pid), value))
}

fn short(command: &str) -> String {
    if command.chars().count() > 50 {
        command.chars().take(49).chain(['…']).collect()
    } else {
        command.to_owned()
    }
}

pub(super) fn orphans(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "orphans";
    let Some(first) = facts.processes.orphans.first() else {
        return Some(Verdict::ok(
            NAME,
            "none that can be told from children of process 1",
        ));
    };
    let many = counted(facts.processes.orphans.len() as u64, "process");
    let what = format!(
        "{many} whose parent has ended: {} (pid {})",
        short(&first.command),
        first.pid
    );
    let seen = |verdict: Verdict| verdict.seen(format!("/proc/{}/status", first.pid), "PPid: 1");
    let is_dunnage = facts.init.as_ref().and_then(known_init) == Some("dunnage");
    if is_dunnage {
        let message = format!("{what}; dunnage gives such processes their own time at the end");
        return Some(seen(Verdict::ok(NAME, message)));
    }
    let verdict = Verdict::by_rule(NAME, "PID004", format!("{what}; it is killed without notice when process 1 ends"))
        .advise("end what was started before its parent ends, or run under `dunnage run --`, which waits for all");
    Some(seen(verdict))
}

pub(super) fn grace(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "grace";
    let init = facts.init.as_ref();
    let told = init
        .filter(|init| known_init(init) == Some("dunnage"))
        .and_then(|init| {
            let variable = || environment(facts)?.get("DUNNAGE_GRACE").map(String::as_str);
            option(&init.words, "--grace").or_else(variable)
        });
    let server = facts
        .python
        .as_ref()
        .and_then(|python| patience(&python.words));
    let hidden = "terminationGracePeriodSeconds cannot be seen in a container";
    let mut message = match (told, &server) {
        (Some(grace), _) => {
            format!("dunnage run was told {grace}; {hidden}, and must be at least that")
        }
        (None, Some(server)) => match server.seconds {
            Some(seconds) => format!(
                "{} waits up to {seconds} s for its requests ({}); {hidden}, and must be longer than that and the preStop hook together",
                server.server, server.source
            ),
            None => format!(
                "{} waits for its requests without end ({}); {hidden}",
                server.server, server.source
            ),
        },
        (None, None) => hidden.to_owned(),
    };
    if server
        .as_ref()
        .is_some_and(|server| server.seconds.is_none())
        && told.is_none()
    {
        message.push_str(": what is not done by then is killed");
    }
    Some(
        Verdict::by_rule(NAME, "LIFE005", message)
            .but(Status::Unknown, "the grace cannot be seen from inside")
            .advise(
                "compare: kubectl get pod NAME -o jsonpath='{.spec.terminationGracePeriodSeconds}'",
            ),
    )
}
