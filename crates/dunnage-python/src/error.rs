//! Why a process cannot be read.

use crate::layout::Version;

/// Why a process cannot be read. Each text says what to do next, where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such process any more, or the id now belongs to another.
    #[error("process {0} is gone")]
    Gone(i32),
    /// A program without a CPython in it.
    #[error("process {pid} ({program}) is not a CPython")]
    NotPython {
        /// The process.
        pid: i32,
        /// Its program.
        program: String,
    },
    /// A CPython, of which the layout is not known.
    #[error("process {pid} runs CPython {version}: known are 3.9 to 3.15")]
    UnknownVersion {
        /// The process.
        pid: i32,
        /// What it runs.
        version: Version,
    },
    /// A CPython without a GIL.
    #[error(
        "process {pid} runs a free-threaded CPython {version}, which cannot be read: known are builds with a GIL"
    )]
    FreeThreaded {
        /// The process.
        pid: i32,
        /// What it runs.
        version: Version,
    },
    /// A build whose memory cannot be read, such as a 32 bit one.
    #[error("process {pid} ({program}): {reason}")]
    UnknownBuild {
        /// The process.
        pid: i32,
        /// Its program.
        program: String,
        /// What is the matter with it.
        reason: &'static str,
    },
    /// The interpreter has not been initialised yet, or no longer exists.
    #[error("process {0} has no interpreter: it is starting or ending")]
    NoInterpreter(i32),
    /// The memory does not look as that version's should.
    #[error(
        "process {pid}: its memory is not laid out as CPython {version}'s (a debug build, or one with other options)"
    )]
    OtherLayout {
        /// The process.
        pid: i32,
        /// What it calls itself.
        version: Version,
    },
    /// The system does not allow it.
    #[error("process {pid} may not be read: {reason}")]
    Refused {
        /// The process.
        pid: i32,
        /// What refuses, and what would help.
        reason: String,
    },
}
