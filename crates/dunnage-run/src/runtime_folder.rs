//! The folder for the control socket and the page of memory: `dunnage-<pid namespace's inode>-<pid>` in the first place that can be trusted.
//!
//! `/dev/shm` and `/tmp` belong to everybody, and the containers of a pod share the first. So: no link is followed; a
//! place where others could rename our folder away is not used; a folder of that name that somebody else made is left
//! alone, and the next place is tried. A container that is started again has the same process id but another namespace.

use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dunnage_sys::{Folder, PacketConnection, PacketListener, current_uid};

/// The socket's name in the folder.
pub const SOCKET: &str = "control";

/// The name of the page by which the agents are asked to give memory back.
pub const PAGE: &str = "memory";

/// The longest path that fits into a socket's address, `unix(7)`.
const MAX_PATH: usize = 107;

/// The places, in order; a user's own comes first.
pub const PLACES: [&str; 3] = ["/run/dunnage", "/dev/shm", "/tmp"];

/// The most names of a place that are looked at for what was left behind.
const MAX_NAMES: usize = 4096;

/// A folder that is younger may be one whose supervisor does not listen yet.
const SETTLED: Duration = Duration::from_mins(1);

/// Our folder; removed when dropped.
#[derive(Debug)]
pub struct RuntimeFolder {
    place: PathBuf,
    name: String,
    /// Device and inode.
    identity: (u64, u64),
    /// What was wrong with the places before it.
    passed_over: String,
}

impl RuntimeFolder {
    /// Makes the folder and listens on the socket in it. The error names each place and what is wrong with it.
    pub fn create(chosen: Option<&Path>) -> Result<(Self, PacketListener), String> {
        let namespace =
            own_namespace().map_err(|error| format!("cannot read /proc/self/ns/pid: {error}"))?;
        let name = format!("dunnage-{namespace}-{}", dunnage_sys::current_pid());
        let places = chosen.into_iter().chain(PLACES.iter().map(Path::new));
        create_in(places, &name)
    }

    /// The places that were tried before it, each with what is wrong with it.
    pub fn passed_over(&self) -> Option<&str> {
        Some(self.passed_over.as_str()).filter(|reasons| !reasons.is_empty())
    }

    /// The socket's path.
    pub fn socket(&self) -> PathBuf {
        self.place.join(&self.name).join(SOCKET)
    }

    /// The page's path.
    pub fn page(&self) -> PathBuf {
        self.place.join(&self.name).join(PAGE)
    }
}

/// The inode of our PID namespace.
pub fn own_namespace() -> io::Result<u64> {
    Ok(std::fs::metadata("/proc/self/ns/pid")?.ino())
}

fn create_in<'a>(
    places: impl Iterator<Item = &'a Path>,
    name: &str,
) -> Result<(RuntimeFolder, PacketListener), String> {
    let mut reasons = String::new();
    for place in places {
        match create_at(place, name) {
            Ok((mut folder, listener)) => {
                folder.passed_over = reasons;
                return Ok((folder, listener));
            }
            Err(error) => {
                let _ = write!(reasons, "{}: {error}; ", place.display());
            }
        }
    }
    Err(format!(
        "no folder can be used: {reasons}DUNNAGE_RUNTIME_DIR names another, --control off needs none"
    ))
}

fn create_at(place: &Path, name: &str) -> io::Result<(RuntimeFolder, PacketListener)> {
    let full = place.join(name).join(SOCKET);
    if !place.is_absolute() || full.as_os_str().len() > MAX_PATH {
        return Err(io::Error::other("not an absolute path, or too long"));
    }
    let parent = Folder::open(place)?;
    if !is_safe(&parent)? {
        return Err(io::Error::other(
            "others could replace what is in it (its owner is neither us nor root, or it is writable without a sticky bit)",
        ));
    }
    sweep(place, &parent);
    let made = match parent.make(name) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error),
    };
    let folder = parent.open_in(name)?;
    let metadata = folder.metadata()?;
    if metadata.uid() != current_uid() {
        return Err(io::Error::other(format!(
            "{name} is there already and belongs to user {}",
            metadata.uid()
        )));
    }
    if !made {
        take_over(&folder)?;
    }
    let runtime = RuntimeFolder {
        place: place.to_owned(),
        name: name.to_owned(),
        identity: (metadata.dev(), metadata.ino()),
        passed_over: String::new(),
    };
    // images change the user with gosu: anybody may come to the door, who may come in is decided there
    folder.set_mode(0o711)?;
    let listener = PacketListener::bind(&folder.pinned_path(SOCKET))?;
    folder.set_mode_in(SOCKET, 0o666)?;
    Ok((runtime, listener))
}

