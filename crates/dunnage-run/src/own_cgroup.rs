//! The one reader of our own cgroup that all in the loop share: finding the cgroup costs more than all that is read there.

use std::cell::RefCell;
use std::rc::Rc;

use dunnage_cgroup::{Reader, Root};

/// Finds the cgroup when it is first asked for something. The health thread has a reader of its own: a file that hangs
/// there must not hang the loop.
#[derive(Debug, Clone)]
pub struct OwnCgroup {
    root: Root,
    reader: Rc<RefCell<Option<Reader>>>,
}

impl OwnCgroup {
    /// Of the running system.
    pub fn new() -> Self {
        Self::below(Root::system())
    }

    /// Of another folder that holds `proc/` and `sys/`.
    pub fn below(root: Root) -> Self {
        Self {
            root,
            reader: Rc::default(),
        }
    }

    /// Reads something. `read` gets the reader alone and must not ask for it again.
    pub fn read<T>(&self, read: impl FnOnce(&mut Reader) -> T) -> T {
        let mut reader = self.reader.borrow_mut();
        read(reader.get_or_insert_with(|| Reader::open(&self.root)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_before_it_is_asked_for_and_copies_share_what_was_found() {
        let cgroup = OwnCgroup::new();
        let copy = cgroup.clone();
        assert!(copy.reader.borrow().is_none());
        cgroup.read(|reader| reader.times_reopened());
        assert!(copy.reader.borrow().is_some());
    }
}
