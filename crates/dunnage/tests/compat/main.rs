//! Called as tini or dumb-init: the same as the real one, side by side on real processes.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops where something is not as it should be, and says what it skips"
)]

mod dumb_init;
mod extend;
mod outcome;
mod signals;
mod start;
mod support;
mod terminal;
mod tini;
