//! Finds the supervisor's socket from anywhere in the container, and makes sure that it is the supervisor's.
//!
//! Anybody may make a folder with the right name in `/tmp`. So it is not the name that is believed but the kernel: the
//! process that listens (`SO_PEERCRED`) must be the one that the folder is called after, and that must be PID 1, an
//! ancestor of ours, or of a user whom we trust anyway.

use std::path::{Path, PathBuf};

use dunnage_sys::{Folder, PacketConnection, current_uid};

use crate::procfs::descends_from;
use crate::runtime_folder::{PLACES, SOCKET, own_namespace};

/// The most names of a place that are looked at.
const MAX_NAMES: usize = 100_000;

/// The most sockets that are tried.
const MAX_CANDIDATES: usize = 64;

/// A connection to the supervisor; `None` where there is none, or none that can be believed. Where neither PID 1 nor an
/// ancestor is one it is the first of the others.
pub fn find_supervisor() -> Option<PacketConnection> {
    find_in(&places(), &format!("dunnage-{}-", own_namespace().ok()?))
}

/// The folder of `DUNNAGE_SOCKET`, which descendants have; the user's own; the usual ones.
fn places() -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let told =
        variable("DUNNAGE_SOCKET").and_then(|socket| socket.ancestors().nth(2).map(Path::to_owned));
    told.into_iter()
        .chain(variable("DUNNAGE_RUNTIME_DIR"))
        .chain(PLACES.iter().map(PathBuf::from))
        .filter(|place| place.is_absolute())
        .collect()
}

fn find_in(places: &[PathBuf], prefix: &str) -> Option<PacketConnection> {
    let own = dunnage_sys::current_pid();
    let mut candidates: Vec<(bool, usize, i32)> = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let names = std::fs::read_dir(place).into_iter().flatten().flatten();
        let pids = names.take(MAX_NAMES).filter_map(|entry| {
            let name = entry.file_name();
            let pid: i32 = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            (pid > 0).then_some(pid)
        });
        for pid in pids.take(MAX_CANDIDATES) {
            let is_above = pid == 1 || descends_from(own, pid);
            candidates.push((!is_above, index, pid));
        }
    }
    candidates.sort_unstable();
    let mut tried = candidates.into_iter().take(MAX_CANDIDATES);
    tried.find_map(|(is_stranger, index, pid)| {
        connect(
            places.get(index)?,
            &format!("{prefix}{pid}"),
            pid,
            is_stranger,
        )
    })
}

fn connect(place: &Path, name: &str, pid: i32, is_stranger: bool) -> Option<PacketConnection> {
    let folder = Folder::open(place).ok()?.open_in(name).ok()?;
    let socket = PacketConnection::connect(&folder.pinned_path(SOCKET)).ok()?;
    let peer = socket.peer().ok()?;
    is_believed(peer, pid, is_stranger, current_uid()).then_some(socket)
}

/// Whether the process that listens is the supervisor that the folder is called after.
fn is_believed(peer: dunnage_sys::Peer, pid: i32, is_stranger: bool, own_uid: u32) -> bool {
    peer.pid == pid && (!is_stranger || peer.uid == 0 || peer.uid == own_uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dunnage_sys::{PacketListener, Peer};

    /// A socket of this process in a folder that is called after another.
    fn plant(place: &Path, pid: i32) -> PacketListener {
        let folder = place.join(format!("dunnage-5-{pid}"));
        std::fs::create_dir(&folder).unwrap();
        PacketListener::bind(&folder.join(SOCKET)).unwrap()
    }

    #[test]
    fn only_the_process_that_the_folder_is_called_after_is_believed() {
        let place = tempfile::tempdir().unwrap();
        let places = [place.path().to_owned()];
        let _planted = [plant(place.path(), 1), plant(place.path(), 2)];
        assert!(find_in(&places, "dunnage-5-").is_none());
        let own = dunnage_sys::current_pid();
        let _ours = plant(place.path(), own);
        assert!(find_in(&places, "dunnage-4-").is_none());
        let found = find_in(&places, "dunnage-5-").unwrap();
        assert_eq!(found.peer().unwrap().pid, own);
    }

    #[test]
    fn a_strangers_socket_is_believed_only_if_its_user_is_trusted_anyway() {
        let peer = |uid| Peer { pid: 7, uid };
        assert!(is_believed(peer(1001), 7, false, 1000));
        assert!(is_believed(peer(1000), 7, true, 1000));
        assert!(is_believed(peer(0), 7, true, 1000));
        assert!(!is_believed(peer(1001), 7, true, 1000));
        assert!(!is_believed(peer(0), 8, false, 0));
    }

    #[test]
    fn a_link_in_the_folders_place_is_not_followed() {
        let (place, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let own = dunnage_sys::current_pid();
        let _ours = plant(other.path(), own);
        let name = format!("dunnage-5-{own}");
        std::os::unix::fs::symlink(other.path().join(&name), place.path().join(&name)).unwrap();
        assert!(find_in(&[place.path().to_owned()], "dunnage-5-").is_none());
    }
}
