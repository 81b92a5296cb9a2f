//! Who is told what: subscriptions, the beginning of a shutdown, memory that becomes short.

use std::time::Duration;

use dunnage_policy::event::Event;
use dunnage_policy::message::{Reply, Topic};
use dunnage_policy::pressure::Level;
use dunnage_policy::signal::Signal;

use super::Control;
use super::connection::{Connection, Fate};
use crate::log::Log;

/// The most connections that subscribe; the rest is for those who say a word and go.
pub const MAX_SUBSCRIBERS: usize = 56;

/// A shutdown under way.
#[derive(Debug, Clone, Copy)]
pub struct Stop {
    signal: Signal,
    deadline: Option<Duration>,
}

/// How short memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressure {
    /// The level that was reached.
    pub level: Level,
    /// The working set, in bytes.
    pub working_set: u64,
    /// What there is, in bytes.
    pub limit: u64,
}

impl From<Pressure> for Reply {
    fn from(pressure: Pressure) -> Self {
        Self::Pressure {
            level: pressure.level,
            working_set: pressure.working_set,
            limit: pressure.limit,
        }
    }
}

impl Control {
    /// Tells everybody who wants to know that a shutdown has begun. Only the first one counts.
    pub fn announce_stop(&mut self, signal: Signal, now: Duration, budget: Option<Duration>) {
        if self.stop.is_some() {
            return;
        }
        self.agents.expect_no_more();
        let deadline = budget.map(|budget| now + budget);
        self.stop = Some(Stop { signal, deadline });
        let packet = Reply::drain(signal, budget).to_packet();
        self.announce(&packet, |connection| connection.wants_drain);
    }

    /// Tells everybody who wants to know that memory has become shorter. Who does not read is passed over, and stays for the
    /// notice of a shutdown; the first time that is said.
    pub fn announce_pressure(&mut self, pressure: Pressure, log: &mut Log) {
        self.pressure = Some(pressure);
        let all = self.connections.values();
        let deaf: Vec<_> = all
            .filter(|connection| connection.wants_pressure && connection.is_crowded())
            .map(|connection| connection.peer.pid)
            .collect();
        if let (0, Some(pid)) = (self.notices_dropped, deaf.first()) {
            log.say(&Event::Degraded {
                what: format!("the control socket: process {pid} is not told how short memory is"),
                reason: "it does not read what it is sent".to_owned(),
            });
        }
        self.notices_dropped += deaf.len() as u64;
        let packet = Reply::from(pressure).to_packet();
        self.announce(&packet, |connection| {
            connection.wants_pressure && !connection.is_crowded()
        });
    }

    /// How many notices of memory pressure were dropped since the start.
    pub fn notices_dropped(&self) -> u64 {
        self.notices_dropped
    }

    /// Memory has become less short, or is not short any more: nobody is told, but for those who come late.
    pub fn settle_pressure(&mut self, pressure: Option<Pressure>) {
        self.pressure = pressure;
    }

    fn announce(&mut self, packet: &[u8], wants: impl Fn(&Connection) -> bool) {
        let epoll = &self.epoll;
        self.connections.retain(|_, connection| {
            !wants(connection) || connection.post(packet.to_vec(), epoll) == Fate::Keep
        });
    }

    /// Takes a subscription. Who comes late is told at once.
    pub(super) fn subscribe(
        &mut self,
        token: u64,
        to: &[Topic],
        now: Duration,
        log: &mut Log,
    ) -> Option<Reply> {
        let others = self
            .connections
            .iter()
            .filter(|(other, connection)| connection.subscribed && **other != token)
            .count();
        if others >= MAX_SUBSCRIBERS {
            let what = format!("there are {MAX_SUBSCRIBERS} subscribers already");
            if !std::mem::replace(&mut self.crowd_reported, true) {
                log.say(&Event::Degraded {
                    what: "the control socket: some processes are not told of a shutdown or of memory pressure inside Python"
                        .to_owned(),
                    reason: what.clone(),
                });
            }
            return Some(Reply::error(what));
        }
        let connection = self.connections.get_mut(&token)?;
        connection.subscribed = true;
        let pressure = to.contains(&Topic::Pressure) && !connection.wants_pressure;
        let drain = to.contains(&Topic::Drain) && !connection.wants_drain;
        connection.wants_pressure |= pressure;
        connection.wants_drain |= drain;
        if let Some(pressure) = self.pressure.filter(|_| pressure) {
            self.post(token, &pressure.into());
        }
        let stop = self.stop.filter(|_| drain)?;
        let left = stop.deadline.map(|deadline| deadline.saturating_sub(now));
        Some(Reply::drain(stop.signal, left))
    }
}
