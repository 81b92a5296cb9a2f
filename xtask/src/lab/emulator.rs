//! QEMU for the place `vm`: the machine's own, else unpacked from Debian's packages into the lab's cache.
//!
//! Nothing is installed: a machine that has parts of QEMU from backports cannot install the release's `qemu-system-x86`
//! without losing them. apt-get is asked which packages an installation would add, and these are unpacked into a folder.

use super::place::is_root;
use super::rootfs::{cache, make_once};
use super::run::must;
use crate::tools::{Result, find_program, say, stdout_of, succeeds};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";
/// What a machine that is told to end has for it, in seconds.
const GRACE_SECONDS: &str = "30";
/// Where the packages keep what the program looks for at run time.
const FIRMWARE: [&str; 2] = ["usr/share/qemu", "usr/share/seabios"];
const LIBRARIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];

/// What the emulator leaves with when its deadline has ended it.
pub(crate) const ENDED_BY_DEADLINE: i32 = 124;

/// The emulator, ready for its options; a machine that does not end by its deadline is ended, and so is one whose lab is
/// gone.
///
/// # Errors
/// When it is neither installed nor to be had from apt-get.
pub(crate) fn command(deadline: Duration) -> Result<Command> {
    if find_program(PROGRAM).is_some() {
        return Ok(limited(Path::new(PROGRAM), deadline));
    }
    let folder = make_once(cache().join("qemu"), unpack)?;
    let libraries = LIBRARIES.map(|name| folder.join(name).display().to_string());
    let mut command = limited(&folder.join("usr/bin").join(PROGRAM), deadline);
    command.env("LD_LIBRARY_PATH", libraries.join(":"));
    for name in FIRMWARE {
        command.arg("-L").arg(folder.join(name));
    }
    Ok(command)
}

fn limited(program: &Path, deadline: Duration) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "TERM"])
        .args(["timeout", "--kill-after", GRACE_SECONDS])
        .arg(deadline.as_secs().to_string())
        .arg(program);
    command
}

fn unpack(folder: &Path) -> Result<()> {
    if !is_root()? || find_program("apt-get").is_none() {
        return Err(format!("needs {PACKAGE} (Debian's package)").into());
    }
    say(&format!(
        "unpacking {PACKAGE} to {}; nothing is installed",
        folder.display()
    ));
    if !succeeds(Command::new("apt-get").args(["update", "-qq"]))? {
        return Err("apt-get could not update its lists".into());
    }
    let told = stdout_of(
        Command::new("apt-get")
            .args(["install", "--simulate", "--no-install-recommends", PACKAGE])
            .env("LC_ALL", "C"),
    )?;
    let archives = folder.join("archives");
    fs::create_dir_all(&archives)?;
    must(
        Command::new("apt-get")
            .args(["download", "-q", "-o", "Acquire::Retries=3"])
            .args(added(&told))
            .current_dir(&archives),
    )?;
    for archive in fs::read_dir(&archives)? {
        let archive = archive?.path();
        must(Command::new("dpkg").arg("-x").arg(archive).arg(folder))?;
    }
    fs::remove_dir_all(&archives)?;
    Ok(())
}

/// `NAME=VERSION` of each package that a simulated installation adds or renews: lines such as
/// `Inst seabios (1.16.2-1 Debian:12.15/oldstable [all])` and `Inst x [1.0] (2.0 …)`.
fn added(simulation: &str) -> Vec<String> {
    let package = |line: &str| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
        let version = rest.split_once('(')?.1.split_whitespace().next()?;
        Some(format!("{name}={version}"))
    };
    simulation.lines().filter_map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::added;

    #[test]
    fn what_an_installation_adds_or_renews_is_told_from_what_it_removes_or_sets_up() {
        let told = "Reading package lists...\n\
            Remv qemu-utils [1:9.2.0+ds-2~bpo12+1]\n\
            Inst seabios (1.16.2-1 Debian:12.15/oldstable [all])\n\
            Inst qemu-system-common [1:7.1] (1:7.2+dfsg-7+deb12u18+b3 Debian:12.15/oldstable [amd64]) []\n\
            Conf seabios (1.16.2-1 Debian:12.15/oldstable [all])\n";
        let wanted = [
            "seabios=1.16.2-1",
            "qemu-system-common=1:7.2+dfsg-7+deb12u18+b3",
        ];
        assert_eq!(added(told), wanted);
    }
}
