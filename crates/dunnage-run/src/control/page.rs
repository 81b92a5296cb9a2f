//! The file `memory` beside the socket, by which the agents are asked to give memory back.
//!
//! Four numbers: how often a release has been asked for, how short memory is, a version, and a magic one. The agent maps
//! it and compares the first byte whenever Python's collector has run, so that a process needs no connection, no
//! descriptor and no thread to be asked.
//!
//! We do not map it ourselves: a process of our own user can cut the file short, and touching a mapping behind its end is
//! a SIGBUS, while a write merely makes it longer again. A folder that is not in memory may make a write wait for a disk,
//! just when memory is short: there a thread writes, and while it waits no second one does. What was to be written
//! meanwhile it writes next: an asking that came right after a change of the level must not be lost.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dunnage_policy::pressure::Level;

/// `DGNM` in the file.
const MAGIC: u32 = 0x4d4e_4744;

const VERSION: u32 = 1;

/// The file; it goes with the folder.
#[derive(Debug)]
pub struct Page {
    sheet: Arc<Sheet>,
    is_in_memory: bool,
    releases: u32,
    level: u32,
}

/// What a thread that writes shares with us.
#[derive(Debug)]
struct Sheet {
    file: File,
    /// What the file is to say: the number of askings, and the level in the upper half.
    wanted: AtomicU64,
    is_writing: AtomicBool,
}

impl Sheet {
    /// Writes all of it.
    fn write(&self, wanted: u64) -> io::Result<()> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&wanted.to_le_bytes());
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..].copy_from_slice(&MAGIC.to_le_bytes());
        self.file.write_all_at(&bytes, 0)
    }

    /// Writes until the file says what it is to say, or another thread does.
    fn write_on(&self) {
        loop {
            let wanted = self.wanted.load(Ordering::SeqCst);
            let _ = self.write(wanted);
            self.is_writing.store(false, Ordering::SeqCst);
            // whoever changed it before that line saw us at work, and left it to us
            let is_done = self.wanted.load(Ordering::SeqCst) == wanted;
            if is_done || self.is_writing.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }
}

impl Page {
    /// Makes the file, which must not be there: what somebody else has put in its place is not opened.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let is_in_memory = dunnage_sys::is_in_memory(&file).unwrap_or(false);
        // images change the user with gosu: everybody may read it, whatever the umask is
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
        let sheet = Sheet {
            file,
            wanted: AtomicU64::new(0),
            is_writing: AtomicBool::new(false),
        };
        sheet.write(0)?;
        Ok(Self {
            sheet: Arc::new(sheet),
            is_in_memory,
            releases: 0,
            level: 0,
        })
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

    /// What fails is not tried again: then nobody answers, which is told anyway.
    fn write(&self) {
        let wanted = u64::from(self.releases) | u64::from(self.level) << 32;
        if self.is_in_memory {
            let _ = self.sheet.write(wanted);
            return;
        }
        self.sheet.wanted.store(wanted, Ordering::SeqCst);
        if self.sheet.is_writing.swap(true, Ordering::SeqCst) {
            return;
        }
        let sheet = Arc::clone(&self.sheet);
        let writer = std::thread::Builder::new()
            .stack_size(64 * 1024)
            .spawn(move || sheet.write_on());
        if writer.is_err() {
            self.sheet.is_writing.store(false, Ordering::SeqCst);
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

    fn settle(page: &Page) {
        while page.sheet.is_writing.load(Ordering::SeqCst) {
            std::thread::yield_now();
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
            settle(&page);
            page.set_level(Some(Level::High));
            settle(&page);
            assert_eq!(page.ask_release(), 2);
            settle(&page);
            assert_eq!(words(&path), [2, 2, 1, 0x4d4e_4744]);
            page.set_level(None);
            settle(&page);
            assert_eq!(words(&path), [2, 0, 1, 0x4d4e_4744]);
        }
    }

    #[test]
    fn what_is_wanted_while_a_thread_writes_is_written_next() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("memory");
        let mut page = Page::create(&path).unwrap();
        page.is_in_memory = false;
        // the writer of another wish is on its way
        page.sheet.is_writing.store(true, Ordering::SeqCst);
        page.set_level(Some(Level::Warn));
        assert_eq!(page.ask_release(), 1);
        assert_eq!(words(&path), [0, 0, 1, 0x4d4e_4744]);
        page.sheet.write_on();
        assert_eq!(words(&path), [1, 1, 1, 0x4d4e_4744]);
        assert!(!page.sheet.is_writing.load(Ordering::SeqCst));
        // however the threads run, the last wish is what stands there
        for count in 2..500 {
            page.set_level(Some(Level::High));
            page.set_level(None);
            assert_eq!(page.ask_release(), count);
        }
        while words(&path) != [499, 0, 1, 0x4d4e_4744] {
            std::thread::yield_now();
        }
        settle(&page);
        assert_eq!(words(&path), [499, 0, 1, 0x4d4e_4744]);
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
