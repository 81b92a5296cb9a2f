//! Packets, tracks, events and interned names: the form of a trace, whatever it tells.

use std::collections::BTreeMap;

use super::wire::Wire;
use crate::Nanos;

/// All packets are of one sequence, which keeps the interned names.
const SEQUENCE: u64 = 1;

/// Fields of `TracePacket`.
mod packet {
    pub const TIMESTAMP: u32 = 8;
    pub const SEQUENCE: u32 = 10;
    pub const EVENT: u32 = 11;
    pub const INTERNED: u32 = 12;
    pub const FLAGS: u32 = 13;
    pub const TRACK: u32 = 60;
    pub const STATE_CLEARED: u64 = 1;
    pub const NEEDS_STATE: u64 = 2;
}

/// Fields of `TrackDescriptor`, and of the descriptors in it.
pub(super) mod track {
    pub const UUID: u32 = 1;
    pub const NAME: u32 = 2;
    pub const PROCESS: u32 = 3;
    pub const THREAD: u32 = 4;
    pub const PARENT: u32 = 5;
    pub const COUNTER: u32 = 8;
    pub const PROCESS_PID: u32 = 1;
    pub const PROCESS_COMMAND: u32 = 2;
    pub const PROCESS_NAME: u32 = 6;
    pub const THREAD_PID: u32 = 1;
    pub const THREAD_TID: u32 = 2;
    pub const THREAD_NAME: u32 = 5;
    pub const COUNTER_UNIT: u32 = 6;
}

/// The type of an event that is a moment.
pub(super) const INSTANT: u64 = 3;

/// Fields of `TrackEvent`, of `DebugAnnotation` and of `InternedData`.
mod event {
    pub const CATEGORY: u32 = 3;
    pub const ARGUMENT: u32 = 4;
    pub const TYPE: u32 = 9;
    pub const NAME: u32 = 10;
    pub const TRACK: u32 = 11;
    pub const VALUE: u32 = 44;
    pub const BEGIN: u64 = 1;
    pub const END: u64 = 2;
    pub const COUNTER: u64 = 4;
    pub const ARGUMENT_NAME: u32 = 1;
    pub const ARGUMENT_NUMBER: u32 = 3;
    pub const ARGUMENT_DOUBLE: u32 = 5;
    pub const ARGUMENT_TEXT: u32 = 6;
    pub const INTERNED_CATEGORY: u32 = 1;
    pub const INTERNED_NAME: u32 = 2;
    pub const INTERNED_ARGUMENT: u32 = 3;
}

/// The names that were told already, by what they are for: the fields of `InternedData`, 1 to 3.
#[derive(Debug, Default)]
struct Names([BTreeMap<String, u64>; 4]);

pub(super) struct Trace {
    out: Wire,
    base: Nanos,
    last_track: u64,
    names: Names,
    is_begun: bool,
}

/// What is said along with a slice.
pub(super) enum Argument<'a> {
    Number(&'a str, u64),
    Milliseconds(&'a str, Nanos),
    Text(&'a str, &'a str),
}

/// A slice of any track.
pub(super) struct Slice<'a> {
    pub(super) start: Nanos,
    pub(super) end: Nanos,
    pub(super) category: &'a str,
    pub(super) name: &'a str,
    pub(super) arguments: Vec<Argument<'a>>,
}

impl Trace {
    pub(super) fn new(base: Nanos) -> Self {
        Self {
            out: Wire::default(),
            base,
            last_track: 0,
            names: Names::default(),
            is_begun: false,
        }
    }

    /// All that was written.
    pub(super) fn finish(self) -> Vec<u8> {
        self.out.0
    }

    /// A packet. The first says that nothing that was interned before it counts.
    fn packet(&mut self, fill: impl FnOnce(&mut Wire, &mut Names)) {
        let flags = if self.is_begun {
            packet::NEEDS_STATE
        } else {
            packet::STATE_CLEARED | packet::NEEDS_STATE
        };
        self.is_begun = true;
        let names = &mut self.names;
        self.out.message(1, |wire| {
            wire.number(packet::SEQUENCE, SEQUENCE);
            wire.number(packet::FLAGS, flags);
            fill(wire, names);
        });
    }

