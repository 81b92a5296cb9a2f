//! Another process's memory, and the CPU that we run on.

use std::io;

/// The most spans of one call (the kernel's own limit is `IOV_MAX`, 1024).
pub const MAX_SPANS: usize = 64;

/// Reads another process's memory (`process_vm_readv(2)`, Linux 3.2), each address into the bytes beside it, and at most
/// [`MAX_SPANS`] of them. Returns how many bytes were read: fewer than asked for where an address is not mapped, and then
/// every span before that one is complete. The target neither stops nor notices.
///
/// Errors: `EFAULT` where the first address is not mapped, `ESRCH` where the process is gone, `EPERM` where it may not be
/// read (another user, Yama, a seccomp filter), `ENOSYS` where there is no such call.
pub fn read_process_memory(pid: i32, spans: &mut [(u64, &mut [u8])]) -> io::Result<usize> {
    const EMPTY: libc::iovec = libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    };
    let (mut local, mut remote) = ([EMPTY; MAX_SPANS], [EMPTY; MAX_SPANS]);
    let count = spans.len().min(MAX_SPANS);
    for (at, (address, bytes)) in spans.iter_mut().take(count).enumerate() {
        local[at] = libc::iovec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: bytes.len(),
        };
        remote[at] = libc::iovec {
            iov_base: *address as *mut libc::c_void,
            iov_len: bytes.len(),
        };
    }
    let count = count as libc::c_ulong;
    // SAFETY: the local vectors are `count` exclusive borrows that live through the call; the remote addresses are checked
    // by the kernel against the other process, where nothing is written.
    let read =
        unsafe { libc::process_vm_readv(pid, local.as_ptr(), count, remote.as_ptr(), count, 0) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// Keeps the calling thread on one CPU (`sched_setaffinity(2)`). `EINVAL` where its cpuset does not hold that CPU.
pub fn keep_thread_on_cpu(cpu: usize) -> io::Result<()> {
    // SAFETY: a CPU set is plain bits, and all zeros is the empty one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    if cpu >= size_of::<libc::cpu_set_t>() * 8 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: the CPU lies within the set, as just checked.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: 0 is the calling thread; the size is that of the set.
    let done = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_pid() -> i32 {
        std::process::id() as i32
    }

    #[test]
    fn many_spans_are_read_in_one_call() {
        let source: Vec<u8> = (0..=255).collect();
        let at = source.as_ptr() as u64;
        let (mut first, mut second) = ([0; 3], [0; 5]);
        let read = read_process_memory(
            own_pid(),
            &mut [(at, &mut first[..]), (at + 250, &mut second[..])],
        );
        assert_eq!(read.unwrap(), 8);
        assert_eq!((first, second), ([0, 1, 2], [250, 251, 252, 253, 254]));
    }

    #[test]
    fn an_address_that_is_not_mapped_ends_the_reading_there() {
        let source = [7_u8; 4];
        let at = source.as_ptr() as u64;
        let (mut first, mut second, mut third) = ([0; 4], [0; 4], [0; 4]);
        let read = read_process_memory(
            own_pid(),
            &mut [
                (at, &mut first[..]),
                (16, &mut second[..]),
                (at, &mut third[..]),
            ],
        );
        assert_eq!((read.unwrap(), first, third), (4, [7; 4], [0; 4]));
        let error = read_process_memory(own_pid(), &mut [(16, &mut second[..])]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EFAULT));
    }

    #[test]
    fn a_thread_stays_on_its_cpu_and_an_impossible_cpu_is_refused() {
        std::thread::spawn(|| {
            // SAFETY: cannot fail on Linux.
            let cpu = unsafe { libc::sched_getcpu() };
            keep_thread_on_cpu(cpu as usize).unwrap();
            // SAFETY: as above.
            assert_eq!(unsafe { libc::sched_getcpu() }, cpu);
            assert!(keep_thread_on_cpu(1 << 30).is_err());
        })
        .join()
        .unwrap();
    }
}
