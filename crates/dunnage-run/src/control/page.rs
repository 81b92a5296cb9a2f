//! The file `memory` beside the socket, by which the agents are asked to give memory back.
//!
//! Four numbers: how often a release has been asked for, how short memory is, a version, and a magic one. The agent maps
//! it and compares the first byte whenever Python's collector has run, so that a process needs no connection, no
//! descriptor and no thread to be asked.
//!
//! We do not map it ourselves: a process of our own user can cut the file short, and touching a mapping behind its end is
//! a SIGBUS, while a write merely makes it longer again. A folder that is not in memory may make a write wait for a disk,
//! just when memory is short: there a thread writes, and while it waits no second one does.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use dunnage_policy::pressure::Level;

/// `DGNM` in the file.
const MAGIC: u32 = 0x4d4e_4744;

const VERSION: u32 = 1;

/// The file; it goes with the folder.
#[derive(Debug)]
pub struct Page {
    file: Arc<File>,
    is_in_memory: bool,
    releases: u32,
    level: u32,
    writer: Option<JoinHandle<()>>,
}

impl Page {
    /// Makes the file, which must not be there: what somebody else has put in its place is not opened.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let page = Self {
            is_in_memory: dunnage_sys::is_in_memory(&file).unwrap_or(false),
            file: Arc::new(file),
            releases: 0,
            level: 0,
            writer: None,
        };
        page.file.write_all_at(&page.bytes(), 0)?;
        // images change the user with gosu: everybody may read it, whatever the umask is
        page.file
            .set_permissions(std::fs::Permissions::from_mode(0o644))?;
        Ok(page)
    }

    /// Asks once more; the number of times.
    pub fn ask_release(&mut self) -> u32 {
        self.releases = self.releases.wrapping_add(1);
        self.write();
        self.releases
    }

    /// How often has been asked.
    pub fn releases(&self) -> u32 {
        self.releases
    }

    /// Says how short memory is; `None` where it is not.
    pub fn set_level(&mut self, level: Option<Level>) {
        let level = match level {
            None => 0,
            Some(Level::Warn) => 1,
            Some(Level::High) => 2,
            Some(Level::Critical) => 3,
        };
        if level != self.level {
            self.level = level;
            self.write();
        }
    }

    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let words = [self.releases, self.level, VERSION, MAGIC];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Writes all of it. What fails is not tried again: then nobody answers, which is told anyway.
    fn write(&mut self) {
        let bytes = self.bytes();
        if self.is_in_memory {
            let _ = self.file.write_all_at(&bytes, 0);
            return;
        }
        if self.writer.as_ref().is_none_or(JoinHandle::is_finished) {
            let file = Arc::clone(&self.file);
            self.writer = std::thread::Builder::new()
                .stack_size(64 * 1024)
                .spawn(move || drop(file.write_all_at(&bytes, 0)))
                .ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(path: &Path) -> Vec<u32> {
        let bytes = std::fs::read(path).unwrap();
        bytes
            .chunks(4)
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect()
    }

    fn settle(page: &mut Page) {
        if let Some(writer) = page.writer.take() {
            writer.join().unwrap();
        }
    }

    #[test]
    fn each_asking_counts_and_the_level_stands_beside_it() {
        for is_in_memory in [true, false] {
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join("memory");
            let mut page = Page::create(&path).unwrap();
            page.is_in_memory = is_in_memory;
            assert_eq!(words(&path), [0, 0, 1, 0x4d4e_4744]);
            assert_eq!(page.ask_release(), 1);
            settle(&mut page);
            page.set_level(Some(Level::High));
            settle(&mut page);
            assert_eq!(page.ask_release(), 2);
            settle(&mut page);
            assert_eq!(words(&path), [2, 2, 1, 0x4d4e_4744]);
            page.set_level(None);
            settle(&mut page);
            assert_eq!(words(&path), [2, 0, 1, 0x4d4e_4744]);
        }
    }

    #[test]
    fn everybody_may_read_it_and_nobody_else_may_write() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("memory");
        let _page = Page::create(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o644);
    }

    #[test]
    fn a_file_or_a_link_in_its_place_is_not_touched() {
        let place = tempfile::tempdir().unwrap();
        let (target, path) = (place.path().join("target"), place.path().join("memory"));
        std::fs::write(&target, "theirs").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(Page::create(&path).is_err());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "theirs").unwrap();
        assert!(Page::create(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        assert_eq!(std::fs::read(&target).unwrap(), b"theirs");
    }

    #[test]
    fn a_file_that_was_cut_or_removed_harms_nobody() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("memory");
        let mut page = Page::create(&path).unwrap();
        page.is_in_memory = true;
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(0)
            .unwrap();
        page.ask_release();
        assert_eq!(words(&path), [1, 0, 1, 0x4d4e_4744]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(page.ask_release(), 2);
    }
}
