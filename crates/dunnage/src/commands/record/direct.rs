//! Looking from this process: as root, as an ancestor, or as the same user where Yama does not forbid it.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use dunnage_record::{Book, Settings, Spent, record as look};
use dunnage_run::recording::Finder;
use dunnage_sys::{EventFd, Interest, monotonic_nanos, poll};

use super::signals::Signals;

/// Looks in a thread of its own, until that ends by itself or a signal asks for it.
pub fn record(
    settings: &Settings,
    finder: &mut Finder,
    signals: &mut Signals,
) -> anyhow::Result<(Book, Spent)> {
    let stop = AtomicBool::new(false);
    let done = EventFd::new().context("cannot make an event descriptor")?;
    let begin = monotonic_nanos();
    let mut book = Book::new();
    let spent = std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            // raised when the thread ends, whichever way
            let _raise = Raise(&done);
            look(settings, begin, &mut || finder.find(), &stop, &mut book)
        });
        wait(&done, signals, &stop);
        looking.join()
    });
    match spent {
        Ok(spent) => Ok((book, spent)),
        Err(_) => anyhow::bail!("looking ended by a panic"),
    }
}

struct Raise<'a>(&'a EventFd);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.raise();
    }
}

fn wait(done: &EventFd, signals: &mut Signals, stop: &AtomicBool) {
    loop {
        let wanted = [
            Some((done.as_fd(), Interest::Read)),
            Some((signals.as_fd(), Interest::Read)),
        ];
        let ready = poll(&wanted, None);
        let is_done = ready.as_ref().is_ok_and(|ready| ready.has(0));
        // without signals it can still end by itself, so it is told to
        if ready.is_err() || signals.take() {
            stop.store(true, Ordering::Relaxed);
        }
        if is_done || ready.is_err() {
            return;
        }
    }
}
