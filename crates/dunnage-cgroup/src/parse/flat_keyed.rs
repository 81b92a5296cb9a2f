//! Files of `KEY VALUE` lines: `memory.stat`, `cpu.stat`, `memory.events`, `memory.oom_control`.

use super::number::parse_digits;

/// Parses the file into its pairs, in order; lines whose value is no number are left out.
pub fn parse_flat_keyed(bytes: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    bytes.split(|byte| *byte == b'\n').filter_map(parse_line)
}

fn parse_line(line: &[u8]) -> Option<(&[u8], u64)> {
    let blank = line.iter().position(|byte| *byte == b' ')?;
    let (key, value) = line.split_at(blank);
    Some((key, parse_digits(value.get(1..)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_in_order_and_odd_lines_are_left_out() {
        let text = b"anon 1\nfile x\nkernel\n\nslab 3 4\nsock 18446744073709551615";
        let pairs: Vec<_> = parse_flat_keyed(text).collect();
        assert_eq!(pairs, [(&b"anon"[..], 1), (&b"sock"[..], u64::MAX)]);
    }
}
