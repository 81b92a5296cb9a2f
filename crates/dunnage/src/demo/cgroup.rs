//! Cgroups of the demo's own: where they can be made, with which quota, and what the kernel counted.
//!
//! They stand below the cgroup that the demo itself is in, so that a container's own limits keep holding. On v2 a cgroup
//! that hands controllers down may hold no processes: where it holds nobody but the demo, its ancestors and its job (a scope
//! or a container started for it), these move to a leaf and back again. Other people's processes are never moved.

use super::cleanup::{Janitor, is_stale, own_name};
use super::namespace::read_pid;
use anyhow::{Context as _, Result, anyhow};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PERIOD_USEC: u64 = 100_000;
/// Enough that neighbours do not take the group's share; a quota holds all the same.
const SHARES: &str = "20480";
const WEIGHT: &str = "10000";
const DELEGATE: &str = "`systemd-run --user --scope -p Delegate=yes dunnage demo` (as root without --user) or a container of its own";

/// Which interface the cpu controller has here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

impl Version {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// Where the demo itself is.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    version: Version,
    /// The folder for each controller: one on v2, cpu and cpuacct on v1, where these may be one.
    folders: Vec<PathBuf>,
    /// The memory controller's folder; on v2 the same one.
    memory: Option<PathBuf>,
}

/// Makes cgroups.
pub(super) struct Maker {
    place: Place,
    janitor: Arc<Janitor>,
    made: AtomicU32,
}

/// One cgroup; dropping it kills what is left in it and removes it.
pub(super) struct Group {
    version: Version,
    folders: Vec<PathBuf>,
    janitor: Arc<Janitor>,
}

/// What the kernel counted, since the group was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CpuStat {
    pub(super) periods: u64,
    pub(super) throttled: u64,
    pub(super) throttled_usec: u64,
    pub(super) usage_usec: u64,
}

impl Maker {
    /// A maker, or what is missing for one and how to get it.
    pub(super) fn find(janitor: &Arc<Janitor>) -> Result<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").context("/proc/self/cgroup")?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").context("/proc/self/mountinfo")?;
        let mut place = find_place(&own, &mounts)
            .ok_or_else(|| anyhow!("no cgroup file system with the cpu controller is mounted"))?;
        if place.version == Version::V2 {
            prepare_v2(&mut place, janitor)?;
        }
        for folder in place.folders.iter().chain(&place.memory) {
            sweep_stale(folder);
        }
        let maker = Self {
            place,
            janitor: Arc::clone(janitor),
            made: AtomicU32::new(0),
        };
        // a group made and removed again is the only sure answer
        maker.make("trial", Some(1.0))?;
        Ok(maker)
    }

    pub(super) fn version(&self) -> Version {
        self.place.version
    }

    /// A new cgroup, with a quota in CPUs and high shares if one is given.
    pub(super) fn make(&self, what: &str, quota: Option<f64>) -> Result<Group> {
        let group = self.make_in(&self.place.folders, what)?;
        if let Some(cpus) = quota {
            group.set_quota(cpus)?;
        }
        Ok(group)
    }

    /// Where cgroups with a memory limit can be made, if that is possible.
    pub(super) fn memory_base(&self) -> Option<&Path> {
        self.place.memory.as_deref()
    }

    /// A new cgroup in each of these folders.
    pub(super) fn make_in(&self, bases: &[PathBuf], what: &str) -> Result<Group> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let name = own_name(&format!("{what}-{number}"));
        let group = Group {
            version: self.place.version,
            folders: bases.iter().map(|base| base.join(&name)).collect(),
            janitor: Arc::clone(&self.janitor),
        };
        let made = self.janitor.make_group(&group.folders);
        made.with_context(|| self.refusal(&group.folders))?;
        Ok(group)
    }

    fn refusal(&self, folders: &[PathBuf]) -> String {
        let hint = match self.place.version {
            Version::V1 => "on cgroup v1 this needs root and a writable cgroup mount (in a container: `docker run --privileged`)".to_owned(),
            Version::V2 => format!("on cgroup v2 this needs a delegated subtree: {DELEGATE}"),
        };
        let folder = folders
            .first()
            .map_or_else(String::new, |one| one.display().to_string());
        format!("cannot make {folder}; {hint}")
    }
}

impl Group {
    /// The folders that a process has to enter.
    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    fn cpu_folder(&self) -> &Path {
        self.folders.first().map_or(Path::new(""), PathBuf::as_path)
    }

