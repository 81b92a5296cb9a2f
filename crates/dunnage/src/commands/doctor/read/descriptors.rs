//! What a process has open: one walk through `/proc/PID/fd`.

use std::collections::BTreeSet;

use dunnage_sys::read_link_bounded;

/// The most that are counted.
const MOST_COUNTED: usize = 100_000;
/// The most of which is read what they lead to.
const MOST_READ: usize = 4096;

/// What is asked of them.
#[derive(Debug, Default)]
pub(super) struct Descriptors {
    /// How many there are.
    pub(super) count: u64,
    /// The numbers of the sockets among them.
    pub(super) sockets: BTreeSet<u64>,
    /// The path of the first that is a gunicorn worker's heartbeat.
    pub(super) heartbeat: Option<String>,
}

impl Descriptors {
    /// None where they may not be read.
    pub(super) fn read(pid: i32) -> Option<Self> {
        let mut found = Self::default();
        let folder = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        for (index, entry) in folder.take(MOST_COUNTED).enumerate() {
            found.count += 1;
            if index < MOST_READ
                && let Ok(entry) = entry
                && let Ok(link) = read_link_bounded(&entry.path())
            {
                found.note(&String::from_utf8_lossy(&link));
            }
        }
        Some(found)
    }

    fn note(&mut self, link: &str) {
        if let Some(rest) = link.strip_prefix("socket:[") {
            let number = rest
                .strip_suffix(']')
                .and_then(|number| number.parse::<u64>().ok());
            self.sockets.extend(number);
        } else if self.heartbeat.is_none() && link.contains("/wgunicorn-") {
            let path = link.trim_end_matches(" (deleted)");
            self.heartbeat = Some(path.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Descriptors;

    #[test]
    fn sockets_are_known_by_their_numbers_and_a_heartbeat_by_its_name() {
        let mut found = Descriptors::default();
        for link in [
            "/dev/null",
            "socket:[41]",
            "socket:[no]",
            "pipe:[7]",
            "/tmp/wgunicorn-abc (deleted)",
            "/tmp/wgunicorn-later",
            "socket:[42]",
        ] {
            found.note(link);
        }
        assert_eq!(found.sockets, [41, 42].into());
        assert_eq!(found.heartbeat.as_deref(), Some("/tmp/wgunicorn-abc"));
    }

    #[test]
    fn those_of_this_process_are_counted_and_those_of_none_are_not_told() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let of_us = Descriptors::read(dunnage_sys::current_pid()).unwrap();
        assert!(of_us.count >= 1, "{file:?}");
        assert!(Descriptors::read(i32::MAX).is_none());
    }
}
