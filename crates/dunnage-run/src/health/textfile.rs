//! `--textfile`: the page as a file for node-exporter's collector.
//!
//! A disk can hang for minutes, so a thread of its own writes, and of the pages that come while it does the newest is kept.
//! The file is made beside its place and renamed into it: a reader sees the old one or the new one. No link is followed, in the
//! folder's place or in it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use dunnage_policy::event::Event;
use dunnage_sys::Folder;

/// The file's name: the collector reads `*.prom`.
pub const NAME: &str = "dunnage.prom";

/// Its name while it is written.
const UNDER_WAY: &str = ".dunnage.prom.new";

/// The thread's stack.
const STACK: usize = 128 * 1024;

/// The thread that writes. Dropped, it writes what it was given last, and ends.
pub struct Textfile {
    waiting: Arc<Waiting>,
}

impl Textfile {
    /// Starts the thread. The first failure is an event, after which `wake` gets a byte; it is closed when the last page
    /// is written.
    pub fn start(folder: PathBuf, events: SyncSender<Event>, wake: UnixStream) -> io::Result<Self> {
        let waiting = Arc::<Waiting>::default();
        let theirs = Arc::clone(&waiting);
        std::thread::Builder::new()
            .name("textfile".to_owned())
            .stack_size(STACK)
            .spawn(move || write_all(&folder, &theirs, &events, wake))?;
        Ok(Self { waiting })
    }

    /// Gives a page to the thread, in the place of one that it has not begun to write. Never waits for the disk.
    pub fn write(&self, page: String) {
        self.waiting.change(|next| next.page = Some(page));
    }
}

impl Drop for Textfile {
    fn drop(&mut self) {
        self.waiting.change(|next| next.is_over = true);
    }
}

/// The page that is to be written next.
#[derive(Default)]
struct Waiting {
    next: Mutex<Next>,
    changed: Condvar,
}

#[derive(Default)]
struct Next {
    page: Option<String>,
    is_over: bool,
}

impl Waiting {
    fn change(&self, act: impl FnOnce(&mut Next)) {
        act(&mut self.next.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
    }

    /// Waits for a page; `None` once there is none and none will come.
    fn take(&self) -> Option<String> {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = self
            .changed
            .wait_while(next, |next| next.page.is_none() && !next.is_over)
            .unwrap_or_else(PoisonError::into_inner);
        next.page.take()
    }
}

fn write_all(folder: &Path, waiting: &Waiting, events: &SyncSender<Event>, mut wake: UnixStream) {
    let mut has_failed = false;
    while let Some(page) = waiting.take() {
        if let Err(error) = replace(folder, &page)
            && !std::mem::replace(&mut has_failed, true)
        {
            let event = Event::Degraded {
                what: format!("the metrics file {}", folder.join(NAME).display()),
                reason: error.to_string(),
            };
            let _ = events.try_send(event);
            let _ = wake.write(b"!");
        }
    }
}

/// Puts a page into the place of the file.
fn replace(place: &Path, page: &str) -> io::Result<()> {
    let folder = Folder::open(place)?;
    let under_way = folder.pinned_path(UNDER_WAY);
    match folder.remove_file(UNDER_WAY) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&under_way)
        .and_then(|mut file| {
            // the collector is another user
            file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
            file.write_all(page.as_bytes())
        });
    let renamed = written.and_then(|()| std::fs::rename(&under_way, folder.pinned_path(NAME)));
    if renamed.is_err() {
        let _ = folder.remove_file(UNDER_WAY);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn the_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(UNDER_WAY), "of one that was killed").unwrap();
        for page in ["first\n", "2\n"] {
            replace(folder.path(), page).unwrap();
            assert_eq!(fs::read_to_string(folder.path().join(NAME)).unwrap(), page);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let mode = fs::metadata(folder.path().join(NAME))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o644);
    }

    #[test]
    fn the_last_page_is_written_however_many_wait_before_it() {
        let waiting = Waiting::default();
        for page in ["1", "2", "3"] {
            waiting.change(|next| next.page = Some(page.to_owned()));
        }
        waiting.change(|next| next.is_over = true);
        assert_eq!(waiting.take().as_deref(), Some("3"));
        assert_eq!(waiting.take(), None);
    }

    #[test]
    fn planted_links_are_replaced_and_not_followed() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let target = other.path().join("theirs");
        fs::write(&target, "theirs").unwrap();
        for name in [NAME, UNDER_WAY] {
            symlink(&target, folder.path().join(name)).unwrap();
        }
        replace(folder.path(), "page").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
        let written = folder.path().join(NAME);
        assert!(fs::symlink_metadata(&written).unwrap().is_file());
        // nor in the folder's own place
        let link = other.path().join("link");
        symlink(folder.path(), &link).unwrap();
        assert!(replace(&link, "page").is_err());
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_that_is_told_once() {
        let scratch = tempfile::tempdir().unwrap();
        let (events, told) = sync_channel(4);
        let (wake, mut woken) = UnixStream::pair().unwrap();
        let textfile = Textfile::start(scratch.path().join("none"), events, wake).unwrap();
        let mut byte = [0];
        textfile.write("1".to_owned());
        io::Read::read_exact(&mut woken, &mut byte).unwrap();
        textfile.write("2".to_owned());
        drop(textfile);
        // the end of the thread closes its side
        assert_eq!(io::Read::read(&mut woken, &mut byte).unwrap(), 0);
        assert!(matches!(told.try_recv(), Ok(Event::Degraded { .. })));
        assert!(told.try_recv().is_err());
    }
}
