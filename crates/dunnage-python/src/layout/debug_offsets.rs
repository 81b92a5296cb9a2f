//! `_Py_DebugOffsets`: from CPython 3.13 on the interpreter says at the start of `_PyRuntime` where its fields are
//! (`Include/internal/pycore_debug_offsets.h`; in 3.13 `pycore_runtime.h`).
//!
//! It is a row of 64 bit numbers whose order differs between minor versions. It stands in the target's memory, so it is
//! as hostile as everything there: the cookie, the version and every offset are checked before one is used.

use super::{
    Attributes, CodeLayout, FrameLayout, GilLayout, GilPlace, Layout, NameLayout, ThreadLayout,
    Version,
};
use crate::linetable::LineTable;

/// How many bytes of it are read.
pub const BYTES: usize = 96 * 8;

const COOKIE: &[u8; 8] = b"xdebugpy";

/// No structure here is larger than this; `_PyRuntime` itself has some 300 KiB, with the main interpreter inside.
const MAX_OFFSET: u64 = 1 << 20;

/// Where the groups begin in one minor version, counted in words.
struct Order {
    minor: u8,
    gil_pointer: usize,
    thread: usize,
    /// `thread_id`, which `native_thread_id` follows.
    ident: usize,
    frame: usize,
    code: usize,
    /// `ht_cached_keys`, where it is described.
    cached_keys: Option<usize>,
    unicode: usize,
    tag: u64,
}

/// `PyHeapTypeObject.ht_cached_keys` where it is not described: the same in 3.13 and 3.14.
const CACHED_KEYS: u64 = 880;

const ORDERS: [Order; 3] = [
    Order {
        minor: 13,
        gil_pointer: 14,
        thread: 19,
        ident: 24,
        frame: 28,
        code: 34,
        cached_keys: None,
        unicode: 67,
        tag: 0,
    },
    Order {
        minor: 14,
        gil_pointer: 15,
        thread: 22,
        ident: 27,
        frame: 31,
        code: 39,
        cached_keys: None,
        unicode: 77,
        tag: 3,
    },
    Order {
        minor: 15,
        gil_pointer: 15,
        thread: 22,
        ident: 30,
        frame: 39,
        code: 47,
        cached_keys: Some(67),
        unicode: 89,
        tag: 3,
    },
];

/// Why a description cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotUsable {
    /// It does not begin with the cookie, or holds offsets that cannot be.
    Malformed,
    /// A minor version whose order is not known.
    Unknown(Version),
    /// A free-threaded build: its objects and frames are other ones, and nothing proves there that a thread stood still.
    FreeThreaded(Version),
}

