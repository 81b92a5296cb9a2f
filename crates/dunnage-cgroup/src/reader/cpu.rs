//! The CPU files of all levels.

use super::kept::{Buffer, Kept, Opener};
use crate::parse::{Malformed, parse_cfs_quota, parse_cpu_max, parse_flat_keyed};
use crate::read::is_tighter;
use crate::resolve::{Chain, Version};
use crate::{Bandwidth, ReadError};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What CFS bandwidth control has counted since the cgroup was made (`cpu.stat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttling {
    /// Periods in which the cgroup had something to run (`nr_periods`).
    pub periods: u64,
    /// Periods in which it used up its quota and was stopped (`nr_throttled`).
    pub throttled: u64,
    /// Time for which it was stopped, summed over CPUs, in microseconds (`throttled_usec`; v1: `throttled_time`).
    pub throttled_usec: u64,
}

#[derive(Debug)]
pub(super) struct CpuFiles {
    version: Version,
    levels: Vec<Level>,
    /// Of the level that throttles; `None` where that cannot be told.
    stat: Option<Kept>,
}

#[derive(Debug)]
struct Level {
    quota: Kept,
    /// `cpu.cfs_period_us`, on v1.
    period: Option<Kept>,
}

/// Room for the number in `cpu.cfs_quota_us` while the period is read into the buffer.
const QUOTA_BYTES: usize = 32;

impl CpuFiles {
    pub fn open(opener: &Opener, chain: &Chain, buffer: &mut Buffer) -> Self {
        let mut levels = Vec::new();
        let mut throttles = chain.levels.first().filter(|_| chain.has_leaf);
        let mut tightest: Option<Bandwidth> = None;
        for folder in &chain.levels {
            let level = Level::open(opener, chain.version, folder);
            if !level.quota.is_open() {
                continue;
            }
            if let Ok(Some(found)) = level.read(buffer)
                && tightest.is_none_or(|lower| is_tighter(&found, &lower))
            {
                tightest = Some(found);
                throttles = Some(folder);
            }
            levels.push(level);
        }
        Self {
            version: chain.version,
            levels,
            stat: throttles.map(|folder| opener.keep(folder.join("cpu.stat"))),
        }
    }

    /// The tightest quota over the levels now. A level that cannot be read is passed over where another one has a quota.
    pub fn limit(&self, buffer: &mut Buffer) -> Result<Option<f64>, ReadError> {
        let mut tightest: Option<Bandwidth> = None;
        let mut failure = None;
        for level in &self.levels {
            match level.read(buffer) {
                Ok(None) => {}
                Ok(Some(found)) => {
                    if tightest.is_none_or(|lower| is_tighter(&found, &lower)) {
                        tightest = Some(found);
                    }
                }
                Err(gone @ ReadError::Vanished { .. }) => return Err(gone),
                Err(error) => failure = Some(error),
            }
        }
        match (tightest, failure) {
            (None, Some(error)) => Err(error),
            (tightest, _) => Ok(tightest.map(|bandwidth| bandwidth.cpus())),
        }
    }

    pub fn throttling(&self, buffer: &mut Buffer) -> Result<Throttling, ReadError> {
        let controller = "cpu";
        let stat = self
            .stat
            .as_ref()
            .ok_or(ReadError::NotVisible { controller })?;
        let (mut periods, mut throttled, mut usec) = (None, None, None);
        for (key, value) in parse_flat_keyed(stat.read(buffer)?) {
            match key {
                b"nr_periods" => periods = Some(value),
                b"nr_throttled" => throttled = Some(value),
                b"throttled_usec" if self.version == Version::V2 => usec = Some(value),
                b"throttled_time" if self.version == Version::V1 => usec = Some(value / 1000),
                _ => {}
            }
        }
        match (periods, throttled, usec) {
            (Some(periods), Some(throttled), Some(throttled_usec)) => Ok(Throttling {
                periods,
                throttled,
                throttled_usec,
            }),
            _ => Err(stat.malformed(
                "has no nr_periods, nr_throttled and throttled time: the cpu controller is not on for this cgroup",
            )),
        }
    }
}

impl Level {
    fn open(opener: &Opener, version: Version, folder: &Path) -> Self {
        match version {
            Version::V1 => Self {
                quota: opener.keep(folder.join("cpu.cfs_quota_us")),
                period: Some(opener.keep(folder.join("cpu.cfs_period_us"))),
            },
            Version::V2 => Self {
                quota: opener.keep(folder.join("cpu.max")),
                period: None,
            },
        }
    }

    fn read(&self, buffer: &mut Buffer) -> Result<Option<Bandwidth>, ReadError> {
        self.parse(buffer)?
            .map_err(|Malformed(reason)| self.quota.malformed(reason))
    }

    fn parse(
        &self,
        buffer: &mut Buffer,
    ) -> Result<Result<Option<Bandwidth>, Malformed>, ReadError> {
        let bytes = self.quota.read(buffer)?;
        let Some(period) = &self.period else {
            return Ok(parse_cpu_max(bytes));
        };
        if bytes.starts_with(b"-") || !period.is_open() {
            return Ok(parse_cfs_quota(bytes, None));
        }
        let mut quota = [b' '; QUOTA_BYTES];
        match quota.get_mut(..bytes.len()) {
            Some(room) => room.copy_from_slice(bytes),
            None => return Ok(Err(Malformed("has a quota that is no number"))),
        }
        Ok(parse_cfs_quota(&quota, Some(period.read(buffer)?)))
    }
}
