//! What the process was given before Rust's runtime changed it.
//!
//! Rust ignores SIGPIPE before `main`, and an ignored signal is inherited through execve. The child must get what *we*
//! were given, so the disposition is looked up in an initialiser that runs earlier.

use std::sync::atomic::{AtomicBool, Ordering};

static SIGPIPE_IGNORED: AtomicBool = AtomicBool::new(false);

extern "C" fn look() {
    SIGPIPE_IGNORED.store(
        crate::mask::handler(libc::SIGPIPE) == Some(libc::SIG_IGN),
        Ordering::Relaxed,
    );
}

#[used]
// SAFETY: the C library calls every function pointer in this section once, before `main`, on the only thread. `look`
// asks the kernel one question and stores a flag: it needs nothing that is not initialised by then.
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

/// Whether SIGPIPE was ignored when this process was started.
pub fn sigpipe_was_ignored() -> bool {
    SIGPIPE_IGNORED.load(Ordering::Relaxed)
}
