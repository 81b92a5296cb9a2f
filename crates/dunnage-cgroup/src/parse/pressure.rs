//! Pressure stall information: `cpu.pressure`, `memory.pressure`, `io.pressure` (kernel: `Documentation/accounting/psi.rst`).

use super::number::parse_digits;
use serde::{Deserialize, Serialize};

/// Share of time in which tasks were stalled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// Per cent over the last 10 seconds.
    pub avg10: f64,
    /// Per cent over the last minute.
    pub avg60: f64,
    /// Per cent over the last five minutes.
    pub avg300: f64,
    /// Stalled time since the cgroup was made, in microseconds.
    pub total_usec: u64,
}

/// The lines of a pressure file; a line that the kernel does not write is `None`, not 0.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Pressure {
    /// Some task was stalled.
    pub some: Option<Stall>,
    /// All tasks that were not idle were stalled at once.
    pub full: Option<Stall>,
}

/// Parses a pressure file; lines of another form are left out.
pub fn parse_pressure(bytes: &[u8]) -> Pressure {
    let mut pressure = Pressure::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(rest) = line.strip_prefix(b"some ") {
            pressure.some = parse_stall(rest);
        } else if let Some(rest) = line.strip_prefix(b"full ") {
            pressure.full = parse_stall(rest);
        }
    }
    pressure
}

fn parse_stall(text: &[u8]) -> Option<Stall> {
    let (mut avg10, mut avg60, mut avg300, mut total) = (None, None, None, None);
    for field in text.split(|byte| *byte == b' ') {
        if let Some(value) = field.strip_prefix(b"avg10=") {
            avg10 = parse_percent(value);
        } else if let Some(value) = field.strip_prefix(b"avg60=") {
            avg60 = parse_percent(value);
        } else if let Some(value) = field.strip_prefix(b"avg300=") {
            avg300 = parse_percent(value);
        } else if let Some(value) = field.strip_prefix(b"total=") {
            total = parse_digits(value);
        }
    }
    Some(Stall {
        avg10: avg10?,
        avg60: avg60?,
        avg300: avg300?,
        total_usec: total?,
    })
}

/// `12.34`: the kernel always writes two decimals.
fn parse_percent(text: &[u8]) -> Option<f64> {
    let point = text.iter().position(|byte| *byte == b'.')?;
    let whole = parse_digits(text.get(..point)?)?;
    let [tenths, hundredths] = text.get(point + 1..)? else {
        return None;
    };
    let hundredths = parse_digits(&[*tenths, *hundredths])?;
    Some(whole as f64 + hundredths as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_are_read() {
        let text = b"some avg10=0.12 avg60=99.99 avg300=100.00 total=17\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=3\n";
        let pressure = parse_pressure(text);
        let some = pressure.some.unwrap();
        assert_eq!(
            (some.avg10, some.avg60, some.avg300, some.total_usec),
            (0.12, 99.99, 100.0, 17)
        );
        assert_eq!(pressure.full.unwrap().total_usec, 3);
    }

    #[test]
    fn a_missing_or_broken_line_is_none() {
        let pressure =
            parse_pressure(b"some avg10=0.1 avg60=0.00 avg300=0.00 total=1\nfull total=3\n");
        assert_eq!(pressure, Pressure::default());
        assert_eq!(parse_pressure(b""), Pressure::default());
    }
}
