//! Numbers as people write them in options and variables: sizes, CPUs, durations.
//!
//! Sizes and CPUs follow Kubernetes' quantities, because that is where users copy them from: `Mi` is 1024², `M` is 1000²,
//! and `500m` of a CPU is half of one. Docker reads `512m` of memory as MiB and Kubernetes as half a byte, so a size that
//! ends in `m` is refused rather than guessed at. Everything is parsed in integers: no value that fits is rounded twice,
//! none overflows, and no text makes a parser panic.

use std::time::Duration;

/// Digits after the point that are looked at; more is refused, since no limit is that fine.
const MAX_FRACTION_DIGITS: u32 = 9;

/// More CPUs than any machine has; a larger value is a slip (bytes where CPUs were meant).
const MAX_CPUS: u64 = 1_000_000;

/// Longest stretch of rejected text that an error repeats.
const MAX_QUOTED_CHARS: usize = 40;

/// A text that is not the quantity that was asked for. The message names the text, what is wrong and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not {what}: {problem}; write {hint}")]
pub struct UnitError {
    given: String,
    what: &'static str,
    problem: &'static str,
    hint: &'static str,
}

/// What kind of quantity is being parsed, for the error's words.
#[derive(Clone, Copy)]
struct Kind {
    what: &'static str,
    hint: &'static str,
}

const SIZE: Kind = Kind {
    what: "a size",
    hint: "bytes, or a number with Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of 1000)",
};
const CPUS: Kind = Kind {
    what: "a number of CPUs",
    hint: "a number such as 0.5 or 2, or thousandths of a CPU such as 500m",
};
const DURATION: Kind = Kind {
    what: "a duration",
    hint: "seconds, or numbers with h, m, s, ms, us from large to small, such as 500ms or 1m30s",
};

impl Kind {
    fn error(self, given: &str, problem: &'static str) -> UnitError {
        let mut quoted: String = given.chars().take(MAX_QUOTED_CHARS).collect();
        if quoted.len() < given.len() {
            quoted.push('…');
        }
        UnitError {
            given: quoted,
            what: self.what,
            problem,
            hint: self.hint,
        }
    }
}

/// Parses a size in bytes: `4096`, `32Mi`, `512M`, `1.5Gi`. A fraction of a byte is cut off.
///
/// Suffixes as in Kubernetes' resource quantities (`k8s.io/apimachinery/pkg/api/resource`), with `K` taken for `k`.
pub fn parse_size_bytes(text: &str) -> Result<u64, UnitError> {
    let fail = |problem| SIZE.error(text, problem);
    let (number, suffix) = Decimal::split_from(text.trim()).map_err(fail)?;
    let unit: u128 = match suffix {
        "" => 1,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "k" | "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "m" => return Err(fail("m means MiB to docker and a thousandth to Kubernetes")),
        _ => return Err(fail("the unit is unknown")),
    };
    number
        .times(unit)
        .and_then(|bytes| u64::try_from(bytes).ok())
        .ok_or_else(|| fail("it is too large"))
}

/// Parses a number of CPUs: `0.5`, `2`, `500m`. The result is finite and above 0.
pub fn parse_cpus(text: &str) -> Result<f64, UnitError> {
    let fail = |problem| CPUS.error(text, problem);
    let (number, suffix) = Decimal::split_from(text.trim()).map_err(fail)?;
    // in billionths, so that both forms of one value give the same float
    let unit: u128 = match suffix {
        "" => 1_000_000_000,
        "m" => 1_000_000,
        _ => return Err(fail("the unit is unknown")),
    };
    let billionths = number.times(unit).ok_or_else(|| fail("it is too large"))?;
    if billionths == 0 {
        return Err(fail("it must be more than 0"));
    }
    if billionths > u128::from(MAX_CPUS) * 1_000_000_000 {
        return Err(fail("it is too large"));
    }
    Ok(billionths as f64 / 1e9)
}

/// Parses a duration: `2` and `2s` are seconds; `500ms`, `1.5s`, `1m30s`, `1h`. Zero is a duration.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let fail = |problem| DURATION.error(text, problem);
    let mut rest = text.trim();
    let mut total_nanos: u128 = 0;
    let mut previous_unit = u128::MAX;
    loop {
        let (number, after) = Decimal::split_from(rest).map_err(fail)?;
        let unit_len = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (name, remaining) = after.split_at(unit_len);
        let unit: u128 = match name {
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60 * 1_000_000_000,
            "h" => 3600 * 1_000_000_000,
            "" if previous_unit == u128::MAX && remaining.is_empty() => 1_000_000_000,
            "" => return Err(fail("a number has no unit")),
            _ => return Err(fail("the unit is unknown")),
        };
        if unit >= previous_unit {
            return Err(fail("the units are not in order"));
        }
        previous_unit = unit;
        total_nanos = number
            .times(unit)
            .and_then(|n| total_nanos.checked_add(n))
            .ok_or_else(|| fail("it is too large"))?;
        if remaining.is_empty() {
            break;
        }
        rest = remaining;
    }
    let seconds =
        u64::try_from(total_nanos / 1_000_000_000).map_err(|_| fail("it is too large"))?;
    Ok(Duration::new(seconds, (total_nanos % 1_000_000_000) as u32))
}

/// A decimal number without sign or exponent: `whole + fraction / 10^fraction_digits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decimal {
    whole: u64,
    fraction: u64,
    fraction_digits: u32,
}

