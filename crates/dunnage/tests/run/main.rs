//! What `dunnage run` promises, on real processes: as PID 1 of a PID namespace where root can make one, and as an
//! ordinary process below a shell.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and says aloud what it left out"
)]

mod brink;
#[path = "../support/cgroup.rs"]
mod cgroup;
mod control;
mod dump;
mod edges;
mod ends;
mod health;
mod init;
#[path = "../support/inner.rs"]
mod inner;
mod last_time;
mod memory;
mod record;
mod shutdown;
mod signals;
mod support;
mod terminal;
#[path = "../support/volume.rs"]
mod volume;
