//! Records of real Python processes, taken by the thread as the loop has it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at what it did not expect, and says what it skipped"
)]

mod records;
mod support;
mod trouble;
