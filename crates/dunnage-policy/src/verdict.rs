//! The verdict at the end: what ended the application, and with which code we leave.
//!
//! 137 is what a kernel OOM kill, an expired grace period and a stray `kill -9` all look like from outside. The
//! supervisor knows more: what it sent itself, whether the cgroup's `oom_kill` counter rose, and how processes behind a
//! shell ended.

use serde::Serialize;

use crate::shutdown::End;
use crate::signal::Signal;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Signaled(Signal),
}

impl Status {
    /// The code that a shell would report: the exit code, or 128 plus the signal.
    pub fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code as u8,
            Self::Signaled(signal) => 128_u8.wrapping_add(signal.number() as u8),
        }
    }

    fn describe(self) -> String {
        match self {
            Self::Exited(code) => format!("exited with {code}"),
            Self::Signaled(signal) => format!("died of {signal}"),
        }
    }
}

/// Exit codes to be reported as others (`--map-exit 143=0`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExitMap(pub Vec<(u8, u8)>);

impl ExitMap {
    /// The code to leave with for `code`; the last rule for it counts.
    pub fn apply(&self, code: u8) -> u8 {
        self.0
            .iter()
            .rev()
            .find(|(from, _)| *from == code)
            .map_or(code, |(_, to)| *to)
    }
}

/// What is known when the run is over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The direct child's short command.
    pub command: String,
    /// How the direct child ended; `None` where it was still there when we left (state D).
    pub child: Option<Status>,
    /// How the sequence ended.
    pub end: Option<End>,
    /// The signal that began the shutdown, if one did before the child ended.
    pub stop: Option<Signal>,
    /// Whether we sent KILL to the direct child.
    pub killed_child: bool,
    /// Those that had to be killed, as `command (pid)`, the direct child first if it was among them.
    pub killed: Vec<String>,
    /// The time they were given, in milliseconds.
    pub waited_ms: Option<u64>,
    /// By how much the cgroup's count of OOM-killed processes rose; `None` where it cannot be read.
    pub oom_kills: Option<u64>,
    /// The application behind a shell that kept signals to itself: its command and how it ended.
    pub behind_shell: Option<(String, Status)>,
}

/// What ended the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It exited by itself.
    Exited,
    /// A signal that was not a shutdown's ended it.
    Signaled,
    /// It ended in time after a stop signal.
    Stopped,
    /// The kernel killed it because the container was out of memory.
    OomKilled,
    /// It did not end within the grace period.
    GraceExpired,
}

impl Cause {
    /// Its name in events and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Signaled => "signaled",
            Self::Stopped => "stopped",
            Self::OomKilled => "oom_killed",
            Self::GraceExpired => "grace_expired",
        }
    }
}

/// The last word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What ended the application.
    pub cause: Cause,
    /// The code before `--map-exit`.
    pub code: u8,
    /// One sentence for a person.
    pub sentence: String,
}

impl Verdict {
    /// Whether the termination log should say so: an application's ordinary exit leaves it alone, so that its own
    /// traceback stays visible in `kubectl describe`.
    pub fn belongs_in_termination_log(&self) -> bool {
        matches!(
            self.cause,
            Cause::Signaled | Cause::OomKilled | Cause::GraceExpired
        )
    }
}

/// Weighs the facts.
pub fn judge(facts: &Facts) -> Verdict {
    let cause = cause(facts);
    // a child that we killed and that never ended is reported as what it will be
    let code = facts.child.map_or(137, Status::code);
    Verdict {
        cause,
        code,
        sentence: sentence(facts, cause),
    }
}

fn cause(facts: &Facts) -> Cause {
    let oom = facts.oom_kills.is_some_and(|kills| kills > 0);
    let killed = matches!(facts.child, Some(Status::Signaled(Signal::KILL)));
    // a shell reports its command's death by KILL as 137
    let shell_saw_kill = facts.child == Some(Status::Exited(137));
    if facts.killed_child {
        Cause::GraceExpired
    } else if oom && (killed || shell_saw_kill) {
        Cause::OomKilled
    } else if facts.stop.is_some() {
        if facts.killed.is_empty() {
            Cause::Stopped
        } else {
            Cause::GraceExpired
        }
    } else if matches!(facts.child, Some(Status::Signaled(_)) | None) {
        Cause::Signaled
    } else {
        Cause::Exited
    }
}

