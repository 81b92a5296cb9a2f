//! What only the loop knows.

/// The loop's state and counts at one moment. What the kernel counts is not in it: whoever renders a page reads that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The program has been executed.
    pub started: bool,
    /// A stop signal has come, or the application has ended: what is left is being waited for.
    pub draining: bool,
    /// Memory is so short, and grows, that no new requests should come.
    pub shedding: bool,
    /// What has been done about memory; `None` where it is not watched.
    pub memory: Option<MemoryWork>,
    /// Descendants that were left to us and have ended, since the start.
    pub orphans_reaped: u64,
    /// Zombies that only the application can reap, at the last look; `None` where nobody looks, or not yet.
    pub zombies: Option<u64>,
    /// Signals that were passed on, since the start.
    pub signals_forwarded: u64,
    /// Notices of memory pressure that were dropped, since who asked for them does not read, since the start.
    pub notices_dropped: u64,
    /// The longest window in which the CPU quota stopped the container, estimated, in microseconds; `None` where nobody
    /// looks.
    pub longest_throttled_usec: Option<u64>,
}

/// What the watch over memory has done since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryWork {
    /// The rung now: 0 calm, 1 watch, 2 release, 3 shed, 4 record, 5 brink.
    pub rung: u8,
    /// How often the application was asked to give memory back.
    pub releases: u64,
    /// What it gave back, in bytes.
    pub released_bytes: u64,
    /// How many records were written.
    pub records: u64,
}

impl Snapshot {
    /// Why no requests should be sent to the application; `None` where they should.
    pub fn unready(&self) -> Option<&'static str> {
        if self.draining {
            Some("draining: the application is stopping")
        } else if self.shedding {
            Some("shedding: memory is short and still growing")
        } else if !self.started {
            Some("starting: the program has not been executed yet")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_program_that_runs_and_neither_drains_nor_sheds_is_ready() {
        let ready = Snapshot {
            started: true,
            ..Snapshot::default()
        };
        assert_eq!(ready.unready(), None);
        let reasons = [
            Snapshot::default(),
            Snapshot {
                draining: true,
                ..ready
            },
            Snapshot {
                shedding: true,
                ..ready
            },
        ]
        .map(|snapshot| snapshot.unready().and_then(|text| text.split(':').next()));
        assert_eq!(
            reasons,
            [Some("starting"), Some("draining"), Some("shedding")]
        );
    }
}
