//! Decisions, without IO, clock or threads.
//!
//! Facts come in as values, decisions go out as values: what the child's environment should be ([`plan`]), who gets a
//! signal, what the next step of a shutdown is. The supervisor looks and acts; this crate can be tested on every order
//! of events without a process in sight.

pub mod agent;
pub mod event;
pub mod ladder;
pub mod message;
pub mod oom;
pub mod plan;
pub mod pressure;
pub mod process;
pub mod shutdown;
pub mod signal;
pub mod target;
pub mod throttle;
pub mod units;
pub mod verdict;
pub mod worker;