/// Parses the description.
pub fn parse(bytes: &[u8; BYTES]) -> Result<(Version, Layout), NotUsable> {
    if &bytes[..8] != COOKIE {
        return Err(NotUsable::Malformed);
    }
    let word = |at: usize| {
        let bytes = bytes.get(at * 8..at * 8 + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let field = |at: usize| {
        word(at)
            .filter(|offset| *offset < MAX_OFFSET)
            .ok_or(NotUsable::Malformed)
    };
    let version = Version::from_hex(word(1).ok_or(NotUsable::Malformed)?);
    let order = ORDERS
        .iter()
        .find(|order| version.major == 3 && order.minor == version.minor)
        .ok_or(NotUsable::Unknown(version))?;
    if word(2) != Some(0) {
        return Err(NotUsable::FreeThreaded(version));
    }
    // id and next come before the list of threads, the GIL's fields after the pointer to it, in every order
    let (gil, thread, frame, code) = (order.gil_pointer, order.thread, order.frame, order.code);
    let inside = |at: usize| {
        let base = field(gil + 1)?;
        field(at)?.checked_sub(base).ok_or(NotUsable::Malformed)
    };
    let holder = inside(gil + 4)?;
    let gil_layout = GilLayout {
        place: GilPlace::Interpreter(field(gil)?),
        holder,
        locked: inside(gil + 3)?,
        // not described; it follows `locked`, an int, with its own alignment (pycore_gil.h)
        switches: holder + 16,
    };
    let cached_keys = order.cached_keys.map_or(Ok(CACHED_KEYS), field)?;
    let layout = Layout {
        interpreters: field(5)?,
        interpreter_id: field(7)?,
        next_interpreter: field(8)?,
        threads: field(9)?,
        thread: ThreadLayout {
            prev: field(thread + 1)?,
            next: field(thread + 2)?,
            interpreter: field(thread + 3)?,
            ident: field(order.ident)?,
            native_id: Some(field(order.ident + 1)?),
        },
        frame: FrameLayout::Interpreter {
            top: field(thread + 4)?,
            through: None,
            previous: field(frame + 1)?,
            code: field(frame + 2)?,
            tag: order.tag,
            instruction: field(frame + 3)?,
            owner: field(frame + 5)?,
            has_entry_frames: true,
        },
        code: CodeLayout {
            file: field(code + 1)?,
            name: field(code + 3)?,
            lines: field(code + 4)?,
            first_line: field(code + 5)?,
            line_table: LineTable::Locations,
            code: field(code + 9)?,
            // not described: an int before the pointer before the byte code
            first_traceable: field(code + 9)?.checked_sub(16),
        },
        names: NameLayout {
            locals: field(frame + 4)?,
            attributes: Attributes::Inline,
            cached_keys,
        },
        gil: gil_layout,
        ascii_data: field(order.unicode + 3)?,
        // PyCompactUnicodeObject adds a length and a pointer
        compact_data: field(order.unicode + 3)? + 16,
    };
    Ok((version, layout))
}

#[cfg(test)]
mod recorded;

#[cfg(test)]
pub(crate) mod tests {
    use super::recorded::{PYTHON_3_13, PYTHON_3_14, PYTHON_3_15};
    use super::*;
    use proptest::prelude::*;

    fn as_bytes(words: &[u64]) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(COOKIE);
        for (place, word) in bytes[8..].chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn layout_of(words: &[u64]) -> Layout {
        parse(&as_bytes(words)).unwrap().1
    }

    /// The layouts that these describe.
    pub(crate) fn described() -> [Layout; 3] {
        [&PYTHON_3_13[..], &PYTHON_3_14, &PYTHON_3_15].map(layout_of)
    }

    #[test]
    fn every_order_is_read_as_the_headers_say() {
        let (version, layout) = parse(&as_bytes(&PYTHON_3_14)).unwrap();
        assert_eq!(version.to_string(), "3.14.10");
        assert_eq!(
            (layout.interpreters, layout.threads, layout.interpreter_id),
            (808, 7344, 7280)
        );
        let FrameLayout::Interpreter {
            top,
            previous,
            instruction,
            owner,
            tag,
            ..
        } = layout.frame
        else {
            panic!("{:?}", layout.frame);
        };
        assert_eq!((top, previous, instruction, owner, tag), (72, 8, 56, 74, 3));
        assert_eq!(
            (layout.code.name, layout.code.first_line, layout.code.code),
            (128, 68, 208)
        );

        let (version, layout) = parse(&as_bytes(&PYTHON_3_13)).unwrap();
        assert_eq!(version.to_string(), "3.13.0");
        assert_eq!(
            (layout.gil.place, layout.gil.holder, layout.gil.locked),
            (GilPlace::Interpreter(16), 8, 16)
        );
        assert_eq!(
            (layout.thread.native_id, layout.code.code, layout.ascii_data),
            (Some(160), 200, 40)
        );
    }

    /// The numbers are those of a program compiled with the headers of that release.
    #[test]
    fn the_order_of_3_15_is_read_as_its_headers_say() {
        let (version, layout) = parse(&as_bytes(&PYTHON_3_15)).unwrap();
        let before = layout_of(&PYTHON_3_14);
        assert_eq!(version.to_string(), "3.15.2");
        assert_eq!(
            (layout.frame, layout.gil),
            (before.frame, before.gil),
            "frames and the GIL are as in 3.14"
        );
        assert_eq!(
            (layout.thread.prev, layout.thread.next),
            (before.thread.prev, before.thread.next)
        );
        assert_eq!(layout.code, before.code);
        assert_eq!(layout.names.cached_keys, 888);
        assert_eq!((layout.ascii_data, layout.compact_data), (40, 56));
    }

    #[test]
    fn a_version_that_is_not_known_is_named() {
        let mut words = PYTHON_3_15;
        words[0] = 0x0310_00f0;
        let Err(NotUsable::Unknown(version)) = parse(&as_bytes(&words)) else {
            panic!("3.16 is not known");
        };
        assert_eq!(version.to_string(), "3.16.0");
        assert_eq!(parse(&[0; BYTES]), Err(NotUsable::Malformed));
    }

    #[test]
    fn a_free_threaded_build_is_named() {
        for mut words in [PYTHON_3_14.to_vec(), PYTHON_3_15.to_vec()] {
            words[1] = 1;
            let refused = parse(&as_bytes(&words));
            assert!(matches!(refused, Err(NotUsable::FreeThreaded(_))));
        }
    }

    #[test]
    fn an_offset_that_cannot_be_is_refused() {
        let refuses = |words: &[u64], at: usize| {
            let mut words = words.to_vec();
            words[at - 1] = u64::MAX - 7;
            assert_eq!(parse(&as_bytes(&words)), Err(NotUsable::Malformed), "{at}");
        };
        for at in [5, 7, 8, 9, 15, 19, 24, 34, 43] {
            refuses(&PYTHON_3_14, at);
        }
        for at in [5, 7, 8, 9, 15, 19, 24, 31, 42, 51, 67] {
            refuses(&PYTHON_3_15, at);
        }
    }

    proptest! {
        #[test]
        fn no_words_make_the_parser_panic(at in 0..94_usize, value in any::<u64>()) {
            let mut words = PYTHON_3_15;
            words[at] = value;
            if let Ok((_, layout)) = parse(&as_bytes(&words)) {
                prop_assert!(layout.threads < MAX_OFFSET && layout.code.code < MAX_OFFSET);
            }
        }
    }
}
