//! Every `unsafe` block and raw system call of dunnage, each small, and safe to call.
//!
//! The supervisor is PID 1 for other people's programs: what it asks of the kernel is little, old and the same on every
//! architecture (fork, execve, wait, signalfd, poll, prctl). It is gathered here so that it can be read in one sitting.
//! Signals are plain numbers and signal sets are [`Mask`]s; what they mean is decided elsewhere.
#![allow(
    unsafe_code,
    reason = "this is the one crate that speaks to the kernel; every block says why it is sound"
)]

mod affinity;
mod clock;
mod epoll;
mod eventfd;
mod exec;
mod fd;
mod folder;
mod heap;
mod inotify;
pub mod marks;
mod mask;
mod memory;
mod poll;
mod process;
mod remote;
mod signalfd;
mod socket;
mod space;
mod startup;
mod stderr;
mod terminal;
mod wait;

pub use affinity::affinity_count;
pub use clock::{
    descriptor_limit, process_cpu_nanos, set_timer_slack, sleep_until, thread_cpu_nanos,
};
pub use epoll::Epoll;
pub use eventfd::EventFd;
pub use exec::{
    ExecFailure, Group, Program, Spawn, SpawnError, Spawned, Stage, exec, spawn, start_with_mask,
};
pub use fd::{
    KeptLink, allocate, is_in_memory, open_existing_regular, read_bounded, read_link_bounded,
};
pub use folder::{Folder, current_uid};
pub use heap::{call_in_main_thread, interpreter_allocator_statistics, malloc_provider, trim_heap};
pub use inotify::FileWatch;
pub use marks::{monotonic_nanos, name_mark, write_mark};
pub use mask::{
    Mask, block_all, ignored, reset_library_signals, set_default, set_ignored, set_mask,
};
pub use memory::{page_size, populate_program_pages, release_free_heap, release_program_pages};
pub use poll::{Interest, Ready, poll};
pub use process::{
    current_group, current_pid, die_with_parent, group_of, kill, kill_group, session_of, set_group,
    set_subreaper, signal_checked, stop_self,
};
pub use remote::{MAX_SPANS, keep_thread_on_cpu, read_process_memory};
pub use signalfd::{SignalFd, SignalInfo};
pub use socket::{PacketConnection, PacketListener, Peer, Received};
pub use space::{Space, read_space};
pub use startup::sigpipe_was_ignored;
pub use stderr::{StderrSink, WriteOutcome};
pub use terminal::{foreground_group, is_terminal, leave_terminal, set_foreground_group};
pub use wait::{Status, Wait, wait_any};
