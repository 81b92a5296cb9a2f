//! The stack of one thread: frames, their code objects, the strings in these.
//!
//! Everything is read through [`Blocks`], as it stands in the target at that moment, and every pointer may be stale. What
//! does not fit together (a code object that is none, an instruction outside of its code, a string without end) ends the
//! attempt: [`Unreadable`]. That the frames belong together is not decided here: see [`crate::still`].

use std::collections::BTreeMap;

use crate::dump::Frame;
use crate::layout::{
    BYTES_DATA, FIRST_OWNER_WITHOUT_CODE, FrameLayout, Layout, OB_SIZE, OB_TYPE,
    OWNED_BY_GENERATOR, STR_LENGTH, STR_STATE,
};
use crate::memory::{Blocks, Memory, Unreadable, add};

/// The most frames of a thread that are read.
pub const MAX_FRAMES: usize = 1024;
/// The most characters of a name.
const MAX_TEXT: u64 = 1024;
/// The most bytes of a line table, and of byte code.
const MAX_TABLE: u64 = 256 << 10;
const MAX_CODE: u64 = 64 << 20;

/// Where a frame is within its code.
#[derive(Debug, Clone, Copy)]
enum At {
    /// An offset in bytes.
    Offset(i64),
    /// The address of the instruction, and whether the frame is a generator's.
    Address(u64, bool),
    /// The line itself, which a traced frame keeps.
    Line(i32),
}

#[derive(Debug, Clone, Copy)]
struct RawFrame {
    address: u64,
    code: u64,
    at: At,
}

/// What is needed of a code object.
#[derive(Debug, Clone)]
struct Code {
    function: String,
    file: String,
    first_line: i32,
    lines: Vec<u8>,
    start: u64,
    bytes: u64,
    /// The byte code before it only sets the frame up.
    first_traceable: u64,
}

impl Code {
    /// Whether a frame has not begun its own work: tracebacks of the interpreter leave it out, and so do we
    /// (`_PyFrame_IsIncomplete`). The frame that stands between a class that is called and its `__init__` is always so.
    fn is_incomplete(&self, at: At) -> bool {
        matches!(at, At::Address(address, false) if address < self.start.saturating_add(self.first_traceable))
    }
}

/// The frames of a thread, the innermost first, and whether there are more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stack {
    /// The frames.
    pub frames: Vec<Frame>,
    /// Whether there are more than [`MAX_FRAMES`].
    pub truncated: bool,
    /// The name that `threading` gave the thread.
    pub name: Option<String>,
}

/// Reads stacks of one interpreter.
#[derive(Debug)]
pub struct StackReader<'m, 'l, M> {
    blocks: Blocks<'m, M>,
    layout: &'l Layout,
    /// The address of `PyCode_Type`.
    code_type: u64,
}

impl<'m, 'l, M: Memory> StackReader<'m, 'l, M> {
    /// A reader of that memory.
    pub fn new(memory: &'m M, layout: &'l Layout, code_type: u64) -> Self {
        Self {
            blocks: Blocks::new(memory),
            layout,
            code_type,
        }
    }

