//! What starts a case in a place: its command, its words and its variables.

use super::case::Case;
use super::cgroup::{Group, Version, version};
use super::oci;
use super::place::{Place, Setting};
use crate::tools::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longer than the usual one, for machines that are slow or busy: a case that is about the grace gives its own.
const GRACE: &str = "40s";

/// A PID namespace and a mount namespace on this machine, entered from the case's groups.
pub(crate) fn host_command(
    case: &Case,
    setting: &Setting,
    folder: &Path,
    group: &Group,
) -> Result<Command> {
    let entries = group.create_app(&case.limits)?;
    if case.limits.oom_group && version() == Version::V2 {
        group.set_oom_group()?;
    }
    let mut command = entering(&entries);
    if let Some(files) = case.limits.nofile {
        command
            .arg("prlimit")
            .arg(format!("--nofile={files}:{files}"));
    }
    command
        .args([
            "unshare",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount",
            "--mount-proc",
        ])
        .args(words(&case.start, setting, case, folder))
        .env_clear()
        .envs(environment(case, setting, folder));
    Ok(command)
}

/// A shell that enters groups, then becomes the words that are added.
pub(crate) fn entering(entries: &[PathBuf]) -> Command {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "while [ \"$1\" != -- ]; do echo $$ >\"$1\" || exit 125; shift; done; shift; exec \"$@\"",
        "sh",
    ]);
    command.args(entries).arg("--");
    command
}

pub(crate) fn container_command(
    case: &Case,
    setting: &Setting,
    folder: &Path,
    group: &Group,
) -> Result<Command> {
    let volumes = oci::Volumes {
        rootfs: &setting.rootfs,
        program: &setting.program,
        lab: &setting.lab,
        out: &folder.join("out"),
        packages: &setting.packages,
        termination_log: &folder.join("termination-log"),
    };
    let config = oci::config(
        case,
        &words(&case.start, setting, case, folder),
        &environment(case, setting, folder),
        &fill(
            case.working_folder.as_deref().unwrap_or("/"),
            setting,
            case,
            folder,
        ),
        &group.app(),
        setting.place == Place::RuncHostns,
        &volumes,
    )?;
    fs::write(
        folder.join("config.json"),
        serde_json::to_string_pretty(&config)?,
    )?;
    fs::write(folder.join("shim.py"), include_str!("shim.py"))?;
    let pid_file = folder.join("pid");
    let mut command = Command::new("python3");
    command
        .arg(folder.join("shim.py"))
        .arg(&pid_file)
        .args(runtime(setting, folder))
        .args(["run", "--detach", "--pid-file"])
        .arg(&pid_file)
        .arg("--bundle")
        .arg(folder)
        .arg(id(case, setting));
    Ok(command)
}

/// The words that a container runtime is called by.
pub(crate) fn runtime(setting: &Setting, folder: &Path) -> Vec<String> {
    let runtime = setting.place.runtime().unwrap_or_default();
    let mut words = Vec::new();
    if runtime == "crun" {
        // it refuses a machine with v1 and v2, so it does not get to see the latter
        let script = "! mountpoint -q \"$0\" || umount \"$0\" && exec \"$@\"";
        words.extend(["unshare", "--mount", "sh", "-c", script]);
        words.push("/sys/fs/cgroup/unified");
    }
    words.extend([runtime, "--root"]);
    let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    words.push(folder.join("state").display().to_string());
    words
}

pub(crate) fn id(case: &Case, setting: &Setting) -> String {
    format!(
        "dunnage-lab-{}-{}",
        std::process::id(),
        setting.name_of(case)
    )
}

/// Words with the folders' names of this place.
pub(crate) fn words(
    given: &[String],
    setting: &Setting,
    case: &Case,
    folder: &Path,
) -> Vec<String> {
    given
        .iter()
        .map(|word| fill(word, setting, case, folder))
        .collect()
}

fn fill(text: &str, setting: &Setting, case: &Case, folder: &Path) -> String {
    let (lab, out) = match setting.place {
        Place::Host => (setting.lab.clone(), folder.join("out")),
        _ => ("/lab".into(), "/out".into()),
    };
    let lab = lab.display().to_string();
    text.replace("{case}", &format!("{lab}/cases/{}", case.folder))
        .replace("{lab}", &lab)
        .replace("{packages}", &packages_folder(setting))
        .replace("{out}", &out.display().to_string())
}

/// The servers' packages, as the application finds them.
fn packages_folder(setting: &Setting) -> String {
    match setting.place {
        Place::Host => setting.packages.display().to_string(),
        _ => "/opt/packages".to_owned(),
    }
}

pub(crate) fn environment(case: &Case, setting: &Setting, folder: &Path) -> Vec<(String, String)> {
    let mut path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
    let mut env = Vec::new();
    if setting.place == Place::Host {
        let bin = setting.program.parent().unwrap_or(Path::new("/"));
        path = format!("{}:{path}", bin.display());
        let log = folder.join("termination-log").display().to_string();
        env.push(("DUNNAGE_TERMINATION_LOG".to_owned(), log));
    }
    for (name, value) in [
        ("PATH", path.as_str()),
        ("HOME", "/tmp"),
        ("PYTHONPATH", &packages_folder(setting)),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("DUNNAGE_LOG_FORMAT", "json"),
        ("DUNNAGE_GRACE", GRACE),
    ] {
        env.push((name.to_owned(), value.to_owned()));
    }
    for (name, value) in &case.env {
        env.push((name.clone(), fill(value, setting, case, folder)));
    }
    env
}
