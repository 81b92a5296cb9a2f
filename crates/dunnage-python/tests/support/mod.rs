//! The interpreters that the tests read, and programs that they run.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests, each of which uses a part of them"
)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// An interpreter that can be started.
#[derive(Debug, Clone)]
pub struct Python {
    pub minor: u8,
    command: Vec<PathBuf>,
}

/// The versions that are read.
const MINORS: std::ops::RangeInclusive<u8> = 9..=15;

fn minor_of(command: &[PathBuf]) -> Option<u8> {
    let output = Command::new(&command[0])
        .args(&command[1..])
        .args([
            "-c",
            "import sys; print(sys.version_info[1] if sys.version_info[0] == 3 else 0)",
        ])
        .output()
        .ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// Interpreters of pyenv, of the lab's root file systems, and on PATH.
fn candidates() -> Vec<Vec<PathBuf>> {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let pyenv = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let pyenv = folders_in(&pyenv.join("versions"))
        .into_iter()
        .map(|folder| vec![folder.join("bin/python3")]);
    let path = MINORS.map(|minor| vec![PathBuf::from(format!("python3.{minor}"))]);
    let lab = folders_in(Path::new("/var/cache/dunnage-lab"))
        .into_iter()
        .filter(|root| root.join("usr/bin/python3").exists())
        .map(|root| vec![PathBuf::from("chroot"), root, PathBuf::from("python3")]);
    pyenv.chain(path).chain(lab).collect()
}

/// Whether a version was asked for: `DUNNAGE_PYTHONS=3.14,3.15` leaves the others out.
fn is_wanted(minor: u8) -> bool {
    std::env::var("DUNNAGE_PYTHONS").map_or(true, |wanted| {
        wanted.split(',').any(|name| name == format!("3.{minor}"))
    })
}

/// One interpreter of each version. A version that is not here is said to be skipped.
pub fn pythons() -> Vec<Python> {
    let mut found: Vec<Python> = Vec::new();
    for command in candidates() {
        let Some(minor) = minor_of(&command) else {
            continue;
        };
        if MINORS.contains(&minor) && found.iter().all(|python| python.minor != minor) {
            found.push(Python { minor, command });
        }
    }
    found.sort_by_key(|python| python.minor);
    found.retain(|python| is_wanted(python.minor));
    for minor in MINORS.filter(|minor| is_wanted(*minor)) {
        if found.iter().all(|python| python.minor != minor) {
            println!("skipped: reading CPython 3.{minor}, which is not here");
        }
    }
    found
}

/// A program that runs, and is killed at the end.
pub struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Python {
    /// How a shell starts it.
    pub fn words(&self) -> String {
        let words: Vec<_> = self
            .command
            .iter()
            .map(|word| word.display().to_string())
            .collect();
        words.join(" ")
    }

    /// Runs a program that the interpreter sees as the file `name`.
    pub fn run(&self, name: &str, source: &str) -> Running {
        let runner = format!("import sys; exec(compile(sys.argv[1], {name:?}, 'exec'))");
        let mut child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .args(["-c", &runner, source])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines }
    }
}

impl Running {
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        self.lines
            .next()
            .expect("the program prints a line")
            .unwrap()
    }

    /// Writes a line to it, and reads one.
    pub fn ask(&mut self) -> String {
        self.tell("");
        self.line()
    }

    /// Writes a line to it.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }

    /// Lets it read the end of its stdin.
    pub fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Lets it end by itself.
    pub fn finish(&mut self) {
        self.close_stdin();
        self.child.wait().unwrap();
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
