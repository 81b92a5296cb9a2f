//! The places where cases run, and what each needs.

use super::case::Case;
use super::expect::Where;
use crate::tools::{Result, find_program, say, stdout_of, succeeds};
use std::path::PathBuf;
use std::process::Command;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// A PID namespace and a cgroup of its own on this machine, as root.
    Host,
    /// A container as Kubernetes makes it.
    Runc,
    /// The same in the machine's cgroup namespace, as Docker makes it on cgroup v1.
    RuncHostns,
    /// The same as `Runc` by another runtime.
    Crun,
}

impl Place {
    pub(crate) const ALL: [Self; 4] = [Self::Host, Self::Runc, Self::RuncHostns, Self::Crun];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Runc => "runc",
            Self::RuncHostns => "runc-hostns",
            Self::Crun => "crun",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.name() == name)
    }

    /// The runtime that makes its containers; none on the host.
    pub(crate) const fn runtime(self) -> Option<&'static str> {
        match self {
            Self::Host => None,
            Self::Runc | Self::RuncHostns => Some("runc"),
            Self::Crun => Some("crun"),
        }
    }

    /// Makes the place possible here, or says why it is not.
    pub(crate) fn prepare(self) -> Result<()> {
        if !is_root()? {
            return Err("needs root: control groups and namespaces".into());
        }
        install(&[("unshare", "util-linux"), ("python3", "python3")])?;
        let Some(runtime) = self.runtime() else {
            return Ok(());
        };
        install(&[(runtime, runtime)])?;
        if std::path::Path::new(super::seccomp::PROFILE).exists() {
            return Ok(());
        }
        install_packages(&["golang-github-containers-common"])
    }
}

/// Everything that a case needs to be started in a place.
pub(crate) struct Setting {
    pub(crate) place: Place,
    /// The Python of containers; the host has its own.
    pub(crate) python: String,
    pub(crate) rootfs: PathBuf,
    /// The static program, in a folder of its own.
    pub(crate) program: PathBuf,
    /// A readable copy of the lab's folder.
    pub(crate) lab: PathBuf,
    pub(crate) packages: PathBuf,
    /// How much longer than usual to wait: an emulated machine is slow.
    pub(crate) slowness: u32,
    /// The emulated machine in which we are; its files are gone at the end.
    pub(crate) guest: Option<&'static str>,
}

impl Setting {
    /// What logs, groups and containers of a case are called: no two that run at the same time share it.
    pub(crate) fn name_of(&self, case: &Case) -> String {
        format!("{}-{}-{}", self.place.name(), self.python, case.name)
    }

    /// What `by` chooses from.
    pub(crate) fn here(&self) -> Where {
        Where {
            place: self.place.name().to_owned(),
            cgroup: super::cgroup::version().name().to_owned(),
        }
    }
}

pub(crate) fn is_root() -> Result<bool> {
    Ok(stdout_of(Command::new("id").arg("-u"))?.trim() == "0")
}

/// Installs the packages of those programs that are not there.
pub(crate) fn install(programs: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(program, _)| find_program(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    install_packages(&missing)
}

pub(crate) fn install_packages(packages: &[&str]) -> Result<()> {
    if !is_root()? || find_program("apt-get").is_none() {
        return Err(format!("needs {} (Debian's packages)", packages.join(", ")).into());
    }
    say(&format!("installing {} with apt-get", packages.join(", ")));
    let mut update = Command::new("apt-get");
    update.args(["update", "-qq"]);
    let mut install = Command::new("apt-get");
    install
        .args([
            "install",
            "-o",
            "Acquire::Retries=3",
            "-qq",
            "-y",
            "--no-install-recommends",
            "--no-remove",
        ])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive");
    if succeeds(&mut update)? && succeeds(&mut install)? {
        return Ok(());
    }
    Err(format!("apt-get could not install {}", packages.join(", ")).into())
}
