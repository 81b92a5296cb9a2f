//! What the agent promises: Python behaves as it does without it, byte for byte, and is told its counts.
//!
//! Every interpreter that this machine has is tried (pyenv's and those on PATH), those that are too old for the agent
//! too. The program under test is the one that cargo built with the agent's zip behind it, as `cargo xtask dist` does;
//! here Python's own `zipfile` writes it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and says aloud what it left out"
)]

#[path = "../support/cgroup.rs"]
mod cgroup;
mod counts;
mod doors;
#[path = "../support/face.rs"]
mod face;
mod faults;
#[path = "../support/inner.rs"]
mod inner;
mod release;
mod silence;
mod support;
mod term;
mod watch;
