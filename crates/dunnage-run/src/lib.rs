//! The supervisor: one poll loop that carries an application through its container's life.
//!
//! It blocks every signal before anything else, reads limits and plans, starts the child with the signal state that it
//! was itself given, and then waits: for signals, for the child's execve, for a deadline, and otherwise for ever. All
//! decisions are `dunnage-policy`'s; this crate looks and acts. It never blocks on a reader or a disk: what may wait is
//! done by threads ([`black_box`], health and metrics, and one while tracebacks are read for a client). An optional part that fails is
//! reported and left out.

pub mod agent;
pub mod black_box;
mod command;
pub mod compat;
mod config;
mod control;
mod counters;
mod dump;
mod forward;
mod health;
mod log;
mod memory;
mod own_cgroup;
mod procfs;
pub mod record;
pub mod recording;
mod reserve;
mod runtime_folder;
mod setup;
mod stated;
mod supervisor;
mod terminal;
pub mod termination_log;
mod throttle;
mod watch;

pub use command::{Refusal, explain, prepare};
pub use config::{
    Conduct, Config, Control, Forwarded, Health, JobControl, Manners, PlanMode, Voice, Watched,
};
pub use dump::{AskError, ask, find_supervisor, read_below, read_one};
pub use health::{Head, parse_head};
pub use log::LogFormat;
pub use procfs::{
    descends_from, is_python, parse_caught, parse_stat, read_process, read_process_table,
    read_program,
};
pub use setup::{Inherited, execute_directly, run};
pub use stated::hand_on_overrides;
pub use terminal::has_terminal;
