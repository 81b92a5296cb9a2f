//! A disk that can be made to hang: an ext4 in a file, which `fsfreeze` stops. Who writes to it then waits until it is thawed.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// 32 MiB.
const SIZE: u64 = 32 << 20;

/// A mounted volume; thawed and unmounted at the end.
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
    pub fn path(&self) -> std::path::PathBuf {
        self.scratch.path().join("volume")
    }

    /// From now on whoever writes there waits.
    pub fn freeze(&self) {
        assert!(fsfreeze("--freeze", &self.path()));
    }

    /// They go on.
    pub fn thaw(&self) {
        assert!(fsfreeze("--unfreeze", &self.path()));
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
        let path = self.path();
        // one that is not frozen refuses
        let _ = fsfreeze("--unfreeze", &path);
        let _ = succeeds(Command::new("umount").arg("-l").arg(&path));
    }
}
