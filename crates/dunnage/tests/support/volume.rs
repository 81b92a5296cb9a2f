//! A disk that can be made to hang: an ext4 in a file, which `fsfreeze` stops. Who writes to it then waits until it is thawed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// 32 MiB.
const SIZE: u64 = 32 << 20;

/// A mounted volume; unmounted at the end.
pub struct Volume {
    /// Holds the image and the folder that it is mounted at.
    scratch: TempDir,
}

impl Volume {
    /// `None`, and a line that says so, where none can be made.
    pub fn new(test: &str) -> Option<Self> {
        let scratch = tempfile::tempdir().unwrap();
        let image = scratch.path().join("image");
        File::create(&image).unwrap().set_len(SIZE).unwrap();
        let volume = Self { scratch };
        std::fs::create_dir(volume.path()).unwrap();
        let is_made = succeeds(Command::new("mkfs.ext4").arg("-q").arg(&image))
            && succeeds(
                Command::new("mount")
                    .args(["-o", "loop"])
                    .arg(&image)
                    .arg(volume.path()),
            );
        if !is_made {
            println!("skipped: {test}: needs root, mkfs.ext4 and a loop device");
        }
        is_made.then_some(volume)
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.scratch.path().join("volume")
    }

    /// Whoever writes there waits, until what is returned is dropped. That must come before a process that waits is waited
    /// for, in a test that fails too: let it be the last of a test's variables.
    pub fn freeze(&self) -> Frozen {
        assert!(fsfreeze("--freeze", &self.path()));
        Frozen(self.path())
    }
}

/// A volume that hangs.
pub struct Frozen(PathBuf);

impl Drop for Frozen {
    fn drop(&mut self) {
        fsfreeze("--unfreeze", &self.0);
    }
}

fn fsfreeze(option: &str, path: &Path) -> bool {
    succeeds(Command::new("fsfreeze").arg(option).arg(path))
}

fn succeeds(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = succeeds(Command::new("umount").arg("-l").arg(self.path()));
    }
}
