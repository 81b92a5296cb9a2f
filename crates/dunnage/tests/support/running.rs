//! A process beside the test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// It is killed at the end.
pub struct Running(pub Child);

impl Running {
    /// Its id, as an argument.
    pub fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a command whose stdin stays open, and waits for its line `ready`.
pub fn start(command: &mut Command) -> Running {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    Running(child)
}