impl Decimal {
    /// Takes a number off the front of `text`; the second part is what follows it.
    fn split_from(text: &str) -> Result<(Self, &str), &'static str> {
        if text.is_empty() {
            return Err("it is empty");
        }
        let (whole_digits, rest) = split_digits(text);
        let (fraction_digits, rest) = match rest.strip_prefix('.') {
            Some(after_point) => split_digits(after_point),
            None => ("", rest),
        };
        if whole_digits.is_empty() && fraction_digits.is_empty() {
            return Err("a number must come first");
        }
        let digits = u32::try_from(fraction_digits.len()).unwrap_or(u32::MAX);
        if digits > MAX_FRACTION_DIGITS {
            return Err("it has more than nine digits after the point");
        }
        let whole = parse_digits(whole_digits).ok_or("it is too large")?;
        let fraction = parse_digits(fraction_digits).ok_or("it is too large")?;
        Ok((
            Self {
                whole,
                fraction,
                fraction_digits: digits,
            },
            rest,
        ))
    }

    /// The number times `unit`, cut off below; `None` past `u128`.
    fn times(self, unit: u128) -> Option<u128> {
        let fraction =
            u128::from(self.fraction).checked_mul(unit)? / 10_u128.pow(self.fraction_digits);
        u128::from(self.whole)
            .checked_mul(unit)?
            .checked_add(fraction)
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

/// The value of a run of ASCII digits, 0 for none; `None` past `u64`.
fn parse_digits(digits: &str) -> Option<u64> {
    if digits.is_empty() {
        Some(0)
    } else {
        digits.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_follow_kubernetes_suffixes() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            (" 32Mi ", 32 << 20),
            ("512M", 512_000_000),
            ("1.5Gi", 3 << 29),
            ("100k", 100_000),
            ("100K", 100_000),
            ("1Ti", 1 << 40),
            ("0.5Ki", 512),
            (".5Ki", 512),
            ("0.0001k", 0),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size_bytes(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_size_that_cannot_be_meant_is_refused_with_what_to_write() {
        for text in [
            "",
            " ",
            "Mi",
            "-1",
            "+1",
            "1e6",
            "512m",
            "512MB",
            "1 Gi",
            "0x10",
            "1..5",
            "18446744073709551616",
            "99999999Ti",
        ] {
            let message = parse_size_bytes(text).unwrap_err().to_string();
            assert!(
                message.contains("Mi, Gi") && message.starts_with(&format!("{text:?}")),
                "{message}"
            );
        }
        insta::assert_snapshot!(parse_size_bytes("512m").unwrap_err(), @r#""512m" is not a size: m means MiB to docker and a thousandth to Kubernetes; write bytes, or a number with Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of 1000)"#);
    }

    #[test]
    fn cpus_come_as_decimals_or_millicpu() {
        for (text, cpus) in [
            ("0.5", 0.5),
            ("500m", 0.5),
            ("2", 2.0),
            ("1.9", 1.9),
            ("1900m", 1.9),
            ("0.5m", 0.0005),
            ("10", 10.0),
        ] {
            assert_eq!(parse_cpus(text), Ok(cpus), "{text}");
        }
        for text in [
            "", "0", "0m", "0.0", "-1", "nan", "inf", "1e3", "2 cpus", "1000001", "max",
        ] {
            assert!(parse_cpus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_come_as_seconds_or_with_units() {
        for (text, millis) in [
            ("0", 0),
            ("2", 2_000),
            ("2s", 2_000),
            ("1.5", 1_500),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("1h2m3s4ms", 3_723_004),
            ("0.5m", 30_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        assert_eq!(parse_duration("250us"), Ok(Duration::from_micros(250)));
        for text in [
            "",
            "s",
            "-1",
            "1m30",
            "30s1m",
            "1s1s",
            "1d",
            "1e3",
            "1 m",
            "18446744073709551615h",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_repeats_only_the_start_of_a_long_text() {
        let message = parse_duration(&"x".repeat(100_000))
            .unwrap_err()
            .to_string();
        assert!(message.len() < 300, "{message}");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in any::<String>(), near in "[0-9.]{0,30}[a-zA-Z]{0,3}[0-9.]{0,5}[a-z]{0,2}") {
            for text in [text, near] {
                let _ = parse_size_bytes(&text);
                let _ = parse_duration(&text);
                if let Ok(cpus) = parse_cpus(&text) {
                    prop_assert!(cpus.is_finite() && cpus > 0.0);
                }
            }
        }

        #[test]
        fn a_size_written_in_any_unit_reads_back(n in 0_u64..1 << 20) {
            for (suffix, unit) in [("", 1), ("Ki", 1 << 10), ("Gi", 1 << 30), ("k", 1000), ("G", 1_000_000_000)] {
                prop_assert_eq!(parse_size_bytes(&format!("{n}{suffix}")), Ok(n * unit));
            }
        }

        #[test]
        fn millicpu_and_decimals_agree(milli in 1_u64..200_000) {
            let decimal = format!("{}.{:03}", milli / 1000, milli % 1000);
            prop_assert_eq!(parse_cpus(&format!("{milli}m")), parse_cpus(&decimal));
        }

        #[test]
        fn any_number_of_milliseconds_reads_back(millis in any::<u32>()) {
            prop_assert_eq!(parse_duration(&format!("{millis}ms")), Ok(Duration::from_millis(u64::from(millis))));
        }
    }
}
