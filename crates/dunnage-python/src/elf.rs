//! Finds symbols of a program or library that is mapped in another process, from that memory alone.
//!
//! A dynamic symbol table is always mapped, with a hash table to look names up in. So no file is opened, which may lie in
//! another mount namespace, be deleted or replaced; and some hundred bytes are read, not a symbol table of megabytes.
//! Sources: elf(5), the System V gABI, glibc's `elf/dl-lookup.c` for the GNU hash table.

use crate::memory::{Memory, Unreadable, add};

/// The most program headers, entries of the dynamic section, and steps along one hash chain.
const MAX_HEADERS: u64 = 64;
const MAX_DYNAMIC: u64 = 256;
const MAX_CHAIN: u64 = 1 << 16;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const SYMBOL_BYTES: u64 = 24;

/// Why an object is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotUsable {
    /// Its header is not that of an ELF object, or a part of it cannot be read.
    Unreadable,
    /// A 32 bit object.
    Bits32,
    /// A program without dynamic symbols: fully static.
    NoSymbols,
}

impl From<Unreadable> for NotUsable {
    fn from(_: Unreadable) -> Self {
        Self::Unreadable
    }
}

/// A mapped program or library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// What is to be added to an address in the file.
    bias: u64,
    symbols: u64,
    names: u64,
    gnu_hash: Option<u64>,
    sysv_hash: Option<u64>,
    /// Where the zero-initialised data lies, and how long it is.
    pub bss: (u64, u64),
}

