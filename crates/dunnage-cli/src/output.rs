//! Our own words: data on stdout, everything for people on stderr. A reader that went away is no failure.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::ValueEnum;

/// How a command prints its result: for people, or as one JSON object for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(
    missing_docs,
    reason = "it would stand in the help, where the options of this kind say themselves what is printed"
)]
pub enum Format {
    Text,
    Json,
}

/// Writes data to stdout.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Writes a line for a person.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", letters(text));
}

/// A text for a terminal, which obeys none of it: names of files and what is in them may hold escapes.
pub fn letters(text: &str) -> String {
    let is_obeyed = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    text.replace(is_obeyed, "\u{fffd}")
}

/// Says what went wrong and gives the code to leave with.
pub fn fail(code: u8, text: &str) -> ExitCode {
    tell(&format!("dunnage: error: {text}"));
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::letters;

    #[test]
    fn a_name_with_escapes_moves_no_cursor() {
        assert_eq!(
            letters("a\x1b[2J\u{9b}b\r\n\tc"),
            "a\u{fffd}[2J\u{fffd}b\u{fffd}\n\tc"
        );
    }
}
