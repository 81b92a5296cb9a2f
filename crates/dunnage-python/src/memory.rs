//! Another process's memory as bytes at addresses, and a small cache of its pages.
//!
//! A stack is some dozen small objects that lie close together, so memory is read in blocks of 4 KiB, many in one call,
//! and each at most once in an attempt: less to ask of the kernel, and the time in which the stack must not move is
//! short. What is read is another program's; nothing here trusts it.

use std::collections::BTreeMap;
use std::io;

use dunnage_sys::{MAX_SPANS, read_process_memory};

/// A block of memory. Aligned blocks of this size lie within a page on every architecture.
const BLOCK: usize = 4096;

/// The most blocks that one attempt keeps: 512 KiB.
const MAX_BLOCKS: usize = 128;

/// An address that could not be read, or a value there that cannot be what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// Address arithmetic on values of unknown origin.
pub(crate) fn add(base: u64, offset: u64) -> Result<u64, Unreadable> {
    base.checked_add(offset).ok_or(Unreadable)
}

/// Bytes at addresses.
pub trait Memory {
    /// Reads each span; returns how many were read whole before the first that could not be.
    fn read_many(&self, spans: &mut [(u64, &mut [u8])]) -> usize;

    /// Reads one span.
    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), Unreadable> {
        if self.read_many(&mut [(address, bytes)]) == 1 {
            Ok(())
        } else {
            Err(Unreadable)
        }
    }

    /// Reads a 64 bit word.
    fn word(&self, address: u64) -> Result<u64, Unreadable> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// The memory of a process.
#[derive(Debug, Clone, Copy)]
pub struct ProcessMemory {
    /// Its id in our PID namespace.
    pub pid: i32,
}

impl ProcessMemory {
    /// Reads one span, and says why it cannot be read.
    pub fn try_read(self, address: u64, bytes: &mut [u8]) -> io::Result<()> {
        let wanted = bytes.len();
        if read_process_memory(self.pid, &mut [(address, bytes)])? == wanted {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

impl Memory for ProcessMemory {
    fn read_many(&self, spans: &mut [(u64, &mut [u8])]) -> usize {
        let mut complete = 0;
        for batch in spans.chunks_mut(MAX_SPANS) {
            let mut read = read_process_memory(self.pid, batch).unwrap_or(0);
            for (_, bytes) in batch.iter() {
                let Some(rest) = read.checked_sub(bytes.len()) else {
                    return complete;
                };
                read = rest;
                complete += 1;
            }
        }
        complete
    }
}

/// The blocks that were read in one attempt.
#[derive(Debug)]
pub struct Blocks<'m, M> {
    memory: &'m M,
    kept: BTreeMap<u64, Box<[u8; BLOCK]>>,
    spare: Vec<Box<[u8; BLOCK]>>,
}

impl<'m, M: Memory> Blocks<'m, M> {
    /// An empty cache.
    pub fn new(memory: &'m M) -> Self {
        Self {
            memory,
            kept: BTreeMap::new(),
            spare: Vec::new(),
        }
    }

    /// The memory behind it, for words that must be read anew.
    pub fn memory(&self) -> &'m M {
        self.memory
    }

    /// Forgets what was read.
    pub fn clear(&mut self) {
        while let Some((_, block)) = self.kept.pop_first() {
            self.spare.push(block);
        }
    }

    fn take_block(&mut self) -> Box<[u8; BLOCK]> {
        self.spare.pop().unwrap_or_else(|| Box::new([0; BLOCK]))
    }

    /// Reads the blocks of these addresses in as few calls as possible. What cannot be read is left for [`Self::read`] to
    /// complain about.
    pub fn prefetch(&mut self, addresses: impl IntoIterator<Item = u64>) {
        let mut wanted: Vec<u64> = addresses
            .into_iter()
            .map(|address| address & !(BLOCK as u64 - 1))
            .filter(|start| !self.kept.contains_key(start))
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.truncate(MAX_BLOCKS.saturating_sub(self.kept.len()));
        let mut blocks: Vec<_> = wanted
            .into_iter()
            .map(|start| (start, self.take_block()))
            .collect();
        let mut spans: Vec<(u64, &mut [u8])> = blocks
            .iter_mut()
            .map(|(start, block)| (*start, &mut block[..]))
            .collect();
        let complete = self.memory.read_many(&mut spans);
        for (at, (start, block)) in blocks.into_iter().enumerate() {
            if at < complete {
                self.kept.insert(start, block);
            } else {
                self.spare.push(block);
            }
        }
    }

    fn block(&mut self, start: u64) -> Result<&[u8; BLOCK], Unreadable> {
        if !self.kept.contains_key(&start) {
            if self.kept.len() >= MAX_BLOCKS {
                self.clear();
            }
            let mut block = self.take_block();
            let read = self.memory.read(start, &mut block[..]);
            if read.is_err() {
                self.spare.push(block);
                return Err(Unreadable);
            }
            self.kept.insert(start, block);
        }
        self.kept
            .get(&start)
            .map(|block| &**block)
            .ok_or(Unreadable)
    }

    /// Reads bytes, from blocks that were read before where there are such.
    pub fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), Unreadable> {
        let mut done = 0;
        while done < bytes.len() {
            let at = address.checked_add(done as u64).ok_or(Unreadable)?;
            let offset = (at % BLOCK as u64) as usize;
            let count = (BLOCK - offset).min(bytes.len() - done);
            let block = self.block(at - offset as u64)?;
            bytes[done..done + count].copy_from_slice(&block[offset..offset + count]);
            done += count;
        }
        Ok(())
    }

