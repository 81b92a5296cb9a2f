//! The C library's heap, in whichever process we are loaded.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;

/// Looks a symbol up in the order in which the process would find it.
fn find_symbol(name: &CStr) -> *mut c_void {
    // SAFETY: the name ends with a zero byte; a symbol that is not there is a null pointer.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

/// Asks the C library to give every whole free page of its heaps back to the kernel (`malloc_trim(3)` with a pad of 0).
///
/// It walks all arenas and takes their locks one after the other: a few hundred milliseconds for half a gigabyte of
/// fragments, a tenth of one where there is nothing to do. `None` where the C library has no such call (musl), otherwise
/// whether it gave anything back.
pub fn trim_heap() -> Option<bool> {
    let symbol = find_symbol(c"malloc_trim");
    if symbol.is_null() {
        return None;
    }
    // SAFETY: glibc's function has had this type since it exists, and no other C library has one of this name.
    let trim: unsafe extern "C" fn(usize) -> c_int = unsafe { std::mem::transmute(symbol) };
    // SAFETY: it may be called by any thread at any time.
    Some(unsafe { trim(0) } == 1)
}

/// The file that `malloc` comes from: the C library, or an allocator that was put before it (jemalloc, mimalloc), whose
/// memory [`trim_heap`] cannot reach. `None` where that cannot be found out.
pub fn malloc_provider() -> Option<String> {
    let symbol = find_symbol(c"malloc");
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: it only compares the address with those of mapped objects, and writes into `info`.
    if symbol.is_null() || unsafe { libc::dladdr(symbol, info.as_mut_ptr()) } == 0 {
        return None;
    }
    // SAFETY: zeroed or filled, both of which are valid for a structure of pointers.
    let file = unsafe { info.assume_init() }.dli_fname;
    if file.is_null() {
        return None;
    }
    // SAFETY: a text that belongs to the loader, which keeps it as long as the object is loaded; `malloc`'s stays.
    Some(
        unsafe { CStr::from_ptr(file) }
            .to_string_lossy()
            .into_owned(),
    )
}

/// What CPython's small-object allocator says of itself (`_PyObject_DebugMallocStats`), as text; `None` where this
/// process is no CPython, has no such allocator or does not show the function.
///
/// `sys._debugmallocstats()` prints the same on C's `stderr`. Turning descriptor 2 elsewhere for that time would swallow
/// what other threads say at that moment; the function itself takes any stream, and here it gets one in memory.
/// The caller must hold the GIL: the function walks the interpreter's arenas.
pub fn interpreter_allocator_statistics() -> Option<Vec<u8>> {
    unsafe extern "C" {
        fn open_memstream(text: *mut *mut c_char, size: *mut usize) -> *mut libc::FILE;
    }
    let symbol = find_symbol(c"_PyObject_DebugMallocStats");
    if symbol.is_null() {
        return None;
    }
    // SAFETY: CPython 3.4 to 3.14 declare it so (Include/internal/pycore_obmalloc.h, once objimpl.h).
    let print: unsafe extern "C" fn(*mut libc::FILE) -> c_int =
        unsafe { std::mem::transmute(symbol) };
    let mut text: *mut c_char = std::ptr::null_mut();
    let mut size = 0;
    // SAFETY: both places live until the stream is closed below; the C library fills them in.
    let stream = unsafe { open_memstream(&raw mut text, &raw mut size) };
    if stream.is_null() {
        return None;
    }
    // SAFETY: an open stream; the caller holds the GIL, which is all that the function asks for.
    let enabled = unsafe { print(stream) };
    // SAFETY: opened above and closed once.
    let closed = unsafe { libc::fclose(stream) };
    let bytes = if text.is_null() || closed != 0 {
        None
    } else {
        // SAFETY: after the close the C library has put `size` bytes there.
        Some(unsafe { std::slice::from_raw_parts(text.cast::<u8>(), size) }.to_vec())
    };
    // SAFETY: allocated by the C library for us, or null, and not used any more.
    unsafe { libc::free(text.cast()) };
    bytes.filter(|_| enabled != 0)
}

/// Asks the interpreter to call `function` in its main thread as soon as that runs Python code (`Py_AddPendingCall`,
/// stable ABI). False where this process is no CPython, or too many such calls are waiting.
pub fn call_in_main_thread(function: extern "C" fn(*mut c_void) -> c_int) -> bool {
    type Function = extern "C" fn(*mut c_void) -> c_int;
    let symbol = find_symbol(c"Py_AddPendingCall");
    if symbol.is_null() {
        return false;
    }
    // SAFETY: the type is a part of CPython's stable ABI (Include/ceval.h).
    let add: unsafe extern "C" fn(Function, *mut c_void) -> c_int =
        unsafe { std::mem::transmute(symbol) };
    // SAFETY: it may be called by any thread, with or without the GIL; the function takes no data.
    unsafe { add(function, std::ptr::null_mut()) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heap_with_holes_is_given_back() {
        if !cfg!(target_env = "gnu") {
            assert_eq!(trim_heap(), None);
            return;
        }
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with("VmRSS:"));
            let kib = line.unwrap().split_whitespace().nth(1).unwrap();
            kib.parse::<usize>().unwrap() << 10
        };
        // below the size that gets a mapping of its own; every hundredth stays, so that no heap's top is free
        let mut blocks: Vec<Option<Vec<u8>>> = (0..32_000).map(|_| Some(vec![1; 2000])).collect();
        for (index, block) in blocks.iter_mut().enumerate() {
            if index % 100 != 0 {
                *block = None;
            }
        }
        let before = resident();
        assert_eq!(trim_heap(), Some(true));
        assert!(before - resident() > 32 << 20);
        assert_eq!(blocks.iter().flatten().count(), 320);
    }

    #[test]
    fn malloc_comes_from_a_file_or_from_this_program() {
        assert!(!malloc_provider().unwrap().is_empty());
    }

    #[test]
    fn a_process_without_an_interpreter_is_told_from_one() {
        extern "C" fn nothing(_: *mut c_void) -> c_int {
            0
        }
        assert_eq!(interpreter_allocator_statistics(), None);
        assert!(!call_in_main_thread(nothing));
    }
}
