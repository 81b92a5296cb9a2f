//! What is said about a process: plain values that travel over a socket and become text or JSON.

use serde::{Deserialize, Serialize};

/// The schema of a dump as JSON.
pub const SCHEMA: &str = "dunnage.dump/1";

/// One Python process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessDump {
    /// Its id.
    pub pid: i32,
    /// Its command line, cut to 200 characters; `None` where it cannot be read.
    pub command: Option<String>,
    /// The version of CPython, such as `3.12.1`; `None` where it is not known.
    pub python: Option<String>,
    /// Whether the interpreter has a GIL; `None` where that is not known.
    pub gil: Option<bool>,
    /// Its threads that Python knows of, in order of their ids.
    pub threads: Vec<ThreadDump>,
    /// Whether the list of threads changed each time that it was read, so that one may be missing.
    pub threads_torn: bool,
    /// Why nothing could be read, or not to the end; `threads` is what was read before.
    pub error: Option<String>,
}

impl ProcessDump {
    /// A process of which nothing could be read.
    pub fn failed(pid: i32, error: &crate::Error) -> Self {
        let command = crate::process::read_command(pid);
        let mut process = Self::unread(pid, command, error.to_string());
        if let crate::Error::FreeThreaded { version, .. } = error {
            (process.python, process.gil) = (Some(version.to_string()), Some(false));
        }
        process
    }

    /// A process that was not read, for a reason in words.
    pub fn unread(pid: i32, command: Option<String>, reason: impl Into<String>) -> Self {
        Self {
            pid,
            command,
            python: None,
            gil: None,
            threads: Vec::new(),
            threads_torn: false,
            error: Some(reason.into()),
        }
    }
}

/// One thread of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadDump {
    /// Its kernel id; `None` where that is not known yet, or cannot be (CPython 3.9 and 3.10 with an unknown C library).
    pub tid: Option<i32>,
    /// The name that `threading` gave it, or else the kernel's.
    pub name: Option<String>,
    /// Number of its interpreter: 0 is the main one.
    pub interpreter: i64,
    /// State letter of `/proc/PID/task/TID/stat`: `R` runs or waits for a CPU, `S` sleeps, `D` sleeps in the kernel.
    pub state: Option<char>,
    /// Its part in the GIL of its interpreter.
    pub gil: Option<Gil>,
    /// Whether it ran on each time that it was read: its frames are real, but may not all have been there at once.
    pub torn: bool,
    /// Whether there are more frames than are listed.
    pub truncated: bool,
    /// What it is executing, the innermost call first.
    pub frames: Vec<Frame>,
}

/// A thread's part in a GIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gil {
    /// It holds it.
    Holds,
    /// It waits for it.
    Waits,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The function: `__qualname__` from CPython 3.11 on, the bare name before.
    pub function: String,
    /// The file as the code object names it.
    pub file: String,
    /// The line that is being executed; `None` where the compiler gave the instruction none.
    pub line: Option<u32>,
}

/// A dump as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dump<'d> {
    schema: &'static str,
    processes: &'d [ProcessDump],
}

impl<'d> Dump<'d> {
    /// The dump of these processes.
    pub fn of(processes: &'d [ProcessDump]) -> Self {
        Self {
            schema: SCHEMA,
            processes,
        }
    }
}
