//! The page, opened in a real browser. Pictures of it are kept in `target/tmp/page`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test stops at what it did not expect, and says what it skipped; the library is pure, a browser is not"
)]

mod browser;
mod drawn;
mod hostile;
mod read;
mod sample;
mod used;
mod verdict;
