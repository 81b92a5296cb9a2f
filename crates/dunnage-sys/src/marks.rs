//! The ring that an application writes its marks into, and that a recorder reads from another process.
//!
//! A mark must cost nanoseconds in the application, whether somebody records or not: no system call, no lock, no memory
//! that grows. So the Python extension exports one static symbol, `DUNNAGE_MARKS`, a ring in zero-initialised memory that
//! costs nothing until it is used, and a recorder finds it by its dynamic symbol and copies what is new. It is never
//! told to the application that somebody reads; what the recorder misses is overwritten, and it can tell how much.
//!
//! The layout is the contract with `dunnage-record/src/marks.rs`; every number is little endian (as are the processors):
//!
//! | offset | |
//! |---|---|
//! | 0 | `magic` u64, [`MAGIC`] once the first mark was made |
//! | 8 | `version` u32, [`VERSION`] |
//! | 12 | `slots` u32, [`SLOTS`] |
//! | 16 | `next` u64: how many marks were begun to be written, over all time |
//! | 24 | `first` u64: the first mark of this very process; those before it were made by the one that forked it |
//! | 64 | `slots` × 64 bytes: `seq` u64 (number of the mark + 1), `begin` and `end` u64 (`CLOCK_MONOTONIC`, ns; an end of 0 is a moment), `id` u64, `tid` i32 (in the PID namespace of the process), `name` u32, `check` u64 ([`check_of`]) |
//! | behind | [`NAMES`] × 32 bytes: names, UTF-8, filled up with zeros; number 0 is the empty one |
//!
//! A slot is whole if its `seq` is that of the mark that is looked for and its `check` fits: a reader copies it while
//! others may write, and neither order nor time may be relied on across processes.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64};

/// What the ring begins with: `DNmarks1`.
pub const MAGIC: u64 = 0x3173_6b72_616d_4e44;
/// The version of the layout.
pub const VERSION: u32 = 1;
/// How many marks fit before the oldest is overwritten; a power of two.
pub const SLOTS: usize = 4096;
/// How many names can be told apart, the empty one included.
pub const NAMES: usize = 256;
/// The most bytes of a name; the rest is cut off.
pub const NAME_BYTES: usize = 31;

/// How many places are looked at for a name. A table that is nearly full must not make marks slow.
const MAX_PROBES: usize = 32;

type NameWords = [u64; 4];

#[repr(C, align(64))]
struct Slot {
    seq: AtomicU64,
    begin: AtomicU64,
    end: AtomicU64,
    id: AtomicU64,
    tid: AtomicI32,
    name: AtomicU32,
    check: AtomicU64,
}

#[repr(C, align(64))]
struct Header {
    magic: AtomicU64,
    version: AtomicU32,
    slots: AtomicU32,
    next: AtomicU64,
    first: AtomicU64,
}

/// The ring, as it lies in memory.
#[repr(C, align(64))]
struct Ring {
    header: Header,
    slots: [Slot; SLOTS],
    names: [[AtomicU64; 4]; NAMES],
}

/// The one ring of a process. It is exported by the Python extension alone; a program that never marks leaves it out.
#[unsafe(no_mangle)]
static DUNNAGE_MARKS: Ring = Ring::new();

/// Held while a name is put down; never waited for.
static NAMING: Mutex<()> = Mutex::new(());

/// How often this process came out of a fork: a thread's kept id is of one such life.
static LIFE: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static TID: Cell<(u32, i32)> = const { Cell::new((u32::MAX, 0)) };
}

