//! CFS bandwidth: `cpu.max` (v2) and `cpu.cfs_quota_us` (v1).

use super::number::parse_digits;
use crate::Bandwidth;

/// The kernel's default period, assumed where a file leaves it out (kernel: `default_cfs_period` in `kernel/sched/fair.c`).
pub const DEFAULT_PERIOD_USEC: u64 = 100_000;

/// The bytes are not what the kernel writes; the text says what was wrong, to follow a file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// Parses `cpu.max`: `QUOTA PERIOD` in microseconds, where QUOTA may be `max` (`Ok(None)`).
///
/// A single field is a quota over the kernel's default period. The kernel refuses a quota of 0, so 0 is an error here and
/// never "no CPU at all".
pub fn parse_cpu_max(bytes: &[u8]) -> Result<Option<Bandwidth>, Malformed> {
    let mut fields = bytes
        .split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty());
    let Some(quota) = fields.next() else {
        return Err(Malformed("is empty"));
    };
    let period = match fields.next() {
        None => DEFAULT_PERIOD_USEC,
        Some(field) => parse_digits(field).ok_or(Malformed("has a period that is no number"))?,
    };
    if fields.next().is_some() {
        return Err(Malformed("has more than two fields"));
    }
    if quota == b"max" {
        return Ok(None);
    }
    let quota = parse_digits(quota).ok_or(Malformed("has a quota that is no number"))?;
    bandwidth(quota, period).map(Some)
}

/// Combines `cpu.cfs_quota_us` and, where it can be read, `cpu.cfs_period_us`; a negative quota is none (`Ok(None)`).
pub fn parse_cfs_quota(
    quota: &[u8],
    period: Option<&[u8]>,
) -> Result<Option<Bandwidth>, Malformed> {
    let quota = quota.trim_ascii();
    if quota.is_empty() {
        return Err(Malformed("is empty"));
    }
    if let Some(digits) = quota.strip_prefix(b"-") {
        return match parse_digits(digits) {
            Some(_) => Ok(None),
            None => Err(Malformed("has a quota that is no number")),
        };
    }
    let quota = parse_digits(quota).ok_or(Malformed("has a quota that is no number"))?;
    let period = match period {
        None => DEFAULT_PERIOD_USEC,
        Some(text) => parse_digits(text.trim_ascii())
            .ok_or(Malformed("has a period beside it that is no number"))?,
    };
    bandwidth(quota, period).map(Some)
}

fn bandwidth(quota_usec: u64, period_usec: u64) -> Result<Bandwidth, Malformed> {
    if quota_usec == 0 {
        return Err(Malformed(
            "has a quota of 0, which the kernel does not allow",
        ));
    }
    if period_usec == 0 {
        return Err(Malformed(
            "has a period of 0, which the kernel does not allow",
        ));
    }
    Ok(Bandwidth {
        quota_usec,
        period_usec,
        burst_usec: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(text: &str) -> Option<f64> {
        parse_cpu_max(text.as_bytes())
            .unwrap()
            .map(|found| found.cpus())
    }

    #[test]
    fn a_quota_is_a_fraction_of_its_own_period() {
        assert_eq!(cpus("50000 100000\n"), Some(0.5));
        assert_eq!(cpus("5000 10000\n"), Some(0.5));
        assert_eq!(cpus("400000 100000"), Some(4.0));
        assert_eq!(cpus("max 100000\n"), None);
        assert_eq!(cpus("max\n"), None);
    }

    #[test]
    fn a_single_field_is_over_the_default_period() {
        assert_eq!(cpus("50000"), Some(0.5));
    }

    #[test]
    fn zero_and_garbage_are_errors_and_not_a_limit() {
        for text in [
            "",
            "\n",
            "0 100000",
            "50000 0",
            "-1 100000",
            "abc",
            "1 2 3",
            "50000 max",
            "5e4 100000",
        ] {
            assert!(parse_cpu_max(text.as_bytes()).is_err(), "{text:?}");
        }
        for text in ["", "0", "-", "--1", "abc", "50000 100000"] {
            assert!(
                parse_cfs_quota(text.as_bytes(), Some(b"100000")).is_err(),
                "{text:?}"
            );
        }
        assert!(parse_cfs_quota(b"50000", Some(b"0")).is_err());
    }

    #[test]
    fn a_negative_v1_quota_is_none() {
        assert_eq!(parse_cfs_quota(b"-1\n", Some(b"100000\n")), Ok(None));
        assert_eq!(parse_cfs_quota(b"-1\n", None), Ok(None));
        let found = parse_cfs_quota(b"50000\n", None).unwrap().unwrap();
        assert_eq!((found.quota_usec, found.period_usec), (50_000, 100_000));
    }
}
