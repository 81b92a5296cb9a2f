//! Rings that were made by hand: what is overwritten, half written, or a lie.

use std::cell::RefCell;

use super::*;
use dunnage_python::memory::Memory;
use proptest::prelude::*;

const RING: u64 = 0x5000;

/// The memory of a process that has nothing but a ring.
struct Fake(RefCell<Vec<u8>>);

impl Memory for &Fake {
    fn read_many(&self, spans: &mut [(u64, &mut [u8])]) -> usize {
        let memory = self.0.borrow();
        let mut complete = 0;
        for (address, bytes) in spans {
            let from = address.wrapping_sub(RING) as usize;
            let found = from
                .checked_add(bytes.len())
                .and_then(|to| memory.get(from..to));
            let Some(found) = found else { break };
            bytes.copy_from_slice(found);
            complete += 1;
        }
        complete
    }
}

impl Fake {
    fn new() -> Self {
        let fake = Self(RefCell::new(vec![0; HEADER + SLOTS * SLOT + NAMES * NAME]));
        fake.put(0, MAGIC);
        fake.put(8, u64::from(VERSION) | (SLOTS as u64) << 32);
        let name = HEADER + SLOTS * SLOT + NAME;
        fake.0.borrow_mut()[name..name + 7].copy_from_slice(b"request");
        fake
    }

