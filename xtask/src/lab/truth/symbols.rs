//! Where functions lie in a file: its symbol table, for probes that the kernel puts at offsets of files.
//!
//! Local functions such as CPython's `take_gil` stand in `.symtab` only, which stripped builds do not have. Source: elf(5).

use std::collections::HashMap;

const SYMBOLS: u32 = 2;
const LOAD: u32 = 1;

struct Section {
    kind: u32,
    offset: usize,
    size: usize,
    link: usize,
}

/// The offsets in the file of the functions with these names, as many as there are. `None`: not a 64 bit little-endian ELF file, or
/// cut off.
pub(super) fn find(file: &[u8], names: &[&str]) -> Option<HashMap<String, u64>> {
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let sections = read_sections(file)?;
    let mut found = HashMap::new();
    for table in sections.iter().filter(|section| section.kind == SYMBOLS) {
        let strings = sections.get(table.link)?.offset;
        for at in (table.offset..table.offset.checked_add(table.size)?).step_by(24) {
            let name = strings.checked_add(word(file, at, 4)? as usize)?;
            let name = file.get(name..)?.split(|byte| *byte == 0).next()?;
            let address = word(file, at + 8, 8)?;
            let is_here = address != 0 && names.iter().any(|wanted| wanted.as_bytes() == name);
            if is_here {
                let name = String::from_utf8_lossy(name).into_owned();
                found.insert(name, offset_of(file, address)?);
            }
        }
    }
    Some(found)
}

fn read_sections(file: &[u8]) -> Option<Vec<Section>> {
    let start = word(file, 40, 8)? as usize;
    let (size, count) = (word(file, 58, 2)? as usize, word(file, 60, 2)? as usize);
    (0..count)
        .map(|index| {
            let at = start.checked_add(index * size)?;
            Some(Section {
                kind: word(file, at + 4, 4)? as u32,
                offset: word(file, at + 24, 8)? as usize,
                size: word(file, at + 32, 8)? as usize,
                link: word(file, at + 40, 4)? as usize,
            })
        })
        .collect()
}

/// Where an address lies in the file, by the segment that is loaded there.
fn offset_of(file: &[u8], address: u64) -> Option<u64> {
    let start = word(file, 32, 8)? as usize;
    let (size, count) = (word(file, 54, 2)? as usize, word(file, 56, 2)? as usize);
    (0..count).find_map(|index| {
        let at = start.checked_add(index * size)?;
        let (offset, from) = (word(file, at + 8, 8)?, word(file, at + 16, 8)?);
        let length = word(file, at + 32, 8)?;
        let inside = word(file, at, 4)? as u32 == LOAD && (from..from + length).contains(&address);
        inside.then(|| address - from + offset)
    })
}

fn word(file: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let mut word = [0; 8];
    word[..bytes].copy_from_slice(file.get(at..at.checked_add(bytes)?)?);
    Some(u64::from_le_bytes(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_this_program_is_found_where_its_code_is() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let found = find(&file, &["main", "no such function"]).unwrap();
        assert_eq!(found.len(), 1);
        assert!((found["main"] as usize) < file.len());
    }

    #[test]
    fn what_is_no_whole_elf_file_gives_nothing() {
        assert_eq!(find(b"#!/bin/sh\n", &["main"]), None);
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(find(&file[..4096], &["main"]), None);
    }
}
