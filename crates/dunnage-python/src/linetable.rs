//! From the position in the byte code to the line in the file.
//!
//! CPython changed the table twice: `co_lnotab` up to 3.9 (`Objects/lnotab_notes.txt`), `co_linetable` in 3.10 (PEP 626),
//! and the location table from 3.11 (`Objects/locations.md`). Each decoder stops at the end of the bytes it is given.

/// Which table a code object has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineTable {
    /// `co_lnotab`, CPython 3.9.
    Lnotab,
    /// `co_linetable` of CPython 3.10.
    Ranges,
    /// `co_linetable` from CPython 3.11 on.
    Locations,
}

impl LineTable {
    /// The line of the instruction at `offset` bytes; `None` where the compiler gave it none, or the table is not sound.
    /// Before the first instruction it is the line of the definition.
    pub fn line(self, table: &[u8], first_line: i32, offset: i64) -> Option<u32> {
        let line = if offset < 0 {
            Some(first_line)
        } else {
            match self {
                Self::Lnotab => Some(line_in_lnotab(table, first_line, offset)),
                Self::Ranges => line_in_ranges(table, first_line, offset),
                Self::Locations => line_in_locations(table, first_line, offset),
            }
        };
        line.and_then(|line| u32::try_from(line).ok())
    }
}

fn line_in_lnotab(table: &[u8], first_line: i32, offset: i64) -> i32 {
    let mut address = 0;
    let mut line = first_line;
    for pair in table.chunks_exact(2) {
        address += i64::from(pair[0]);
        if address > offset {
            break;
        }
        line = line.wrapping_add(i32::from(pair[1].cast_signed()));
    }
    line
}

fn line_in_ranges(table: &[u8], first_line: i32, offset: i64) -> Option<i32> {
    let mut end = 0;
    let mut line = first_line;
    for pair in table.chunks_exact(2) {
        end += i64::from(pair[0]);
        let delta = pair[1].cast_signed();
        let has_line = delta != i8::MIN;
        if has_line {
            line = line.wrapping_add(delta.into());
        }
        if offset < end {
            return has_line.then_some(line);
        }
    }
    None
}

/// The kinds of entries that are not a column pair on the same line.
const ONE_LINE: std::ops::RangeInclusive<u8> = 10..=12;
const NO_COLUMNS: u8 = 13;
const LONG: u8 = 14;
const NO_LINE: u8 = 15;

fn line_in_locations(table: &[u8], first_line: i32, offset: i64) -> Option<i32> {
    let mut end = 0;
    let mut line = first_line;
    let mut rest = table;
    while let Some((head, after)) = rest.split_first() {
        // an entry begins with a byte whose highest bit is set; those that follow have it clear
        let length = after.iter().take_while(|byte| **byte & 0x80 == 0).count();
        let (entry, next) = after.split_at(length);
        rest = next;
        end += i64::from((head & 7) + 1) * 2;
        let kind = (head >> 3) & 15;
        if ONE_LINE.contains(&kind) {
            line = line.wrapping_add(i32::from(kind - 10));
        } else if kind == NO_COLUMNS || kind == LONG {
            line = line.wrapping_add(signed_varint(entry));
        }
        if offset < end {
            return (kind != NO_LINE).then_some(line);
        }
    }
    None
}

/// Six bits a byte, the lowest first, bit 6 set where more follow; the lowest bit of all is the sign.
fn signed_varint(bytes: &[u8]) -> i32 {
    let mut value = 0_u32;
    for (at, byte) in bytes.iter().take(6).enumerate() {
        value |= u32::from(byte & 63).wrapping_shl(6 * at as u32);
        if byte & 64 == 0 {
            break;
        }
    }
    let magnitude = (value >> 1).cast_signed();
    if value & 1 == 1 {
        -magnitude
    } else {
        magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_that_goes_back_is_followed_in_each_table() {
        // lines 10, 12, 11 at bytes 0, 4, 8
        let tables: [(LineTable, &[u8]); 3] = [
            (LineTable::Lnotab, &[4, 2, 4, 255]),
            (LineTable::Ranges, &[4, 0, 4, 2, 4, 255]),
            (
                LineTable::Locations,
                &[
                    0x80 | 13 << 3 | 1,
                    0,
                    0x80 | 12 << 3 | 1,
                    0,
                    0,
                    0x80 | 14 << 3 | 1,
                    3,
                    0,
                    0,
                    0,
                ],
            ),
        ];
        for (kind, table) in tables {
            let lines: Vec<_> = [-1, 0, 2, 4, 6, 8, 10]
                .iter()
                .map(|offset| kind.line(table, 10, *offset))
                .collect();
            assert_eq!(lines, [10, 10, 10, 12, 12, 11, 11].map(Some), "{kind:?}");
        }
    }

    #[test]
    fn an_instruction_without_a_line_has_none() {
        assert_eq!(LineTable::Ranges.line(&[4, 128, 4, 1], 10, 0), None);
        assert_eq!(LineTable::Ranges.line(&[4, 128, 4, 1], 10, 4), Some(11));
        assert_eq!(
            LineTable::Locations.line(&[0xf8, 0x80 | 11 << 3, 1, 1], 10, 0),
            None
        );
        assert_eq!(
            LineTable::Locations.line(&[0xf8, 0x80 | 11 << 3, 1, 1], 10, 2),
            Some(11)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_decoder_panic(
            table in prop::collection::vec(any::<u8>(), 0..200), first in any::<i32>(), offset in any::<i64>(),
        ) {
            for kind in [LineTable::Lnotab, LineTable::Ranges, LineTable::Locations] {
                let _ = kind.line(&table, first, offset);
            }
        }
    }
}
