//! Reads what applications mark (`dunnage.mark`, `dunnage.span`) out of their memory.
//!
//! The Python extension exports the ring `DUNNAGE_MARKS`, whose layout `dunnage_sys::marks` tells. [`MarkReader::find`]
//! looks through the mapped files of a process for it; [`MarkReader::read`] then takes one read of the target's memory
//! where nothing is new, and one more where something is. The target neither takes part nor notices, so it may write while
//! it is read: a mark counts only if it is whole. And what lies there is another program's memory: nothing that it says
//! makes a look longer than the ring is, or bigger than 256 KiB.

use dunnage_python::elf::Object;
use dunnage_python::memory::{Memory, ProcessMemory};
use dunnage_python::process::read_beginnings;
use dunnage_sys::marks::{MAGIC, NAMES, SLOTS, VERSION, check_of};

const HEADER: usize = 64;
const SLOT: usize = 64;
const NAME: usize = 32;

/// The most files of the extension's name that are looked at: other packages call theirs `_native` too.
const MAX_FILES: usize = 16;

/// The most marks that are awaited: those that had been begun to be written when they were read.
const MAX_AWAITED: usize = 64;

/// The most looks that a mark is awaited for: a second, as a recorder looks. A thread that lost its CPU while it wrote, and
/// goes on when the ring has come round, writes its old mark over a newer one. That one is never whole again, and if the
/// application marks nothing more its place is never taken either.
const MAX_LOOKS: u8 = 200;

/// One mark, as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawMark<'n> {
    /// Its name; empty where the application used too many.
    pub name: &'n str,
    /// The application's number for it.
    pub id: u64,
    /// The thread that wrote it, as the target's own PID namespace numbers it.
    pub tid: i32,
    /// When it was, or began: nanoseconds of the target's `CLOCK_MONOTONIC`, not after `end`.
    pub begin: u64,
    /// When it ended; `None` for a moment.
    pub end: Option<u64>,
}

/// Reads the ring of one process.
#[derive(Debug)]
pub struct MarkReader<M = ProcessMemory> {
    memory: M,
    ring: u64,
    /// The number of the next mark to be read; `None` before the first look.
    next: Option<u64>,
    /// Numbers that were not whole when they were read, and how often they were.
    awaited: Vec<(u64, u8)>,
    names: Vec<Option<Box<str>>>,
    buffer: Vec<u8>,
}

impl MarkReader {
    /// Finds the ring of a process: `None` where it has not loaded the extension (yet), or may not be read. It takes a
    /// look at `/proc/PID/maps`, which is some hundred microseconds: for once in a while.
    ///
    /// Reading then begins with the oldest mark of this process that is still there, not with now: a caller leaves out
    /// what ended before its recording began.
    pub fn find(pid: i32) -> Option<Self> {
        let memory = ProcessMemory { pid };
        let mappings = read_beginnings(pid).ok()?;
        mappings
            .iter()
            .filter(|mapping| is_extension(mapping.file_name()))
            .take(MAX_FILES)
            .find_map(|mapping| {
                let object = Object::read(&memory, mapping.start).ok()?;
                object.find(&memory, "DUNNAGE_MARKS")
            })
            .map(|ring| Self::at(memory, ring))
    }
}

fn is_extension(name: &str) -> bool {
    name.strip_suffix(".so")
        .is_some_and(|name| name.starts_with("_native"))
}

