//! On how many CPUs the scheduler may run us.

use std::io;

/// Bytes of the smallest mask that is tried: 1024 CPUs, as the C library's `cpu_set_t`.
const FIRST_BYTES: usize = 128;
/// Bytes of the largest mask that is tried: half a million CPUs.
const LAST_BYTES: usize = 64 * 1024;

/// CPUs in the calling thread's affinity mask, which a cpuset has already cut (sched_getaffinity(2)). Microseconds less
/// than parsing `/proc/self/status`.
pub fn affinity_count() -> io::Result<u32> {
    let mut first = [0_u64; FIRST_BYTES / 8];
    let mut counted = count_in(&mut first);
    let mut bytes = FIRST_BYTES * 2;
    // the kernel refuses a mask that is shorter than its own
    while bytes <= LAST_BYTES
        && matches!(&counted, Err(error) if error.kind() == io::ErrorKind::InvalidInput)
    {
        counted = count_in(&mut vec![0_u64; bytes / 8]);
        bytes *= 2;
    }
    counted
}

fn count_in(mask: &mut [u64]) -> io::Result<u32> {
    // SAFETY: the kernel writes at most the length that is given, into a mask of that length, and any bits are a u64.
    let done = unsafe {
        libc::sched_getaffinity(
            0,
            size_of_val(mask),
            mask.as_mut_ptr().cast::<libc::cpu_set_t>(),
        )
    };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(mask.iter().map(|word| word.count_ones()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_cpus_are_counted_as_proc_lists() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let allowed = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed:"))
            .unwrap();
        let bits: u32 = allowed
            .chars()
            .filter_map(|digit| digit.to_digit(16))
            .map(u32::count_ones)
            .sum();
        assert_eq!(affinity_count().unwrap(), bits);
    }

    #[test]
    fn a_mask_that_is_too_short_is_an_error_and_not_a_count() {
        assert!(count_in(&mut []).is_err());
    }
}
