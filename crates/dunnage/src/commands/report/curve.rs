//! The working set over time, as a picture in text and as one in a page.

use std::fmt::Write;

use dunnage_run::record::shown_bytes;

/// A curve in a frame.
pub struct Picture {
    /// Milliseconds ago and bytes, the oldest first.
    samples: Vec<(u32, u64)>,
    /// The frame's edges: the time at the left, the bytes at the bottom and at the top.
    span_ms: u32,
    low: u64,
    high: u64,
    /// What may be charged in all.
    capacity: u64,
}

impl Picture {
    /// A picture of the samples; `None` of fewer than two. The frame reaches to the capacity, and down to a tenth of it
    /// below the lowest sample, so that a rise from 90 to 97 % is still one.
    pub fn new(samples: &[(u32, u64)], capacity: u64) -> Option<Self> {
        let mut samples = samples.to_vec();
        samples.sort_by_key(|(ms, _)| std::cmp::Reverse(*ms));
        let span_ms = samples.first()?.0.saturating_sub(samples.last()?.0);
        let least = samples.iter().map(|(_, bytes)| *bytes).min()?;
        let most = samples.iter().map(|(_, bytes)| *bytes).max()?;
        let high = most.max(capacity).max(1);
        let tenth = (high / 10).max(1);
        let low = (least / tenth).saturating_sub(1) * tenth;
        (span_ms > 0).then_some(Self {
            samples,
            span_ms,
            low: low.min(high - 1),
            high,
            capacity,
        })
    }

    /// How high in the frame, from 0 to 1.
    fn height(&self, bytes: u64) -> f64 {
        let above = bytes.saturating_sub(self.low) as f64;
        (above / (self.high - self.low) as f64).min(1.0)
    }

    /// How far to the right in the frame, from 0 to 1.
    fn across(&self, ms_ago: u32) -> f64 {
        let newest = self.samples.last().map_or(0, |(ms, _)| *ms);
        1.0 - f64::from(ms_ago.saturating_sub(newest)) / f64::from(self.span_ms)
    }

    /// The height in each of so many columns: the highest sample of it, or what lies between those beside it.
    fn columns(&self, count: usize) -> Vec<f64> {
        let last = count.saturating_sub(1);
        let mut columns: Vec<Option<f64>> = vec![None; count];
        for (ms, bytes) in &self.samples {
            let at = (self.across(*ms) * last as f64).round() as usize;
            let column = &mut columns[at.min(last)];
            let height = self.height(*bytes);
            *column = Some(column.map_or(height, |known| known.max(height)));
        }
        let mut filled = Vec::with_capacity(count);
        let mut before = (0, columns.first().copied().flatten().unwrap_or(0.0));
        for at in 0..count {
            if let Some(height) = columns[at] {
                before = (at, height);
                filled.push(height);
                continue;
            }
            let next = (at..count).find_map(|next| Some((next, columns[next]?)));
            filled.push(next.map_or(before.1, |next| {
                let way = (at - before.0) as f64 / (next.0 - before.0) as f64;
                before.1 + (next.1 - before.1) * way
            }));
        }
        filled
    }

    /// As text: braille dots, or bars of `#`.
    pub fn render_text(&self, unicode: bool) -> String {
        const WIDTH: usize = 60;
        const HEIGHT: usize = 10;
        let rows = if unicode {
            braille(&self.columns(WIDTH * 2), WIDTH, HEIGHT)
        } else {
            bars(&self.columns(WIDTH), HEIGHT)
        };
        let side = if unicode { '│' } else { '|' };
        let mut text = String::new();
        for (row, line) in rows.iter().enumerate() {
            let label = match row {
                0 => shown_bytes(self.high),
                _ if row == HEIGHT / 2 => shown_bytes(self.low + (self.high - self.low) / 2),
                _ if row + 1 == HEIGHT => shown_bytes(self.low),
                _ => String::new(),
            };
            let limit = match row {
                0 if self.high == self.capacity => " the limit",
                _ => "",
            };
            let _ = writeln!(text, "{label:>12} {side}{}{limit}", line.trim_end());
        }
        let from = format!("{} ago", seconds(self.span_ms));
        let _ = writeln!(
            text,
            "{:13}{from}{:>width$}",
            "",
            "the record",
            width = WIDTH + 1 - from.len()
        );
        text
    }

