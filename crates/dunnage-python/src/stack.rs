//! The stack of one thread: frames, their code objects, the strings in these.
//!
//! Everything is read through [`Blocks`], as it stands in the target at that moment, and every pointer may be stale. What
//! does not fit together (a code object that is none, an instruction outside of its code, a string without end) ends the
//! attempt: [`Unreadable`]. That the frames belong together is not decided here: see [`crate::still`].

use crate::code::Code;
use crate::dump::Frame;
use crate::layout::{FIRST_OWNER_WITHOUT_CODE, FrameLayout, Layout, OWNED_BY_GENERATOR};
use crate::memory::{Blocks, Memory, Unreadable, add};

/// How many frames above the innermost call may be none of Python code, or not have begun their own work.
const MAX_SKIPPED: usize = 16;

/// The most frames of a thread that are read.
pub const MAX_FRAMES: usize = 1024;

/// Where a frame is within its code.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    /// An offset in bytes.
    Offset(i64),
    /// The address of the instruction, and whether the frame is a generator's.
    Address(u64, bool),
    /// The line itself, which a traced frame keeps.
    Line(i32),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RawFrame {
    address: u64,
    pub(crate) code: u64,
    at: At,
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

    /// The address of `PyCode_Type`.
    pub fn code_type(&self) -> u64 {
        self.code_type
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

    /// Reads the innermost call of a thread alone: `None` if it is in none. The frame is looked at twice, so that it was
    /// the innermost one at some moment in between; its line is the one at which it was found first.
    pub fn read_top(&mut self, thread: u64) -> Result<Option<Frame>, Unreadable> {
        self.blocks.clear();
        let first = self.read_first(thread)?;
        let mut next = first;
        for _ in 0..MAX_SKIPPED {
            if next == 0 {
                return Ok(None);
            }
            let (raw, previous) = self.read_frame(next)?;
            if let Some(raw) = raw {
                self.blocks.clear();
                let is_same = self.read_first(thread)? == first
                    && self.read_frame(next)?.0.map(|again| again.code) == Some(raw.code);
                let codes = self.read_codes(&[raw])?;
                let code = codes.get(&raw.code).filter(|_| is_same).ok_or(Unreadable)?;
                if !code.is_incomplete(raw.at) {
                    return Ok(Some(Frame {
                        line: self.find_line(code, raw.at)?,
                        function: code.function.clone(),
                        file: code.file.clone(),
                    }));
                }
            }
            next = previous;
        }
        Err(Unreadable)
    }

    /// The address of the innermost frame; 0 for none.
    fn read_first(&mut self, thread: u64) -> Result<u64, Unreadable> {
        match self.layout.frame {
            FrameLayout::Objects { top, .. }
            | FrameLayout::Interpreter {
                top, through: None, ..
            } => self.blocks.word(add(thread, top)?),
            FrameLayout::Interpreter {
                top,
                through: Some(offset),
                ..
            } => match self.blocks.word(add(thread, top)?)? {
                0 => Ok(0),
                cframe => self.blocks.word(add(cframe, offset)?),
            },
        }
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
            return Err(Unreadable);
        }
        let table = self.layout.code.line_table;
        Ok(table.line(&code.lines, code.first_line, offset))
    }

    fn walk(&mut self, thread: u64) -> Result<(Vec<RawFrame>, bool), Unreadable> {
        let (FrameLayout::Objects { top, .. } | FrameLayout::Interpreter { top, .. }) =
            self.layout.frame;
        let mut next = self.blocks.word(add(thread, top)?)?;
        let mut entered_from = 0;
        if let FrameLayout::Interpreter {
            through: Some(offset),
            ..
        } = self.layout.frame
            && next != 0
        {
            entered_from = self.read_entered_from(next, offset)?;
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
        // a _PyCFrame is the thread's a moment before it is filled in, and then holds what lay there before
        if entered_from != 0 && !seen.contains(&entered_from) {
            return Err(Unreadable);
        }
        Ok((frames, false))
    }

    /// The frame from which the interpreter was entered the last time: the current one of the `_PyCFrame` before this one,
    /// to which `previous`, just behind `current_frame`, leads.
    fn read_entered_from(&mut self, cframe: u64, current: u64) -> Result<u64, Unreadable> {
        match self.blocks.word(add(cframe, current + 8)?)? {
            0 => Ok(0),
            before => self.blocks.word(add(before, current)?),
        }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{debug_offsets, tables};
    use crate::memory::tests::Fake;
    use proptest::prelude::*;

    /// Every layout that there is.
    fn layouts() -> Vec<Layout> {
        (9..=12)
            .filter_map(|minor| tables::layout_of(minor).copied())
            .chain(debug_offsets::tests::described())
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
        #![proptest_config(ProptestConfig::with_cases(64))]
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
}