/// Whether nobody but root and us can rename or remove what we make in a folder.
fn is_safe(folder: &Folder) -> io::Result<bool> {
    let metadata = folder.metadata()?;
    let trusted = metadata.uid() == 0 || metadata.uid() == current_uid();
    let others_write = metadata.mode() & 0o022 != 0;
    let sticky = metadata.mode() & 0o1000 != 0;
    Ok(trusted && (!others_write || sticky))
}

/// Removes what supervisors of ours left that were killed, so that nothing piles up in a place that outlives containers.
fn sweep(place: &Path, parent: &Folder) {
    let names = std::fs::read_dir(place).into_iter().flatten().flatten();
    for entry in names.take(MAX_NAMES) {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| is_ours(name)) else {
            continue;
        };
        let Ok(folder) = parent.open_in(name) else {
            continue;
        };
        let is_old = folder.metadata().is_ok_and(|metadata| {
            let age = metadata.modified().map(|at| at.elapsed());
            metadata.uid() == current_uid()
                && age.is_ok_and(|age| age.is_ok_and(|age| age > SETTLED))
        });
        if is_old && is_abandoned(&folder) {
            empty(&folder);
            let _ = parent.remove_folder(name);
        }
    }
}

/// Whether a name is one that a supervisor gives.
fn is_ours(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = name
        .strip_prefix("dunnage-")
        .and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(namespace, pid)| is_number(namespace) && is_number(pid))
}

/// Whether nobody listens on the folder's socket. One whose queue is full is alive.
fn is_abandoned(folder: &Folder) -> bool {
    match PacketConnection::connect(&folder.pinned_path(SOCKET)) {
        Err(error) => matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
        ),
        Ok(_) => false,
    }
}

