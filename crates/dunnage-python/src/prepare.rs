//! Finding the interpreter in a process, and making sure that it is one that is known.

use crate::Error;
use crate::elf::{NotUsable, Object};
use crate::layout::{Layout, Version, debug_offsets, tables};
use crate::memory::{Memory, ProcessMemory};
use crate::process::{Mapping, read_beginnings, read_program};
use crate::refusal::explain;

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) version: Version,
    pub(crate) layout: Layout,
    /// The address of `_PyRuntime`.
    pub(crate) runtime: u64,
    /// The address of `PyCode_Type`.
    pub(crate) code_type: u64,
}

/// The most of a library's zero-initialised data that is searched for the version of an old CPython.
const MAX_BSS: u64 = 4 << 20;

/// Finds CPython in a process.
pub(crate) fn find(pid: i32) -> Result<Found, Error> {
    let memory = ProcessMemory { pid };
    let mappings = read_beginnings(pid).map_err(|error| explain(pid, &error))?;
    let program = read_program(pid).unwrap_or_default();
    let mut failure = None;
    for mapping in candidates(&mappings, &program) {
        memory
            .try_read(mapping.start, &mut [0; 64])
            .map_err(|error| explain(pid, &error))?;
        let object = match Object::read(&memory, mapping.start) {
            Ok(object) => object,
            Err(reason) => {
                if is_python_name(mapping.file_name()) {
                    failure = failure.or(describe(reason));
                }
                continue;
            }
        };
        let Some(runtime) = object.find(&memory, "_PyRuntime") else {
            continue;
        };
        return read_interpreter(pid, memory, &object, runtime, &program);
    }
    Err(match failure {
        Some(reason) => Error::UnknownBuild {
            pid,
            program,
            reason,
        },
        None => Error::NotPython { pid, program },
    })
}

fn describe(reason: NotUsable) -> Option<&'static str> {
    match reason {
        NotUsable::Bits32 => Some("a 32 bit Python: only 64 bit ones can be read"),
        NotUsable::NoSymbols => {
            Some("a fully static Python, without dynamic symbols to find the interpreter by")
        }
        NotUsable::Unreadable => None,
    }
}

/// Whether a file is called as CPython's program or library is.
fn is_python_name(name: &str) -> bool {
    name.starts_with("libpython") || name.starts_with("python")
}

/// The beginnings of mapped files that may hold an interpreter: a shared library, then the program itself.
fn candidates<'m>(mappings: &'m [Mapping], program: &str) -> Vec<&'m Mapping> {
    let libraries = mappings
        .iter()
        .filter(|mapping| mapping.file_name().starts_with("libpython"));
    // a program's path is seen differently from another mount namespace
    let name = program.rsplit('/').next().unwrap_or_default();
    let programs = mappings
        .iter()
        .filter(move |mapping| mapping.path == program || mapping.file_name() == name)
        .take(2);
    libraries.take(4).chain(programs).collect()
}

fn read_interpreter(
    pid: i32,
    memory: ProcessMemory,
    object: &Object,
    runtime: u64,
    program: &str,
) -> Result<Found, Error> {
    let unknown_build = |reason| Error::UnknownBuild {
        pid,
        program: program.to_owned(),
        reason,
    };
    let version = match object.find(&memory, "Py_Version") {
        Some(address) => memory.word(address).ok().map(Version::from_hex),
        None => search_version(memory, object),
    };
    let version = version.ok_or_else(|| {
        unknown_build("a Python whose version cannot be found (before 3.7, or no CPython)")
    })?;
    let code_type = object
        .find(&memory, "PyCode_Type")
        .ok_or_else(|| unknown_build("a Python that does not export PyCode_Type"))?;
    let layout = match tables::layout_of(version.minor) {
        Some(layout) if version.major == 3 => *layout,
        _ => describe_itself(pid, memory, version, runtime)?,
    };
    let found = Found {
        version,
        layout,
        runtime,
        code_type,
    };
    found.check(pid, memory)?;
    Ok(found)
}