fn u32_at(memory: &impl Memory, address: u64) -> Result<u32, Unreadable> {
    let mut bytes = [0; 4];
    memory.read(address, &mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn word_in(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|word| word.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

fn half_in(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 2)
        .and_then(|half| half.try_into().ok())
        .map_or(0, |half| u64::from(u16::from_le_bytes(half)))
}

impl Object {
    /// Reads the headers of the object whose first page is mapped at `start`.
    pub fn read(memory: &impl Memory, start: u64) -> Result<Self, NotUsable> {
        let mut header = [0; 64];
        memory.read(start, &mut header)?;
        if header[..4] != *b"\x7fELF" || header[5] != 1 {
            return Err(NotUsable::Unreadable);
        }
        if header[4] != 2 {
            return Err(NotUsable::Bits32);
        }
        let (table, size, count) = (
            word_in(&header, 32),
            half_in(&header, 54),
            half_in(&header, 56),
        );
        let mut first_load = None;
        let mut dynamic = None;
        let mut bss = (0, 0);
        for at in 0..count.min(MAX_HEADERS) {
            let mut entry = [0; 56];
            memory.read(add(add(start, table)?, at * size)?, &mut entry)?;
            let kind = (word_in(&entry, 0) & 0xffff_ffff) as u32;
            let (address, in_file, in_memory) = (
                word_in(&entry, 16),
                word_in(&entry, 32),
                word_in(&entry, 40),
            );
            match kind {
                PT_LOAD => {
                    let offset = word_in(&entry, 8);
                    first_load = first_load.or(Some(address.wrapping_sub(offset)));
                    if in_memory > in_file {
                        bss = (add(address, in_file)?, in_memory - in_file);
                    }
                }
                PT_DYNAMIC => dynamic = Some(address),
                _ => {}
            }
        }
        let bias = start.wrapping_sub(first_load.ok_or(NotUsable::Unreadable)?);
        let dynamic = dynamic.ok_or(NotUsable::NoSymbols)?.wrapping_add(bias);
        bss.0 = bss.0.wrapping_add(bias);
        Self::read_dynamic(memory, dynamic, bias, start, bss)
    }

    fn read_dynamic(
        memory: &impl Memory,
        dynamic: u64,
        bias: u64,
        start: u64,
        bss: (u64, u64),
    ) -> Result<Self, NotUsable> {
        // glibc writes final addresses into the section, musl leaves those of the file
        let absolute = |value: u64| {
            if value < start {
                value.wrapping_add(bias)
            } else {
                value
            }
        };
        let (mut symbols, mut names, mut gnu_hash, mut sysv_hash) = (None, None, None, None);
        for at in 0..MAX_DYNAMIC {
            let mut entry = [0; 16];
            memory.read(add(dynamic, at * 16)?, &mut entry)?;
            let value = Some(absolute(word_in(&entry, 8)));
            match word_in(&entry, 0) {
                0 => break,
                DT_SYMTAB => symbols = value,
                DT_STRTAB => names = value,
                DT_GNU_HASH => gnu_hash = value,
                DT_HASH => sysv_hash = value,
                _ => {}
            }
        }
        match (symbols, names) {
            (Some(symbols), Some(names)) if gnu_hash.or(sysv_hash).is_some() => Ok(Self {
                bias,
                symbols,
                names,
                gnu_hash,
                sysv_hash,
                bss,
            }),
            _ => Err(NotUsable::NoSymbols),
        }
    }

    /// Where a symbol lies in memory; `None` where the object does not define it.
    pub fn find(&self, memory: &impl Memory, name: &str) -> Option<u64> {
        let found = match (self.gnu_hash, self.sysv_hash) {
            (Some(table), _) => self.find_gnu(memory, table, name.as_bytes()),
            (None, Some(table)) => self.find_sysv(memory, table, name.as_bytes()),
            (None, None) => return None,
        };
        found.ok().flatten()
    }

    /// The value of symbol number `index`, if it is defined here under that name.
    fn symbol(
        &self,
        memory: &impl Memory,
        index: u64,
        name: &[u8],
    ) -> Result<Option<u64>, Unreadable> {
        let mut symbol = [0; SYMBOL_BYTES as usize];
        memory.read(add(self.symbols, index * SYMBOL_BYTES)?, &mut symbol)?;
        let at = word_in(&symbol, 0) & 0xffff_ffff;
        let (section, value) = (half_in(&symbol, 6), word_in(&symbol, 8));
        let mut bytes = [0; 64];
        let bytes = bytes.get_mut(..=name.len()).ok_or(Unreadable)?;
        memory.read(add(self.names, at)?, bytes)?;
        let same = bytes.strip_suffix(b"\0") == Some(name);
        Ok((same && section != 0 && value != 0).then(|| value.wrapping_add(self.bias)))
    }

    fn find_gnu(
        &self,
        memory: &impl Memory,
        table: u64,
        name: &[u8],
    ) -> Result<Option<u64>, Unreadable> {
        let hash = name.iter().fold(5381_u32, |hash, byte| {
            hash.wrapping_mul(33).wrapping_add((*byte).into())
        });
        let buckets = u64::from(u32_at(memory, table)?);
        let first = u64::from(u32_at(memory, add(table, 4)?)?);
        let bloom = u64::from(u32_at(memory, add(table, 8)?)?);
        if buckets == 0 {
            return Ok(None);
        }
        let bucket_table = add(table, 16 + bloom * 8)?;
        let chain_table = add(bucket_table, buckets * 4)?;
        let start = u64::from(u32_at(
            memory,
            add(bucket_table, u64::from(hash) % buckets * 4)?,
        )?);
        if start < first {
            return Ok(None);
        }
        for index in start..start + MAX_CHAIN {
            let link = u32_at(memory, add(chain_table, (index - first) * 4)?)?;
            if link | 1 == hash | 1
                && let Some(value) = self.symbol(memory, index, name)?
            {
                return Ok(Some(value));
            }
            if link & 1 == 1 {
                break;
            }
        }
        Ok(None)
    }

    fn find_sysv(
        &self,
        memory: &impl Memory,
        table: u64,
        name: &[u8],
    ) -> Result<Option<u64>, Unreadable> {
        let hash = name.iter().fold(0_u32, |hash, byte| {
            let hash = (hash << 4).wrapping_add((*byte).into());
            let high = hash & 0xf000_0000;
            (hash ^ (high >> 24)) & !high
        });
        let buckets = u64::from(u32_at(memory, table)?);
        if buckets == 0 {
            return Ok(None);
        }
        let chains = add(table, 8 + buckets * 4)?;
        let mut index = u64::from(u32_at(
            memory,
            add(table, 8 + u64::from(hash) % buckets * 4)?,
        )?);
        for _ in 0..MAX_CHAIN {
            if index == 0 {
                break;
            }
            if let Some(value) = self.symbol(memory, index, name)? {
                return Ok(Some(value));
            }
            index = u64::from(u32_at(memory, add(chains, index * 4)?)?);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::ProcessMemory;
    use crate::memory::tests::Fake;
    use crate::process::parse_mapping;
    use proptest::prelude::*;

    #[test]
    fn a_symbol_of_a_mapped_library_is_found_and_an_unknown_one_is_not() {
        let pid = std::process::id() as i32;
        let memory = ProcessMemory { pid };
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mappings: Vec<_> = maps.lines().filter_map(parse_mapping).collect();
        let libc = mappings
            .iter()
            .find(|mapping| mapping.file_name().starts_with("libc.so"))
            .expect("a C library is mapped");
        let object = Object::read(&memory, libc.start).unwrap();
        let found = object.find(&memory, "getpid").unwrap();
        assert!(mappings.iter().any(|mapping| {
            mapping.path == libc.path && (mapping.start..mapping.end).contains(&found)
        }));
        assert_eq!(object.find(&memory, "no_such_symbol"), None);
        assert_eq!(object.find(&memory, &"x".repeat(200)), None);
    }

    #[test]
    fn a_32_bit_object_is_named_as_such() {
        let mut bytes = vec![0; 4096];
        bytes[..7].copy_from_slice(b"\x7fELF\x01\x01\x01");
        let fake = Fake { start: 0, bytes };
        assert_eq!(Object::read(&fake, 0), Err(NotUsable::Bits32));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic_or_run_on(
            bytes in prop::collection::vec(any::<u8>(), 64..600),
            start in prop_oneof![Just(0), Just(0x1000), any::<u64>()],
            count in any::<u8>(),
        ) {
            let mut bytes = bytes;
            bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
            bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
            bytes[54..58].copy_from_slice(&[56, 0, count, 0]);
            let fake = Fake { start, bytes };
            if let Ok(object) = Object::read(&fake, start) {
                let _ = object.find(&fake, "_PyRuntime");
            }
        }
    }
}
