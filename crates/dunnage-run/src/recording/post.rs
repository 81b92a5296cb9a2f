//! Sends what is seen to whoever asked, as far as that one reads.
//!
//! The sampler is a thread of PID 1, so nothing waits here and nothing grows: looks that find no room in the socket are
//! thrown away and counted, which leaves a gap in the recording. Facts are few and are kept until they are sent.

use dunnage_record::{Fact, Look, Sink, Wanted};
use dunnage_sys::{PacketConnection, Received, monotonic_nanos};

use super::packet::chunk;

/// The most bytes of looks that lie together, and how long they may.
const FULL: usize = 16 * 1024;
const LIE_FOR: u64 = 100_000_000;

/// The most items of a kind that are written in one piece, which fits into a packet whatever the numbers are.
const PIECE: usize = 256;

/// The bytes of facts in a packet, and the most that wait.
const FACTS: usize = 32 * 1024;
const MOST_FACTS: usize = 1024 * 1024;

/// Where packets go.
pub trait Line {
    /// Sends a packet whole; `false` where there is no room now.
    fn send(&mut self, packet: &[u8]) -> std::io::Result<bool>;
    /// Whether the other end has said that it is enough, or has gone.
    fn is_over(&mut self) -> bool;
}

impl Line for &PacketConnection {
    fn send(&mut self, packet: &[u8]) -> std::io::Result<bool> {
        PacketConnection::send(self, packet)
    }

    fn is_over(&mut self) -> bool {
        !matches!(self.receive(&mut [0; 64]), Ok(Received::Nothing))
    }
}

/// A sink that sends.
pub struct Post<L> {
    line: L,
    /// JSON of facts that wait, an item each.
    facts: std::collections::VecDeque<Vec<u8>>,
    fact_bytes: usize,
    /// JSON of looks, separated by commas.
    looks: Vec<u8>,
    count: u64,
    dropped: u64,
    sent_at: u64,
    is_over: bool,
}

impl<L: Line> Post<L> {
    pub fn new(line: L) -> Self {
        Self {
            line,
            facts: std::collections::VecDeque::new(),
            fact_bytes: 0,
            looks: Vec::new(),
            count: 0,
            dropped: 0,
            sent_at: monotonic_nanos(),
            is_over: false,
        }
    }

    /// Looks that were thrown away.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Sends what lies; looks that cannot be sent are thrown away.
    pub fn flush(&mut self) {
        self.sent_at = monotonic_nanos();
        self.is_over |= self.line.is_over();
        let is_clear = self.send_facts();
        if self.looks.is_empty() {
            return;
        }
        let packet = chunk(b"", &self.looks);
        if !(is_clear && self.send(&packet)) {
            self.dropped += self.count;
        }
        self.looks.clear();
        self.count = 0;
    }

    /// Whether no fact waits any more.
    fn send_facts(&mut self) -> bool {
        while !self.facts.is_empty() {
            let mut text = Vec::new();
            let mut count = 0;
            for fact in &self.facts {
                if count > 0 && text.len() + fact.len() > FACTS {
                    break;
                }
                append(&mut text, fact);
                count += 1;
            }
            if !self.send(&chunk(&text, b"")) {
                return false;
            }
            for fact in self.facts.drain(..count) {
                self.fact_bytes -= fact.len();
            }
        }
        true
    }

    fn send(&mut self, packet: &[u8]) -> bool {
        let sent = self.line.send(packet);
        self.is_over |= sent.is_err();
        sent.unwrap_or(false)
    }
}

fn append(list: &mut Vec<u8>, item: &[u8]) {
    if !list.is_empty() {
        list.push(b',');
    }
    list.extend_from_slice(item);
}

impl<L: Line> Sink for Post<L> {
    fn fact(&mut self, fact: Fact) {
        if self.is_over {
            // until the next look all that are new would be kept for nobody
            return;
        }
        // strings and numbers can always be written
        let text = serde_json::to_vec(&fact).unwrap_or_default();
        let packets = self.fact_bytes / FACTS;
        self.fact_bytes += text.len();
        self.facts.push_back(text);
        // a first look at thousands of threads is more than may wait
        if self.fact_bytes / FACTS > packets {
            self.send_facts();
        }
        // nobody reads: without them the rest cannot be understood
        self.is_over |= self.fact_bytes > MOST_FACTS;
    }