/// Nanoseconds of `CLOCK_MONOTONIC`, as `time.monotonic_ns()` of Python tells them.
pub fn monotonic_nanos() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: it writes into the one structure that it is given; this clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The `check` of a slot. It depends on each bit of the others, so that a slot that was copied half old and half new does
/// not fit.
pub fn check_of(seq: u64, begin: u64, end: u64, id: u64, tid: i32, name: u32) -> u64 {
    let last = u64::from(tid.cast_unsigned()) << 32 | u64::from(name);
    [begin, end, id, last]
        .into_iter()
        .fold(seq ^ MAGIC, |check, word| {
            (check.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        })
}

/// Writes one mark: a moment, or what ran from `begin` to `end`. `name` is from [`name_mark`].
pub fn write_mark(name: u32, id: u64, begin: u64, end: Option<u64>) {
    DUNNAGE_MARKS.write(name, id, begin, end.unwrap_or(0), current_tid());
}

/// The number of a name in marks: cut to [`NAME_BYTES`] at the end of a character, or at a zero byte. 0, the empty name,
/// where there are too many names, or another thread is putting one down at this moment.
pub fn name_mark(name: &str) -> u32 {
    DUNNAGE_MARKS.name(&pack(name))
}

/// Where the ring lies: for tests that read it from another process without a symbol table.
#[doc(hidden)]
pub fn marks_address() -> u64 {
    &raw const DUNNAGE_MARKS as u64
}

fn current_tid() -> i32 {
    let life = LIFE.load(Relaxed);
    TID.with(|kept| match kept.get() {
        (of, tid) if of == life => tid,
        _ => {
            // SAFETY: it takes nothing and cannot fail.
            let tid = unsafe { libc::gettid() };
            kept.set((life, tid));
            tid
        }
    })
}

/// In the child of a fork: what the parent marked is not the child's, and its threads have other ids.
extern "C" fn begin_life() {
    let header = &DUNNAGE_MARKS.header;
    header.first.store(header.next.load(Relaxed), Relaxed);
    LIFE.fetch_add(1, Relaxed);
}

fn pack(name: &str) -> NameWords {
    let bytes = name.as_bytes();
    let mut end = bytes.len().min(NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let mut padded = [0; NAME_BYTES + 1];
    for (to, from) in padded.iter_mut().zip(&bytes[..end]) {
        if *from == 0 {
            break;
        }
        *to = *from;
    }
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(padded.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

impl Ring {
    #[allow(
        clippy::large_stack_arrays,
        reason = "it is only evaluated for a static, and boxed by tests"
    )]
    const fn new() -> Self {
        Self {
            header: Header {
                magic: AtomicU64::new(0),
                version: AtomicU32::new(0),
                slots: AtomicU32::new(0),
                next: AtomicU64::new(0),
                first: AtomicU64::new(0),
            },
            slots: [const {
                Slot {
                    seq: AtomicU64::new(0),
                    begin: AtomicU64::new(0),
                    end: AtomicU64::new(0),
                    id: AtomicU64::new(0),
                    tid: AtomicI32::new(0),
                    name: AtomicU32::new(0),
                    check: AtomicU64::new(0),
                }
            }; SLOTS],
            names: [const { [const { AtomicU64::new(0) }; 4] }; NAMES],
        }
    }

    /// What a reader looks for first is written last. Twice does no harm.
    #[cold]
    fn introduce(&self) {
        self.header.version.store(VERSION, Relaxed);
        self.header.slots.store(SLOTS as u32, Relaxed);
        let was = self.header.magic.swap(MAGIC, AcqRel);
        if was != MAGIC {
            // SAFETY: the function takes nothing, does only atomic stores, and stays loaded: interpreters do not unload
            // extensions. A failure (no memory) is not told: a child's marks would begin with its parent's.
            unsafe { libc::pthread_atfork(None, None, Some(begin_life)) };
        }
    }

    fn write(&self, name: u32, id: u64, begin: u64, end: u64, tid: i32) {
        if self.header.magic.load(Relaxed) != MAGIC {
            self.introduce();
        }
        // Acquire: what is written below is not seen before the number is taken
        let number = self.header.next.fetch_add(1, AcqRel);
        let slot = &self.slots[number as usize % SLOTS];
        let seq = number.wrapping_add(1);
        slot.begin.store(begin, Relaxed);
        slot.end.store(end, Relaxed);
        slot.id.store(id, Relaxed);
        slot.tid.store(tid, Relaxed);
        slot.name.store(name, Relaxed);
        slot.check
            .store(check_of(seq, begin, end, id, tid, name), Relaxed);
        slot.seq.store(seq, Release);
    }

    fn name(&self, words: &NameWords) -> u32 {
        match self.look_up(words) {
            Place::Known(index) => index,
            Place::Free(_) => self.put_down(words),
            Place::None => 0,
        }
    }

    /// The table is hashed into itself: the number of a name is where it lies.
    fn look_up(&self, words: &NameWords) -> Place {
        if words[0] == 0 {
            return Place::Known(0);
        }
        let hash = words.iter().fold(0_u64, |hash, word| {
            (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        let start = (hash >> 40) as usize;
        for probe in 0..MAX_PROBES {
            let index = 1 + (start + probe) % (NAMES - 1);
            let entry = &self.names[index];
            // the first word is written last: while it is 0, the others may be half there
            let first = entry[0].load(Acquire);
            if first == 0 {
                return Place::Free(index);
            }
            if first == words[0] && (1..4).all(|at| entry[at].load(Relaxed) == words[at]) {
                return Place::Known(index as u32);
            }
        }
        Place::None
    }

    #[cold]
    fn put_down(&self, words: &NameWords) -> u32 {
        let Ok(_alone) = NAMING.try_lock() else {
            return 0;
        };
        match self.look_up(words) {
            Place::Known(index) => index,
            Place::None => 0,
            Place::Free(index) => {
                let entry = &self.names[index];
                for at in (0..4).rev() {
                    entry[at].store(words[at], Release);
                }
                index as u32
            }
        }
    }
}

/// Where a name is or could be.
enum Place {
    Known(u32),
    Free(usize),
    None,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    fn ring() -> Box<Ring> {
        Box::new(Ring::new())
    }

    fn read(ring: &Ring, number: u64) -> (u64, u64, u64, u64, i32, u32) {
        let slot = &ring.slots[number as usize % SLOTS];
        (
            slot.seq.load(Acquire),
            slot.begin.load(Relaxed),
            slot.end.load(Relaxed),
            slot.id.load(Relaxed),
            slot.tid.load(Relaxed),
            slot.name.load(Relaxed),
        )
    }

    #[test]
    fn it_lies_in_memory_as_readers_expect() {
        assert_eq!(offset_of!(Header, next), 16);
        assert_eq!(offset_of!(Header, first), 24);
        assert_eq!(offset_of!(Ring, slots), 64);
        assert_eq!(size_of::<Slot>(), 64);
        assert_eq!(offset_of!(Slot, tid), 32);
        assert_eq!(offset_of!(Slot, name), 36);
        assert_eq!(offset_of!(Slot, check), 40);
        assert_eq!(offset_of!(Ring, names), 64 + 64 * SLOTS);
        assert_eq!(size_of::<Ring>(), 64 + 64 * SLOTS + 32 * NAMES);
        assert_eq!(MAGIC.to_le_bytes(), *b"DNmarks1");
    }

    #[test]
    fn a_mark_says_what_it_was_given() {
        let ring = ring();
        ring.write(3, u64::MAX, 5, 0, -1);
        ring.write(4, 8, 5, 6, 7);
        assert_eq!(read(&ring, 0), (1, 5, 0, u64::MAX, -1, 3));
        assert_eq!(read(&ring, 1), (2, 5, 6, 8, 7, 4));
        assert_eq!(ring.header.next.load(Relaxed), 2);
        assert_eq!(ring.header.magic.load(Relaxed), MAGIC);
    }

    #[test]
    fn the_oldest_mark_is_overwritten() {
        let ring = ring();
        for number in 0..SLOTS as u64 + 3 {
            ring.write(0, number, 1, 0, 1);
        }
        assert_eq!(read(&ring, 2).0, SLOTS as u64 + 3);
        assert_eq!(read(&ring, 3).0, 4);
    }

    #[test]
    fn a_name_keeps_its_number_and_no_two_share_one() {
        let ring = ring();
        let name = |text: &str| ring.name(&pack(text));
        assert_eq!(name(""), 0);
        assert_eq!(name("\0after"), 0);
        let request = name("request");
        assert_ne!(request, 0);
        assert_ne!(name("request-more"), request);
        assert_eq!(name("request"), request);
        assert_eq!(name("request\0cut"), request);
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let ring = ring();
        let number = ring.name(&pack(&"é".repeat(40)));
        let bytes: Vec<u8> = ring.names[number as usize]
            .iter()
            .flat_map(|word| word.load(Relaxed).to_le_bytes())
            .collect();
        assert_eq!(std::str::from_utf8(&bytes[..30]).unwrap(), "é".repeat(15));
        assert_eq!(bytes[30..], [0, 0]);
    }

    #[test]
    fn too_many_names_are_all_the_empty_one() {
        let ring = ring();
        let numbers: Vec<u32> = (0..1000)
            .map(|n| ring.name(&pack(&format!("name {n}"))))
            .collect();
        let mut told: Vec<u32> = numbers.iter().copied().filter(|n| *n != 0).collect();
        let count = told.len();
        assert!((200..NAMES).contains(&count), "{count} names");
        told.sort_unstable();
        told.dedup();
        assert_eq!(told.len(), count);
        assert!(told.iter().all(|number| (*number as usize) < NAMES));
        assert_eq!(numbers[999], ring.name(&pack("name 999")));
    }

    #[test]
    fn half_old_and_half_new_does_not_fit() {
        let old = [7_u64, 1_000_000, 2_000_000, 41];
        let new = [4103_u64, 1_010_000, 2_020_000, 42];
        let check = |v: &[u64; 4]| check_of(v[0], v[1], v[2], v[3], 9, 1);
        for mixed in 1..15_u32 {
            let torn: [u64; 4] = std::array::from_fn(|at| {
                if mixed >> at & 1 == 1 {
                    new[at]
                } else {
                    old[at]
                }
            });
            assert_ne!(check(&torn), check(&old));
            assert_ne!(check(&torn), check(&new));
        }
    }

    #[test]
    fn time_is_that_of_the_monotonic_clock() {
        let before = monotonic_nanos();
        assert!(before > 0 && before <= monotonic_nanos());
    }
}
