//! Where CPython keeps things: the offsets of the fields that are read, one [`Layout`] for every version.
//!
//! From 3.13 on the interpreter describes itself ([`debug_offsets`]); before, tables made from its headers are used
//! ([`tables`]). Only 64 bit little-endian builds with a GIL are known.

pub mod debug_offsets;
pub mod tables;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::linetable::LineTable;

/// A release of CPython, such as 3.12.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// 3.
    pub major: u8,
    /// 12.
    pub minor: u8,
    /// 1.
    pub micro: u8,
}

impl Version {
    /// From `PY_VERSION_HEX`.
    pub fn from_hex(hex: u64) -> Self {
        Self {
            major: (hex >> 24) as u8,
            minor: (hex >> 16) as u8,
            micro: (hex >> 8) as u8,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

/// Where the GIL is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GilPlace {
    /// At this offset of `_PyRuntime` (up to 3.11).
    Runtime(u64),
    /// A pointer at this offset of each interpreter (from 3.12).
    Interpreter(u64),
}

/// `struct _gil_runtime_state` (`Include/internal/pycore_gil.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GilLayout {
    /// Where it is.
    pub place: GilPlace,
    /// `last_holder`: the thread that holds it, or held it last.
    pub holder: u64,
    /// `locked`: an `int`, 1 where it is held.
    pub locked: u64,
    /// `switch_number`: counts each time that it went to another thread.
    pub switches: u64,
}

/// The bytes of `struct _gil_runtime_state`, in which waiters' futexes lie: the same from 3.9 to 3.15 (`sizeof` by gdb).
pub const GIL_BYTES: u64 = 208;

/// How the stack of a thread is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameLayout {
    /// `PyFrameObject`s on the heap, linked by `f_back` (up to 3.10).
    Objects {
        /// `PyThreadState.frame`.
        top: u64,
        /// `f_back`.
        back: u64,
        /// `f_code`.
        code: u64,
        /// `f_lasti`, an `int`.
        last_instruction: u64,
        /// How many bytes its unit has: 1 in 3.9, 2 in 3.10.
        unit: i64,
        /// `f_lineno`, an `int`.
        line: u64,
        /// `f_trace` in 3.9, where only a traced frame's `f_lineno` counts.
        trace: Option<u64>,
    },
    /// `_PyInterpreterFrame`s on the thread's data stack or in a generator, linked by `previous` (from 3.11).
    Interpreter {
        /// `PyThreadState.cframe` (up to 3.12) or `current_frame`.
        top: u64,
        /// `_PyCFrame.current_frame`, where `top` leads to a `_PyCFrame`.
        through: Option<u64>,
        /// `previous`.
        previous: u64,
        /// `f_code` or `f_executable`.
        code: u64,
        /// Bits of that pointer which are a tag (`_PyStackRef`, from 3.14).
        tag: u64,
        /// `prev_instr` or `instr_ptr`.
        instruction: u64,
        /// `owner`, a `char`.
        owner: u64,
        /// Whether each entry into the interpreter has a frame of its own, and so the outermost frame is one (from 3.12).
        has_entry_frames: bool,
    },
}

/// An `owner` from this on is a frame of the interpreter itself and no Python code (`FRAME_OWNED_BY_CSTACK` in 3.12 and
/// 3.13, `FRAME_OWNED_BY_INTERPRETER` from 3.14 on).
pub const FIRST_OWNER_WITHOUT_CODE: u8 = 3;

/// The `owner` of a generator's frame (`FRAME_OWNED_BY_GENERATOR`, from 3.11).
pub const OWNED_BY_GENERATOR: u8 = 1;

/// `PyCodeObject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeLayout {
    /// `co_filename`.
    pub file: u64,
    /// `co_name`, or `co_qualname` from 3.11.
    pub name: u64,
    /// `co_firstlineno`, an `int`.
    pub first_line: u64,
    /// `co_lnotab` or `co_linetable`.
    pub lines: u64,
    /// What is in it.
    pub line_table: LineTable,
    /// `co_code`, a bytes object, or `co_code_adaptive`, the byte code itself.
    pub code: u64,
    /// `_co_firsttraceable`, an `int`: where a frame begins its own work, in units of 2 bytes (from 3.11).
    pub first_traceable: Option<u64>,
}

/// `PyThreadState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadLayout {
    /// `prev`.
    pub prev: u64,
    /// `next`.
    pub next: u64,
    /// `interp`.
    pub interpreter: u64,
    /// `thread_id`, a `pthread_t`.
    pub ident: u64,
    /// `native_thread_id` (from 3.11).
    pub native_id: Option<u64>,
}

/// Where an instance keeps its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attributes {
    /// In a dict, `tp_dictoffset` behind the object (up to 3.10).
    Dict,
    /// In a row of values, to which a pointer 32 bytes before the object leads; else in a dict 24 bytes before it (3.11).
    BeforeObject,
    /// The same, with one pointer 24 bytes before the object: to the byte before the values if it is odd, else to a dict
    /// (3.12).
    Tagged,
    /// In a row of values within the object, while its `valid` is set; else in a dict 24 bytes before it (from 3.13).
    Inline,
}

/// What is needed to find the name of a `threading.Thread` from the frame of its `_bootstrap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameLayout {
    /// `f_localsplus` or `localsplus`: the first local variable.
    pub locals: u64,
    /// Where the instance keeps its attributes.
    pub attributes: Attributes,
    /// `PyHeapTypeObject.ht_cached_keys`: the names of the attributes in a row of values.
    pub cached_keys: u64,
}

/// The parts of CPython's memory that are read, as offsets in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// `_PyRuntime.interpreters.head`.
    pub interpreters: u64,
    /// `PyInterpreterState.next`.
    pub next_interpreter: u64,
    /// `PyInterpreterState.id`.
    pub interpreter_id: u64,
    /// `PyInterpreterState.threads.head`.
    pub threads: u64,
    /// `PyThreadState`.
    pub thread: ThreadLayout,
    /// The stack.
    pub frame: FrameLayout,
    /// Code objects.
    pub code: CodeLayout,
    /// Names of threads.
    pub names: NameLayout,
    /// The GIL.
    pub gil: GilLayout,
    /// `PyASCIIObject`'s size: where the characters of an ASCII string begin.
    pub ascii_data: u64,
    /// `PyCompactUnicodeObject`'s size: where those of other strings begin.
    pub compact_data: u64,
}

/// `PyObject.ob_type`.
pub const OB_TYPE: u64 = 8;
/// `PyVarObject.ob_size`.
pub const OB_SIZE: u64 = 16;
/// `PyBytesObject.ob_sval`.
pub const BYTES_DATA: u64 = 32;
/// `PyASCIIObject.length`.
pub const STR_LENGTH: u64 = 16;
/// `PyASCIIObject.state`.
pub const STR_STATE: u64 = 32;