    fn set_quota(&self, cpus: f64) -> Result<()> {
        let quota = (cpus * PERIOD_USEC as f64) as u64;
        match self.version {
            Version::V1 => {
                self.write("cpu.cfs_period_us", &PERIOD_USEC.to_string())?;
                self.write("cpu.cfs_quota_us", &quota.to_string())?;
                self.write("cpu.shares", SHARES)
            }
            Version::V2 => {
                self.write("cpu.max", &format!("{quota} {PERIOD_USEC}"))?;
                self.write("cpu.weight", WEIGHT)
            }
        }
    }

    /// The weight of a group that nobody has given one.
    pub(super) fn set_ordinary_weight(&self) -> Result<()> {
        match self.version {
            Version::V1 => self.write("cpu.shares", "1024"),
            Version::V2 => self.write("cpu.weight", "100"),
        }
    }

    fn write(&self, file: &str, value: &str) -> Result<()> {
        let path = self.cpu_folder().join(file);
        fs::write(&path, value).with_context(|| {
            format!(
                "cannot write {value} to {}: is the quota of this container itself lower?",
                path.display()
            )
        })
    }

    /// What was counted until now.
    pub(super) fn read_cpu_stat(&self) -> Result<CpuStat> {
        let read = |path: PathBuf| {
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let stat = read(self.cpu_folder().join("cpu.stat"))?;
        let acct = match (self.version, self.folders.last()) {
            (Version::V1, Some(last)) => Some(read(last.join("cpuacct.usage"))?),
            _ => None,
        };
        parse_cpu_stat(&stat, acct.as_deref()).ok_or_else(|| {
            anyhow!(
                "{}/cpu.stat is not understood: {}",
                self.cpu_folder().display(),
                stat.trim()
            )
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.janitor.remove_group(&self.folders);
    }
}

/// Kills what is in a cgroup and removes it.
pub(super) fn remove(folders: &[PathBuf]) {
    let deadline = Instant::now() + Duration::from_secs(5);
    for folder in folders {
        while folder.exists() && Instant::now() < deadline {
            for pid in read_pids(folder) {
                let _ = dunnage_sys::kill(pid, 9);
            }
            if fs::remove_dir(folder).is_err() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

fn read_pids(folder: &Path) -> Vec<i32> {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    // 0 stands for a process that our PID namespace does not show
    text.lines()
        .filter_map(|line| line.parse().ok())
        .filter(|&pid| pid > 1)
        .collect()
}

/// Removes what demos left that were killed outright.
fn sweep_stale(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // a home holds the demo's ancestors, which are nobody's to kill
        if is_stale(&name) && !name.ends_with(HOME) {
            remove(&[entry.path()]);
        }
    }
}

const HOME: &str = "-home";

/// The leaf for the processes of a v2 cgroup that hands its controllers down.
#[derive(Debug)]
pub(super) struct Home {
    base: PathBuf,
    leaf: PathBuf,
}

impl Home {
    /// The leaf of a demo that no longer runs, if `folder` is one.
    fn find_stale(folder: &Path) -> Option<Self> {
        let name = folder.file_name()?.to_str()?;
        (is_stale(name) && name.ends_with(HOME)).then(|| {
            Some(Self {
                base: folder.parent()?.to_owned(),
                leaf: folder.to_owned(),
            })
        })?
    }

    /// Moves the processes to the leaf and hands the cpu and memory controllers down.
    pub(super) fn make(&self) -> io::Result<()> {
        fs::create_dir(&self.leaf)?;
        move_all(&self.base, &self.leaf)?;
        let control = self.base.join("cgroup.subtree_control");
        // only one scenario needs it
        let _ = fs::write(&control, "+memory");
        fs::write(control, "+cpu")
    }

    /// Puts everything back as it was.
    pub(super) fn undo(&self) {
        for controller in ["-cpu", "-memory"] {
            let _ = fs::write(self.base.join("cgroup.subtree_control"), controller);
        }
        let _ = move_all(&self.leaf, &self.base);
        let _ = fs::remove_dir(&self.leaf);
    }
}

fn move_all(from: &Path, to: &Path) -> io::Result<()> {
    let procs = fs::read_to_string(from.join("cgroup.procs"))?;
    procs
        .lines()
        .try_for_each(|pid| match fs::write(to.join("cgroup.procs"), pid) {
            // it ended meanwhile
            Err(error) if error.raw_os_error() == Some(3) => Ok(()),
            other => other,
        })
}

/// Sees to it that children of the place have the cpu controller, and the memory controller if it is there.
fn prepare_v2(place: &mut Place, janitor: &Janitor) -> Result<()> {
    let done = hand_down(place, janitor);
    let base = place.folders.first();
    // what is handed down is what counts, whoever did it
    place.memory = base
        .filter(|base| lists(&base.join("cgroup.subtree_control"), "memory").is_ok_and(|has| has))
        .cloned();
    done
}

/// Whether a file of controllers' names has this one.
fn lists(file: &Path, controller: &str) -> Result<bool> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.split_whitespace().any(|name| name == controller))
}

fn hand_down(place: &mut Place, janitor: &Janitor) -> Result<()> {
    let Some(base) = place.folders.first_mut() else {
        return Ok(());
    };
    if let Some(home) = Home::find_stale(base) {
        // a demo was killed outright and left its ancestors in the leaf: they go back with us, at the end
        base.clone_from(&home.base);
        janitor.adopt_home(home);
    }
    let has_cpu = |file: &str| lists(&base.join(file), "cpu");
    if !has_cpu("cgroup.controllers")? {
        return Err(anyhow!(
            "{} does not have the cpu controller (see its cgroup.controllers): it was not delegated; {DELEGATE}, where \
             `cpu` must stand in Delegate= of user@.service too",
            base.display()
        ));
    }
    if has_cpu("cgroup.subtree_control")? {
        return Ok(());
    }
    let others = count_others(base);
    if others > 0 {
        return Err(anyhow!(
            "{} holds processes that are not the demo's to move ({others}); {DELEGATE}",
            base.display()
        ));
    }
    let leaf = base.join(own_name("home"));
    let home = Home {
        base: base.clone(),
        leaf,
    };
    janitor.make_home(home).with_context(|| {
        format!(
            "cannot hand the cpu controller of {} down; {DELEGATE}",
            base.display()
        )
    })
}

/// Processes of a cgroup that have nothing to do with us.
fn count_others(folder: &Path) -> usize {
    let ancestors = read_ancestors();
    let group = dunnage_sys::current_group();
    let procs = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    let pids = procs.lines().filter_map(|line| line.parse().ok());
    pids.filter(|pid| {
        let is_of_our_job = || read_pid(*pid).is_none_or(|process| process.group == group);
        // 0 is somebody whom our PID namespace does not show
        *pid == 0 || !(ancestors.contains(pid) || is_of_our_job())
    })
    .count()
}

/// This process and those that it descends from.
fn read_ancestors() -> Vec<i32> {
    let mut chain = vec![std::process::id() as i32];
    while let Some(process) = chain.last().and_then(|&pid| read_pid(pid)) {
        if process.parent == 0 || chain.contains(&process.parent) {
            break;
        }
        chain.push(process.parent);
    }
    chain
}

/// Our own place from the texts of `/proc/self/cgroup` and `/proc/self/mountinfo` (`proc(5)`).
fn find_place(own: &str, mounts: &str) -> Option<Place> {
    if let Some(cpu) = find_v1(own, mounts, "cpu") {
        let acct = find_v1(own, mounts, "cpuacct")?;
        let folders = if acct == cpu {
            vec![cpu]
        } else {
            vec![cpu, acct]
        };
        return Some(Place {
            version: Version::V1,
            folders,
            memory: find_v1(own, mounts, "memory"),
        });
    }
    // controllers on v1 leave the v2 hierarchy without cpu; prepare_v2 looks
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let (root, point) = mounts
        .lines()
        .filter_map(parse_mount)
        .find(|mount| mount.kind == "cgroup2")
        .map(|mount| (mount.root, mount.point))?;
    let folder = below(point, root, path);
    Some(Place {
        version: Version::V2,
        folders: vec![folder.clone()],
        memory: Some(folder),
    })
}

fn find_v1(own: &str, mounts: &str, controller: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let controllers = parts.next()?;
        let has = controllers.split(',').any(|name| name == controller);
        has.then(|| parts.next()).flatten()
    })?;
    let mount = mounts.lines().filter_map(parse_mount).find(|mount| {
        mount.kind == "cgroup" && mount.options.split(',').any(|name| name == controller)
    })?;
    Some(below(mount.point, mount.root, path))
}

/// The folder of a cgroup path at a mount whose root is some cgroup itself.
fn below(point: &str, root: &str, path: &str) -> PathBuf {
    let rest = match root {
        "/" => Some(path),
        root => path
            .strip_prefix(root)
            .filter(|rest| rest.is_empty() || rest.starts_with('/')),
    };
    match rest.map(|rest| rest.trim_start_matches('/')) {
        // outside of what is mounted: its root is the nearest that we can see
        None | Some("") => PathBuf::from(point),
        Some(rest) if rest.split('/').any(|part| part == "..") => PathBuf::from(point),
        Some(rest) => Path::new(point).join(rest),
    }
}

struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

fn parse_mount(line: &str) -> Option<Mount<'_>> {
    let (first, second) = line.split_once(" - ")?;
    let mut first = first.split(' ').skip(3);
    let mut second = second.split(' ');
    Some(Mount {
        root: first.next()?,
        point: first.next()?,
        kind: second.next()?,
        options: second.nth(1)?,
    })
}

