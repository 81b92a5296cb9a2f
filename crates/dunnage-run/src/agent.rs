//! Finds out whether this program carries the agent, and whether everybody below can read it.
//!
//! The agent is an uncompressed zip behind the program's last byte. A program that is built without it (`cargo build`)
//! works the same, without an agent; so does one that Python could not read or whose path PYTHONPATH cannot hold.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use dunnage_policy::agent::Agent;

/// The files that the zip must hold.
const FILES: [&[u8]; 2] = [b"sitecustomize.py", b"_dunnage_agent.py"];

/// The length of a zip's last record when it has no comment, and how it begins (APPNOTE.TXT 4.3.16).
const END_LENGTH: usize = 22;
const END_MAGIC: &[u8] = b"PK\x05\x06";

/// The longest list of files that is looked at; ours has a few hundred bytes.
const LONGEST_LIST: u32 = 4096;

/// Finds the agent at the end of this program.
pub fn find() -> Agent {
    match look(Path::new("/proc/self/exe")) {
        Ok(program) => Agent::On(program),
        Err(reason) => Agent::Off(reason),
    }
}

fn look(link: &Path) -> Result<PathBuf, String> {
    let told = |what: &str, error: io::Error| format!("{what}: {error}");
    let mut file =
        File::open(link).map_err(|error| told("this program's file cannot be read", error))?;
    let carries = carries_agent(&mut file)
        .map_err(|error| told("this program's file cannot be read", error))?;
    if !carries {
        return Err("this program carries none".to_owned());
    }
    let path = link
        .read_link()
        .map_err(|error| told("this program's path is not known", error))?;
    if path.as_os_str().as_bytes().contains(&b':') {
        return Err(format!(
            "PYTHONPATH cannot hold a colon: {}",
            path.display()
        ));
    }
    let is_same =
        |other: Metadata, own: Metadata| (other.dev(), other.ino()) == (own.dev(), own.ino());
    match (path.metadata(), file.metadata()) {
        (Ok(other), Ok(own)) if is_same(other.clone(), own.clone()) => {}
        _ => return Err(format!("this program is no longer at {}", path.display())),
    }
    match unreadable_part(&path) {
        Some(part) => Err(format!(
            "other users cannot read {} (chmod a+rX it)",
            part.display()
        )),
        None => Ok(path),
    }
}

/// The part of a path that keeps other users from reading the file; images change their user after the start. Where we
/// are not root no one below can become anybody else, and that we can read it has been seen.
fn unreadable_part(path: &Path) -> Option<&Path> {
    const READ: u32 = 0o004;
    const ENTER: u32 = 0o001;
    if dunnage_sys::current_uid() != 0 {
        return None;
    }
    path.ancestors().enumerate().find_map(|(level, part)| {
        let needed = if level == 0 { READ } else { ENTER };
        let is_allowed = part
            .metadata()
            .is_ok_and(|metadata| metadata.mode() & needed != 0);
        (!is_allowed).then_some(part)
    })
}

/// Whether a file ends with a zip that holds the agent's files, as Python's zipimport would find it.
fn carries_agent(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    let length = file.seek(SeekFrom::End(0))?;
    let Some(at) = length.checked_sub(END_LENGTH as u64) else {
        return Ok(false);
    };
    file.seek(SeekFrom::Start(at))?;
    let mut end = [0; END_LENGTH];
    file.read_exact(&mut end)?;
    if !end.starts_with(END_MAGIC) {
        return Ok(false);
    }
    let size = u32::from_le_bytes([end[12], end[13], end[14], end[15]]);
    let Some(at) = at.checked_sub(size.into()).filter(|_| size <= LONGEST_LIST) else {
        return Ok(false);
    };
    file.seek(SeekFrom::Start(at))?;
    let mut list = vec![0; size as usize];
    file.read_exact(&mut list)?;
    let holds = |name: &[u8]| list.windows(name.len()).any(|part| part == name);
    Ok(FILES.into_iter().all(holds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// The end of a zip that lists these names.
    fn zip_end(names: &[&str], comment: &[u8]) -> Vec<u8> {
        let mut list = Vec::new();
        for name in names {
            list.extend_from_slice(b"PK\x01\x02 a list's entry ");
            list.extend_from_slice(name.as_bytes());
        }
        let size = u32::try_from(list.len()).unwrap();
        let mut bytes = list;
        bytes.extend_from_slice(END_MAGIC);
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(comment);
        bytes
    }

    fn carries(bytes: &[u8]) -> bool {
        carries_agent(&mut Cursor::new(bytes)).unwrap()
    }

    #[test]
    fn a_program_carries_the_agent_when_its_zip_holds_both_files() {
        let both = ["sitecustomize.py", "_dunnage_agent.py"];
        let program = |end: &[u8]| [&b"\x7fELF and more"[..], end].concat();
        assert!(carries(&program(&zip_end(&both, b""))));
        assert!(!carries(&program(&zip_end(&both[..1], b""))));
        assert!(!carries(&program(&zip_end(&both, b"a comment"))));
        assert!(!carries(b"\x7fELF"));
        assert!(!carries(b""));
    }

    #[test]
    fn a_list_that_claims_to_be_longer_than_the_file_is_none() {
        for size in [100_u32, u32::MAX] {
            let mut bytes = zip_end(&[], b"");
            let at = bytes.len() - END_LENGTH + 12;
            bytes[at..at + 4].copy_from_slice(&size.to_le_bytes());
            assert!(!carries(&bytes));
        }
    }

    #[test]
    fn the_part_of_a_path_that_shuts_others_out_is_named() {
        use std::os::unix::fs::PermissionsExt;
        if dunnage_sys::current_uid() != 0 {
            println!("skipped: agent: a file that only root can read needs root");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dunnage");
        std::fs::write(&file, "").unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(folder.path(), 0o755);
        set(&file, 0o755);
        assert_eq!(unreadable_part(&file), None);
        set(&file, 0o750);
        assert_eq!(unreadable_part(&file), Some(file.as_path()));
        set(&file, 0o755);
        set(folder.path(), 0o700);
        assert_eq!(unreadable_part(&file), Some(folder.path()));
    }
}
