//! Called as tini or dumb-init: the same as the real one, side by side on real processes.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is not as it should be"
)]

mod dumb_init;
mod extend;
mod outcome;
mod signals;
mod start;
mod support;
mod terminal;
mod tini;
