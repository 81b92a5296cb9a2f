//! The native libraries of a process that matter to whoever counts threads or memory, and the size of their pools.
//!
//! Nothing is called: where a library keeps its number of threads at a symbol, or at an address that its own function for
//! it begins by loading, that number is read. Where it does not, the reason is said, and no number is made up.

use crate::Error;
use crate::elf::Object;
use crate::memory::{Memory, ProcessMemory};
use crate::process::{Mapping, read_beginnings};
use crate::refusal::explain;

/// What a library is, as far as this matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It computes with threads of its own.
    Pool,
    /// It gives memory out.
    Allocator,
    /// It tells the machine's numbers.
    Meter,
}

/// A library that is mapped in a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// What it is called: `OpenBLAS`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its file, as the process sees it.
    pub path: String,
    /// The threads of its pool, or why they are not known.
    pub threads: Result<u32, &'static str>,
    /// Where the number stands.
    pub source: Option<&'static str>,
}

/// How a pool's size is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A 32 bit number at a symbol.
    Symbol(&'static str),
    /// The value that new threads of an OpenMP program get, which `omp_get_max_threads` loads where there is no task.
    OpenMp,
    /// Not at all, and why.
    No(&'static str),
}

const IN_AN_OBJECT: Way = Way::No("kept in an object that no symbol names");
const BY_THREAD: Way = Way::No("kept for each thread by itself");
const NO_POOL: Way = Way::No("it has no pool");

/// Which files are which libraries: a part of the path, and a part of the file's name.
#[rustfmt::skip]
const LIBRARIES: &[(&str, &str, &str, Kind, Way)] = &[
    ("", "openblas", "OpenBLAS", Kind::Pool, Way::Symbol("blas_cpu_number")),
    ("", "libgomp", "OpenMP (libgomp)", Kind::Pool, Way::OpenMp),
    ("", "libiomp5", "OpenMP (Intel)", Kind::Pool, BY_THREAD),
    ("", "libomp", "OpenMP (LLVM)", Kind::Pool, BY_THREAD),
    ("", "libmkl_core", "MKL", Kind::Pool, BY_THREAD),
    ("", "libmkl_rt", "MKL", Kind::Pool, BY_THREAD),
    ("", "libblis", "BLIS", Kind::Pool, IN_AN_OBJECT),
    ("", "libtbb.", "oneTBB", Kind::Pool, IN_AN_OBJECT),
    ("/numexpr/", "interpreter.", "numexpr", Kind::Pool, IN_AN_OBJECT),
    ("", "libarrow.", "Arrow", Kind::Pool, IN_AN_OBJECT),
    ("", "libtorch_cpu", "PyTorch", Kind::Pool, IN_AN_OBJECT),
    ("", "_polars_runtime", "polars", Kind::Pool, IN_AN_OBJECT),
    ("/polars/", "polars.", "polars", Kind::Pool, IN_AN_OBJECT),
    ("duckdb", "duckdb", "DuckDB", Kind::Pool, IN_AN_OBJECT),
    ("", "libonnxruntime", "ONNX Runtime", Kind::Pool, IN_AN_OBJECT),
    ("", "onnxruntime_pybind11", "ONNX Runtime", Kind::Pool, IN_AN_OBJECT),
    ("", "libtensorflow_framework", "TensorFlow", Kind::Pool, IN_AN_OBJECT),
    ("", "libvips", "libvips", Kind::Pool, IN_AN_OBJECT),
    ("", "libjemalloc", "jemalloc", Kind::Allocator, NO_POOL),
    ("", "libmimalloc", "mimalloc", Kind::Allocator, NO_POOL),
    ("", "libtcmalloc", "tcmalloc", Kind::Allocator, NO_POOL),
    ("/psutil/", "_psutil_linux", "psutil", Kind::Meter, NO_POOL),
];

/// A number of threads above this is none.
const MOST_THREADS: u32 = 4096;

/// The libraries of a process that are known, each file once, in the order of their names; and whether its C library is musl.
pub fn read_libraries(pid: i32) -> Result<(Vec<Library>, bool), Error> {
    let mappings = read_beginnings(pid).map_err(|error| explain(pid, &error))?;
    let is_musl = mappings
        .iter()
        .any(|mapping| mapping.file_name().starts_with("ld-musl-"));
    let memory = ProcessMemory { pid };
    let mut libraries: Vec<Library> = Vec::new();
    for mapping in &mappings {
        let Some((name, kind, way)) = know(&mapping.path) else {
            continue;
        };
        // some map the beginning of their file twice, and MKL comes in parts
        let is_there =
            |known: &Library| known.path == mapping.path || (name == "MKL" && known.name == name);
        if !libraries.iter().any(is_there) {
            libraries.push(Library {
                name,
                kind,
                path: mapping.path.clone(),
                threads: read_threads(&memory, mapping, way),
                source: match way {
                    Way::Symbol(symbol) => Some(symbol),
                    Way::OpenMp => Some("nthreads-var of omp_get_max_threads"),
                    Way::No(_) => None,
                },
            });
        }
    }
    libraries.sort_by(|a, b| (a.name, &a.path).cmp(&(b.name, &b.path)));
    Ok((libraries, is_musl))
}

fn know(path: &str) -> Option<(&'static str, Kind, Way)> {
    let file = path.rsplit('/').next().unwrap_or_default();
    if !file.contains(".so") {
        return None;
    }
    LIBRARIES
        .iter()
        .find(|(folder, part, ..)| path.contains(folder) && file.contains(part))
        .map(|(_, _, name, kind, way)| (*name, *kind, *way))
}

fn read_threads(memory: &impl Memory, mapping: &Mapping, way: Way) -> Result<u32, &'static str> {
    let find = |symbol| {
        let object = Object::read(memory, mapping.start);
        let object = object.map_err(|_| "its memory may not be read")?;
        object
            .find(memory, symbol)
            .ok_or("this build does not export the symbol")
    };
    let address = match way {
        Way::No(reason) => return Err(reason),
        Way::Symbol(symbol) => find(symbol)?,
        Way::OpenMp => {
            let function = find("omp_get_max_threads")?;
            let mut code = [0; CODE_BYTES];
            memory
                .read(function, &mut code)
                .map_err(|_| "its memory may not be read")?;
            find_loaded_address(function, &code)
                .ok_or("omp_get_max_threads is not built as it is known")?
        }
    };
    let mut bytes = [0; 4];
    memory
        .read(address, &mut bytes)
        .map_err(|_| "its memory may not be read")?;
    match u32::from_le_bytes(bytes) {
        0 => Err("not set before its first use"),
        threads if threads > MOST_THREADS => Err("what stands there is no number of threads"),
        threads => Ok(threads),
    }
}

