//! Having the fattest worker replaced: SIGTERM, on which it finishes what it has begun, and a look whether its parent has
//! started another.

use std::time::Duration;

use dunnage_policy::event::Event;
use dunnage_policy::signal::Signal;
use dunnage_policy::worker::{Manager, choose_worker, count_workers};

use super::workers::Crew;
use crate::procfs::is_still;

/// How long a worker has to finish and to be replaced: gunicorn gives 30 s to finish, and a new one has to import.
const REPLACED: Duration = Duration::from_mins(1);

/// Recycles workers, until one is not replaced.
#[derive(Debug, Default)]
pub struct Recycler {
    told: Option<Told>,
    /// A worker was told to end and none came in its place.
    is_off: bool,
}

/// A worker that was told to end.
#[derive(Debug, Clone)]
struct Told {
    due: Duration,
    manager: Manager,
    parent: i32,
    workers: usize,
    parent_name: String,
}

impl Recycler {
    /// When to look whether the last one was replaced.
    pub fn wake_at(&self) -> Option<Duration> {
        self.told.as_ref().map(|told| told.due)
    }

    /// Tells the fattest worker to end, or says why not.
    pub fn recycle(&mut self, now: Duration) -> Event {
        let refused = |reason: String| Event::RecycleRefused { reason };
        if self.is_off {
            return refused("the one before was not replaced".to_owned());
        }
        if self.told.is_some() {
            return refused("the one before may still be finishing".to_owned());
        }
        let crew = Crew::read();
        let worker = match choose_worker(&crew.candidates) {
            Ok(worker) => worker,
            Err(error) => return refused(error.to_string()),
        };
        let Some(identity) = crew.identity(worker.pid) else {
            return refused("the fattest worker has just ended".to_owned());
        };
        let still = || is_still(identity);
        if let Err(error) = dunnage_sys::signal_checked(worker.pid, Signal::TERM.number(), still) {
            return refused(format!(
                "process {} cannot be told to end: {error}",
                worker.pid
            ));
        }
        let parent_name = format!("{} ({})", crew.name(worker.parent), worker.parent);
        self.told = Some(Told {
            due: now + REPLACED,
            manager: worker.manager,
            parent: worker.parent,
            workers: worker.workers,
            parent_name: parent_name.clone(),
        });
        Event::Recycled {
            pid: worker.pid,
            command: crew.name(worker.pid),
            rss_bytes: worker.rss,
            parent: parent_name,
        }
    }

    /// Looks whether the last one was replaced, when that is due; says so if not.
    pub fn look(&mut self, now: Duration) -> Option<Event> {
        let told = self.told.take_if(|told| now >= told.due)?;
        let workers = count_workers(&Crew::read().candidates, told.manager, told.parent);
        if workers >= told.workers {
            return None;
        }
        self.is_off = true;
        Some(Event::RecycleRefused {
            reason: format!(
                "{} has {workers} workers of {} a minute after one was told to end (uvicorn replaces them from 0.30 on); no \
                 more will be",
                told.parent_name, told.workers
            ),
        })
    }
}
