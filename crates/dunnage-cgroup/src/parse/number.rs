//! Files that hold one number, or `max`.

/// A size that a limit file holds, in the unit of that file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// `max` (v2), or the largest number of pages that v1 can count: no limit.
    Max,
    /// A limit.
    Limit(u64),
}

/// From here on, a v1 limit means "none": `PAGE_COUNTER_MAX` pages (kernel: `include/linux/page_counter.h`) is
/// 9223372036854771712 bytes with pages of 4 KiB and 9223372036854710272 with pages of 64 KiB.
const V1_UNLIMITED: u64 = 0x7fff_ffff_ffff_0000;

/// Parses a file that holds one non-negative decimal number and nothing else; `None` for anything else.
pub fn parse_u64(bytes: &[u8]) -> Option<u64> {
    parse_digits(bytes.trim_ascii())
}

/// Parses `memory.max` and its like: a number or `max`; v1's huge number for "unlimited" is [`Size::Max`] as well.
pub fn parse_size(bytes: &[u8]) -> Option<Size> {
    let text = bytes.trim_ascii();
    if text == b"max" {
        return Some(Size::Max);
    }
    let value = parse_digits(text)?;
    Some(size_from(value))
}

/// What a number in a v1 limit file, or in v1's `hierarchical_memory_limit`, means.
pub(crate) fn size_from(value: u64) -> Size {
    if value >= V1_UNLIMITED {
        Size::Max
    } else {
        Size::Limit(value)
    }
}

/// Decimal digits only: no sign, no blanks, no overflow.
pub(crate) fn parse_digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_page_count_of_v1_is_no_limit_with_any_page_size() {
        assert_eq!(parse_size(b"9223372036854771712\n"), Some(Size::Max));
        assert_eq!(parse_size(b"9223372036854710272\n"), Some(Size::Max));
        assert_eq!(parse_size(b"9223372036854775807\n"), Some(Size::Max));
        assert_eq!(parse_size(b"max\n"), Some(Size::Max));
        assert_eq!(parse_size(b"0\n"), Some(Size::Limit(0)));
        assert_eq!(parse_size(b"536870912\n"), Some(Size::Limit(536_870_912)));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "\n",
            "-1",
            "+1",
            "1 2",
            "0x10",
            "1e3",
            "18446744073709551616",
            "maximum",
        ] {
            assert_eq!(parse_size(text.as_bytes()), None, "{text:?}");
            assert_eq!(parse_u64(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
    }
}
