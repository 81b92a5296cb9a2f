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
    pub(crate) suite: &'static str,
    package: &'static str,
}

/// The Pythons that people run.
pub(crate) const PYTHONS: [Python; 4] = [
    Python::new("3.11", "bookworm", "python3"),
    Python::new("3.13", "trixie", "python3"),
    Python::new("3.14", "sid", "python3"),
    Python::new("3.15", "sid", "python3.15"),
];

impl Python {
    const fn new(version: &'static str, suite: &'static str, package: &'static str) -> Self {
        Self {
            version,
            suite,
            package,
        }
    }

    /// Whether its release has it as `python3`, so that it will not go away.
    pub(crate) fn is_settled(self) -> bool {
        self.package == "python3"
    }
}

pub(crate) const MIRROR: &str = "http://deb.debian.org/debian";
/// What a root file system holds beside Debian's minimum and Python. Changing it makes new ones.
const INCLUDE: &str = "gosu,runc,iproute2";
/// Makes `python3` of whatever Python there is.
const LINK_PYTHON: &str = "[ -e \"$1/usr/bin/python3\" ] || ln -s \"$(cd \"$1/usr/bin\" && ls python3.?? | head -n 1)\" \"$1/usr/bin/python3\"";
/// Counts changes of the recipe that the list above does not show.
const RECIPE: u32 = 1;

/// The servers that the cases run. Pure Python, so that one folder fits every version.
const PACKAGES: &str = "gunicorn==23.0.0 uvicorn==0.38.0 celery==5.5.3";

/// Packages that have a build for each Python, whose files have different names, and none yet for one that is not
/// settled; each group in a folder of the others, which an application puts on its path.
pub(crate) const BUILT: [(&str, &str); 2] = [
    // what starts or changes interpreters in ways of its own
    (
        "launchers",
        "opentelemetry-distro==0.66b2 ddtrace==4.16.0 gevent==26.9.0 pex==2.105.2",
    ),
    (
        "data",
        "flask==3.1.3 numpy==2.4.6 pandas==3.1.1 threadpoolctl==3.8.0",
    ),
];

/// Where the lab keeps what is dear to make.
pub(crate) fn cache() -> PathBuf {
    if let Some(folder) = std::env::var_os("XDG_CACHE_HOME") {
        return Path::new(&folder).join("dunnage-lab");
    }
    "/var/cache/dunnage-lab".into()
}

/// The root file system of a Python's release; made if it is not there.
pub(crate) fn rootfs(python: Python) -> Result<PathBuf> {
    let include = format!("{},{INCLUDE}", python.package);
    let name = format!(
        "rootfs-{}-{RECIPE}-{}",
        python.suite,
        include.replace(',', "-")
    );
    make_once(cache().join(name), |folder| {
        make_rootfs(python, &include, folder)
    })
}

fn make_rootfs(python: Python, include: &str, folder: &Path) -> Result<()> {
    install(&[("mmdebstrap", "mmdebstrap")])?;
    say(&format!(
        "making a root file system of Debian {} (Python {}) in {}",
        python.suite,
        python.version,
        folder.display()
    ));
    must_succeed(
        Command::new("mmdebstrap")
            .args(["--quiet", "--variant=minbase", "--format=directory"])
            .arg(format!("--include={include}"))
            // a mirror's testing and unstable may be a snapshot past its date; signatures are still checked
            .arg("--aptopt=Acquire::Check-Valid-Until \"false\"")
            .arg("--aptopt=Acquire::Retries \"3\"")
            .arg("--dpkgopt=path-exclude=/usr/share/doc/*")
            .arg("--dpkgopt=path-exclude=/usr/share/locale/*")
            .arg(format!("--customize-hook={LINK_PYTHON}"))
            .arg(python.suite)
            .arg(folder)
            .arg(MIRROR),
    )?;
    for point in super::oci::MOUNT_POINTS {
        fs::create_dir_all(folder.join(point))?;
    }
    fs::write(folder.join(super::oci::PROGRAM_POINT), "")?;
    Ok(())
}

/// The folder with the servers' and all other packages; made if it is not there.
pub(crate) fn packages() -> Result<PathBuf> {
    let groups = BUILT.map(|(_, packages)| packages).join(" ");
    let name = format!("packages-{PACKAGES} {groups}")
        .replace(' ', "-")
        .replace("==", "-");
    make_once(cache().join(name), make_packages)
}

fn make_packages(folder: &Path) -> Result<()> {
    say(&format!("installing packages to {}", folder.display()));
    install_to(folder, "3.11", PACKAGES)?;
    for (group, packages) in BUILT {
        for python in PYTHONS.into_iter().filter(|python| python.is_settled()) {
            let one = folder.join(python.version);
            install_to(&one, python.version, packages)?;
            let group = folder.join(group);
            fs::create_dir_all(&group)?;
            must(Command::new("cp").arg("-r").arg(one.join(".")).arg(group))?;
            fs::remove_dir_all(one)?;
        }
    }
    must(Command::new("chmod").args(["-R", "a+rX"]).arg(folder))
}

fn install_to(folder: &Path, version: &str, packages: &str) -> Result<()> {
    let python = python_environment("lab-venv", "pip")?;
    must_succeed(
        Command::new(python)
            .args(["-m", "pip", "install", "--quiet", "--no-compile"])
            .args([
                "--only-binary=:all:",
                "--python-version",
                version,
                "--target",
            ])
            .arg(folder)
            .args(packages.split(' ')),
    )
}

/// A folder of the cache, made if it is not there: beside its place, so that one that is there is whole, and by one lab at
/// a time.
pub(crate) fn make_once(
    folder: PathBuf,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    if folder.is_dir() {
        return Ok(folder);
    }
    let beside = |end: &str| {
        let mut name = folder.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    fs::create_dir_all(folder.parent().unwrap_or(&folder))?;
    let lock = fs::File::create(beside(".lock"))?;
    lock.lock()?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let unfinished = beside(".unfinished");
    let _ = fs::remove_dir_all(&unfinished);
    make(&unfinished)?;
    fs::rename(&unfinished, &folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_several_want_is_made_by_one() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("cache/packages");
        let made = std::sync::atomic::AtomicUsize::new(0);
        let make = |unfinished: &Path| {
            made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            fs::create_dir(unfinished)?;
            Ok(fs::write(unfinished.join("file"), "whole")?)
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let folder = make_once(folder.clone(), make).unwrap();
                    assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "whole");
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }
}
