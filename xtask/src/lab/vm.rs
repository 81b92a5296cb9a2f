//! The place `vm`: a stock Debian kernel with pure cgroup v2 and PSI, in QEMU's software emulation.
//!
//! The machine is booted once. This very program runs in it, as on any other machine, and plays the cases on its `host`
//! and in its `runc`; the rows of the result come back over the serial console. Emulation is some ten times slower and
//! keeps no time that could be asserted: counters and order hold there.

use super::case::Case;
use super::place::{install, install_packages, is_root};
use super::rootfs::{PYTHONS, cache, packages, rootfs};
use super::run::must;
use super::{Outcome, Row, Work, emulator, seccomp};
use crate::tools::{Result, complain, say, stdout_of};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Places inside the machine.
const INNER: [&str; 2] = ["host", "runc"];
/// How a row looks on the console.
pub(crate) const ROW: &str = "lab-row ";
/// Comes before the rows of a trial.
const TRIAL: &str = "lab-trial ";
const END: &str = "lab-end ";
/// Counts changes of the image's recipe.
const RECIPE: u32 = 1;
/// What the disk needs, in the order of loading; what a kernel has built in has no file.
const MODULES: [&str; 6] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_blk",
];

/// A program and the cases to play with it.
pub(crate) struct Trial<'a> {
    pub(crate) program: &'a Path,
    pub(crate) cases: Vec<&'a Case>,
}

impl Trial<'_> {
    /// A row for each place and case.
    fn rows(&self, outcome: &Outcome) -> Vec<Row> {
        let row = |place: &str, case: &Case| Row {
            case: case.name.clone(),
            promise: case.promise.clone(),
            place: named(place),
            python: String::new(),
            outcome: outcome.clone(),
        };
        let of_place = |place| self.cases.iter().map(move |case| row(place, case));
        INNER.into_iter().flat_map(of_place).collect()
    }
}

/// Plays the cases in the emulated machine.
pub(crate) fn play(cases: &[Case], work: &Work) -> Result<Vec<Row>> {
    let trial = Trial {
        program: &work.program,
        cases: cases.iter().collect(),
    };
    Ok(play_trials(&[trial], work)?.concat())
}

/// Boots once for all trials; the rows of each.
pub(crate) fn play_trials(trials: &[Trial], work: &Work) -> Result<Vec<Vec<Row>>> {
    let image = match prepare() {
        Ok(image) => image,
        Err(why) => {
            complain(&format!("skipped: place vm: {why}"));
            let skipped = Outcome::Skipped(why.to_string());
            return Ok(trials.iter().map(|trial| trial.rows(&skipped)).collect());
        }
    };
    let job = job(trials, work)?;
    let mut played = boot(&image, &job, trials.len())?;
    let lost = Outcome::Fail(vec!["the machine ended before this case".to_owned()]);
    for (trial, rows) in trials.iter().zip(&mut played) {
        for row in trial.rows(&lost) {
            let is_there = |other: &Row| other.case == row.case && other.place == row.place;
            if !rows.iter().any(is_there) {
                rows.push(row);
            }
        }
    }
    Ok(played)
}

fn named(inner: &str) -> String {
    format!("vm {inner}")
}

fn prepare() -> Result<PathBuf> {
    if std::env::consts::ARCH != "x86_64" {
        return Err("the image is made for x86_64".into());
    }
    if !is_root()? {
        return Err("needs root: to make the image".into());
    }
    emulator::command()?;
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
    image()
}