    /// The memory, through a cache that [`Self::read_stack`] empties.
    pub fn blocks(&mut self) -> &mut Blocks<'m, M> {
        &mut self.blocks
    }

    /// Where that interpreter keeps things.
    pub fn layout(&self) -> &'l Layout {
        self.layout
    }

    /// Reads the stack of a thread as it stands.
    pub fn read_stack(&mut self, thread: u64) -> Result<Stack, Unreadable> {
        self.blocks.clear();
        let (raw, truncated) = self.walk(thread)?;
        let codes = self.read_codes(&raw)?;
        let mut frames = Vec::with_capacity(raw.len());
        for frame in &raw {
            let code = codes.get(&frame.code).ok_or(Unreadable)?;
            let line = self.find_line(code, frame.at)?;
            if !code.is_incomplete(frame.at) {
                frames.push(Frame {
                    function: code.function.clone(),
                    file: code.file.clone(),
                    line,
                });
            }
        }
        let name = self.read_name(raw.last(), &frames);
        Ok(Stack {
            frames,
            truncated,
            name,
        })
    }

    /// The thread's name, if `threading` started it: then the outermost call is known.
    fn read_name(&mut self, outermost: Option<&RawFrame>, frames: &[Frame]) -> Option<String> {
        let Frame { function, file, .. } = frames.last()?;
        let is_thread =
            function.rsplit('.').next() == Some("_bootstrap") && file.ends_with("threading.py");
        if !is_thread {
            return None;
        }
        self.read_thread_name(outermost?.address).ok()
    }

    fn find_line(&self, code: &Code, at: At) -> Result<Option<u32>, Unreadable> {
        let offset = match at {
            At::Line(line) => return Ok(u32::try_from(line).ok()),
            At::Offset(offset) => offset,
            At::Address(address, _) => address.wrapping_sub(code.start).cast_signed(),
        };
        // before its first instruction a frame stands one unit before it
        if !(-2..code.bytes.cast_signed()).contains(&offset) {
            // a free-threaded build has further copies of the byte code, whose place is not looked up
            return if self.layout.gil.is_none() {
                Ok(None)
            } else {
                Err(Unreadable)
            };
        }
        let table = self.layout.code.line_table;
        Ok(table.line(&code.lines, code.first_line, offset))
    }

    fn walk(&mut self, thread: u64) -> Result<(Vec<RawFrame>, bool), Unreadable> {
        let (FrameLayout::Objects { top, .. } | FrameLayout::Interpreter { top, .. }) =
            self.layout.frame;
        let mut next = self.blocks.word(add(thread, top)?)?;
        if let FrameLayout::Interpreter {
            through: Some(offset),
            ..
        } = self.layout.frame
            && next != 0
        {
            next = self.blocks.word(add(next, offset)?)?;
        }
        let mut frames = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        let mut is_entry = true;
        while next != 0 {
            if !seen.insert(next) {
                return Err(Unreadable);
            }
            if frames.len() >= MAX_FRAMES || seen.len() > 2 * MAX_FRAMES {
                return Ok((frames, true));
            }
            let (frame, previous) = self.read_frame(next)?;
            is_entry = frame.is_none();
            frames.extend(frame);
            next = previous;
        }
        // a generator that is about to yield is unlinked a moment before it is no longer the current frame
        let needs_entry = matches!(
            self.layout.frame,
            FrameLayout::Interpreter {
                has_entry_frames: true,
                ..
            }
        );
        if needs_entry && !is_entry {
            return Err(Unreadable);
        }
        Ok((frames, false))
    }

    /// One frame, if it is one of Python code, and the address of the one that called it.
    fn read_frame(&mut self, address: u64) -> Result<(Option<RawFrame>, u64), Unreadable> {
        let blocks = &mut self.blocks;
        match self.layout.frame {
            FrameLayout::Objects {
                back,
                code,
                last_instruction,
                unit,
                line,
                trace,
                ..
            } => {
                let traced_line = blocks.int(add(address, line)?)?;
                let is_traced = match trace {
                    Some(trace) => blocks.word(add(address, trace)?)? != 0,
                    None => traced_line != 0,
                };
                let last = blocks.int(add(address, last_instruction)?)?;
                let at = if is_traced {
                    At::Line(traced_line)
                } else {
                    At::Offset(i64::from(last) * unit)
                };
                let code = blocks.word(add(address, code)?)?;
                let previous = blocks.word(add(address, back)?)?;
                Ok((Some(RawFrame { address, code, at }), previous))
            }
            FrameLayout::Interpreter {
                previous,
                code,
                tag,
                instruction,
                owner,
                ..
            } => {
                let previous = blocks.word(add(address, previous)?)?;
                let owner = blocks.byte(add(address, owner)?)?;
                if owner >= FIRST_OWNER_WITHOUT_CODE {
                    return Ok((None, previous));
                }
                let code = blocks.word(add(address, code)?)? & !tag;
                let instruction = blocks.word(add(address, instruction)?)?;
                let at = At::Address(instruction, owner == OWNED_BY_GENERATOR);
                Ok((Some(RawFrame { address, code, at }), previous))
            }
        }
    }

    /// Reads each code object once, what they hold in as few calls as possible.
    fn read_codes(&mut self, frames: &[RawFrame]) -> Result<BTreeMap<u64, Code>, Unreadable> {
        let mut addresses: Vec<u64> = frames.iter().map(|frame| frame.code).collect();
        addresses.sort_unstable();
        addresses.dedup();
        self.blocks.prefetch(addresses.iter().copied());
        let layout = self.layout.code;
        let mut parts = Vec::with_capacity(addresses.len() * 3);
        for address in &addresses {
            for offset in [layout.file, layout.name, layout.lines] {
                parts.push(self.blocks.word(add(*address, offset)?)?);
            }
        }
        self.blocks.prefetch(parts);
        addresses
            .into_iter()
            .map(|address| Ok((address, self.read_code(address)?)))
            .collect()
    }

    fn read_code(&mut self, address: u64) -> Result<Code, Unreadable> {
        let layout = self.layout.code;
        if self.blocks.word(add(address, OB_TYPE)?)? != self.code_type {
            return Err(Unreadable);
        }
        let is_inline = matches!(self.layout.frame, FrameLayout::Interpreter { .. });
        let (start, bytes) = if is_inline {
            let units = self.blocks.word(add(address, OB_SIZE)?)?;
            (
                add(address, layout.code)?,
                units.checked_mul(2).ok_or(Unreadable)?,
            )
        } else {
            let code = self.blocks.word(add(address, layout.code)?)?;
            (0, self.blocks.word(add(code, OB_SIZE)?)?)
        };
        let first_traceable = match layout.first_traceable {
            Some(offset) => u64::from(self.blocks.int(add(address, offset)?)?.cast_unsigned()) * 2,
            None => 0,
        };
        if bytes > MAX_CODE || first_traceable > bytes {
            return Err(Unreadable);
        }
        let lines = self.blocks.word(add(address, layout.lines)?)?;
        let function = self.blocks.word(add(address, layout.name)?)?;
        let file = self.blocks.word(add(address, layout.file)?)?;
        Ok(Code {
            function: self.read_text(function)?,
            file: self.read_text(file)?,
            first_line: self.blocks.int(add(address, layout.first_line)?)?,
            lines: self.read_bytes(lines)?,
            start,
            bytes,
            first_traceable,
        })
    }

    fn read_bytes(&mut self, address: u64) -> Result<Vec<u8>, Unreadable> {
        let length = self.blocks.word(add(address, OB_SIZE)?)?;
        if length > MAX_TABLE {
            return Err(Unreadable);
        }
        let mut bytes = vec![0; length as usize];
        self.blocks.read(add(address, BYTES_DATA)?, &mut bytes)?;
        Ok(bytes)
    }

    /// A compact string (`PEP 393`), cut after [`MAX_TEXT`] characters.
    pub fn read_text(&mut self, address: u64) -> Result<String, Unreadable> {
        let length = self.blocks.word(add(address, STR_LENGTH)?)?;
        let state = self.blocks.int(add(address, STR_STATE)?)?;
        let (kind, is_ascii) = parse_state(state.cast_unsigned()).ok_or(Unreadable)?;
        if length > u64::from(u32::MAX) {
            return Err(Unreadable);
        }
        let count = length.min(MAX_TEXT) as usize;
        let data = if is_ascii {
            self.layout.ascii_data
        } else {
            self.layout.compact_data
        };
        let mut bytes = vec![0; count * kind];
        self.blocks.read(add(address, data)?, &mut bytes)?;
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
    use crate::layout::{debug_offsets, tables};
    use crate::memory::tests::Fake;
    use proptest::prelude::*;

    /// Every layout that there is.
    fn layouts() -> Vec<Layout> {
        let described = debug_offsets::tests::python_3_14();
        (9..=12)
            .filter_map(|minor| tables::layout_of(minor).copied())
            .chain([described])
            .collect()
    }

    /// Memory whose words point into itself, to small numbers and to nowhere.
    fn hostile_memory() -> impl Strategy<Value = Vec<u8>> {
        let word = prop_oneof![
            4 => (0..8192_u64).prop_map(|offset| START + offset),
            4 => (0..1024_u64).prop_map(|offset| START + offset * 8),
            2 => 0..300_u64,
            1 => any::<u64>(),
        ];
        prop::collection::vec(word, 1024)
            .prop_map(|words| words.iter().flat_map(|word| word.to_le_bytes()).collect())
    }

    const START: u64 = 0x10_0000;

    proptest! {
        #[test]
        fn no_memory_makes_the_reader_panic_or_run_on(bytes in hostile_memory(), thread in 0..8192_u64, code_type in 0..8192_u64) {
            let fake = Fake { start: START, bytes };
            for layout in layouts() {
                let mut reader = StackReader::new(&fake, &layout, START + code_type);
                if let Ok(stack) = reader.read_stack(START + thread) {
                    prop_assert!(stack.frames.len() <= MAX_FRAMES);
                }
                let _ = reader.read_thread_name(START + thread);
            }
        }
    }

    /// Writes a word of 64 bits.
    fn put(bytes: &mut [u8], at: u64, word: u64) {
        bytes[at as usize..at as usize + 8].copy_from_slice(&word.to_le_bytes());
    }

    #[test]
    fn a_chain_of_frames_that_bites_its_tail_is_no_stack() {
        let layout = tables::layout_of(9).unwrap();
        let mut bytes = vec![0; 4096];
        // the thread's frame at 1024, which calls itself
        put(&mut bytes, 24, 1024);
        put(&mut bytes, 1024 + 24, 1024);
        let fake = Fake { start: 0, bytes };
        assert_eq!(
            StackReader::new(&fake, layout, 1).read_stack(0),
            Err(Unreadable)
        );
    }

    #[test]
    fn a_thread_without_a_frame_has_an_empty_stack() {
        let fake = Fake {
            start: 0,
            bytes: vec![0; 4096],
        };
        for layout in layouts() {
            let stack = StackReader::new(&fake, &layout, 1).read_stack(0);
            assert_eq!(stack, Ok(Stack::default()));
        }
    }

    #[test]
    fn the_kind_of_a_string_is_found_in_each_place() {
        assert_eq!(parse_state(0b110_0100), Some((1, true)));
        // a string of before PEP 393: not compact
        assert_eq!(parse_state(0b000_0100), None);
        assert_eq!(parse_state(0b11001 << 16 | 2), Some((1, true)));
        assert_eq!(parse_state(0b01010 << 8 | 1), Some((2, false)));
    }
}