/// The layout that the interpreter gives of itself.
fn describe_itself(
    pid: i32,
    memory: ProcessMemory,
    version: Version,
    runtime: u64,
) -> Result<Layout, Error> {
    let mut bytes = [0; debug_offsets::BYTES];
    let described = memory
        .read(runtime, &mut bytes)
        .map_err(|_| debug_offsets::NotUsable::Malformed)
        .and_then(|()| debug_offsets::parse(&bytes));
    match described {
        Ok((described, layout)) if described == version => Ok(layout),
        Err(debug_offsets::NotUsable::FreeThreaded(described)) if described == version => {
            Err(Error::FreeThreaded { pid, version })
        }
        Err(debug_offsets::NotUsable::Malformed) if (3, 13) <= (version.major, version.minor) => {
            Err(Error::OtherLayout { pid, version })
        }
        _ => Err(Error::UnknownVersion { pid, version }),
    }
}

impl Found {
    /// Follows the pointers from the runtime to a thread and back: a wrong table does not come back to where it began.
    fn check(&self, pid: i32, memory: ProcessMemory) -> Result<(), Error> {
        let layout = &self.layout;
        let read =
            |base: u64, offset: u64| base.checked_add(offset).and_then(|at| memory.word(at).ok());
        let head = read(self.runtime, layout.interpreters).unwrap_or(0);
        if head == 0 {
            return Err(Error::NoInterpreter(pid));
        }
        let thread = read(head, layout.threads);
        if thread == Some(0) {
            return Err(Error::NoInterpreter(pid));
        }
        let back = thread.and_then(|thread| read(thread, layout.thread.interpreter));
        if back == Some(head) {
            Ok(())
        } else {
            Err(Error::OtherLayout {
                pid,
                version: self.version,
            })
        }
    }
}

/// Before 3.11 the version is no symbol; `Py_GetVersion` (`Python/getversion.c`) composes it at start in a buffer of the
/// library's zero-initialised data: `3.9.18 (main, …) \n[GCC …]`.
fn search_version(memory: ProcessMemory, object: &Object) -> Option<Version> {
    let (start, bytes) = object.bss;
    let mut buffer = vec![0; 64 << 10];
    let step = buffer.len() as u64 - 64;
    for offset in (0..bytes.min(MAX_BSS)).step_by(step as usize) {
        let count = (bytes - offset).min(buffer.len() as u64) as usize;
        let part = buffer.get_mut(..count)?;
        if memory.read(start.checked_add(offset)?, part).is_err() {
            continue;
        }
        if let Some(version) = find_version(part) {
            return Some(version);
        }
    }
    None
}

/// The first text such as `3.9.18 (`, or `3.9.18+ (`, that follows a zero byte.
pub(crate) fn find_version(bytes: &[u8]) -> Option<Version> {
    bytes.windows(3).enumerate().find_map(|(at, window)| {
        if window != b"\x003." {
            return None;
        }
        let text = bytes.get(at + 3..(at + 20).min(bytes.len()))?;
        let end = text.iter().position(|byte| *byte == b' ')?;
        (text.get(end + 1) == Some(&b'(')).then_some(())?;
        let numbers = std::str::from_utf8(text.get(..end)?).ok()?;
        let (minor, micro) = numbers.split_once('.')?;
        let digits = micro
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(micro.len());
        Some(Version {
            major: 3,
            minor: minor.parse().ok()?,
            micro: micro.get(..digits)?.parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_version_is_found_in_the_zero_initialised_data() {
        let found = |text: &str| find_version(text.as_bytes()).map(|version| version.to_string());
        assert_eq!(
            found("xx\0\0\x003.9.18 (main, May  9 2026, 12:00:00) \n[GCC 12.2.0]").as_deref(),
            Some("3.9.18")
        );
        assert_eq!(
            found("\x003.10.0+ (heads/3.10-dirty:1, …").as_deref(),
            Some("3.10.0")
        );
        assert_eq!(found("\x003.8 seconds"), None);
        assert_eq!(found("33.9.18 (main"), None);
        assert_eq!(found("\x003.9.18"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_search_panic(bytes in prop::collection::vec(prop_oneof![Just(0), Just(b'3'), Just(b'.'), Just(b' '), Just(b'('), any::<u8>()], 0..100)) {
            let _ = find_version(&bytes);
        }
    }
}
