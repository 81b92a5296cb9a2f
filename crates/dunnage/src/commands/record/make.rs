//! Who is looked at, and who looks: this process if it may, else the supervisor.

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use dunnage_cli::output;
use dunnage_python::{Error, Target};
use dunnage_record::{Book, Settings, Spent};
use dunnage_run::recording::{Finder, Order, ask};
use dunnage_run::{descends_from, find_supervisor};
use dunnage_sys::{PacketConnection, current_pid, current_uid};
use dunnage_timeline::Recording;
use dunnage_timeline::recording::{About, Quality};

use super::signals::Signals;
use super::{RecordCommand, direct};

/// What came of it.
pub enum Made {
    /// A recording, and the signals and the command that still have to be waited for.
    Recording(Box<Recording>, Signals),
    /// None, for a reason that was told; the code to leave with.
    Nothing(ExitCode),
}

/// Makes a recording of what the arguments say.
pub fn make(args: &RecordCommand, settings: &Settings) -> anyhow::Result<Made> {
    let started = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let mut signals = Signals::hold()?;
    let found = match find(args, &mut signals) {
        Ok(found) => found,
        Err((code, reason)) => {
            output::tell(&format!("dunnage: {reason}"));
            return Ok(Made::Nothing(ExitCode::from(code)));
        }
    };
    output::tell(&found.describe(args));
    let seen = match &found.by {
        By::Us(_) => {
            let mut finder = found.finder;
            let (book, spent) = direct::record(settings, &mut finder, &mut signals)?;
            Sight::new(book, spent, Vec::new())
        }
        By::Supervisor(supervisor) => match through(supervisor, args, settings, &mut signals) {
            Ok(seen) => seen,
            Err(error) => {
                output::tell(&format!("dunnage: {error}"));
                return Ok(Made::Nothing(ExitCode::from(1)));
            }
        },
    };
    if seen.book.is_empty() {
        let code = signals.finish()?;
        output::tell(&describe_nothing(code));
        return Ok(Made::Nothing(ExitCode::from(code.unwrap_or(1))));
    }
    let about = About {
        started,
        monotonic: seen.spent.begin,
        duration: seen.spent.duration,
        dunnage: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: read_kernel(),
        ..About::default()
    };
    let quality = Quality {
        asked_interval: settings.interval,
        own_cpu: seen.spent.own_cpu,
        permission: found.by.permission().to_owned(),
        notes: seen.notes,
        ..Quality::default()
    };
    let recording = Box::new(seen.book.finish(about, quality));
    Ok(Made::Recording(recording, signals))
}

/// Why there is no recording, where nobody lived long enough; `code` is the command's.
fn describe_nothing(code: Option<u8>) -> String {
    let why = match code {
        Some(code) => format!("the command ended (exit code {code}) before it was looked at"),
        None => "the processes ended before they were looked at".to_owned(),
    };
    format!(
        "dunnage: {why}, so nothing is written. What is recorded must live for some hundredths of a second: record what it does several times, or the process that starts it"
    )
}

/// What was seen, whoever looked.
struct Sight {
    book: Book,
    spent: Spent,
    notes: Vec<String>,
}

impl Sight {
    fn new(book: Book, spent: Spent, notes: Vec<String>) -> Self {
        Self { book, spent, notes }
    }
}

/// Who looks.
enum By {
    /// This process, which is allowed to as this.
    Us(&'static str),
    /// The supervisor.
    Supervisor(PacketConnection),
}

impl By {
    fn permission(&self) -> &'static str {
        match self {
            Self::Us(permission) => permission,
            Self::Supervisor(_) => "supervisor",
        }
    }
}

struct Found {
    finder: Finder,
    pids: Vec<i32>,
    by: By,
}

impl Found {
    fn describe(&self, args: &RecordCommand) -> String {
        let whom = match self.pids.as_slice() {
            [pid] => format!("process {pid}"),
            pids => format!("{} processes", pids.len()),
        };
        let until = match args.duration {
            Some(duration) => format!(
                "for {}; ^C ends it earlier",
                humantime::format_duration(duration)
            ),
            None => "until it ends, or ^C".to_owned(),
        };
        let by = match &self.by {
            By::Us(_) => "",
            By::Supervisor(_) => " through the supervisor",
        };
        format!("dunnage: recording {whom}{by}, {until}")
    }
}

/// Finds whom to look at; the error is a code and a reason.
fn find(args: &RecordCommand, signals: &mut Signals) -> Result<Found, (u8, String)> {
    if !args.command.is_empty() {
        let pid = signals.start(&args.command)?;
        return Ok(Found {
            finder: Finder::of(&[pid]),
            pids: vec![pid],
            by: By::Us("ancestor"),
        });
    }
    let supervisor = find_supervisor();
    let above = supervisor
        .as_ref()
        .and_then(|supervisor| supervisor.peer().ok())
        .map_or(1, |peer| peer.pid);
    let mut finder = if args.pids.is_empty() {
        Finder::below(above)
    } else {
        Finder::of(&args.pids)
    };
    let pids = finder.find();
    let Some(first) = pids.first() else {
        let reason = match args.pids.as_slice() {
            [] => "no Python process was found; name one: dunnage record --pid PID".to_owned(),
            [pid] => format!("there is no process {pid}"),
            _ => "none of these processes is there".to_owned(),
        };
        return Err((1, reason));
    };
    let by = match (pids.iter().find_map(|pid| refusal(*pid)), supervisor) {
        (Some(_), Some(supervisor)) => By::Supervisor(supervisor),
        (Some(reason), None) => {
            output::tell(&format!("dunnage: {reason}; recording what can be seen"));
            By::Us(permission(*first))
        }
        (None, _) => By::Us(permission(*first)),
    };
    Ok(Found { finder, pids, by })
}

/// Why a process may not be read, if that is so.
fn refusal(pid: i32) -> Option<String> {
    match Target::prepare(pid) {
        Err(error @ Error::Refused { .. }) => Some(error.to_string()),
        _ => None,
    }
}

fn permission(pid: i32) -> &'static str {
    if descends_from(pid, current_pid()) {
        "ancestor"
    } else if current_uid() == 0 {
        "root"
    } else {
        "same uid"
    }
}

fn through(
    supervisor: &PacketConnection,
    args: &RecordCommand,
    settings: &Settings,
    signals: &mut Signals,
) -> anyhow::Result<Sight> {
    let order = Order {
        pids: args.pids.clone(),
        interval: Duration::from_nanos(settings.interval),
        duration: args.duration,
    };
    let interrupt = signals.as_fd().try_clone_to_owned()?;
    let seen = ask(supervisor, &order, interrupt.as_fd(), || signals.take())?;
    Ok(Sight::new(seen.book, seen.spent, seen.notes))
}

/// `uname -r`.
fn read_kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease");
    release.unwrap_or_default().trim().to_owned()
}
