//! Who is compared, and with whom.

use crate::tools::{Result, find_program, say};
use std::path::Path;
use std::process::Command;

/// One init, or none.
#[derive(Debug, Clone)]
pub(crate) struct Init {
    pub(crate) name: &'static str,
    /// The words before the command.
    pub(crate) prefix: Vec<String>,
    /// What it says of itself.
    pub(crate) version: String,
}

/// The name of the row without an init.
pub(crate) const NONE: &str = "none";
/// The name of our own row.
pub(crate) const OURS: &str = "dunnage run";
const PEERS: [&str; 3] = ["tini", "dumb-init", "catatonit"];

impl Init {
    /// Whether an init of others is meant, to be compared with.
    pub(crate) fn is_peer(&self) -> bool {
        PEERS.contains(&self.name)
    }
}

/// The command by itself, ours, then the peers that are installed; and the names of those that are not.
pub(crate) fn find(program: &Path) -> Result<(Vec<Init>, Vec<&'static str>)> {
    let ours = program
        .to_str()
        .ok_or("the path of the program is not UTF-8")?
        .to_owned();
    let mut inits = vec![
        Init {
            name: NONE,
            prefix: Vec::new(),
            version: String::new(),
        },
        Init {
            name: OURS,
            version: ask_version(&ours),
            prefix: vec![ours, "run".to_owned(), "--".to_owned()],
        },
    ];
    let mut missing = Vec::new();
    for name in PEERS {
        match find_program(name).and_then(|file| file.to_str().map(str::to_owned)) {
            Some(file) => inits.push(Init {
                name,
                version: ask_version(&file),
                prefix: vec![file, "--".to_owned()],
            }),
            None => missing.push(name),
        }
    }
    let names: Vec<_> = inits.iter().map(|init| init.name).collect();
    say(&format!("comparing: {}", names.join(", ")));
    Ok((inits, missing))
}

/// The first line that mentions a number, from either stream: inits differ in where they print it.
fn ask_version(program: &str) -> String {
    let Ok(output) = Command::new(program).arg("--version").output() else {
        return String::new();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .find(|line| line.contains(|one: char| one.is_ascii_digit()))
        .unwrap_or_default()
        .trim()
        .to_owned()
}