    fn put(&self, at: usize, value: u64) {
        self.0.borrow_mut()[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    fn get(&self, at: usize) -> u64 {
        word(&self.0.borrow(), at)
    }

    fn slot(number: u64) -> usize {
        HEADER + number as usize % SLOTS * SLOT
    }

    /// Writes the next mark, all but the word that makes it whole.
    fn begin(&self, begin: u64, end: u64, id: u64) -> u64 {
        let number = self.get(16);
        self.put(16, number + 1);
        let at = Self::slot(number);
        let (tid, name) = (7, 1);
        let last = u64::from(name) << 32 | 7;
        for (offset, value) in [(8, begin), (16, end), (24, id), (32, last)] {
            self.put(at + offset, value);
        }
        self.put(at + 40, check_of(number + 1, begin, end, id, tid, name));
        number
    }

    fn finish(&self, number: u64) {
        self.put(Self::slot(number), number + 1);
    }

    fn write(&self, begin: u64, end: u64, id: u64) {
        self.finish(self.begin(begin, end, id));
    }
}

fn read<M: Memory>(reader: &mut MarkReader<M>) -> (Vec<u64>, u64) {
    let mut ids = Vec::new();
    let lost = reader.read(|mark| ids.push(mark.id));
    (ids, lost)
}

#[test]
fn marks_are_read_once_with_all_that_they_say() {
    let fake = Fake::new();
    fake.write(5, 9, 41);
    fake.write(6, 0, 42);
    let mut reader = MarkReader::at(&fake, RING);
    let mut seen = Vec::new();
    let lost = reader.read(|mark| {
        let name = mark.name.to_owned();
        seen.push((name, mark.id, mark.tid, mark.begin, mark.end));
    });
    assert_eq!(lost, 0);
    assert_eq!(
        seen,
        [
            ("request".to_owned(), 41, 7, 5, Some(9)),
            ("request".to_owned(), 42, 7, 6, None)
        ]
    );
    assert_eq!(read(&mut reader), (vec![], 0));
    fake.write(7, 0, 43);
    assert_eq!(read(&mut reader), (vec![43], 0));
}

#[test]
fn a_ring_that_nobody_marked_in_is_read_once_somebody_does() {
    let fake = Fake::new();
    fake.put(0, 0);
    let mut reader = MarkReader::at(&fake, RING);
    assert_eq!(read(&mut reader), (vec![], 0));
    fake.put(0, MAGIC);
    for id in 0..=SLOTS as u64 {
        fake.write(1, 0, id);
    }
    let (ids, lost) = read(&mut reader);
    assert_eq!((ids.len(), ids[0], lost), (SLOTS, 1, 1));
}

#[test]
fn what_was_overwritten_is_counted_and_the_rest_is_read() {
    let fake = Fake::new();
    let mut reader = MarkReader::at(&fake, RING);
    fake.write(1, 0, 0);
    assert_eq!(read(&mut reader), (vec![0], 0));
    let more = SLOTS as u64 + 10;
    for id in 1..=more {
        fake.write(1, 0, id);
    }
    let (ids, lost) = read(&mut reader);
    assert_eq!(lost, 10);
    assert!(ids.iter().copied().eq(11..=more));
}

#[test]
fn what_was_overwritten_before_the_first_look_is_not_lost() {
    let fake = Fake::new();
    for id in 0..SLOTS as u64 + 10 {
        fake.write(1, 0, id);
    }
    let (ids, lost) = read(&mut MarkReader::at(&fake, RING));
    assert_eq!((ids.len(), ids[0], lost), (SLOTS, 10, 0));
}

#[test]
fn a_mark_that_is_being_written_is_given_out_at_a_later_look() {
    let fake = Fake::new();
    let mut reader = MarkReader::at(&fake, RING);
    let number = fake.begin(1, 0, 1);
    fake.write(2, 0, 2);
    assert_eq!(read(&mut reader), (vec![2], 0));
    fake.finish(number);
    fake.write(3, 0, 3);
    assert_eq!(read(&mut reader), (vec![1, 3], 0));
    assert_eq!(read(&mut reader), (vec![], 0));
}

#[test]
fn a_mark_that_is_never_finished_is_lost_once_its_place_is_taken() {
    let fake = Fake::new();
    let mut reader = MarkReader::at(&fake, RING);
    fake.begin(1, 0, 1);
    assert_eq!(read(&mut reader), (vec![], 0));
    let mut lost = 0;
    for id in 0..SLOTS as u64 {
        fake.write(2, 0, id);
        lost += read(&mut reader).1;
    }
    assert_eq!(lost, 1);
}

#[test]
fn a_mark_that_an_older_one_is_written_over_is_counted_as_lost_once() {
    let fake = Fake::new();
    let mut reader = MarkReader::at(&fake, RING);
    let stalled = fake.begin(1, 0, 1);
    let slot = Fake::slot(stalled);
    let old: Vec<u64> = (1..6).map(|word| fake.get(slot + word * 8)).collect();
    let mut seen = 0;
    let mut lost = 0;
    for id in 0..SLOTS as u64 {
        fake.write(2, 0, id);
    }
    // the thread that lost its CPU in the midst of the first mark goes on
    for (word, value) in (1..6).zip(old) {
        fake.put(slot + word * 8, value);
    }
    fake.finish(stalled);
    for _ in 0..2 * usize::from(MAX_LOOKS) {
        let (ids, more) = read(&mut reader);
        seen += ids.len();
        lost += more;
    }
    // the first was overtaken before the first look, which is not counted
    assert_eq!((seen, lost), (SLOTS - 1, 1));
    assert!(reader.awaited.is_empty());
}

#[test]
fn half_of_another_mark_is_not_given_out() {
    let fake = Fake::new();
    let mut reader = MarkReader::at(&fake, RING);
    fake.write(1, 0, 1);
    fake.put(Fake::slot(0) + 24, 99);
    assert_eq!(read(&mut reader), (vec![], 0));
    fake.write(1, 0, 2);
    assert_eq!(read(&mut reader), (vec![2], 0));
}

#[test]
fn the_ring_of_a_fork_begins_where_it_was_forked() {
    let fake = Fake::new();
    fake.write(1, 0, 1);
    fake.put(24, 1);
    fake.write(1, 0, 2);
    assert_eq!(read(&mut MarkReader::at(&fake, RING)), (vec![2], 0));
}

#[test]
fn an_end_before_its_begin_is_no_mark() {
    let fake = Fake::new();
    fake.write(9, 5, 1);
    assert_eq!(read(&mut MarkReader::at(&fake, RING)), (vec![], 1));
}

#[test]
fn a_process_that_became_another_program_is_not_read_on() {
    let fake = Fake::new();
    let mut reader = MarkReader::at(&fake, RING);
    for id in 0..5 {
        fake.write(1, 0, id);
    }
    read(&mut reader);
    fake.put(16, 0);
    fake.write(1, 0, 77);
    assert_eq!(read(&mut reader), (vec![77], 0));
    fake.0.borrow_mut().clear();
    assert_eq!(read(&mut reader), (vec![], 0));
}

#[test]
fn more_marks_than_can_be_counted_are_all_lost_and_no_panic() {
    let fake = Fake::new();
    let mut reader = MarkReader::at(&fake, RING);
    for id in 0..3 {
        fake.begin(1, 0, id);
    }
    assert_eq!(read(&mut reader), (vec![], 0));
    fake.put(16, 0);
    assert_eq!(read(&mut reader), (vec![], 0));
    fake.put(16, u64::MAX);
    fake.put(24, u64::MAX);
    assert_eq!(read(&mut reader), (vec![], u64::MAX));
}

proptest! {
    #[test]
    fn no_ring_makes_a_look_longer_than_itself(
        next in prop_oneof![any::<u64>(), 0..10_000_u64, (0..10_000_u64).prop_map(|n| u64::MAX - n)],
        later in prop_oneof![any::<u64>(), 0..10_000_u64],
        first in any::<u64>(),
        noise in prop::collection::vec((0..HEADER + SLOTS * SLOT + NAMES * NAME - 8, any::<u64>()), 0..50),
    ) {
        let fake = Fake::new();
        for (at, value) in noise {
            fake.put(at, value);
        }
        fake.put(0, MAGIC);
        fake.put(8, u64::from(VERSION) | (SLOTS as u64) << 32);
        let mut reader = MarkReader::at(&fake, RING);
        for next in [next, later, next] {
            fake.put(16, next);
            fake.put(24, first);
            let (ids, lost) = read(&mut reader);
            prop_assert!(ids.len() <= SLOTS + MAX_AWAITED);
            prop_assert!(lost.checked_add(ids.len() as u64).is_some());
            prop_assert!(reader.awaited.len() <= MAX_AWAITED);
            prop_assert!(reader.buffer.len() <= SLOTS * SLOT);
        }
    }

    #[test]
    fn no_name_is_a_control_character_or_a_panic(bytes in prop::collection::vec(any::<u8>(), NAME), index in 0..300_u32) {
        let fake = Fake::new();
        let at = HEADER + SLOTS * SLOT + (index as usize).min(NAMES - 1) * NAME;
        fake.0.borrow_mut()[at..at + NAME].copy_from_slice(&bytes);
        let mut reader = MarkReader::at(&fake, RING);
        reader.learn_name(index);
        prop_assert!(!reader.known_name(index).contains(|letter: char| letter.is_control()));
    }
}
