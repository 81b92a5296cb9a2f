//! What the emulated machine boots: a stock kernel, a first file system with the disk's drivers, and a disk with the same
//! Debian release and its Python. Made once per kernel and kept.

use super::place::{install, install_packages, is_root};
use super::rootfs::{MIRROR, PYTHONS, Python, cache, make_once, rootfs};
use super::run::must;
use super::{emulator, seccomp};
use crate::tools::{Result, say, stdout_of};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Counts changes of the image's recipe.
const RECIPE: u32 = 2;
/// What the disk needs, in the order of loading; what a kernel has built in has no file.
const MODULES: [&str; 6] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_blk",
];

/// A place in an emulated machine: the kernel of a Debian release's cloud images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kernel {
    pub(crate) name: &'static str,
    /// That of the release whose kernel it is.
    pub(crate) python: Python,
}

impl Kernel {
    /// 6.1 with Python 3.11, and 6.12 with 3.13.
    pub(crate) const ALL: [Self; 2] = [
        Self {
            name: "vm",
            python: PYTHONS[0],
        },
        Self {
            name: "vm-trixie",
            python: PYTHONS[1],
        },
    ];

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kernel| kernel.name == name)
    }

    /// Its number, where kernels take turns.
    pub(crate) fn turn(self) -> usize {
        Self::ALL
            .iter()
            .position(|kernel| *kernel == self)
            .unwrap_or_default()
    }

    /// What a place inside the machine is called.
    pub(crate) fn named(self, inner: &str) -> String {
        format!("{} {inner}", self.name)
    }

    /// Makes the machine possible here, or says why it is not; the folder of its image.
    pub(crate) fn prepare(self) -> Result<PathBuf> {
        if std::env::consts::ARCH != "x86_64" {
            return Err("the image is made for x86_64".into());
        }
        if !is_root()? {
            return Err("needs root: to make the image".into());
        }
        emulator::command(Duration::ZERO)?;
        install(&[
            ("cpio", "cpio"),
            ("mkfs.ext4", "e2fsprogs"),
            ("xz", "xz-utils"),
        ])?;
        if !Path::new("/bin/busybox").exists() {
            install_packages(&["busybox-static"])?;
        }
        if !Path::new(seccomp::PROFILE).exists() {
            install_packages(&["golang-github-containers-common"])?;
        }
        self.image()
    }

    /// The folder with the disk, the kernel and the first file system; made if it is not there.
    fn image(self) -> Result<PathBuf> {
        let name = format!("vm-{}-{RECIPE}", self.python.suite);
        make_once(cache().join(name), |folder| self.make_image(folder))
    }

    fn make_image(self, folder: &Path) -> Result<()> {
        let root = rootfs(self.python)?;
        say(&format!(
            "making the image of the emulated machine in {}",
            folder.display()
        ));
        fs::create_dir(folder)?;
        let kernel = unpack_kernel(self.python.suite, folder)?;
        make_initramfs(&kernel, folder)?;
        make_disk(&root, folder)?;
        let program = find(&kernel, "vmlinuz-*")?.ok_or("the kernel's package holds no vmlinuz")?;
        fs::copy(program, folder.join("kernel"))?;
        fs::remove_dir_all(kernel)?;
        Ok(())
    }
}

