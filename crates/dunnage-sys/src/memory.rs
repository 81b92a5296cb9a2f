//! Our own memory.

use std::ffi::c_void;

/// The bytes of a page.
pub fn page_size() -> u64 {
    // SAFETY: asks for a constant of the system.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Gives back the pages of our own program file that only the start needed (option parsing, planning). They are clean and
/// backed by the file: whatever is needed again is mapped again from the page cache, by a minor fault.
pub fn release_program_pages() {
    advise_program(libc::MADV_DONTNEED);
}

/// Maps the pages of our own program file, so that none has to be read when there is no memory for it. The kernel can take
/// them back; those of code it takes late. Does nothing before Linux 5.14.
pub fn populate_program_pages() {
    advise_program(libc::MADV_POPULATE_READ);
}

/// `advice` is one that changes no contents of a read-only segment.
fn advise_program(advice: i32) {
    let mut advice = advice;
    // SAFETY: the callback has the type that dl_iterate_phdr(3) asks for, and `advice` lives as long as the call.
    unsafe { libc::dl_iterate_phdr(Some(advise_segments), (&raw mut advice).cast()) };
}

/// Gives free heap back to the kernel, where the C library can do that (glibc: `malloc_trim(3)`).
pub fn release_free_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called by any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Advises on the read-only segments of the first object, which is the program itself.
unsafe extern "C" fn advise_segments(
    info: *mut libc::dl_phdr_info,
    _: usize,
    advice: *mut c_void,
) -> i32 {
    // SAFETY: it is the number that `advise_program` passes.
    let advice = unsafe { *advice.cast::<i32>() };
    let page = page_size() as usize;
    // SAFETY: the C library passes a valid record whose table has `dlpi_phnum` entries.
    let (base, headers) = unsafe {
        let info = &*info;
        (
            info.dlpi_addr as usize,
            std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)),
        )
    };
    for header in headers {
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let start = (base + header.p_vaddr as usize).next_multiple_of(page);
        let end = (base + (header.p_vaddr + header.p_memsz) as usize) / page * page;
        if start < end {
            // SAFETY: whole pages within a mapped, read-only, file-backed segment of the program: dropping them loses
            // nothing, since the next access reads the same bytes from the file, and mapping them changes nothing. A
            // refusal leaves them as they are.
            unsafe { libc::madvise(start as *mut c_void, end - start, advice) };
        }
    }
    1
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_program_runs_on_after_its_pages_were_given_back_and_mapped() {
        let sum = || {
            (1..1000_u64)
                .map(|n| n.to_string().len() as u64)
                .sum::<u64>()
        };
        let before = sum();
        super::release_program_pages();
        assert_eq!(sum(), before);
        super::populate_program_pages();
        assert_eq!(sum(), before);
    }
}