const CODE_BYTES: usize = 64;

/// The one address that `omp_get_max_threads` of libgomp takes relative to itself (`lea disp32(%rip), %reg`), before it
/// loads the result from there or from the task, and returns. Anything else is not known.
#[cfg(target_arch = "x86_64")]
fn find_loaded_address(function: u64, code: &[u8]) -> Option<u64> {
    let ends = |code: &[u8]| code.ends_with(&[0x8b, 0x00, 0xc3]);
    let end = (3..=code.len()).find(|end| code.get(..*end).is_some_and(ends))?;
    let body = code.get(..end)?;
    let mut found = None;
    for (at, window) in body.windows(7).enumerate() {
        // REX.W (with or without REX.R), LEA, ModRM with mod 0 and rm 5
        if matches!(window, [0x48 | 0x4c, 0x8d, modrm, ..] if modrm & 0xc7 == 0x05) {
            if found.is_some() {
                return None;
            }
            let distance = window
                .get(3..7)
                .and_then(|bytes| bytes.try_into().ok())
                .map(i32::from_le_bytes)?;
            let next = function.checked_add(at as u64 + 7)?;
            found = Some(next.checked_add_signed(distance.into())?);
        }
    }
    found
}

#[cfg(not(target_arch = "x86_64"))]
fn find_loaded_address(_function: u64, _code: &[u8]) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn libraries_are_known_by_where_they_lie_and_what_they_are_called() {
        let name = |path| know(path).map(|(name, ..)| name);
        for (path, expected) in [
            (
                "/v/numpy.libs/libscipy_openblas64_-32a4b2a6.so",
                Some("OpenBLAS"),
            ),
            (
                "/usr/lib/libopenblasp-r0-59ffcd50.3.15.so",
                Some("OpenBLAS"),
            ),
            (
                "/v/scikit_learn.libs/libgomp-e985bcbb.so.1.0.0",
                Some("OpenMP (libgomp)"),
            ),
            (
                "/v/numexpr/interpreter.cpython-311-x86_64-linux-gnu.so",
                Some("numexpr"),
            ),
            ("/v/other/interpreter.cpython-311-x86_64-linux-gnu.so", None),
            ("/v/pyarrow/libarrow.so.2600", Some("Arrow")),
            ("/v/psutil/_psutil_linux.abi3.so", Some("psutil")),
            ("/usr/share/openblas.txt", None),
        ] {
            assert_eq!(name(path), expected, "{path}");
        }
    }

    /// `omp_get_max_threads` of GCC 12 as Debian and as scikit-learn's wheel have it.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_number_that_openmp_loads_is_found_in_its_own_function() {
        let debian = [
            0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x8b, 0x05, 0xfd, 0x8d, 0x03, 0x00, 0x64, 0x48, 0x8b,
            0x50, 0x58, 0x48, 0x85, 0xd2, 0x48, 0x8d, 0x82, 0x98, 0x00, 0x00, 0x00, 0x48, 0x8d,
            0x15, 0x1f, 0x92, 0x03, 0x00, 0x48, 0x0f, 0x44, 0xc2, 0x8b, 0x00, 0xc3,
        ];
        assert_eq!(find_loaded_address(0xe180, &debian), Some(0x473c0));
        // cut before it returns, it may be anything
        assert_eq!(find_loaded_address(0xe180, &debian[..38]), None);
    }

    proptest! {
        #[test]
        fn no_code_makes_the_search_panic(function in any::<u64>(), code in prop::collection::vec(prop_oneof![Just(0x48), Just(0x8d), Just(0x05), Just(0x8b), Just(0), Just(0xc3), any::<u8>()], 0..80)) {
            let _ = find_loaded_address(function, &code);
        }
    }
}
