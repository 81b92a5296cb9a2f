//! Writing: each part at once, into room that was made beforehand.
//!
//! Nothing is synced: what was written is in the kernel's page cache, which survives every process; only a node that
//! loses power loses it. After the last line the file is zeros.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use dunnage_sys::allocate;

use super::folder::ReportFolder;
use super::format::{Part, Run, Seen};

/// The size that a file is given: room for some dozen ordinary records, or four of the largest.
pub const FILE_BYTES: u64 = 2 << 20;

/// The room of the line that is written over: twice the longest.
const SEEN_BYTES: usize = 160;

/// A file that is being written, and locked as long as we live.
#[derive(Debug)]
pub struct Writer {
    folder: ReportFolder,
    name: String,
    file: File,
    /// Where the next line begins.
    at: u64,
    /// Where the line that is written over lies.
    seen_at: u64,
}

impl Writer {
    /// Makes, locks and sizes a file in the folder.
    pub fn create(folder: ReportFolder, run: &Run) -> io::Result<Self> {
        let (name, file) = folder.create(run)?;
        let mut writer = Self {
            folder,
            name,
            file,
            at: 0,
            seen_at: 0,
        };
        if let Err(error) = writer.begin(run) {
            let _ = writer.folder.remove(&writer.name);
            return Err(error);
        }
        Ok(writer)
    }

    fn begin(&mut self, run: &Run) -> io::Result<()> {
        // without locks (some network file systems) a later start cannot tell that we are gone, and that is all
        if let Err(TryLockError::WouldBlock) = self.file.try_lock() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        allocate(&self.file, FILE_BYTES)?;
        self.put(&Part::Run(run.clone()))?;
        self.seen_at = self.at;
        self.at += SEEN_BYTES as u64;
        self.see(&Seen::default())
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    /// Its name in the folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder.
    pub fn folder(&self) -> &ReportFolder {
        &self.folder
    }

    /// How much may still be written into the room that was made.
    pub fn room(&self) -> u64 {
        FILE_BYTES.saturating_sub(self.at)
    }

    /// Appends a part.
    pub fn put(&mut self, part: &Part) -> io::Result<()> {
        self.put_line(&encode(part)?)
    }

    /// Appends what [`encode`] made.
    pub fn put_line(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.write_all_at(line, self.at)?;
        self.at += line.len() as u64;
        Ok(())
    }

    /// Writes the last look over the one before.
    pub fn see(&mut self, seen: &Seen) -> io::Result<()> {
        let mut line = encode(&Part::Seen(seen.clone()))?;
        line.pop();
        line.resize(SEEN_BYTES - 1, b' ');
        line.push(b'\n');
        self.file.write_all_at(&line, self.seen_at)
    }

    /// Whether the file has been removed, so that nobody will find what is written.
    pub fn is_gone(&self) -> bool {
        let Ok(ours) = self.file.metadata() else {
            return true;
        };
        // by its path too: the folder itself may have been moved away, or another mounted over it
        let found = std::fs::symlink_metadata(self.path());
        ours.nlink() == 0
            || !found.is_ok_and(|found| found.ino() == ours.ino() && found.dev() == ours.dev())
    }

    /// Writes the last line and gives back the room that was not needed.
    pub fn close(mut self, last: &Part) -> io::Result<()> {
        self.put(last)?;
        self.file.set_len(self.at)
    }

    /// Removes the file: there is nothing in it that anybody must know.
    pub fn remove(self) -> io::Result<()> {
        if self.is_gone() {
            return Ok(());
        }
        self.folder.remove(&self.name)
    }
}

/// A part as a line.
pub fn encode(part: &Part) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(part)?;
    line.push(b'\n');
    Ok(line)
}

/// Appends a line behind the text of a file that its writer left, which may end in the middle of a line, and cuts off the
/// room that was not used.
pub fn append_to_left(file: &File, end: u64, part: &Part) -> io::Result<()> {
    let line = [b"\n".to_vec(), encode(part)?].concat();
    file.write_all_at(&line, end)?;
    file.set_len(end + line.len() as u64)
}