    pub(super) fn track(&mut self, parent: Option<u64>, describe: impl FnOnce(&mut Wire)) -> u64 {
        self.last_track += 1;
        let uuid = self.last_track;
        self.packet(|wire, _| {
            wire.message(packet::TRACK, |wire| {
                wire.number(track::UUID, uuid);
                if let Some(parent) = parent {
                    wire.number(track::PARENT, parent);
                }
                describe(wire);
            });
        });
        uuid
    }

    pub(super) fn named_track(&mut self, parent: Option<u64>, name: &str) -> u64 {
        self.track(parent, |wire| wire.text(track::NAME, name))
    }

    pub(super) fn event(
        &mut self,
        on: u64,
        at: Nanos,
        kind: u64,
        fill: impl FnOnce(&mut Wire, &mut Named),
    ) {
        let time = self.base.saturating_add(at);
        self.packet(|wire, names| {
            wire.number(packet::TIMESTAMP, time);
            let mut named = Named {
                names,
                fresh: Vec::new(),
            };
            wire.message(packet::EVENT, |wire| {
                wire.number(event::TYPE, kind);
                wire.number(event::TRACK, on);
                fill(wire, &mut named);
            });
            named.introduce(wire);
        });
    }

    pub(super) fn slice(&mut self, on: u64, slice: &Slice<'_>) {
        self.event(on, slice.start, event::BEGIN, |wire, named| {
            slice.describe(wire, named);
        });
        self.event(on, slice.end.max(slice.start), event::END, |_, _| {});
    }

    pub(super) fn counter(&mut self, on: u64, at: Nanos, value: f64) {
        self.event(on, at, event::COUNTER, |wire, _| {
            wire.double(event::VALUE, value);
        });
    }
}

/// The names that one packet uses; those that are new are told in it.
pub(super) struct Named<'n> {
    names: &'n mut Names,
    fresh: Vec<(u32, String, u64)>,
}

impl Named<'_> {
    fn number_of(&mut self, kind: u32, name: &str) -> u64 {
        let known = &mut self.names.0[kind as usize];
        if let Some(number) = known.get(name) {
            return *number;
        }
        let number = known.len() as u64 + 1;
        known.insert(name.to_owned(), number);
        self.fresh.push((kind, name.to_owned(), number));
        number
    }

    pub(super) fn category(&mut self, wire: &mut Wire, name: &str) {
        wire.number(
            event::CATEGORY,
            self.number_of(event::INTERNED_CATEGORY, name),
        );
    }

    pub(super) fn name(&mut self, wire: &mut Wire, name: &str) {
        wire.number(event::NAME, self.number_of(event::INTERNED_NAME, name));
    }

    pub(super) fn argument(&mut self, wire: &mut Wire, argument: &Argument<'_>) {
        wire.message(event::ARGUMENT, |wire| {
            let mut name = |name: &str| {
                wire.number(
                    event::ARGUMENT_NAME,
                    self.number_of(event::INTERNED_ARGUMENT, name),
                );
            };
            match argument {
                Argument::Number(key, value) => {
                    name(key);
                    wire.number(event::ARGUMENT_NUMBER, *value);
                }
                Argument::Milliseconds(key, value) => {
                    name(&format!("{key}, ms"));
                    wire.double(event::ARGUMENT_DOUBLE, *value as f64 / 1e6);
                }
                Argument::Text(key, value) => {
                    name(key);
                    wire.text(event::ARGUMENT_TEXT, value);
                }
            }
        });
    }

    fn introduce(self, wire: &mut Wire) {
        if self.fresh.is_empty() {
            return;
        }
        wire.message(packet::INTERNED, |wire| {
            for (kind, name, number) in self.fresh {
                wire.message(kind, |wire| {
                    wire.number(1, number);
                    wire.text(2, &name);
                });
            }
        });
    }
}

impl Slice<'_> {
    fn describe(&self, wire: &mut Wire, named: &mut Named<'_>) {
        named.category(wire, self.category);
        named.name(wire, self.name);
        for argument in &self.arguments {
            named.argument(wire, argument);
        }
    }
}