    /// As a picture within a page.
    pub fn render_svg(&self) -> String {
        const WIDTH: f64 = 760.0;
        const HEIGHT: f64 = 220.0;
        const LEFT: f64 = 90.0;
        const TOP: f64 = 16.0;
        const POINTS: usize = 240;
        let y = |height: f64| TOP + (1.0 - height) * HEIGHT;
        let mut points = String::new();
        for (at, height) in self.columns(POINTS).into_iter().enumerate() {
            let x = LEFT + at as f64 / (POINTS - 1) as f64 * WIDTH;
            let _ = write!(points, "{x:.0},{:.1} ", y(height));
        }
        let points = points.trim_end();
        let bottom = TOP + HEIGHT;
        let mut svg = format!(
            "<svg viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-label=\"the working set over the last {}\">\n",
            LEFT + WIDTH + 20.0,
            bottom + 28.0,
            seconds(self.span_ms)
        );
        for part in 0..=4_u64 {
            let bytes = self.low + (self.high - self.low) / 4 * part;
            let y = y(self.height(bytes));
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT:.0}\" x2=\"{:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"end\" x=\"{:.0}\" y=\"{:.1}\">{}</text>",
                LEFT + WIDTH,
                LEFT - 8.0,
                y + 4.0,
                shown_bytes(bytes)
            );
        }
        let _ = writeln!(
            svg,
            "<polygon class=\"area\" points=\"{LEFT:.0},{bottom:.0} {points} {:.0},{bottom:.0}\"/>\
             <polyline class=\"curve\" points=\"{points}\"/>",
            LEFT + WIDTH
        );
        let limit = y(self.height(self.capacity));
        let _ = writeln!(
            svg,
            "<line class=\"limit\" x1=\"{LEFT:.0}\" x2=\"{:.0}\" y1=\"{limit:.1}\" y2=\"{limit:.1}\"/>\
             <text x=\"{LEFT:.0}\" y=\"{:.0}\">{} before</text>\
             <text class=\"end\" x=\"{:.0}\" y=\"{:.0}\">the record</text>\n</svg>",
            LEFT + WIDTH,
            bottom + 20.0,
            seconds(self.span_ms),
            LEFT + WIDTH,
            bottom + 20.0
        );
        svg
    }
}

fn seconds(ms: u32) -> String {
    format!("{:.1} s", f64::from(ms) / 1000.0).replace(".0 s", " s")
}

/// Cells of two dots by four; the area below the curve is filled.
fn braille(columns: &[f64], width: usize, height: usize) -> Vec<String> {
    /// The dots of a cell's left and right column, from the bottom (Unicode, block Braille Patterns).
    const DOTS: [[u32; 4]; 2] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];
    let dots = (height * 4) as f64;
    let mut rows = Vec::with_capacity(height);
    for row in (0..height).rev() {
        let mut line = String::new();
        for cell in 0..width {
            let mut pattern = 0x2800;
            for (side, bits) in DOTS.iter().enumerate() {
                let filled = columns.get(cell * 2 + side).copied().unwrap_or(0.0) * dots;
                for (dot, bit) in bits.iter().enumerate() {
                    if filled > (row * 4 + dot) as f64 {
                        pattern |= bit;
                    }
                }
            }
            line.push(char::from_u32(pattern).unwrap_or(' '));
        }
        rows.push(line);
    }
    rows
}

fn bars(columns: &[f64], height: usize) -> Vec<String> {
    let rows = (0..height).rev();
    rows.map(|row| {
        let mark = |column: &f64| {
            if column * height as f64 > row as f64 {
                '#'
            } else {
                ' '
            }
        };
        columns.iter().map(mark).collect()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rise() -> Picture {
        let samples: Vec<_> = (0..=60)
            .map(|s| ((60 - s) * 1000, u64::from(s) << 22))
            .collect();
        Picture::new(&samples, 256 << 20).unwrap()
    }

    #[test]
    fn a_steady_rise_is_a_straight_line() {
        insta::assert_snapshot!(rise().render_text(false));
        insta::assert_snapshot!(rise().render_text(true));
    }

    #[test]
    fn gaps_between_samples_are_bridged() {
        let picture = Picture::new(&[(1000, 0), (0, 100)], 100).unwrap();
        let columns = picture.columns(5);
        assert_eq!(columns, [0.0, 0.25, 0.5, 0.75, 1.0]);
    }

    #[test]
    fn no_samples_are_no_picture_and_strange_ones_no_panic() {
        assert!(Picture::new(&[], 5).is_none() && Picture::new(&[(3, 7)], 5).is_none());
        let strange = [
            vec![(u32::MAX, u64::MAX), (0, 0)],
            vec![(5, u64::MAX), (0, u64::MAX)],
            vec![(0, 1), (9, 0), (9, 3)],
        ];
        for samples in strange {
            for capacity in [0, 1, u64::MAX] {
                let picture = Picture::new(&samples, capacity).unwrap();
                assert_eq!(picture.render_text(true).lines().count(), 11);
                assert!(picture.render_svg().contains("polyline"));
            }
        }
    }
}
