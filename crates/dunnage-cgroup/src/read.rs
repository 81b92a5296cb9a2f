//! Reads all limits once: [`read_limits`].

use crate::affinity::{Affinity, read_affinity};
use crate::gap::{Gap, note_gaps};
use crate::parse::Size;
use crate::resolve::{Cgroups, Chain, Unseen, Version};
use crate::root::{Reading, Root};
use crate::v1::memory::Hierarchical;
use crate::{Bandwidth, Confidence, CpuLimits, Hierarchy, Limits, MemoryLimits, Sourced, v1, v2};
use std::path::{Path, PathBuf};

/// Limits that the user states, because the kernel's files cannot show them: gVisor, Fargate, ECS tasks, a pod's limit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// CPUs (`--cpu-limit`); above 0, a fraction.
    pub cpus: Option<f64>,
    /// Bytes of memory (`--memory-limit`).
    pub memory_bytes: Option<u64>,
}

/// Reads what is enforced on this process. It never fails: what cannot be read is passed over, and said in
/// [`Limits::notes`].
///
/// `affinity` is the number of CPUs in the scheduler's mask where the caller knows it; with `None` it is read from
/// `/proc/self/status`.
pub fn read_limits(root: &Root, overrides: &Overrides, affinity: Option<u32>) -> Limits {
    let mut reading = Reading::new(root);
    let cgroups = Cgroups::read(&mut reading);
    read_limits_of(&cgroups, reading, overrides, affinity)
}

/// As [`read_limits`], of cgroups that were found already; `reading` holds what there was to say about that.
pub(crate) fn read_limits_of(
    cgroups: &Cgroups,
    mut reading: Reading,
    overrides: &Overrides,
    affinity: Option<u32>,
) -> Limits {
    let hierarchy = cgroups.hierarchy();
    let affinity = read_affinity(&mut reading, cgroups, affinity);
    let mut gaps = Vec::new();
    let cpu = match usable_cpus(&mut reading, overrides) {
        Some(cpus) => override_cpu(cpus, &affinity),
        None => read_cpu(&mut reading, cgroups, &affinity, &mut gaps),
    };
    let mut memory = read_memory(&mut reading, cgroups);
    if let Some(bytes) = usable_bytes(&mut reading, overrides) {
        override_memory(&mut memory, bytes);
    } else if memory.limits.confidence == Confidence::Unknown {
        gaps.extend(memory.gap.map(|gap| ("memory limit", gap)));
    }
    note_gaps(&mut reading, &gaps);
    Limits {
        hierarchy,
        cpu,
        memory: memory.limits,
        notes: reading.notes,
    }
}

fn usable_cpus(reading: &mut Reading, overrides: &Overrides) -> Option<f64> {
    let cpus = overrides.cpus?;
    if cpus.is_finite() && cpus > 0.0 {
        return Some(cpus);
    }
    reading.note(format!(
        "--cpu-limit {cpus} is no number of CPUs above 0 and is passed over"
    ));
    None
}

fn usable_bytes(reading: &mut Reading, overrides: &Overrides) -> Option<u64> {
    let bytes = overrides.memory_bytes?;
    if bytes > 0 {
        return Some(bytes);
    }
    reading.note("--memory-limit 0 is no size above 0 and is passed over".to_owned());
    None
}

fn override_cpu(cpus: f64, affinity: &Affinity) -> CpuLimits {
    CpuLimits {
        effective: Sourced {
            value: cpus.min(f64::from(affinity.cpus)),
            source: "--cpu-limit".to_owned(),
            confidence: Confidence::Override,
        },
        limit: Some(cpus),
        bandwidth: None,
        affinity: affinity.cpus,
    }
}

fn override_memory(memory: &mut Memory, bytes: u64) {
    memory.limits.confidence = Confidence::Override;
    memory.limits.limit = Some(Sourced {
        value: bytes,
        source: "--memory-limit".to_owned(),
        confidence: Confidence::Override,
    });
}