/// Clears what a dead supervisor of ours left under the same name.
fn take_over(folder: &Folder) -> io::Result<()> {
    if !is_abandoned(folder) {
        return Err(io::Error::other("a supervisor that is alive uses it"));
    }
    for name in [SOCKET, PAGE] {
        match folder.remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Removes what we make in a folder, and nothing else.
fn empty(folder: &Folder) {
    for name in [SOCKET, PAGE] {
        let _ = folder.remove_file(name);
    }
}

impl Drop for RuntimeFolder {
    fn drop(&mut self) {
        let Ok(parent) = Folder::open(&self.place) else {
            return;
        };
        let Ok(folder) = parent.open_in(&self.name) else {
            return;
        };
        let ours = folder
            .metadata()
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity);
        if ours {
            empty(&folder);
            let _ = parent.remove_folder(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use tempfile::TempDir;

    fn place(mode: u32) -> TempDir {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(mode)).unwrap();
        place
    }

    fn create(places: &[&TempDir]) -> Result<(RuntimeFolder, PacketListener), String> {
        create_in(places.iter().map(|place| place.path()), "dunnage-1-2")
    }

    #[test]
    fn the_folder_is_open_to_pass_through_only_and_goes_at_the_end() {
        let place = place(0o1777);
        let (folder, listener) = create(&[&place]).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&place.path().join("dunnage-1-2")), 0o711);
        assert_eq!(mode(&folder.socket()), 0o666);
        PacketConnection::connect(&folder.socket()).unwrap();
        assert!(listener.accept().unwrap().is_some());
        drop(folder);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_dead_supervisor_left_is_replaced_and_a_living_ones_is_not() {
        let (first, second) = (place(0o700), place(0o700));
        let (folder, listener) = create(&[&first]).unwrap();
        let (other, _listening) = create(&[&first, &second]).unwrap();
        assert!(other.socket().starts_with(second.path()));
        drop(listener);
        std::mem::forget(folder);
        let (again, _listening) = create(&[&first]).unwrap();
        PacketConnection::connect(&again.socket()).unwrap();
    }

    #[test]
    fn what_killed_supervisors_left_is_swept_and_nothing_else() {
        let place = place(0o1777);
        let long_ago = std::time::SystemTime::now() - SETTLED * 2;
        let make = |name: &str| {
            let path = place.path().join(name);
            fs::create_dir(&path).unwrap();
            let listener = PacketListener::bind(&path.join(SOCKET)).unwrap();
            let age = || {
                fs::File::open(&path)
                    .unwrap()
                    .set_modified(long_ago)
                    .unwrap();
            };
            (path.clone(), listener, age())
        };
        let (left, listener, ()) = make("dunnage-7-1");
        drop(listener);
        let (_, _alive, ()) = make("dunnage-8-1");
        let (young, listener, ()) = make("dunnage-9-1");
        drop(listener);
        fs::File::open(&young)
            .unwrap()
            .set_modified(std::time::SystemTime::now())
            .unwrap();
        let (_, listener, ()) = make("dunnage-notes-1");
        drop(listener);
        fs::create_dir(place.path().join("dunnage-10-1")).unwrap();
        fs::write(place.path().join("dunnage-10-1/theirs"), "").unwrap();
        let (_ours, _listening) = create(&[&place]).unwrap();
        assert!(!left.exists());
        let mut names: Vec<_> = fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "dunnage-1-2",
                "dunnage-10-1",
                "dunnage-8-1",
                "dunnage-9-1",
                "dunnage-notes-1"
            ]
        );
    }

    #[test]
    fn a_planted_link_or_file_is_not_used_and_not_touched() {
        let (first, target, second) = (place(0o1777), place(0o755), place(0o700));
        symlink(target.path(), first.path().join("dunnage-1-2")).unwrap();
        let (folder, _listening) = create(&[&first, &second]).unwrap();
        assert!(folder.socket().starts_with(second.path()));
        drop(folder);
        fs::remove_file(first.path().join("dunnage-1-2")).unwrap();
        fs::write(first.path().join("dunnage-1-2"), "theirs").unwrap();
        let (folder, _listening) = create(&[&first, &second]).unwrap();
        assert!(folder.socket().starts_with(second.path()));
        assert_eq!(
            fs::read(first.path().join("dunnage-1-2")).unwrap(),
            b"theirs"
        );
        assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
        assert_eq!(
            fs::metadata(target.path()).unwrap().permissions().mode() & 0o777,
            0o755
        );
    }

    #[test]
    fn another_users_folder_is_not_used_and_not_touched() {
        if current_uid() != 0 {
            println!("skipped: another_users_folder: needs root");
            return;
        }
        let (first, second) = (place(0o1777), place(0o700));
        let planted = first.path().join("dunnage-1-2");
        fs::create_dir(&planted).unwrap();
        fs::set_permissions(&planted, fs::Permissions::from_mode(0o777)).unwrap();
        chown(&planted, Some(12345), None).unwrap();
        let (folder, _listening) = create(&[&first, &second]).unwrap();
        assert!(folder.socket().starts_with(second.path()));
        assert_eq!(fs::read_dir(&planted).unwrap().count(), 0);
        assert_eq!(
            fs::metadata(&planted).unwrap().permissions().mode() & 0o777,
            0o777
        );
        // a place that is another user's
        chown(second.path(), Some(12345), None).unwrap();
        drop(folder);
        assert!(create(&[&first, &second]).is_err());
    }

    #[test]
    fn a_place_where_others_could_swap_our_folder_is_not_used() {
        let place = place(0o777);
        let error = create(&[&place]).unwrap_err();
        assert!(error.contains("sticky") && error.contains("DUNNAGE_RUNTIME_DIR"));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_not_used() {
        let long = PathBuf::from(format!("/{}", "x".repeat(100)));
        for place in [Path::new("tmp"), &long] {
            assert!(create_in([place].into_iter(), "dunnage-1-2").is_err());
        }
    }
}
