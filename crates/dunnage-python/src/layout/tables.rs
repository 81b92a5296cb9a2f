//! The layouts of CPython 3.9 to 3.12, which do not describe themselves.
//!
//! Made with gdb from the debug information of release builds (3.9.18, 3.10.13, 3.11.7, 3.12.1, x86_64):
//! `gdb -batch -ex 'print/d (long)&((PyThreadState*)0)->frame' libpython3.9.so.1.0` and so on. The structures are the same
//! within a minor version and on every 64 bit architecture; all the same they are not taken on trust: see
//! [`crate::Target::prepare`].

use super::{
    Attributes, CodeLayout, FrameLayout, GilLayout, GilPlace, Layout, NameLayout, ThreadLayout,
};
use crate::linetable::LineTable;

const fn gil(place: GilPlace) -> GilLayout {
    GilLayout {
        place,
        holder: 8,
        locked: 16,
        switches: 24,
    }
}

const PYTHON_3_9: Layout = Layout {
    interpreters: 32,
    next_interpreter: 0,
    interpreter_id: 24,
    threads: 8,
    thread: ThreadLayout {
        prev: 0,
        next: 8,
        interpreter: 16,
        ident: 176,
        native_id: None,
    },
    frame: FrameLayout::Objects {
        top: 24,
        back: 24,
        code: 32,
        last_instruction: 104,
        unit: 1,
        line: 108,
        trace: Some(80),
    },
    code: CodeLayout {
        file: 104,
        name: 112,
        first_line: 40,
        lines: 120,
        line_table: LineTable::Lnotab,
        code: 48,
        first_traceable: None,
    },
    names: NameLayout {
        locals: 360,
        attributes: Attributes::Dict,
        cached_keys: 864,
    },
    gil: gil(GilPlace::Runtime(352)),
    ascii_data: 48,
    compact_data: 72,
};

const PYTHON_3_10: Layout = Layout {
    frame: FrameLayout::Objects {
        top: 24,
        back: 24,
        code: 32,
        last_instruction: 96,
        unit: 2,
        line: 100,
        trace: None,
    },
    code: CodeLayout {
        line_table: LineTable::Ranges,
        ..PYTHON_3_9.code
    },
    names: NameLayout {
        locals: 352,
        attributes: Attributes::Dict,
        cached_keys: 872,
    },
    ..PYTHON_3_9
};

const PYTHON_3_11: Layout = Layout {
    interpreters: 40,
    next_interpreter: 0,
    interpreter_id: 48,
    threads: 16,
    thread: ThreadLayout {
        prev: 0,
        next: 8,
        interpreter: 16,
        ident: 152,
        native_id: Some(160),
    },
    frame: FrameLayout::Interpreter {
        top: 56,
        through: Some(8),
        previous: 48,
        code: 32,
        tag: 0,
        instruction: 56,
        owner: 69,
        has_entry_frames: false,
    },
    code: CodeLayout {
        file: 112,
        name: 128,
        first_line: 72,
        lines: 136,
        line_table: LineTable::Locations,
        code: 184,
        first_traceable: Some(168),
    },
    names: NameLayout {
        locals: 72,
        attributes: Attributes::BeforeObject,
        cached_keys: 872,
    },
    gil: gil(GilPlace::Runtime(360)),
    ascii_data: 48,
    compact_data: 72,
};

const PYTHON_3_12: Layout = Layout {
    interpreters: 40,
    next_interpreter: 0,
    interpreter_id: 8,
    threads: 72,
    thread: ThreadLayout {
        prev: 0,
        next: 8,
        interpreter: 16,
        ident: 136,
        native_id: Some(144),
    },
    frame: FrameLayout::Interpreter {
        top: 56,
        through: Some(0),
        previous: 8,
        code: 0,
        tag: 0,
        instruction: 56,
        owner: 70,
        has_entry_frames: true,
    },
    code: CodeLayout {
        file: 112,
        name: 128,
        first_line: 68,
        lines: 136,
        line_table: LineTable::Locations,
        code: 192,
        first_traceable: Some(176),
    },
    names: NameLayout {
        locals: 72,
        attributes: Attributes::Tagged,
        cached_keys: 880,
    },
    gil: gil(GilPlace::Interpreter(384)),
    ascii_data: 40,
    compact_data: 56,
};

/// The layout of CPython 3.`minor`, where it has a table here.
pub fn layout_of(minor: u8) -> Option<&'static Layout> {
    match minor {
        9 => Some(&PYTHON_3_9),
        10 => Some(&PYTHON_3_10),
        11 => Some(&PYTHON_3_11),
        12 => Some(&PYTHON_3_12),
        _ => None,
    }
}