    fn number<const N: usize>(&mut self, address: u64) -> Result<[u8; N], Unreadable> {
        let mut bytes = [0; N];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// A 64 bit word or pointer.
    pub fn word(&mut self, address: u64) -> Result<u64, Unreadable> {
        self.number(address).map(u64::from_le_bytes)
    }

    /// A C `int`.
    pub fn int(&mut self, address: u64) -> Result<i32, Unreadable> {
        self.number(address).map(i32::from_le_bytes)
    }

    /// A byte.
    pub fn byte(&mut self, address: u64) -> Result<u8, Unreadable> {
        self.number::<1>(address).map(|[byte]| byte)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A stretch of memory that begins at an address.
    pub(crate) struct Fake {
        pub(crate) start: u64,
        pub(crate) bytes: Vec<u8>,
    }

    impl Memory for Fake {
        fn read_many(&self, spans: &mut [(u64, &mut [u8])]) -> usize {
            let mut complete = 0;
            for (address, bytes) in spans {
                let from = address.checked_sub(self.start).map(|from| from as usize);
                let found =
                    from.and_then(|from| self.bytes.get(from..from.checked_add(bytes.len())?));
                match found {
                    Some(found) => bytes.copy_from_slice(found),
                    None => return complete,
                }
                complete += 1;
            }
            complete
        }
    }

    #[test]
    fn what_lies_across_two_blocks_is_read_whole() {
        let fake = Fake {
            start: 0x1000,
            bytes: (0..8192_u32).map(|n| n as u8).collect(),
        };
        let mut blocks = Blocks::new(&fake);
        assert_eq!(
            blocks.word(0x1ffc).unwrap().to_le_bytes(),
            [252, 253, 254, 255, 0, 1, 2, 3]
        );
        assert_eq!(blocks.word(0x2ffc), Err(Unreadable));
        assert_eq!(blocks.word(u64::MAX - 3), Err(Unreadable));
    }

    #[test]
    fn more_blocks_than_are_kept_can_be_read() {
        let fake = Fake {
            start: 0,
            bytes: vec![5; BLOCK * (MAX_BLOCKS + 10)],
        };
        let mut blocks = Blocks::new(&fake);
        blocks.prefetch((0..MAX_BLOCKS as u64 + 10).map(|n| n * BLOCK as u64));
        assert_eq!(blocks.kept.len(), MAX_BLOCKS);
        for n in 0..MAX_BLOCKS as u64 + 10 {
            assert_eq!(blocks.byte(n * BLOCK as u64), Ok(5));
            assert!(blocks.kept.len() <= MAX_BLOCKS);
        }
    }
}