    fn look(&mut self, look: &Look) -> Wanted {
        self.count += 1;
        for piece in look.pieces(PIECE) {
            let text = serde_json::to_vec(&piece).unwrap_or_default();
            if self.looks.len() + text.len() > FULL {
                self.flush();
            }
            append(&mut self.looks, &text);
        }
        if monotonic_nanos() >= self.sent_at + LIE_FOR {
            self.flush();
        }
        if self.is_over {
            Wanted::Enough
        } else {
            Wanted::More
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::Packet;
    use super::*;
    use dunnage_policy::message::MAX_PACKET;
    use dunnage_record::stream::{GilGain, MarkSeen, ThreadGain};
    use dunnage_record::{Book, stream::Look};
    use dunnage_timeline::recording::{About, LONGEST, Quality, Recording, Seen};

    /// A reader with room for so many packets.
    struct Reader {
        packets: Vec<Vec<u8>>,
        room: usize,
    }

    impl Line for &mut Reader {
        fn send(&mut self, packet: &[u8]) -> std::io::Result<bool> {
            assert!(packet.len() <= MAX_PACKET, "{}", packet.len());
            let has_room = self.packets.len() < self.room;
            if has_room {
                self.packets.push(packet.to_vec());
            }
            Ok(has_room)
        }

        fn is_over(&mut self) -> bool {
            false
        }
    }

    fn thread(tid: i32) -> Fact {
        Fact::Thread {
            process: 0,
            tid,
            name: "w".repeat(200),
            at: 0,
        }
    }

    fn read(packets: &[Vec<u8>]) -> Recording {
        let mut book = Book::new();
        for packet in packets {
            let Packet::Chunk { facts, looks } = serde_json::from_slice(packet).unwrap() else {
                panic!("another packet");
            };
            for fact in facts {
                book.fact(fact);
            }
            for look in &looks {
                assert_eq!(book.look(look), Wanted::More);
            }
        }
        assert_eq!(book.disorder(), None);
        book.finish(About::default(), Quality::default())
    }

    #[test]
    fn the_largest_look_goes_in_packets_and_is_one_again() {
        let mut reader = Reader {
            packets: Vec::new(),
            room: usize::MAX,
        };
        let mut post = Post::new(&mut reader);
        let processes = 0..PIECE as u32;
        for process in processes.clone() {
            let pid = 7 + process.cast_signed();
            post.fact(Fact::Process { pid, at: 0 });
        }
        post.fact(Fact::Name {
            name: "request".to_owned(),
        });
        for tid in 0..5000 {
            post.fact(thread(tid));
        }
        let look = Look {
            at: LONGEST,
            threads: (0..5000)
                .map(|thread| ThreadGain(thread, LONGEST, LONGEST, Seen::Runnable))
                .collect(),
            gil: processes
                .map(|process| GilGain(process, false, Some(4999), u64::MAX))
                .collect(),
            marks: (0..4096)
                .map(|_| MarkSeen(0, i32::MAX, 0, u64::MAX, LONGEST, Some(LONGEST)))
                .collect(),
            ..Look::default()
        };
        assert_eq!(post.look(&look), Wanted::More);
        post.flush();
        assert_eq!(post.dropped(), 0);
        let recording = read(&reader.packets);
        assert_eq!(recording.looks, [LONGEST]);
        let [process, others @ ..] = recording.processes.as_slice() else {
            panic!("no process")
        };
        assert_eq!(others.len() + 1, PIECE);
        assert!(recording.processes.iter().all(|each| each.gil.len() == 1));
        assert!(process.threads.iter().all(|thread| thread.ticks.len() == 1));
        assert_eq!((process.threads.len(), recording.marks.len()), (5000, 4096));
    }

    #[test]
    fn looks_that_nobody_reads_are_dropped_and_counted_and_facts_are_not() {
        let mut reader = Reader {
            packets: Vec::new(),
            room: 2,
        };
        let mut post = Post::new(&mut reader);
        let look = |at| Look {
            at,
            threads: vec![ThreadGain(0, 1, 2, Seen::Sleeps)],
            ..Look::default()
        };
        post.fact(Fact::Process { pid: 7, at: 0 });
        post.fact(thread(1));
        post.look(&look(1));
        post.flush();
        post.fact(thread(2));
        post.look(&look(2));
        post.look(&look(3));
        post.flush();
        assert_eq!(post.dropped(), 2);
        post.line.room = usize::MAX;
        post.look(&look(4));
        post.flush();
        let recording = read(&reader.packets);
        assert_eq!(recording.looks, [1, 4]);
        assert_eq!(recording.processes[0].threads.len(), 2);
    }

    #[test]
    fn a_reader_that_never_reads_ends_it_before_facts_fill_the_memory() {
        let mut reader = Reader {
            packets: Vec::new(),
            room: 0,
        };
        let mut post = Post::new(&mut reader);
        let looks = (0..100_000).map(|at| {
            post.fact(thread(1));
            post.look(&Look {
                at,
                ..Look::default()
            })
        });
        let taken = looks.take_while(|wanted| *wanted == Wanted::More).count();
        assert!(taken < 10_000, "{taken}");
    }

    #[test]
    fn the_threads_of_one_look_do_not_fill_the_memory_either() {
        let mut reader = Reader {
            packets: Vec::new(),
            room: 0,
        };
        let mut post = Post::new(&mut reader);
        for tid in 0..100_000 {
            post.fact(thread(tid));
        }
        let lies: usize = post.facts.iter().map(Vec::len).sum();
        assert!(lies < MOST_FACTS + FACTS, "{lies}");
        assert_eq!(post.look(&Look::default()), Wanted::Enough);
    }
}