/// `cpu.stat` of v1 (nanoseconds, usage apart in `cpuacct.usage`) or v2 (microseconds).
fn parse_cpu_stat(stat: &str, acct: Option<&str>) -> Option<CpuStat> {
    let field = |name: &str| {
        stat.lines().find_map(|line| {
            let (key, value) = line.split_once(' ')?;
            (key == name).then(|| value.trim().parse::<u64>().ok())?
        })
    };
    let (throttled_usec, usage_usec) = match acct {
        Some(text) => (
            field("throttled_time")? / 1000,
            text.trim().parse::<u64>().ok()? / 1000,
        ),
        None => (field("throttled_usec")?, field("usage_usec")?),
    };
    Some(CpuStat {
        periods: field("nr_periods")?,
        throttled: field("nr_throttled")?,
        throttled_usec,
        usage_usec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "30 24 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      31 24 0:28 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n\
                      32 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn on_v1_and_hybrid_the_cpu_controllers_own_hierarchies_are_used() {
        let place = find_place("3:cpuset:/\n2:cpuacct:/a\n1:cpu:/a/b\n0::/c\n", V1).unwrap();
        assert_eq!(place.version, Version::V1);
        assert_eq!(
            place.folders,
            ["/sys/fs/cgroup/cpu/a/b", "/sys/fs/cgroup/cpuacct/a"].map(PathBuf::from)
        );
    }

    #[test]
    fn controllers_mounted_together_are_one_folder() {
        let mounts = "30 24 0:27 /docker/x /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct";
        let place = find_place("1:cpu,cpuacct:/docker/x\n0::/docker/x", mounts).unwrap();
        assert_eq!(place.folders, [PathBuf::from("/sys/fs/cgroup/cpu,cpuacct")]);
    }

    #[test]
    fn on_v2_the_path_is_taken_below_the_mounts_root() {
        let mounts = "30 24 0:27 /kube/pod /sys/fs/cgroup rw - cgroup2 cgroup rw";
        for (own, folder) in [
            ("0::/kube/pod", "/sys/fs/cgroup"),
            ("0::/kube/pod/c", "/sys/fs/cgroup/c"),
            ("0::/kube/podium", "/sys/fs/cgroup"),
            ("0::/../x", "/sys/fs/cgroup"),
        ] {
            let place = find_place(own, mounts).unwrap();
            assert_eq!(place.version, Version::V2);
            assert_eq!(place.folders, [PathBuf::from(folder)], "{own}");
        }
        assert_eq!(find_place("1:cpu:/\n", mounts), None);
        assert_eq!(find_place("", ""), None);
    }

    #[test]
    fn counters_are_microseconds_on_both_versions() {
        let v1 = "nr_periods 10\nnr_throttled 4\nthrottled_time 2500000\n";
        let v2 = "usage_usec 77\nuser_usec 1\nnr_periods 10\nnr_throttled 4\nthrottled_usec 2500\n";
        let expected = CpuStat {
            periods: 10,
            throttled: 4,
            throttled_usec: 2500,
            usage_usec: 77,
        };
        assert_eq!(parse_cpu_stat(v1, Some("77999\n")), Some(expected));
        assert_eq!(parse_cpu_stat(v2, None), Some(expected));
        assert_eq!(parse_cpu_stat("usage_usec 77\n", None), None);
        assert_eq!(parse_cpu_stat(v1, Some("many")), None);
    }
}
