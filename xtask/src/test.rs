//! `cargo xtask test`: everything that tests the project.
//!
//! A test that cannot do its work here (no root, no peer to compare with) prints a line that starts with `skipped: `
//! and passes. Test runners hide the output of tests that pass, so they are asked to show it, and the lines are
//! collected and repeated at the end.

use crate::tools::{
    Result, TEST_PACKAGES, cargo, find_program, python_environment, say, shown, succeeds,
};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::thread::JoinHandle;

/// What the behaviour tests compare with or lean on, and how to get it on Debian.
const PROGRAMS: [(&str, &str); 7] = [
    ("tini", "tini"),
    ("dumb-init", "dumb-init"),
    ("catatonit", "catatonit"),
    ("python3", "python3"),
    ("unshare", "util-linux"),
    ("chromium", "chromium"),
    ("sh", "dash"),
];

/// The long form of the test that reads a process while it runs at full speed.
pub(crate) fn torture() -> Result<ExitCode> {
    let mut command = cargo([
        "test",
        "--release",
        "--locked",
        "-p",
        "dunnage-python",
        "--test",
        "torture",
        "--",
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    Ok(if succeeds(&mut command)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

pub(crate) fn run() -> Result<ExitCode> {
    let mut skipped = Vec::new();
    for (program, package) in PROGRAMS {
        if find_program(program).is_none() {
            skipped.push(format!(
                "what needs {program}; on Debian: apt-get install {package}"
            ));
        }
    }
    let python = python_environment("test-venv", TEST_PACKAGES);
    if let Err(error) = &python {
        skipped.push(format!("what needs NumPy or numexpr: {error}"));
    }
    let mut commands = Vec::new();
    if find_program("cargo-nextest").is_some() {
        commands.push(cargo([
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--no-fail-fast",
            "--success-output",
            "immediate",
        ]));
        // nextest runs no documentation tests
        commands.push(cargo([
            "test",
            "--workspace",
            "--locked",
            "--doc",
            "--exclude",
            "dunnage-py",
        ]));
    } else {
        say("cargo-nextest is not there: `cargo test` runs one test program after the other");
        commands.push(cargo([
            "test",
            "--workspace",
            "--locked",
            "--no-fail-fast",
            "--",
            "--show-output",
        ]));
    }
    let mut failed = false;
    match crate::python::tools() {
        Err(error) => skipped.push(format!("the Python package: {error}")),
        // with its tools there, a package that cannot be built has failed
        Ok(_) => match crate::python::tests() {
            Ok(command) => commands.push(command),
            Err(error) => {
                say(&format!("the Python package: {error}"));
                failed = true;
            }
        },
    }
    for mut command in commands {
        if let Ok(python) = &python {
            command.env("DUNNAGE_TEST_PYTHON", python);
        }
        failed |= !run_collecting(&mut command, &mut skipped)?;
    }
    summarize(&skipped);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Runs the tests, shows what they print, keeps the lines about skipped parts.
fn run_collecting(command: &mut Command, skipped: &mut Vec<String>) -> Result<bool> {
    say(&format!("$ {}", shown(command)));
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // nextest writes to stderr, libtest to stdout; one thread for each, so that neither fills up
    let stdout = child.stdout.take().map(spawn_reader);
    let stderr = child.stderr.take().map(spawn_reader);
    let success = child.wait()?.success();
    for reader in [stdout, stderr].into_iter().flatten() {
        skipped.extend(
            reader
                .join()
                .map_err(|_| "a reader of the tests' output panicked")?,
        );
    }
    Ok(success)
}

fn spawn_reader(stream: impl Read + Send + 'static) -> JoinHandle<Vec<String>> {
    std::thread::spawn(move || pass_on(stream, &mut std::io::stdout()))
}

fn pass_on(stream: impl Read, shown: &mut impl Write) -> Vec<String> {
    let mut skipped = Vec::new();
    for line in BufReader::new(stream)
        .split(b'\n')
        .map_while(std::result::Result::ok)
    {
        let line = String::from_utf8_lossy(&line);
        let _ = writeln!(shown, "{line}");
        skipped.extend(skip_line(&line));
    }
    skipped
}

/// What was skipped, if this line of a test's output says so.
fn skip_line(line: &str) -> Option<String> {
    line.trim()
        .strip_prefix("skipped: ")
        .map(|what| what.trim().to_owned())
}

fn summarize(skipped: &[String]) {
    let mut distinct: Vec<(&str, usize)> = Vec::new();
    for line in skipped {
        match distinct.iter_mut().find(|(known, _)| known == line) {
            Some((_, times)) => *times += 1,
            None => distinct.push((line, 1)),
        }
    }
    say(&format!("skipped ({})", skipped.len()));
    for (line, times) in distinct {
        say(&format!(
            "  {line}{}",
            if times > 1 {
                format!(" (in {times} tests)")
            } else {
                String::new()
            }
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_line_is_found_in_the_indented_output_of_the_runner() {
        assert_eq!(
            skip_line("    skipped: tini is not installed\r"),
            Some("tini is not installed".to_owned())
        );
        assert_eq!(
            skip_line("     Summary [   0.1s] 3 tests run: 3 passed, 1 skipped"),
            None
        );
        assert_eq!(skip_line("not skipped: it ran"), None);
    }

    #[test]
    fn lines_about_skipped_parts_are_kept_and_every_line_is_shown() {
        let printed = "    skipped: one\nrunning\n    skipped: two";
        let mut shown = Vec::new();
        assert_eq!(pass_on(printed.as_bytes(), &mut shown), ["one", "two"]);
        assert_eq!(String::from_utf8(shown).unwrap(), format!("{printed}\n"));
    }
}