type Gaps = Vec<(&'static str, Gap)>;

fn read_cpu(
    reading: &mut Reading,
    cgroups: &Cgroups,
    affinity: &Affinity,
    gaps: &mut Gaps,
) -> CpuLimits {
    let chain = cgroups.cpu();
    let found = chain.ok().and_then(|chain| read_quota(reading, chain));
    let mut effective = Sourced {
        value: f64::from(affinity.cpus),
        source: affinity.source.clone(),
        confidence: Confidence::Affinity,
    };
    match &found {
        Some(quota) if quota.bandwidth.cpus() <= effective.value => {
            effective = Sourced {
                value: quota.bandwidth.cpus(),
                source: quota.source.display().to_string(),
                confidence: quota.confidence,
            };
        }
        Some(_) => {}
        None => {
            if let Some(gap) = Gap::of(chain) {
                effective.confidence = Confidence::Unknown;
                gaps.push(("CPU quota", gap));
            }
            if cgroups.hierarchy() == Hierarchy::None {
                "none".clone_into(&mut effective.source);
            }
        }
    }
    if !affinity.is_known {
        effective.confidence = Confidence::Unknown;
    }
    CpuLimits {
        effective,
        limit: found.as_ref().map(|quota| quota.bandwidth.cpus()),
        bandwidth: found.map(|quota| quota.bandwidth),
        affinity: affinity.cpus,
    }
}

struct Quota {
    bandwidth: Bandwidth,
    source: PathBuf,
    confidence: Confidence,
}

/// The tightest quota over all levels that can be seen.
fn read_quota(reading: &mut Reading, chain: &Chain) -> Option<Quota> {
    let read = match chain.version {
        Version::V1 => v1::cpu::read_bandwidth,
        Version::V2 => v2::cpu::read_bandwidth,
    };
    let mut tightest: Option<Quota> = None;
    for (depth, level) in chain.levels.iter().enumerate() {
        let Some((bandwidth, source)) = read(reading, level) else {
            continue;
        };
        if tightest
            .as_ref()
            .is_none_or(|lower| is_tighter(&bandwidth, &lower.bandwidth))
        {
            tightest = Some(Quota {
                bandwidth,
                source,
                confidence: confidence_at(chain, depth),
            });
        }
    }
    tightest
}

/// Whether an ancestor's quota binds before that of a level below it. systemd rounds a quota up by as much as 1 %, so that
/// one limit, written at two levels, differs by that: such a difference is none.
pub(crate) fn is_tighter(upper: &Bandwidth, lower: &Bandwidth) -> bool {
    upper.cpus() < lower.cpus() * 0.99
}

fn confidence_at(chain: &Chain, depth: usize) -> Confidence {
    if depth == 0 && chain.has_leaf {
        Confidence::Leaf
    } else {
        Confidence::Ancestor
    }
}

struct Memory {
    limits: MemoryLimits,
    gap: Option<Gap>,
}

fn read_memory(reading: &mut Reading, cgroups: &Cgroups) -> Memory {
    let chain = cgroups.memory();
    let gap = Gap::of(chain);
    let mut limits = MemoryLimits {
        limit: None,
        confidence: Confidence::Unknown,
        high: None,
        swap: None,
    };
    if let Ok(chain) = chain {
        if gap.is_none() {
            limits.confidence = Confidence::Leaf;
        }
        let hierarchical = read_hierarchical(reading, chain);
        for (depth, level) in chain.levels.iter().enumerate() {
            let found = read_memory_level(reading, chain.version, level, &mut limits);
            let holds = |value| match &hierarchical {
                // an ancestor without `memory.use_hierarchy` does not bind those below it
                Some((over_all, _)) => !matches!(over_all.memory, Size::Limit(all) if value < all),
                None => true,
            };
            if let Some((value, source)) = found.filter(|(value, _)| holds(*value)) {
                bound_memory(&mut limits, value, &source, confidence_at(chain, depth));
            }
        }
        if let Some((over_all, source)) = hierarchical {
            limits.swap = tighter(limits.swap, over_all.swap());
            match over_all.memory {
                Size::Limit(value) => {
                    bound_memory(&mut limits, value, &source, Confidence::Ancestor);
                }
                Size::Max if limits.limit.is_none() => limits.confidence = Confidence::Leaf,
                Size::Max => {}
            }
        }
    }
    Memory { limits, gap }
}

fn read_memory_level(
    reading: &mut Reading,
    version: Version,
    level: &Path,
    limits: &mut MemoryLimits,
) -> Option<(u64, PathBuf)> {
    let (found, swap) = match version {
        Version::V1 => (
            v1::memory::read_limit(reading, level),
            v1::memory::read_swap(reading, level),
        ),
        Version::V2 => {
            limits.high = tighter(limits.high, v2::memory::read_high(reading, level));
            (
                v2::memory::read_limit(reading, level),
                v2::memory::read_swap(reading, level),
            )
        }
    };
    limits.swap = tighter(limits.swap, swap);
    found
}

/// v1 tells the limit over all levels, the hidden ones too.
fn read_hierarchical(reading: &mut Reading, chain: &Chain) -> Option<(Hierarchical, PathBuf)> {
    let leaf = chain.levels.first()?;
    if chain.version != Version::V1 || !chain.has_leaf {
        return None;
    }
    v1::memory::read_hierarchical(reading, leaf)
}

/// Takes a limit where it is tighter than those of the levels below.
fn bound_memory(limits: &mut MemoryLimits, value: u64, source: &Path, confidence: Confidence) {
    if limits
        .limit
        .as_ref()
        .is_none_or(|lower| value < lower.value)
    {
        limits.confidence = confidence;
        limits.limit = Some(Sourced {
            value,
            source: source.display().to_string(),
            confidence,
        });
    }
}

fn tighter(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Why no folder was found, as a [`Gap`].
impl Gap {
    fn of(chain: Result<&Chain, Unseen>) -> Option<Self> {
        match chain {
            Err(unseen) => Some(Self::Unseen(unseen)),
            Ok(chain) => {
                let hidden = chain.hidden?;
                Some(Self::Hidden(
                    hidden,
                    chain.levels.last().cloned().unwrap_or_default(),
                ))
            }
        }
    }
}
