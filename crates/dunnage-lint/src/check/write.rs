//! Writing changed files so that nothing is lost: only what was read, only where it was read, whole or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use dunnage_check::fix::Change;
use dunnage_sys::Folder;

/// The folder that paths are below; its parent folders are not looked at again.
#[derive(Debug)]
pub struct Target(Folder);

impl Target {
    pub fn open(base: &Path) -> io::Result<Self> {
        Folder::open(base).map(Self)
    }

    /// Puts the new text in the place of the old one by renaming a file of the same folder, mode and owner kept. A link on
    /// the way, something that is no file, and a file whose text is not the one that was checked are errors.
    pub fn write(&self, change: &Change) -> io::Result<()> {
        let (folders, name) = match change.path.rsplit_once('/') {
            Some((folders, name)) => (Some(folders), name),
            None => (None, change.path.as_str()),
        };
        let mut inner = None;
        for part in folders.into_iter().flat_map(|path| path.split('/')) {
            inner = Some(inner.as_ref().unwrap_or(&self.0).open_in(part)?);
        }
        replace(inner.as_ref().unwrap_or(&self.0), name, change)
    }
}

fn replace(folder: &Folder, name: &str, change: &Change) -> io::Result<()> {
    let mut old = folder.open_file(name)?;
    let mut text = Vec::new();
    Read::by_ref(&mut old)
        .take(change.before.len() as u64 + 1)
        .read_to_end(&mut text)?;
    if text != change.before.as_bytes() {
        return Err(io::Error::other("it was changed while it was checked"));
    }
    let temporary = format!(".dunnage-{}.tmp", std::process::id());
    let new = folder.create_file(&temporary)?;
    let result = fill(&new, &old, &change.after).and_then(|()| folder.rename(&temporary, name));
    if result.is_err() {
        let _ = folder.remove_file(&temporary);
    }
    result
}

fn fill(mut new: &File, old: &File, text: &str) -> io::Result<()> {
    new.write_all(text.as_bytes())?;
    let (was, is) = (old.metadata()?, new.metadata()?);
    if (was.uid(), was.gid()) != (is.uid(), is.gid()) {
        // only root can give a file away; a group that may write here stays able to
        let _ = fchown(new, Some(was.uid()), Some(was.gid()))
            .or_else(|_| fchown(new, None, Some(was.gid())));
    }
    new.set_permissions(Permissions::from_mode(was.mode() & 0o7777))?;
    new.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dunnage_check::FileId;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn change(path: &str) -> Change {
        Change {
            file: FileId(0),
            path: path.to_owned(),
            before: "old\n".to_owned(),
            after: "new\n".to_owned(),
        }
    }

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_and_nothing_is_left_behind() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a/run.sh");
        fs::create_dir(scratch.path().join("a")).unwrap();
        fs::write(&path, "old\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o750)).unwrap();
        Target::open(scratch.path())
            .unwrap()
            .write(&change("a/run.sh"))
            .unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o750);
        assert_eq!(fs::read_dir(scratch.path().join("a")).unwrap().count(), 1);
    }

    #[test]
    fn a_text_that_is_not_the_one_that_was_checked_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("run.sh");
        for text in ["other\n", "old\nmore", ""] {
            fs::write(&path, text).unwrap();
            assert!(
                Target::open(scratch.path())
                    .unwrap()
                    .write(&change("run.sh"))
                    .is_err()
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
    }

    #[test]
    fn links_do_not_lead_out_of_the_folder() {
        let scratch = tempfile::tempdir().unwrap();
        let (inside, outside) = (scratch.path().join("in"), scratch.path().join("out"));
        fs::create_dir(&inside).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("run.sh"), "old\n").unwrap();
        symlink(&outside, inside.join("a")).unwrap();
        symlink(outside.join("run.sh"), inside.join("b")).unwrap();
        let target = Target::open(&inside).unwrap();
        for path in ["a/run.sh", "b", "../out/run.sh", "/etc/hostname", "a"] {
            assert!(target.write(&change(path)).is_err(), "{path}");
        }
        assert_eq!(fs::read_to_string(outside.join("run.sh")).unwrap(), "old\n");
    }
}
