//! The name that `threading` gave a thread.
//!
//! The kernel's name is `python3` for every thread before CPython 3.14. The outermost Python call of a thread that was
//! started by `threading` is `Thread._bootstrap(self)`, so `self` is that frame's first local variable, and `_name` an
//! attribute of it. Where attributes are depends on the version: see [`Attributes`].

use crate::layout::{Attributes, FrameLayout, NameLayout, OB_TYPE};
use crate::memory::{Memory, Unreadable, add};
use crate::native::Tasks;
use crate::stack::StackReader;
use crate::target::Target;

const TP_BASICSIZE: u64 = 32;
const TP_DICTOFFSET: u64 = 288;
const MA_KEYS: u64 = 32;
const MA_VALUES: u64 = 40;

/// The most attributes that are looked through.
const MAX_ATTRIBUTES: u64 = 64;

/// Attributes as their names and a row of values, or as entries with both.
struct Table {
    keys: u64,
    values: Option<u64>,
}

impl Target {
    /// The names that `threading` gave the threads, by their kernel ids in our PID namespace. A thread that it did not
    /// start has none, and one whose stack moved too fast is left out. It costs about what reading all stacks once does:
    /// for when threads have come, not for each look.
    pub fn thread_names(&self) -> Vec<(i32, String)> {
        let (Ok(tasks), Some((threads, _))) = (Tasks::read(self.pid), self.list_threads()) else {
            return Vec::new();
        };
        let mut reader = StackReader::new(&self.memory, &self.found.layout, self.found.code_type);
        let tids = self.find_tids(&tasks, &threads);
        let mut names = Vec::new();
        for (thread, tid) in threads.iter().zip(tids) {
            let Some(tid) = tid else { continue };
            // the outermost call is the thread's from its start to its end, so nothing needs to stand still
            let stack = reader.read_stack(thread.address).ok();
            let is_main = tid == self.pid;
            let name = stack.and_then(|stack| stack.name);
            let name = name.or_else(|| is_main.then(|| "MainThread".to_owned()));
            names.extend(name.map(|name| (tid, name)));
        }
        names
    }
}

impl<M: Memory> StackReader<'_, '_, M> {
    /// The `_name` of the `threading.Thread` that is the first local variable of a frame.
    pub(crate) fn read_thread_name(&mut self, frame: u64) -> Result<String, Unreadable> {
        let layout = self.layout().names;
        let tag = match self.layout().frame {
            FrameLayout::Interpreter { tag, .. } => tag,
            FrameLayout::Objects { .. } => 0,
        };
        let thread = self.blocks().word(add(frame, layout.locals)?)? & !tag;
        let table = self.find_attributes(layout, thread)?;
        let name = self.find_value(&table, "_name")?;
        self.read_text(name)
    }

    fn find_attributes(&mut self, layout: NameLayout, object: u64) -> Result<Table, Unreadable> {
        let blocks = self.blocks();
        let kind = blocks.word(add(object, OB_TYPE)?)?;
        let dict_before = object.checked_sub(24).ok_or(Unreadable)?;
        let (values, dict) = match layout.attributes {
            Attributes::Dict => {
                let offset = blocks.word(add(kind, TP_DICTOFFSET)?)?;
                (0, blocks.word(add(object, offset)?)?)
            }
            Attributes::BeforeObject => {
                let before = object.checked_sub(32).ok_or(Unreadable)?;
                (blocks.word(before)?, blocks.word(dict_before)?)
            }
            Attributes::Tagged => match blocks.word(dict_before)? {
                pointer if pointer & 1 == 1 => (add(pointer, 1)?, 0),
                dict => (0, dict),
            },
            Attributes::Inline => {
                let values = add(object, blocks.word(add(kind, TP_BASICSIZE)?)?)?;
                let is_valid = blocks.byte(add(values, 3)?)? == 1;
                (
                    if is_valid { add(values, 8)? } else { 0 },
                    blocks.word(dict_before)?,
                )
            }
        };
        if values != 0 {
            let keys = blocks.word(add(kind, layout.cached_keys)?)?;
            return Ok(Table {
                keys,
                values: Some(values),
            });
        }
        let keys = blocks.word(add(dict, MA_KEYS)?)?;
        let row = blocks.word(add(dict, MA_VALUES)?)?;
        let first = if layout.attributes == Attributes::Inline {
            8
        } else {
            0
        };
        let values = if row == 0 {
            None
        } else {
            Some(add(row, first)?)
        };
        Ok(Table { keys, values })
    }

    /// Looks through the entries of a `PyDictKeysObject`.
    fn find_value(&mut self, table: &Table, name: &str) -> Result<u64, Unreadable> {
        let is_old = matches!(self.layout().frame, FrameLayout::Objects { .. });
        let blocks = self.blocks();
        let keys = table.keys;
        let (count, entries, step, key) = if is_old {
            // dk_size, dk_nentries, dk_indices; entries of hash, key and value
            let size = blocks.word(add(keys, 8)?)?;
            let width = if size <= 0xff { 1 } else { 2 };
            let indices = size.checked_mul(width).ok_or(Unreadable)?;
            (
                blocks.word(add(keys, 32)?)?,
                add(add(keys, 40)?, indices)?,
                24,
                8,
            )
        } else {
            // dk_log2_index_bytes, dk_kind, dk_nentries, dk_indices; without a hash where all keys are strings
            let log2 = blocks.byte(add(keys, 9)?)?;
            let indices = 1_u64.checked_shl(log2.into()).ok_or(Unreadable)?;
            let (step, key) = if blocks.byte(add(keys, 10)?)? == 0 {
                (24, 8)
            } else {
                (16, 0)
            };
            (
                blocks.word(add(keys, 24)?)?,
                add(add(keys, 32)?, indices)?,
                step,
                key,
            )
        };
        for at in 0..count.min(MAX_ATTRIBUTES) {
            let entry = add(entries, at * step + key)?;
            let key = self.blocks().word(entry)?;
            if key != 0 && self.read_text(key)? == name {
                return match table.values {
                    Some(values) => self.blocks().word(add(values, at * 8)?),
                    None => self.blocks().word(add(entry, 8)?),
                };
            }
        }
        Err(Unreadable)
    }
}
