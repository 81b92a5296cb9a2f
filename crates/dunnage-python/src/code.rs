//! Code objects, and the strings and bytes in them.

use std::collections::BTreeMap;

use crate::layout::{BYTES_DATA, FrameLayout, OB_SIZE, OB_TYPE, STR_LENGTH, STR_STATE};
use crate::memory::{Memory, Unreadable, add};
use crate::stack::{At, RawFrame, StackReader};

/// The most characters of a name.
const MAX_TEXT: u64 = 1024;
/// The most bytes of a line table, and of byte code.
const MAX_TABLE: u64 = 256 << 10;
const MAX_CODE: u64 = 64 << 20;

/// What is needed of a code object.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) function: String,
    pub(crate) file: String,
    pub(crate) first_line: i32,
    pub(crate) lines: Vec<u8>,
    pub(crate) start: u64,
    pub(crate) bytes: u64,
    /// The byte code before it only sets the frame up.
    first_traceable: u64,
}

impl Code {
    /// Whether a frame has not begun its own work: tracebacks of the interpreter leave it out, and so do we
    /// (`_PyFrame_IsIncomplete`). The frame that stands between a class that is called and its `__init__` is always so.
    pub(crate) fn is_incomplete(&self, at: At) -> bool {
        matches!(at, At::Address(address, false) if address < self.start.saturating_add(self.first_traceable))
    }
}
impl<M: Memory> StackReader<'_, '_, M> {
    /// Reads each code object once, what they hold in as few calls as possible.
    pub(crate) fn read_codes(
        &mut self,
        frames: &[RawFrame],
    ) -> Result<BTreeMap<u64, Code>, Unreadable> {
        let mut addresses: Vec<u64> = frames.iter().map(|frame| frame.code).collect();
        addresses.sort_unstable();
        addresses.dedup();
        self.blocks().prefetch(addresses.iter().copied());
        let layout = self.layout().code;
        let mut parts = Vec::with_capacity(addresses.len() * 3);
        for address in &addresses {
            for offset in [layout.file, layout.name, layout.lines] {
                parts.push(self.blocks().word(add(*address, offset)?)?);
            }
        }
        self.blocks().prefetch(parts);
        addresses
            .into_iter()
            .map(|address| Ok((address, self.read_code(address)?)))
            .collect()
    }

    fn read_code(&mut self, address: u64) -> Result<Code, Unreadable> {
        let layout = self.layout().code;
        if self.blocks().word(add(address, OB_TYPE)?)? != self.code_type() {
            return Err(Unreadable);
        }
        let is_inline = matches!(self.layout().frame, FrameLayout::Interpreter { .. });
        let (start, bytes) = if is_inline {
            let units = self.blocks().word(add(address, OB_SIZE)?)?;
            (
                add(address, layout.code)?,
                units.checked_mul(2).ok_or(Unreadable)?,
            )
        } else {
            let code = self.blocks().word(add(address, layout.code)?)?;
            (0, self.blocks().word(add(code, OB_SIZE)?)?)
        };
        let first_traceable = match layout.first_traceable {
            Some(offset) => {
                u64::from(self.blocks().int(add(address, offset)?)?.cast_unsigned()) * 2
            }
            None => 0,
        };
        if bytes > MAX_CODE || first_traceable > bytes {
            return Err(Unreadable);
        }
        let lines = self.blocks().word(add(address, layout.lines)?)?;
        let function = self.blocks().word(add(address, layout.name)?)?;
        let file = self.blocks().word(add(address, layout.file)?)?;
        Ok(Code {
            function: self.read_text(function)?,
            file: self.read_text(file)?,
            first_line: self.blocks().int(add(address, layout.first_line)?)?,
            lines: self.read_bytes(lines)?,
            start,
            bytes,
            first_traceable,
        })
    }

    fn read_bytes(&mut self, address: u64) -> Result<Vec<u8>, Unreadable> {
        let length = self.blocks().word(add(address, OB_SIZE)?)?;
        if length > MAX_TABLE {
            return Err(Unreadable);
        }
        let mut bytes = vec![0; length as usize];
        self.blocks().read(add(address, BYTES_DATA)?, &mut bytes)?;
        Ok(bytes)
    }

    /// A compact string (`PEP 393`), cut after [`MAX_TEXT`] characters.
    pub fn read_text(&mut self, address: u64) -> Result<String, Unreadable> {
        let length = self.blocks().word(add(address, STR_LENGTH)?)?;
        let state = self.blocks().int(add(address, STR_STATE)?)?;
        let (kind, is_ascii) = parse_state(state.cast_unsigned()).ok_or(Unreadable)?;
        if length > u64::from(u32::MAX) {
            return Err(Unreadable);
        }
        let count = length.min(MAX_TEXT) as usize;
        let data = if is_ascii {
            self.layout().ascii_data
        } else {
            self.layout().compact_data
        };
        let mut bytes = vec![0; count * kind];
        self.blocks().read(add(address, data)?, &mut bytes)?;
        let text = match kind {
            1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
            2 => {
                let units: Vec<u16> = bytes
                    .chunks_exact(2)
                    .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                    .collect();
                String::from_utf16_lossy(&units)
            }
            4 => bytes
                .chunks_exact(4)
                .map(|four| {
                    char::from_u32(u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
                        .unwrap_or('\u{fffd}')
                })
                .collect(),
            _ => return Err(Unreadable),
        };
        Ok(text)
    }
}

/// The bit fields of `PyASCIIObject.state`: `kind` (bytes a character), `compact`, `ascii`. They follow `interned`, which
/// is 2 bits, or a number of 8 or 16 bits in free-threaded builds and some releases of 3.14: its value is below 4, so the
/// wrong place shows a kind of 0.
fn parse_state(state: u32) -> Option<(usize, bool)> {
    [2, 8, 16].into_iter().find_map(|shift| {
        let (kind, compact, ascii) = (
            state >> shift & 7,
            state >> (shift + 3) & 1,
            state >> (shift + 4) & 1,
        );
        (matches!(kind, 1 | 2 | 4) && compact == 1).then_some((kind as usize, ascii == 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_string_is_found_in_each_place() {
        assert_eq!(parse_state(0b110_0100), Some((1, true)));
        // a string of before PEP 393: not compact
        assert_eq!(parse_state(0b000_0100), None);
        assert_eq!(parse_state(0b11001 << 16 | 2), Some((1, true)));
        assert_eq!(parse_state(0b01010 << 8 | 1), Some((2, false)));
    }
}
