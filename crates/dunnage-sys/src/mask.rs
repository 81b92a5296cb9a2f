//! Signal sets, blocking and dispositions. Signals are numbered from 1; bit `n - 1` stands for signal `n`, as in
//! `/proc/PID/status`.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// A set of signals 1–64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mask(pub u64);

impl Mask {
    /// Whether `signal` is in the set; numbers outside 1–64 never are.
    pub fn has(self, signal: i32) -> bool {
        (1..=64).contains(&signal) && self.0 & (1 << (signal - 1)) != 0
    }

    /// The set with `signal` in it.
    #[must_use]
    pub fn with(self, signal: i32) -> Self {
        if (1..=64).contains(&signal) {
            Self(self.0 | 1 << (signal - 1))
        } else {
            self
        }
    }

    pub(crate) fn to_sigset(self) -> libc::sigset_t {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigemptyset initialises the whole set before it is used.
        let mut set = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            set.assume_init()
        };
        for signal in 1..=64 {
            if self.has(signal) {
                // SAFETY: a valid set and a number in range; glibc refuses its own 32 and 33 with EINVAL, which is right.
                unsafe { libc::sigaddset(&raw mut set, signal) };
            }
        }
        set
    }

    fn from_sigset(set: &libc::sigset_t) -> Self {
        // SAFETY: a valid, initialised set and numbers in range.
        (1..=64)
            .filter(|signal| unsafe { libc::sigismember(set, *signal) } == 1)
            .fold(Self::default(), Mask::with)
    }
}

/// Blocks every signal that can be blocked and returns the mask that was in force.
pub fn block_all() -> io::Result<Mask> {
    change_mask(libc::SIG_BLOCK, Mask(u64::MAX))
}

/// Puts `mask` in force and returns the one before.
pub fn set_mask(mask: Mask) -> io::Result<Mask> {
    change_mask(libc::SIG_SETMASK, mask)
}

fn change_mask(how: i32, mask: Mask) -> io::Result<Mask> {
    let set = mask.to_sigset();
    let mut old = MaybeUninit::uninit();
    // SAFETY: both pointers are valid for the call; `old` is written on success only, and read on success only.
    unsafe {
        if libc::sigprocmask(how, &raw const set, old.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Mask::from_sigset(&old.assume_init()))
    }
}

/// The signals that this process ignores now.
pub fn ignored() -> Mask {
    (1..=64)
        .filter(|signal| handler(*signal) == Some(libc::SIG_IGN))
        .fold(Mask::default(), Mask::with)
}

pub(crate) fn handler(signal: i32) -> Option<libc::sighandler_t> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null new action only asks; `action` is read only where the call has filled it.
    unsafe {
        if libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) != 0 {
            return None;
        }
        Some(action.assume_init().sa_sigaction)
    }
}

/// Gives `signal` its default action.
pub fn set_default(signal: i32) {
    set_handler(signal, libc::SIG_DFL);
}

/// Ignores `signal`.
pub fn set_ignored(signal: i32) {
    set_handler(signal, libc::SIG_IGN);
}

/// Gives 32 and 33, which the C library keeps for its threads and does not let us name, their default action.
pub fn reset_library_signals() {
    // the kernel's `struct sigaction`, all zero: default action, no flags, empty mask; no architecture's is larger
    let default = [0_u64; 8];
    for signal in [32, 33] {
        // SAFETY: the pointer is to more zeroed memory than the kernel reads; a null old action asks nothing back. We have
        // one thread, so that the C library does not use them.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                ptr::null_mut::<u64>(),
                8_usize,
            );
        }
    }
}

fn set_handler(signal: i32, handler: libc::sighandler_t) {
    // SAFETY: SIG_DFL and SIG_IGN run no code of ours; an invalid number is refused with EINVAL and changes nothing.
    unsafe { libc::signal(signal, handler) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_survives_the_way_through_a_sigset() {
        // 32 and 33 belong to the C library and cannot be put into a set
        let mask = Mask(0xffff_fffe_1234_5678 & !(0b11 << 31));
        assert_eq!(Mask::from_sigset(&mask.to_sigset()), mask);
    }

    #[test]
    fn numbers_out_of_range_are_in_no_set() {
        assert!(!Mask(u64::MAX).has(0) && !Mask(u64::MAX).has(65) && !Mask(u64::MAX).has(-1));
        assert_eq!(Mask(0).with(65), Mask(0));
        assert!(Mask(0).with(64).has(64));
    }
}
