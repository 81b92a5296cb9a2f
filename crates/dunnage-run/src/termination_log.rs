//! The termination log: what `kubectl describe pod` shows of a container that died.
//!
//! Written only for a death that nobody else explains, only if the file is empty or ours, at most 4 KB. An application's
//! ordinary failure leaves it alone: with `terminationMessagePolicy: FallbackToLogsOnError` any text of ours would hide
//! the application's own traceback.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use dunnage_sys::open_existing_regular;

/// Where kubelet mounts it unless told otherwise (`terminationMessagePath`).
pub const DEFAULT_PATH: &str = "/dev/termination-log";

/// How much kubelet keeps of one container.
const LIMIT: usize = 4096;

/// By this a text is known as ours.
const MARK: &str = "dunnage: ";

/// What became of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was written.
    Written,
    /// The application has written something itself; it was left alone.
    Theirs,
}

/// Writes `text`, which replaces an earlier one of ours.
pub fn write(path: &Path, text: &str) -> io::Result<Outcome> {
    let mut file = open_existing_regular(path)?;
    if !is_ours_or_empty(&mut file)? {
        return Ok(Outcome::Theirs);
    }
    let mut line = format!("{MARK}{text}");
    line.truncate(line.floor_char_boundary(LIMIT - 1));
    line.push('\n');
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(line.as_bytes())?;
    Ok(Outcome::Written)
}

/// Takes back what we wrote earlier; the application's own text stays.
pub fn clear(path: &Path) -> io::Result<()> {
    let mut file = open_existing_regular(path)?;
    if file.metadata()?.len() > 0 && is_ours_or_empty(&mut file)? {
        file.set_len(0)?;
    }
    Ok(())
}

fn is_ours_or_empty(file: &mut File) -> io::Result<bool> {
    let mut head = Vec::with_capacity(MARK.len());
    file.rewind()?;
    file.take(MARK.len() as u64).read_to_end(&mut head)?;
    Ok(head.is_empty() || head == MARK.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn an_applications_own_words_are_never_touched() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "my own reason").unwrap();
        assert_eq!(write(file.path(), "x").unwrap(), Outcome::Theirs);
        clear(file.path()).unwrap();
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "my own reason");
    }

    #[test]
    fn ours_is_replaced_and_taken_back_and_at_most_four_kilobytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(write(file.path(), "first").unwrap(), Outcome::Written);
        assert_eq!(
            write(file.path(), &"ä".repeat(4000)).unwrap(),
            Outcome::Written
        );
        let text = fs::read_to_string(file.path()).unwrap();
        assert!(
            text.starts_with("dunnage: ä") && text.len() <= LIMIT,
            "{}",
            text.len()
        );
        clear(file.path()).unwrap();
        assert_eq!(fs::read(file.path()).unwrap(), b"");
    }

    #[test]
    fn nothing_is_created_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        let link = folder.path().join("link");
        fs::write(&target, "").unwrap();
        symlink(&target, &link).unwrap();
        assert!(write(&link, "x").is_err());
        assert!(write(&folder.path().join("missing"), "x").is_err());
        assert!(!folder.path().join("missing").exists());
        assert_eq!(fs::read(&target).unwrap(), b"");
    }
}