fn sentence(facts: &Facts, cause: Cause) -> String {
    let Facts {
        command,
        child,
        stop,
        ..
    } = facts;
    let how = child.map_or_else(
        || "did not end even after SIGKILL (state D?)".to_owned(),
        Status::describe,
    );
    let after = stop
        .map(|stop| format!(" after {stop}"))
        .unwrap_or_default();
    let mut sentence = match cause {
        Cause::OomKilled => format!(
            "{command} was killed by the kernel: the container was out of memory ({} OOM-killed)",
            count(facts.oom_kills.unwrap_or(0), "process", "processes")
        ),
        Cause::GraceExpired if facts.killed_child => {
            format!(
                "{command} had not ended{} and was killed",
                waited(facts, &after)
            )
        }
        Cause::Stopped
            if child.is_some_and(|status| Some(status) == stop.map(Status::Signaled)) =>
        {
            format!("{command} {how}, as asked")
        }
        Cause::Stopped | Cause::GraceExpired => format!("{command} {how}{after}"),
        Cause::Signaled if *child == Some(Status::Signaled(Signal::KILL)) => {
            let oom = if facts.oom_kills.is_some() {
                "no OOM kill was counted"
            } else {
                "OOM kills could not be read"
            };
            format!("{command} {how}, which we did not send ({oom})")
        }
        Cause::Exited | Cause::Signaled => format!("{command} {how}"),
    };
    let left = if facts.killed_child {
        facts.killed.get(1..)
    } else {
        facts.killed.get(..)
    };
    if let Some(left @ [_, ..]) = left {
        sentence.push_str(&format!(
            "; what it left had to be killed too: {}",
            left.join(", ")
        ));
    }
    if let Some((application, status)) = &facts.behind_shell {
        sentence.push_str(&format!("; behind it, {application} {}", status.describe()));
    }
    if cause != Cause::OomKilled && facts.oom_kills.is_some_and(|kills| kills > 0) {
        let kills = count(facts.oom_kills.unwrap_or(0), "process", "processes");
        sentence.push_str(&format!(
            "; the kernel OOM-killed {kills} in this container meanwhile"
        ));
    }
    sentence
}

fn waited(facts: &Facts, after: &str) -> String {
    facts.waited_ms.map_or_else(
        || after.to_owned(),
        |waited| format!(" {}{after}", seconds(waited)),
    )
}

fn count(n: u64, one: &str, many: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{n} {many}")
    }
}

/// Milliseconds as seconds, without needless zeros.
pub fn seconds(milliseconds: u64) -> String {
    format!("{} s", milliseconds as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(child: Status) -> Facts {
        Facts {
            command: "python app.py".to_owned(),
            child: Some(child),
            oom_kills: Some(0),
            ..Facts::default()
        }
    }

    #[test]
    fn the_codes_are_those_of_a_shell() {
        assert_eq!(Status::Exited(3).code(), 3);
        assert_eq!(Status::Signaled(Signal::TERM).code(), 143);
        assert_eq!(Status::Signaled(Signal::KILL).code(), 137);
        assert_eq!(Status::Signaled(Signal::new(64).unwrap()).code(), 192);
    }

    #[test]
    fn kills_of_three_kinds_are_told_apart() {
        let oom = judge(&Facts {
            oom_kills: Some(1),
            ..facts(Status::Signaled(Signal::KILL))
        });
        assert_eq!((oom.cause, oom.code), (Cause::OomKilled, 137));
        let grace = judge(&Facts {
            killed_child: true,
            stop: Some(Signal::TERM),
            killed: vec!["python app.py (7)".to_owned()],
            waited_ms: Some(8000),
            ..facts(Status::Signaled(Signal::KILL))
        });
        assert_eq!((grace.cause, grace.code), (Cause::GraceExpired, 137));
        assert_eq!(
            grace.sentence,
            "python app.py had not ended 8 s after SIGTERM and was killed"
        );
        let other = judge(&facts(Status::Signaled(Signal::KILL)));
        assert_eq!((other.cause, other.code), (Cause::Signaled, 137));
        assert_eq!(
            other.sentence,
            "python app.py died of SIGKILL, which we did not send (no OOM kill was counted)"
        );
    }

    #[test]
    fn an_oom_kill_below_a_shell_is_seen_through_its_137() {
        let verdict = judge(&Facts {
            oom_kills: Some(1),
            ..facts(Status::Exited(137))
        });
        assert_eq!((verdict.cause, verdict.code), (Cause::OomKilled, 137));
    }

    #[test]
    fn an_oom_killed_worker_does_not_hide_the_applications_own_end() {
        let verdict = judge(&Facts {
            oom_kills: Some(2),
            ..facts(Status::Exited(1))
        });
        assert_eq!((verdict.cause, verdict.code), (Cause::Exited, 1));
        assert!(
            verdict
                .sentence
                .ends_with("the kernel OOM-killed 2 processes in this container meanwhile")
        );
    }

    #[test]
    fn a_shell_that_died_of_our_signal_is_told_apart_from_its_application() {
        let verdict = judge(&Facts {
            command: "sh -c cd . && python app.py".to_owned(),
            stop: Some(Signal::TERM),
            behind_shell: Some(("python app.py".to_owned(), Status::Exited(0))),
            ..facts(Status::Signaled(Signal::TERM))
        });
        assert_eq!((verdict.cause, verdict.code), (Cause::Stopped, 143));
        assert_eq!(
            verdict.sentence,
            "sh -c cd . && python app.py died of SIGTERM, as asked; behind it, python app.py exited with 0"
        );
        assert!(!verdict.belongs_in_termination_log());
    }

    #[test]
    fn an_ordinary_failure_leaves_the_termination_log_to_the_application() {
        assert!(!judge(&facts(Status::Exited(1))).belongs_in_termination_log());
        assert!(
            judge(&facts(Status::Signaled(Signal::new(11).unwrap()))).belongs_in_termination_log()
        );
    }

    #[test]
    fn exit_codes_are_mapped_by_the_last_rule() {
        let map = ExitMap(vec![(143, 0), (1, 2), (1, 3)]);
        assert_eq!([map.apply(143), map.apply(1), map.apply(7)], [0, 3, 7]);
    }
}
