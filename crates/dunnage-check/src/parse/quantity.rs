//! Amounts as manifests write them.

/// A Kubernetes quantity in thousandths, rounded up as Kubernetes does: `500m` is 500, `1.5` is 1,500, `1Ki` is 1,024,000.
pub fn milli(text: &str) -> Option<u64> {
    let (number, suffix) = split(text.trim());
    let (numerator, denominator): (u128, u128) = match suffix {
        "n" => (1, 1_000_000),
        "u" => (1, 1_000),
        "m" => (1, 1),
        "" => (1_000, 1),
        "k" => (1_000_000, 1),
        "M" => (1_000_000_000, 1),
        "G" => (10u128.pow(12), 1),
        "T" => (10u128.pow(15), 1),
        "P" => (10u128.pow(18), 1),
        "E" => (10u128.pow(21), 1),
        "Ki" => (1_000 << 10, 1),
        "Mi" => (1_000 << 20, 1),
        "Gi" => (1_000 << 30, 1),
        "Ti" => (1_000 << 40, 1),
        "Pi" => (1_000 << 50, 1),
        "Ei" => (1_000 << 60, 1),
        _ => exponent(suffix)?,
    };
    scaled(number, numerator, denominator)
}

/// A Kubernetes quantity of bytes, rounded up: `512Mi`, `1e9`, `1G`, `128974848000m`.
pub fn bytes(text: &str) -> Option<u64> {
    let (number, suffix) = split(text.trim());
    if suffix.is_empty() {
        return scaled(number, 1, 1);
    }
    // thousandths of bytes fit 64 bits up to 16 PiB; beyond that no one counts
    milli(text).map(|milli| milli.div_ceil(1_000))
}

/// Compose's sizes, in which every letter is a power of 1,024: `512m`, `1.5g`, `2gb`, `1024`.
pub fn compose_bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let (number, suffix) = split(&text);
    let shift = match suffix {
        "" | "b" => 0,
        "k" | "kb" | "ki" | "kib" => 10,
        "m" | "mb" | "mi" | "mib" => 20,
        "g" | "gb" | "gi" | "gib" => 30,
        "t" | "tb" | "ti" | "tib" => 40,
        _ => return None,
    };
    scaled(number, 1 << shift, 1)
}

/// Compose's durations in seconds, rounded up: `90s`, `1m30s`, `500ms`, `10`.
pub fn seconds(text: &str) -> Option<u32> {
    let mut rest = text.trim();
    if let Ok(seconds) = rest.parse() {
        return Some(seconds);
    }
    let mut micros: u128 = 0;
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        let unit = after
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(after.len());
        let factor = match &after[..unit] {
            "us" | "µs" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            _ => return None,
        };
        micros += u128::from(scaled(number, factor, 1)?);
        rest = &after[unit..];
    }
    u32::try_from(micros.div_ceil(1_000_000)).ok()
}

fn split_number(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    text.split_at(end)
}

/// The number and its suffix. `1E` is a suffix, `1E3` is an exponent: the digits behind it tell.
fn split(text: &str) -> (&str, &str) {
    split_number(text.strip_prefix('+').unwrap_or(text))
}

fn exponent(suffix: &str) -> Option<(u128, u128)> {
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let power = 10u128.checked_pow(exponent.unsigned_abs())?;
    match exponent {
        0..=18 => Some((power * 1_000, 1)),
        -18..0 => Some((1_000, power)),
        _ => None,
    }
}

/// A decimal number times a fraction, rounded up; none if it is no number or does not fit.
fn scaled(number: &str, numerator: u128, denominator: u128) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && part.is_empty())
        || part.contains('.')
        || part.len() > 9
        || whole.len() > 20
    {
        return None;
    }
    let digits = |text: &str| {
        if text.is_empty() {
            Some(0)
        } else {
            text.parse::<u128>().ok()
        }
    };
    let denominator = denominator.checked_mul(10u128.pow(part.len() as u32))?;
    let number = digits(whole)? * 10u128.pow(part.len() as u32) + digits(part)?;
    let value = number.checked_mul(numerator)?.div_ceil(denominator);
    u64::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::{bytes, compose_bytes, milli, seconds};
    use proptest::prelude::*;

    #[test]
    fn cpu_is_read_in_thousandths_and_rounded_up() {
        let cases = [
            ("500m", Some(500)),
            ("1.5", Some(1_500)),
            ("2", Some(2_000)),
            (".25", Some(250)),
            ("0.0001", Some(1)),
            ("100u", Some(1)),
            ("1e3", Some(1_000_000)),
            ("5e-1", Some(500)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("1.2.3", None),
            ("${CPU}", None),
        ];
        for (text, expected) in cases {
            assert_eq!(milli(text), expected, "{text}");
        }
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let cases = [
            ("128974848", Some(128_974_848)),
            ("129e6", Some(129_000_000)),
            ("129M", Some(129_000_000)),
            ("128974848000m", Some(128_974_848)),
            ("123Mi", Some(123 << 20)),
            ("1.5Gi", Some(3 << 29)),
            ("1E", None),
            ("1G", Some(1_000_000_000)),
            ("512MB", None),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn compose_counts_in_powers_of_1024_and_in_durations() {
        assert_eq!(compose_bytes("512m"), Some(512 << 20));
        assert_eq!(compose_bytes("1.5GB"), Some(3 << 29));
        assert_eq!(compose_bytes("64"), Some(64));
        assert_eq!(compose_bytes("lots"), None);
        assert_eq!(seconds("1m30s"), Some(90));
        assert_eq!(seconds("500ms"), Some(1));
        assert_eq!(seconds("2h"), Some(7_200));
        assert_eq!(seconds("15"), Some(15));
        assert_eq!(seconds("soon"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_an_amount_or_none(text in "\\PC{0,30}|[0-9.eEmkMGi]{0,30}") {
            let _ = (milli(&text), bytes(&text), compose_bytes(&text), seconds(&text));
        }
    }
}
