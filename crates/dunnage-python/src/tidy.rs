//! Making one account of threads that were read one after another.

use std::collections::BTreeSet;

use crate::dump::{Frame, Gil, ThreadDump};

/// The most memory that the frames of a dump take: PID 1 may be the reader. Some 15,000 calls.
pub(crate) const MAX_DUMP_BYTES: usize = 2 << 20;

/// Makes one account of a process's threads, each of which was read at its own time, and sorts them by their ids, the main
/// thread first.
pub fn tidy_threads(pid: i32, threads: &mut [ThreadDump]) {
    keep_one_holder(threads);
    drop_double_ids(threads);
    threads.sort_by_key(|thread| (thread.tid.is_none(), thread.tid != Some(pid), thread.tid));
}

/// Keeps as many of a thread's innermost calls as there is room for: `room` is in bytes of memory, and is used up.
pub fn shorten(thread: &mut ThreadDump, room: &mut usize) {
    let kept = thread.frames.iter().take_while(|frame| {
        let size = size_of::<Frame>() + frame.function.len() + frame.file.len();
        let left = room.checked_sub(size);
        *room = left.unwrap_or(0);
        left.is_some()
    });
    let kept = kept.count();
    thread.truncated |= kept < thread.frames.len();
    thread.frames.truncate(kept);
    thread.frames.shrink_to_fit();
}

/// Threads are read one after another, and the GIL may move on in between: each was the holder when it was read, but a
/// reader of the dump expects one in an interpreter. The last one stays.
fn keep_one_holder(threads: &mut [ThreadDump]) {
    let mut named = BTreeSet::new();
    for thread in threads.iter_mut().rev() {
        if thread.gil == Some(Gil::Holds) && !named.insert(thread.interpreter) {
            thread.gil = None;
        }
    }
}

/// A thread that is being made still has its creator's `pthread_t` up to CPython 3.11, and no frame.
fn drop_double_ids(threads: &mut [ThreadDump]) {
    let with_frames = threads.iter().filter(|thread| !thread.frames.is_empty());
    let taken: BTreeSet<i32> = with_frames.filter_map(|thread| thread.tid).collect();
    for thread in threads {
        if thread.frames.is_empty() && thread.tid.is_some_and(|tid| taken.contains(&tid)) {
            thread.tid = None;
            thread.name = None;
            thread.state = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_stacks_of_many_threads_are_shortened_from_the_outside_and_say_so() {
        let frame = |line| Frame {
            function: "f".repeat(500),
            file: "a.py".to_owned(),
            line: Some(line),
        };
        let thread = || ThreadDump {
            tid: None,
            name: None,
            interpreter: 0,
            state: None,
            gil: None,
            torn: false,
            truncated: false,
            frames: (0..3).map(frame).collect(),
        };
        let mut room = 4 * (size_of::<Frame>() + 504) + 1;
        let mut threads = [thread(), thread(), thread()];
        for thread in &mut threads {
            shorten(thread, &mut room);
        }
        let kept = threads.each_ref().map(|thread| thread.frames.len());
        assert_eq!(kept, [3, 1, 0]);
        assert_eq!(
            threads.each_ref().map(|thread| thread.truncated),
            [false, true, true]
        );
        assert_eq!(threads[1].frames[0].line, Some(0));
    }
}
