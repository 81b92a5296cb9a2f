//! What the cases lean on, made once and kept outside the work tree: root file systems and Python packages.

use super::place::install;
use super::run::must;
use crate::tools::{Result, must_succeed, python_environment, say};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python as a Debian release has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Python {
    pub(crate) version: &'static str,
    suite: &'static str,
}

/// The Pythons that people run.
pub(crate) const PYTHONS: [Python; 3] = [
    Python {
        version: "3.11",
        suite: "bookworm",
    },
    Python {
        version: "3.13",
        suite: "trixie",
    },
    Python {
        version: "3.14",
        suite: "sid",
    },
];

pub(crate) const MIRROR: &str = "http://deb.debian.org/debian";
/// What a root file system holds beside Debian's minimum. Changing it makes new ones.
const INCLUDE: &str = "python3,gosu,runc,iproute2";
/// Counts changes of the recipe that the list above does not show.
const RECIPE: u32 = 1;

/// The servers that the cases run. Pure Python, so that one folder fits every version.
const PACKAGES: &str = "gunicorn==23.0.0 uvicorn==0.35.0 celery==5.5.3";

/// Where the lab keeps what is dear to make.
pub(crate) fn cache() -> PathBuf {
    if let Some(folder) = std::env::var_os("XDG_CACHE_HOME") {
        return Path::new(&folder).join("dunnage-lab");
    }
    "/var/cache/dunnage-lab".into()
}

/// The root file system of a Python's release; made if it is not there.
pub(crate) fn rootfs(python: Python) -> Result<PathBuf> {
    let name = format!(
        "rootfs-{}-{RECIPE}-{}",
        python.suite,
        INCLUDE.replace(',', "-")
    );
    let folder = cache().join(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    install(&[("mmdebstrap", "mmdebstrap")])?;
    say(&format!(
        "making a root file system of Debian {} (Python {}) in {}",
        python.suite,
        python.version,
        folder.display()
    ));
    fs::create_dir_all(cache())?;
    let unfinished = unfinished(&folder);
    let _ = fs::remove_dir_all(&unfinished);
    must_succeed(
        Command::new("mmdebstrap")
            .args(["--quiet", "--variant=minbase", "--format=directory"])
            .arg(format!("--include={INCLUDE}"))
            // a mirror's testing and unstable may be a snapshot past its date; signatures are still checked
            .arg("--aptopt=Acquire::Check-Valid-Until \"false\"")
            .arg("--dpkgopt=path-exclude=/usr/share/doc/*")
            .arg("--dpkgopt=path-exclude=/usr/share/locale/*")
            .arg(python.suite)
            .arg(&unfinished)
            .arg(MIRROR),
    )?;
    for point in super::oci::MOUNT_POINTS {
        fs::create_dir_all(unfinished.join(point))?;
    }
    fs::write(unfinished.join(super::oci::PROGRAM_POINT), "")?;
    fs::rename(&unfinished, &folder)?;
    Ok(folder)
}

/// The folder with the servers' packages; made if it is not there.
pub(crate) fn packages() -> Result<PathBuf> {
    let folder = cache().join(format!("packages-{}", PACKAGES.replace(' ', "-")));
    if folder.is_dir() {
        return Ok(folder);
    }
    let python = python_environment("lab-venv", "pip")?;
    say(&format!("installing {PACKAGES} to {}", folder.display()));
    fs::create_dir_all(cache())?;
    let unfinished = unfinished(&folder);
    let _ = fs::remove_dir_all(&unfinished);
    must_succeed(
        Command::new(python)
            .args(["-m", "pip", "install", "--quiet", "--no-compile"])
            .args(["--only-binary=:all:", "--python-version=3.11", "--target"])
            .arg(&unfinished)
            .args(PACKAGES.split(' ')),
    )?;
    must(Command::new("chmod").args(["-R", "a+rX"]).arg(&unfinished))?;
    fs::rename(&unfinished, &folder)?;
    Ok(folder)
}

/// Where a folder is made, so that one that is there is whole.
fn unfinished(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(".unfinished");
    name.into()
}
