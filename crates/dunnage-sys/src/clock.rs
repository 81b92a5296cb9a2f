//! For whoever looks at fixed moments: sleeping until one, and what that costs.

use std::io;
use std::mem::MaybeUninit;

const NANOS: u64 = 1_000_000_000;

/// No process has such a high id (`PID_MAX_LIMIT`).
const MAX_PID: i32 = 1 << 22;

/// CPU time of the calling thread in nanoseconds.
pub fn thread_cpu_nanos() -> u64 {
    let mut now = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the kernel writes a whole timespec; this clock exists on every Linux, so it cannot fail.
    let now = unsafe {
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, now.as_mut_ptr());
        now.assume_init()
    };
    now.tv_sec as u64 * NANOS + now.tv_nsec as u64
}

/// CPU time in nanoseconds that all threads of a process have used, also those that have ended; `None` where there is no
/// such process. As the scheduler has booked it: what runs just now is booked at its next tick. It needs no permission.
pub fn process_cpu_nanos(pid: i32) -> Option<u64> {
    // clock ids of processes as <linux/posix-timers.h> makes them: CPUCLOCK_SCHED of the whole process
    let clock = (1..MAX_PID).contains(&pid).then_some((!pid << 3) | 2)?;
    let mut now = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the kernel writes a whole timespec, or fails.
    let read = unsafe { libc::clock_gettime(clock, now.as_mut_ptr()) };
    // SAFETY: zeroed, and written if that went well.
    let now = unsafe { now.assume_init() };
    (read == 0).then_some(now.tv_sec as u64 * NANOS + now.tv_nsec as u64)
}

/// Sleeps until `CLOCK_MONOTONIC` reaches a moment, in nanoseconds; at once back if that has passed. A signal may end
/// it early.
pub fn sleep_until(moment: u64) {
    let until = libc::timespec {
        tv_sec: (moment / NANOS) as libc::time_t,
        tv_nsec: (moment % NANOS) as _,
    };
    // SAFETY: a valid timespec; with TIMER_ABSTIME the rest is never written.
    unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &raw const until,
            std::ptr::null_mut(),
        )
    };
}

/// Lets the calling thread, and no other, wake up at most so many nanoseconds late (`PR_SET_TIMERSLACK`; the default is
/// 50 µs). A thread that is made by it inherits this.
pub fn set_timer_slack(nanos: u64) -> io::Result<()> {
    // SAFETY: plain integers; the unused arguments are zero as prctl(2) wants them.
    if unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, nanos as libc::c_ulong, 0, 0, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// How many descriptors this process may have (`RLIMIT_NOFILE`, the soft limit).
pub fn descriptor_limit() -> u64 {
    let mut found = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel writes into `found`.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut found) } {
        0 => found.rlim_cur,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monotonic_nanos;

    #[test]
    fn a_sleep_ends_when_its_moment_has_come_and_not_before() {
        set_timer_slack(1000).unwrap();
        let begin = monotonic_nanos();
        sleep_until(begin + 2_000_000);
        assert!(monotonic_nanos() >= begin + 2_000_000);
        // what has passed is not waited for: this returns at all
        sleep_until(begin);
        assert!(thread_cpu_nanos() > 0 && descriptor_limit() > 2);
    }

    #[test]
    fn the_time_of_a_process_is_that_of_its_threads_and_nobody_has_that_of_none() {
        let own = std::process::id() as i32;
        let before = process_cpu_nanos(own).unwrap();
        while thread_cpu_nanos() < 20_000_000 {}
        assert!(process_cpu_nanos(own).unwrap() > before);
        for pid in [0, -1, i32::MIN, i32::MAX] {
            assert_eq!(process_cpu_nanos(pid), None, "{pid}");
        }
    }
}
