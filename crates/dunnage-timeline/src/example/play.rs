//! A small world in steps of a twentieth of a millisecond: threads, a GIL, a quota, and a host that is busy elsewhere.

use crate::Nanos;

use super::scene::{Act, Scene, Stretch};
use super::{Dice, MS};

/// A step.
const STEP: Nanos = MS / 20;
/// How long a thread waits for the GIL before it wakes and asks for it (`sys.getswitchinterval()`).
const SWITCH: Nanos = 5 * MS;

/// What happens. The default is the headline case.
#[derive(Debug, Clone)]
pub struct Play {
    /// CPUs worth of time in each period of 100 ms; `None`: unlimited.
    pub limit: Option<f64>,
    /// A request arrives each so long.
    pub request_every: Nanos,
    /// Its CPU time, with the GIL.
    pub request_cpu: Nanos,
    /// It waits so long for something else in the middle.
    pub request_sleep: Nanos,
    /// Threads that handle requests in turn.
    pub handlers: u32,
    /// Another thread makes a long call each so long; 0: never.
    pub call_every: Nanos,
    /// CPU time of the call.
    pub call_cpu: Nanos,
    /// Whether the call holds the GIL throughout.
    pub call_holds_gil: bool,
    /// Threads that take the call's work together, as a BLAS pool does; the GIL is not held then.
    pub pool: u32,
    /// Each so long the host gives the group no CPU; 0: never.
    pub host_busy_every: Nanos,
    /// For so long.
    pub host_busy_for: Nanos,
}

impl Default for Play {
    fn default() -> Self {
        Self {
            limit: Some(0.2),
            request_every: 50 * MS,
            request_cpu: 2 * MS,
            request_sleep: 0,
            handlers: 1,
            call_every: 4_000 * MS,
            call_cpu: 80 * MS,
            call_holds_gil: true,
            pool: 0,
            host_busy_every: 0,
            host_busy_for: 0,
        }
    }
}

/// A piece of work of a thread.
#[derive(Debug, Clone, Copy)]
struct Job {
    /// When it was due.
    due: Nanos,
    /// CPU time that is left.
    left: Nanos,
    /// When half of it is done it sleeps so long.
    sleep: Nanos,
    /// Whether it needs the GIL.
    gil: bool,
}

#[derive(Debug, Clone)]
struct Actor {
    name: String,
    jobs: Vec<Job>,
    asleep_until: Nanos,
    /// When a waiter for the GIL wakes next.
    wakes: Nanos,
    stretches: Vec<Stretch>,
}

impl Actor {
    fn new(name: String) -> Self {
        Self {
            name,
            jobs: Vec::new(),
            asleep_until: 0,
            wakes: 0,
            stretches: Vec::new(),
        }
    }

    fn note(&mut self, end: Nanos, act: Act) {
        match self.stretches.last_mut() {
            Some(last) if last.act == act => last.end = end,
            _ => self.stretches.push(Stretch { end, act }),
        }
    }
}

/// All that changes from step to step.
struct World {
    actors: Vec<Actor>,
    holder: Option<usize>,
    /// CPU time left in this period, negative if overdrawn.
    pool: i64,
    throttled_since: Option<Nanos>,
    scene: Scene,
    hold_since: Nanos,
}

impl Play {
    /// Plays it for so long.
    pub fn scene(&self, duration: Nanos) -> Scene {
        let phase = 37 * MS;
        let quota = self.limit.map(|limit| (limit * 100.0 * MS as f64) as i64);
        let mut dice = Dice::new(3);
        let mut world = World {
            actors: self.cast(),
            holder: None,
            pool: quota.unwrap_or(i64::MAX),
            throttled_since: None,
            scene: Scene {
                duration,
                quota: self.limit.map(|limit| (limit, 100 * MS, phase)),
                ..Scene::default()
            },
            hold_since: 0,
        };
        let mut arrivals = 0;
        for step in 0..duration / STEP {
            let now = step * STEP;
            self.arrive(&mut world, now, &mut arrivals, &mut dice);
            if let Some(quota) = quota.filter(|_| now % (100 * MS) == phase) {
                world.refill(quota, now);
            }
            let busy =
                self.host_busy_every > 0 && now % self.host_busy_every.max(1) < self.host_busy_for;
            world.step(now, quota.is_some(), busy);
        }
        world.finish()
    }

    fn cast(&self) -> Vec<Actor> {
        let handlers = (0..self.handlers.max(1)).map(|number| format!("handler-{number}"));
        let pool = (0..self.pool.max(1)).map(|number| format!("background-{number}"));
        handlers.chain(pool).map(Actor::new).collect()
    }