/// Downloads and unpacks the kernel that the release's cloud images have; nothing is installed.
fn unpack_kernel(suite: &str, folder: &Path) -> Result<PathBuf> {
    let lists = folder.join("lists");
    fs::create_dir_all(lists.join("partial"))?;
    let sources = folder.join("sources.list");
    fs::write(&sources, format!("deb {MIRROR} {suite} main\n"))?;
    // the machine's own lists and sources, of whatever release it is, are left alone
    let apt = |program: &str, words: &[&str]| {
        let mut command = Command::new(program);
        let sources = format!("Dir::Etc::sourcelist={}", sources.display());
        let lists = format!("Dir::State::lists={}", lists.display());
        let own = [
            &sources,
            &lists,
            "Dir::Etc::sourceparts=-",
            "Acquire::Retries=3",
        ];
        for option in own {
            command.args(["-o", option]);
        }
        // what apt has worked out of other lists
        command.args([
            "-o",
            "Dir::Cache::pkgcache=",
            "-o",
            "Dir::Cache::srcpkgcache=",
        ]);
        command.args(words).current_dir(folder);
        command
    };
    must(&mut apt("apt-get", &["update", "-qq"]))?;
    let told = stdout_of(&mut apt(
        "apt-cache",
        &["depends", "linux-image-cloud-amd64"],
    ))?;
    let package = told
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "))
        .ok_or("apt knows no linux-image-cloud-amd64")?;
    say(&format!("downloading {package} with apt-get"));
    must(&mut apt("apt-get", &["download", "-q", package]))?;
    let archive = find(folder, "*.deb")?.ok_or("apt-get download left no file")?;
    let kernel = folder.join("unpacked");
    must(Command::new("dpkg").arg("-x").arg(&archive).arg(&kernel))?;
    fs::remove_file(archive)?;
    fs::remove_dir_all(lists)?;
    Ok(kernel)
}

fn find(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    let found = stdout_of(
        Command::new("find")
            .arg(folder)
            .args(["-name", name, "-type", "f"]),
    )?;
    Ok(found.lines().next().map(PathBuf::from))
}

fn make_initramfs(kernel: &Path, folder: &Path) -> Result<()> {
    let tree = folder.join("initramfs");
    for name in ["bin", "modules", "proc"] {
        fs::create_dir_all(tree.join(name))?;
    }
    fs::copy("/bin/busybox", tree.join("bin/busybox"))?;
    for (index, name) in MODULES.iter().enumerate() {
        if let Some(module) = find(kernel, &format!("{name}.ko*"))? {
            // loaded in order of their names
            let to = tree.join(format!("modules/{index}-{name}.ko"));
            if module.extension().is_some_and(|end| end == "xz") {
                let script = "xz -dc \"$1\" >\"$2\"";
                must(
                    Command::new("sh")
                        .args(["-c", script, "sh"])
                        .arg(module)
                        .arg(to),
                )?;
            } else {
                fs::copy(module, to)?;
            }
        }
    }
    let init = tree.join("init");
    fs::write(&init, include_str!("../../../lab/vm/initramfs.sh"))?;
    must(Command::new("chmod").arg("755").arg(init))?;
    let script = "cd \"$1\" && find . | cpio -o -H newc --quiet >\"$2\"";
    let initrd = folder.join("initrd");
    must(
        Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&tree)
            .arg(initrd),
    )?;
    fs::remove_dir_all(tree)?;
    Ok(())
}

fn make_disk(root: &Path, folder: &Path) -> Result<()> {
    let tree = folder.join("root");
    must(Command::new("cp").arg("-a").arg(root).arg(&tree))?;
    fs::write(
        tree.join("lab-guest"),
        include_str!("../../../lab/vm/guest.sh"),
    )?;
    let profile = tree.join(seccomp::PROFILE.trim_start_matches('/'));
    fs::create_dir_all(profile.parent().unwrap_or(&tree))?;
    fs::copy(seccomp::PROFILE, profile)?;
    let disk = folder.join("disk");
    let used = stdout_of(Command::new("du").arg("-sm").arg(&tree))?;
    let used: u64 = used.split_whitespace().next().unwrap_or_default().parse()?;
    fs::File::create(&disk)?.set_len((used + 128) << 20)?;
    must(
        Command::new("mkfs.ext4")
            .args(["-q", "-O", "^has_journal", "-d"])
            .arg(&tree)
            .arg(&disk),
    )?;
    fs::remove_dir_all(tree)?;
    Ok(())
}