/// The folder with the disk, the kernel and the first file system; made if it is not there.
fn image() -> Result<PathBuf> {
    let folder = cache().join(format!("vm-bookworm-{RECIPE}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    let root = rootfs(PYTHONS[0])?;
    say(&format!(
        "making the image of the emulated machine in {}",
        folder.display()
    ));
    let unfinished = cache().join(format!("vm-bookworm-{RECIPE}.unfinished"));
    let _ = fs::remove_dir_all(&unfinished);
    fs::create_dir_all(&unfinished)?;
    let kernel = unpack_kernel(&unfinished)?;
    make_initramfs(&kernel, &unfinished)?;
    make_disk(&root, &unfinished)?;
    let program = find(&kernel, "vmlinuz-*")?.ok_or("the kernel's package holds no vmlinuz")?;
    fs::copy(program, unfinished.join("kernel"))?;
    fs::remove_dir_all(kernel)?;
    fs::rename(&unfinished, &folder)?;
    Ok(folder)
}

/// Downloads and unpacks the kernel that Debian's cloud images have; nothing is installed.
fn unpack_kernel(folder: &Path) -> Result<PathBuf> {
    let told = stdout_of(Command::new("apt-cache").args(["depends", "linux-image-cloud-amd64"]))?;
    let package = told
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "))
        .ok_or("apt knows no linux-image-cloud-amd64")?;
    say(&format!("downloading {package} with apt-get"));
    must(
        Command::new("apt-get")
            .args(["download", "-q", package])
            .current_dir(folder),
    )?;
    let archive = find(folder, "*.deb")?.ok_or("apt-get download left no file")?;
    let kernel = folder.join("unpacked");
    must(Command::new("dpkg").arg("-x").arg(&archive).arg(&kernel))?;
    fs::remove_file(archive)?;
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

/// What the machine is to do, as an archive: this program, the programs under test, the cases, the packages.
fn job(trials: &[Trial], work: &Work) -> Result<PathBuf> {
    let folder = work.folder.join("job");
    let packages = packages()?;
    let cached = folder.join("cache/dunnage-lab");
    fs::create_dir_all(&cached)?;
    fs::copy(std::env::current_exe()?, folder.join("xtask"))?;
    must(
        Command::new("cp")
            .arg("-r")
            .arg(&work.lab)
            .arg(folder.join("lab")),
    )?;
    must(Command::new("cp").arg("-r").arg(packages).arg(cached))?;
    let mut script =
        "cd /tmp/job\nexport XDG_CACHE_HOME=/tmp/job/cache CARGO_TARGET_DIR=/tmp/target\n"
            .to_owned();
    for (number, trial) in trials.iter().enumerate() {
        let program = format!("dunnage-{number}");
        fs::copy(trial.program, folder.join(&program))?;
        let names = trial.cases.iter().map(|case| case.name.as_str());
        script.push_str(&format!(
            "echo '{TRIAL}{number}'\n\
             ./xtask lab {} --guest --lab /tmp/job/lab --program /tmp/job/{program} --rootfs /tmp/root --slowness 5 --case {}\n",
            INNER.join(" "),
            names.collect::<Vec<_>>().join(" --case ")
        ));
    }
    fs::write(folder.join("run"), script)?;
    let archive = work.folder.join("job.tar");
    must(
        Command::new("tar")
            .arg("-cf")
            .arg(&archive)
            .arg("-C")
            .arg(&folder)
            .arg("."),
    )?;
    Ok(archive)
}

/// Boots, shows what the machine says, collects the rows of each trial.
fn boot(image: &Path, job: &Path, trials: usize) -> Result<Vec<Vec<Row>>> {
    let drive = |file: &Path| format!("file={},format=raw,if=virtio,readonly=on", file.display());
    say("booting the emulated machine");
    let mut machine = emulator::command()?
        .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"])
        .args([
            "-m",
            "2048",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
        ])
        .args(["-serial", "stdio", "-no-reboot", "-kernel"])
        .arg(image.join("kernel"))
        .arg("-initrd")
        .arg(image.join("initrd"))
        .args([
            "-append",
            "console=ttyS0 quiet panic=-1 mitigations=off cgroup_no_v1=all psi=1 rdinit=/init",
        ])
        .args(["-drive", &drive(&image.join("disk")), "-drive", &drive(job)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let console = machine.stdout.take().ok_or("no console")?;
    let mut played = vec![Vec::new(); trials];
    let mut current = 0;
    for line in BufReader::new(console).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if let Some(number) = line.strip_prefix(TRIAL) {
            current = number.parse()?;
        } else if let Some(row) = line.strip_prefix(ROW) {
            let mut row: Row = serde_json::from_str(row)?;
            row.place = named(&row.place);
            let rows = played.get_mut(current).ok_or("a row of no trial")?;
            rows.push(row);
        } else if !line.is_empty() && !line.starts_with(END) {
            say(&format!("vm: {line}"));
        }
    }
    machine.wait()?;
    Ok(played)
}
