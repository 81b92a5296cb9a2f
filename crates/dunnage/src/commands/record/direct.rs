//! Recording by this process itself: root, an ancestor, or the same user where Yama does not forbid it.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use anyhow::Context;
use dunnage_record::{Book, Settings, record as look};
use dunnage_run::{Finder, descends_from};
use dunnage_sys::{
    EventFd, Interest, Mask, SignalFd, current_pid, current_uid, monotonic_nanos, poll, set_mask,
};
use dunnage_timeline::Recording;
use dunnage_timeline::recording::{About, Quality};

use super::RecordCommand;
use crate::output;

/// The signals that end a recording: HUP, INT, QUIT, TERM.
const ENDING: [i32; 4] = [1, 2, 3, 15];

/// A recording, if anything was seen, and the command's exit code, if there was one.
pub struct Recorded {
    pub recording: Option<Recording>,
    pub code: Option<ExitCode>,
}

/// Records what the arguments say.
pub fn record(args: &RecordCommand, settings: &Settings) -> anyhow::Result<Recorded> {
    let mut finder = if args.pids.is_empty() {
        Finder::below(1)
    } else {
        Finder::of(&args.pids)
    };
    let pids = finder.find();
    let Some(first) = pids.first().copied() else {
        output::tell(&match args.pids.as_slice() {
            [] => "dunnage: no Python process was found; name one: dunnage record --pid PID"
                .to_owned(),
            [pid] => format!("dunnage: there is no process {pid}"),
            _ => "dunnage: none of these processes is there".to_owned(),
        });
        return Ok(Recorded {
            recording: None,
            code: None,
        });
    };
    output::tell(&format!(
        "dunnage: recording {} process{}; ^C ends it",
        pids.len(),
        if pids.len() == 1 { "" } else { "es" }
    ));
    let mask = ENDING
        .iter()
        .fold(Mask::default(), |mask, signal| mask.with(*signal));
    set_mask(mask).context("cannot block signals")?;
    let signals = SignalFd::new(mask).context("cannot wait for signals")?;
    let recording = in_thread(settings, finder, first, &signals)?;
    Ok(Recorded {
        recording,
        code: None,
    })
}

/// Looks in a thread of its own until it ends or a signal comes.
fn in_thread(
    settings: &Settings,
    mut finder: Finder,
    first: i32,
    signals: &SignalFd,
) -> anyhow::Result<Option<Recording>> {
    let stop = AtomicBool::new(false);
    let done = EventFd::new().context("cannot make an event descriptor")?;
    let begin = monotonic_nanos();
    let started = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let mut book = Book::new();
    let spent = std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let spent = look(settings, begin, &mut || finder.find(), &stop, &mut book);
            done.raise();
            spent
        });
        loop {
            use std::os::fd::AsFd;
            let wanted = [
                Some((done.as_fd(), Interest::Read)),
                Some((signals.as_fd(), Interest::Read)),
            ];
            match poll(&wanted, None) {
                Ok(ready) if ready.has(0) => break,
                Ok(_) => {
                    if matches!(signals.read(), Ok(Some(_))) {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    output::tell(&format!("dunnage: waiting failed: {error}"));
                    break;
                }
            }
        }
        looking.join()
    });
    let Ok(spent) = spent else {
        anyhow::bail!("looking ended by a panic");
    };
    if book.is_empty() {
        output::tell("dunnage: nothing was seen: the processes had ended");
        return Ok(None);
    }
    let about = About {
        started,
        monotonic: begin,
        duration: spent.duration,
        dunnage: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: read_kernel(),
        ..About::default()
    };
    let quality = Quality {
        asked_interval: settings.interval,
        own_cpu: spent.own_cpu,
        permission: permission(first).to_owned(),
        ..Quality::default()
    };
    Ok(Some(book.finish(about, quality)))
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

/// `uname -r`.
fn read_kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease");
    release.unwrap_or_default().trim().to_owned()
}