/// The header of a ring in use.
#[derive(Debug, Clone, Copy)]
struct Header {
    next: u64,
    first: u64,
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|word| word.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

fn half(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|half| half.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

/// What a slot holds, if it is whole and that of this number.
struct Slot {
    begin: u64,
    end: u64,
    id: u64,
    tid: i32,
    name: u32,
}

impl Slot {
    fn parse(bytes: &[u8], number: u64) -> Option<Self> {
        let seq = number.wrapping_add(1);
        let slot = Self {
            begin: word(bytes, 8),
            end: word(bytes, 16),
            id: word(bytes, 24),
            tid: half(bytes, 32).cast_signed(),
            name: half(bytes, 36),
        };
        let check = check_of(seq, slot.begin, slot.end, slot.id, slot.tid, slot.name);
        (word(bytes, 0) == seq && word(bytes, 40) == check).then_some(slot)
    }
}

impl<M: Memory> MarkReader<M> {
    /// Reads a ring whose address is known.
    pub fn at(memory: M, ring: u64) -> Self {
        Self {
            memory,
            ring,
            next: None,
            awaited: Vec::new(),
            names: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// Gives out the marks that are new, in the order in which they were begun to be written, which is about that of
    /// their ends; returns how many were lost: overwritten before they were read, or not whole for 200 looks. Nothing and 0 where
    /// the process is gone or became another program.
    pub fn read(&mut self, mut take: impl FnMut(RawMark<'_>)) -> u64 {
        let Some(header) = self.read_header() else {
            return 0;
        };
        let oldest = header.next.saturating_sub(SLOTS as u64).max(header.first);
        // what is ahead of `next` is not of the ring that was read before: the process became another program
        let from = self
            .next
            .filter(|next| *next <= header.next)
            .unwrap_or(oldest);
        let mut lost = oldest.saturating_sub(from);
        let from = from.max(oldest);
        self.next = Some(header.next);
        // the numbers are another program's: all of them may be lost
        lost = lost.saturating_add(self.read_awaited(header, &mut take));
        if from < header.next {
            lost = lost.saturating_add(self.read_slots(from, header.next, &mut take));
        }
        lost
    }

    fn read_header(&mut self) -> Option<Header> {
        let mut bytes = [0; HEADER];
        self.memory.read(self.ring, &mut bytes).ok()?;
        if word(&bytes, 0) == 0 {
            // not in use yet: whatever comes can only be missed from here on
            self.next = Some(0);
            return None;
        }
        let is_known = word(&bytes, 0) == MAGIC
            && half(&bytes, 8) == VERSION
            && half(&bytes, 12) == SLOTS as u32;
        let (next, first) = (word(&bytes, 16), word(&bytes, 24));
        is_known.then_some(Header {
            next,
            first: first.min(next),
        })
    }

    fn slot_address(&self, number: u64) -> u64 {
        self.ring
            .wrapping_add((HEADER + number as usize % SLOTS * SLOT) as u64)
    }

    /// Reads the slots of these numbers, at most all that there are.
    fn read_slots(&mut self, from: u64, to: u64, take: &mut impl FnMut(RawMark<'_>)) -> u64 {
        let count = ((to - from) as usize).min(SLOTS);
        let until_wrap = (SLOTS - from as usize % SLOTS).min(count);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(count * SLOT, 0);
        let (first, second) = buffer.split_at_mut(until_wrap * SLOT);
        let mut spans = vec![(self.slot_address(from), first)];
        if !second.is_empty() {
            spans.push((self.slot_address(0), second));
        }
        let whole = self.memory.read_many(&mut spans) == spans.len();
        let mut lost = 0;
        if whole {
            for (number, bytes) in (from..to).zip(buffer.chunks_exact(SLOT)) {
                match Slot::parse(bytes, number) {
                    Some(slot) => lost += self.give(&slot, take),
                    None if self.awaited.len() < MAX_AWAITED => self.awaited.push((number, 1)),
                    None => lost += 1,
                }
            }
        } else {
            lost = count as u64;
        }
        self.buffer = buffer;
        lost
    }

    /// Reads again what was not whole. Who writes is a few instructions away from the end, unless it lost its CPU there.
    fn read_awaited(&mut self, header: Header, take: &mut impl FnMut(RawMark<'_>)) -> u64 {
        let mut lost = 0;
        for (number, looks) in std::mem::take(&mut self.awaited) {
            let mut bytes = [0; SLOT];
            let is_read = self
                .memory
                .read(self.slot_address(number), &mut bytes)
                .is_ok();
            match Slot::parse(&bytes, number).filter(|_| is_read) {
                Some(slot) => lost += self.give(&slot, take),
                None if header.next.saturating_sub(number) < SLOTS as u64 && looks < MAX_LOOKS => {
                    self.awaited.push((number, looks + 1));
                }
                None => lost += 1,
            }
        }
        lost
    }

    /// 1 for what is whole and makes no sense all the same.
    fn give(&mut self, slot: &Slot, take: &mut impl FnMut(RawMark<'_>)) -> u64 {
        if slot.end != 0 && slot.end < slot.begin {
            return 1;
        }
        self.learn_name(slot.name);
        take(RawMark {
            name: self.known_name(slot.name),
            id: slot.id,
            tid: slot.tid,
            begin: slot.begin,
            end: Some(slot.end).filter(|end| *end != 0),
        });
        0
    }

    fn known_name(&self, index: u32) -> &str {
        self.names
            .get(index as usize)
            .and_then(Option::as_deref)
            .unwrap_or_default()
    }

    /// Reads a name once: it is there before the first mark that uses it, and stays.
    fn learn_name(&mut self, index: u32) {
        let at = index as usize;
        if at == 0 || at >= NAMES || self.names.get(at).is_some_and(Option::is_some) {
            return;
        }
        let mut bytes = [0; NAME];
        let offset = HEADER + SLOTS * SLOT + at * NAME;
        let address = self.ring.wrapping_add(offset as u64);
        if self.memory.read(address, &mut bytes).is_err() {
            return;
        }
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(NAME);
        let name: String = String::from_utf8_lossy(&bytes[..end])
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        if self.names.len() <= at {
            self.names.resize(at + 1, None);
        }
        self.names[at] = Some(name.into());
    }
}

#[cfg(test)]
mod tests;
