//! Cgroups with a memory limit, for the `oom` scenario: they stand where the demo's own memory cgroup is.

use super::cgroup::{Group, Maker, Version};
use anyhow::{Context as _, Result, anyhow};
use std::fs;
use std::path::Path;

/// What the kernel counted in a limited cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemoryCounts {
    /// Processes that it killed because the limit was reached.
    pub(super) oom_kills: u64,
    /// The most that was in use, page cache included, if the kernel tells it.
    pub(super) peak_bytes: Option<u64>,
}

impl Maker {
    /// A new cgroup with a memory limit. As the kubelet does, it has an OOM kill take the whole group, where the kernel
    /// can (v2).
    pub(super) fn make_limited(&self, what: &str, bytes: u64) -> Result<Group> {
        let base = self.memory_base().ok_or_else(|| {
            anyhow!("the memory controller cannot be used where the demo is (see docs/run.md on delegation)")
        })?;
        let group = self.make_in(&[base.to_owned()], what)?;
        let folder = folder_of(&group);
        let (limit, swap, swap_bytes) = match self.version() {
            Version::V1 => (
                "memory.limit_in_bytes",
                "memory.memsw.limit_in_bytes",
                bytes,
            ),
            Version::V2 => ("memory.max", "memory.swap.max", 0),
        };
        write(&folder.join(limit), bytes)?;
        // without swap accounting there is no such file
        let _ = fs::write(folder.join(swap), swap_bytes.to_string());
        let _ = fs::write(folder.join("memory.oom.group"), "1");
        Ok(group)
    }
}

impl Group {
    /// What was counted until now, in a group with a memory limit.
    pub(super) fn read_memory_counts(&self) -> Result<MemoryCounts> {
        let folder = folder_of(self);
        let events = ["memory.events", "memory.oom_control"]
            .iter()
            .find_map(|name| fs::read_to_string(folder.join(name)).ok())
            .with_context(|| {
                format!(
                    "cannot read how often {} was out of memory",
                    folder.display()
                )
            })?;
        let peak = ["memory.peak", "memory.max_usage_in_bytes"]
            .iter()
            .find_map(|name| fs::read_to_string(folder.join(name)).ok());
        Ok(MemoryCounts {
            oom_kills: parse_oom_kills(&events),
            peak_bytes: peak.and_then(|text| text.trim().parse().ok()),
        })
    }
}

impl Group {
    /// Bytes that are not page cache, in a group with a memory limit.
    pub(super) fn read_held_bytes(&self) -> Result<u64> {
        let folder = folder_of(self);
        let read = |names: [&str; 2]| {
            let mut texts = names
                .iter()
                .map(|name| fs::read_to_string(folder.join(name)));
            let text = texts.find_map(Result::ok);
            text.with_context(|| {
                format!("cannot read {} of {}", names.join(" or "), folder.display())
            })
        };
        let usage = read(["memory.current", "memory.usage_in_bytes"])?;
        let usage: u64 = usage.trim().parse()?;
        Ok(usage.saturating_sub(parse_page_cache(&read(["memory.stat", "memory.stat"])?)))
    }
}

fn folder_of(group: &Group) -> &Path {
    group
        .folders()
        .first()
        .map_or(Path::new(""), |folder| folder.as_path())
}

fn write(file: &Path, value: u64) -> Result<()> {
    fs::write(file, value.to_string())
        .with_context(|| format!("cannot write {value} to {}", file.display()))
}

/// The line `oom_kill N` of `memory.events` (v2) or `memory.oom_control` (v1).
fn parse_oom_kills(text: &str) -> u64 {
    let number = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    number
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or_default()
}

/// Page cache on both lists in `memory.stat`; v1 has a line for the group and one for all below it.
fn parse_page_cache(stat: &str) -> u64 {
    let field = |name: &str| {
        let number = stat
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        number.and_then(|number| number.trim().parse::<u64>().ok())
    };
    let of_list = |name: &str| {
        field(&format!("total_{name}"))
            .or_else(|| field(name))
            .unwrap_or_default()
    };
    of_list("active_file") + of_list("inactive_file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oom_kills_are_found_among_lines_that_look_alike() {
        assert_eq!(
            parse_oom_kills("low 0\nhigh 7\noom 3\noom_kill 2\noom_group_kill 1\n"),
            2
        );
        assert_eq!(
            parse_oom_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"),
            4
        );
        assert_eq!(parse_oom_kills(""), 0);
    }

    #[test]
    fn page_cache_is_counted_once_on_both_versions() {
        assert_eq!(
            parse_page_cache("anon 9\nfile 7\ninactive_file 3\nactive_file 4\n"),
            7
        );
        let v1 = "inactive_file 1\nactive_file 1\ntotal_inactive_file 30\ntotal_active_file 40\n";
        assert_eq!(parse_page_cache(v1), 70);
        assert_eq!(parse_page_cache(""), 0);
    }
}