    fn arrive(&self, world: &mut World, now: Nanos, arrivals: &mut usize, dice: &mut Dice) {
        let handlers = self.handlers.max(1) as usize;
        if now.is_multiple_of(self.request_every.max(STEP)) {
            let due = now + dice.below(self.request_every / 5) / STEP * STEP;
            world.actors[*arrivals % handlers].jobs.push(Job {
                due,
                left: self.request_cpu / STEP * STEP,
                sleep: self.request_sleep,
                gil: true,
            });
            *arrivals += 1;
        }
        if self.call_every > 0 && now % self.call_every == self.call_every / 2 / STEP * STEP {
            let share = self.call_cpu / u64::from(self.pool.max(1)) / STEP * STEP;
            for actor in &mut world.actors[handlers..] {
                actor.jobs.push(Job {
                    due: now,
                    left: share,
                    sleep: 0,
                    gil: self.call_holds_gil && self.pool == 0,
                });
            }
        }
    }
}

impl World {
    fn refill(&mut self, quota: i64, now: Nanos) {
        self.pool = self.pool.min(0) + quota;
        if self.pool > 0
            && let Some(since) = self.throttled_since.take()
        {
            self.scene.windows.push((since, now));
        }
    }

    fn step(&mut self, now: Nanos, limited: bool, host_busy: bool) {
        let end = now + STEP;
        let mut cpus = if host_busy { 0 } else { 2 };
        let mut wanted = false;
        // who has the GIL comes first, then in turn, as a scheduler about does
        let first = self.holder.unwrap_or(0);
        for turn in 0..self.actors.len() {
            let at = (first + turn) % self.actors.len();
            let throttled = self.throttled_since.is_some();
            let act = self.act(at, now, cpus > 0 && !throttled);
            wanted |= matches!(act, Act::Ready | Act::WokenForGil);
            if act == Act::Run {
                cpus -= 1;
                self.pool -= if limited { STEP as i64 } else { 0 };
            }
            self.actors[at].note(end, act);
            if act == Act::Run {
                self.work(at, end);
            }
        }
        let more = self.actors.iter().any(|actor| {
            actor.asleep_until <= end && actor.jobs.first().is_some_and(|job| job.due <= end)
        });
        if limited && self.pool <= 0 && (wanted || more) && self.throttled_since.is_none() {
            self.throttled_since = Some(end);
        }
    }

    /// What the actor does in this step.
    fn act(&mut self, at: usize, now: Nanos, cpu: bool) -> Act {
        let holder = self.holder;
        let actor = &mut self.actors[at];
        let Some(job) = actor.jobs.first().copied() else {
            return Act::Sleep;
        };
        if job.due > now || actor.asleep_until > now {
            return Act::Sleep;
        }
        let blocked = job.gil && holder.is_some_and(|holder| holder != at);
        if !blocked {
            if cpu {
                if job.gil && holder.is_none() {
                    self.holder = Some(at);
                    self.hold_since = now;
                }
                actor.wakes = 0;
                return Act::Run;
            }
            return Act::Ready;
        }
        if actor.wakes == 0 {
            // it comes to the lock, which takes a step
            actor.wakes = now;
        }
        if now < actor.wakes {
            return Act::WantsGil;
        }
        if cpu { Act::Run } else { Act::WokenForGil }
    }

    /// What a step on a CPU did.
    fn work(&mut self, at: usize, end: Nanos) {
        let actor = &mut self.actors[at];
        let Some(job) = actor.jobs.first_mut() else {
            return;
        };
        if job.gil && self.holder != Some(at) {
            actor.wakes = end + SWITCH;
            return;
        }
        job.left = job.left.saturating_sub(STEP);
        if job.sleep > 0 && job.left > 0 {
            actor.asleep_until = end + job.sleep;
            job.sleep = 0;
            self.release(at, end);
        } else if job.left == 0 {
            let job = actor.jobs.remove(0);
            if actor.name.starts_with("handler") {
                self.scene.requests.push((at as u32, job.due, end));
            }
            self.release(at, end);
        }
    }

    fn release(&mut self, at: usize, end: Nanos) {
        if self.holder == Some(at) {
            self.scene.holds.push((self.hold_since, end, at as u32));
            self.holder = None;
        }
    }

    fn finish(mut self) -> Scene {
        if let Some(holder) = self.holder {
            self.release(holder, self.scene.duration);
        }
        self.scene.requests.sort_by_key(|request| request.1);
        self.scene.threads = self
            .actors
            .into_iter()
            .map(|actor| (actor.name, actor.stretches))
            .collect();
        self.scene
    }
}
