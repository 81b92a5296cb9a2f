//! A timeline for a terminal: the verdict, a picture of the slowest request in letters, and what to do.

use crate::Nanos;
use crate::timeline::{Hold, ProcessTrack, Request, Span, Timeline, What};
use crate::verdict::{Kind, Subject, Verdict, format_time};

/// Narrower than this nothing is readable.
const NARROWEST: usize = 40;
const WIDEST: usize = 120;
/// Room for the names at the left of the picture.
const MARGIN: usize = 14;
/// Threads in the picture besides the request's own and the holders.
const MOST_LANES: usize = 4;
const MOST_NOTES: usize = 8;

/// The letter of a kind in the picture.
fn letter(what: What) -> char {
    match what {
        What::Running => '#',
        What::GilRunning => 'g',
        What::GilThrottled => 'G',
        What::GilRunnable => 'w',
        What::GilUnknown => 'u',
        What::Throttled => 'T',
        What::RunQueue => 'q',
        What::Sleeping => '.',
        What::Unknown => '?',
    }
}

/// All of it, in lines of at most `width` characters, without colour.
pub fn render_summary(timeline: &Timeline, verdict: &Verdict, width: usize) -> String {
    let mut page = Page {
        width: width.clamp(NARROWEST, WIDEST),
        text: String::new(),
    };
    page.paragraph("", &describe_recording(timeline));
    page.blank();
    page.paragraph("", &verdict.headline);
    page.blank();
    page.paragraph("graph     ", &verdict.graph);
    page.paragraph("happened  ", &verdict.happened);
    page.paragraph("cause     ", &verdict.cause);
    if !matches!(verdict.kind, Kind::Nothing)
        && let Some(slowest) = find_slowest(timeline, verdict)
    {
        page.blank();
        draw(&mut page, timeline, slowest);
    }
    for (number, fix) in (1..).zip(&verdict.fixes) {
        page.blank();
        page.paragraph(&format!("{number:>2}. "), &fix.text);
        page.paragraph("    ", &fix.expected);
        if let Some(setting) = &fix.setting {
            page.paragraph("    > ", setting);
        }
    }
    let notes = &timeline.quality.notes;
    if !notes.is_empty() {
        page.blank();
    }
    for note in notes.iter().take(MOST_NOTES) {
        page.paragraph("note      ", note);
    }
    if notes.len() > MOST_NOTES {
        let more = format!("{} more", notes.len() - MOST_NOTES);
        page.paragraph("note      ", &more);
    }
    page.text
}

/// Lines that keep to a width.
struct Page {
    width: usize,
    text: String,
}

impl Page {
    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Words that flow, below each other behind `first`. Words that are too long for a line are cut.
    fn paragraph(&mut self, first: &str, words: &str) {
        let margin = first.chars().count();
        let room = self.width - margin.min(self.width / 2);
        let mut line = String::new();
        let mut lines = Vec::new();
        for word in words.split_whitespace() {
            let mut word: Vec<char> = word.chars().map(printable).collect();
            while !word.is_empty() {
                let part: String = word.drain(..word.len().min(room)).collect();
                let needed = part.chars().count() + usize::from(!line.is_empty());
                if line.chars().count() + needed > room {
                    lines.push(std::mem::take(&mut line));
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(&part);
            }
        }
        lines.push(line);
        for (at, line) in lines.iter().enumerate() {
            let lead = if at == 0 {
                first.to_owned()
            } else {
                " ".repeat(margin)
            };
            self.line(&format!("{lead}{line}"));
        }
    }
}

/// Names come from other processes and may hold anything.
fn printable(letter: char) -> char {
    if letter.is_control() { '?' } else { letter }
}

fn shorten(text: &str, most: usize) -> String {
    let letters: Vec<char> = text.chars().map(printable).collect();
    if letters.len() <= most {
        return letters.into_iter().collect();
    }
    let kept = letters.iter().take(most.saturating_sub(1));
    kept.chain(std::iter::once(&'…')).collect()
}

fn describe_recording(timeline: &Timeline) -> String {
    let quality = &timeline.quality;
    let threads: usize = timeline
        .processes
        .iter()
        .map(|process| process.threads.len())
        .sum();
    let of = match timeline.processes.as_slice() {
        [] => "no process".to_owned(),
        [one] => format!("{} (pid {})", shorten(&one.command, 40), one.pid),
        many => format!("{} processes", many.len()),
    };
    let own = quality.own_cpu as f64 / timeline.about.duration.max(1) as f64 * 100.0;
    format!(
        "{of}, {threads} {}, {}; a look each {} (99 of 100 within {}), which took {own:.1} % of a core",
        if threads == 1 { "thread" } else { "threads" },
        format_time(timeline.about.duration),
        format_time(quality.interval_median),
        format_time(quality.interval_p99),
    )
}

fn find_slowest<'a>(timeline: &'a Timeline, verdict: &Verdict) -> Option<&'a Request> {
    let requests = match verdict.subject {
        Subject::Requests => &timeline.requests,
        Subject::Stalls => &timeline.stalls,
    };
    requests
        .iter()
        .filter(|request| verdict.subject == Subject::Stalls || request.name == verdict.name)
        .filter(|request| request.thread.is_some() && request.end > request.begin)
        .max_by_key(|request| request.end - request.begin)
}

/// The threads of a request's process, above each other on its time.
fn draw(page: &mut Page, timeline: &Timeline, request: &Request) {
    let length = request.end - request.begin;
    let Some(process) = timeline.processes.get(request.process as usize) else {
        return;
    };
    page.paragraph(
        "",
        &format!(
            "the slowest: {} {}, {} at {}",
            shorten(&request.name, 20),
            request.id,
            format_time(length),
            format_time(request.begin)
        ),
    );
    let columns = page.width - MARGIN - 1;
    let mut used: Vec<What> = Vec::new();
    for thread in choose_lanes(process, request) {
        if let Some(track) = process.threads.get(thread as usize) {
            let row = draw_spans(&track.spans, request, columns, &mut used);
            page.line(&format!("{:<MARGIN$} {row}", shorten(&track.name, MARGIN)));
        }
    }
    if process.has_gil {
        let row = draw_holder(process, request, columns);
        page.line(&format!("{:<MARGIN$} {row}", "GIL"));
    }
    if let Some(quota) = &timeline.quota {
        let row = draw_windows(quota, request, columns);
        page.line(&format!("{:<MARGIN$} {row}", "quota"));
    }
    used.sort_unstable();
    used.dedup();
    let legend: Vec<String> = used
        .iter()
        .map(|what| format!("{} {}", letter(*what), what.label()))
        .collect();
    page.paragraph("", &legend.join(" · "));
    if process.has_gil {
        page.paragraph("", "GIL: # held, T holder throttled, w holder waits for a CPU · quota: T throttled, | a period ends");
    }
    page.blank();
    for (what, part) in largest_parts(request) {
        let share = part as f64 / length as f64 * 100.0;
        page.line(&format!(
            "{:>10} {share:>4.0} %  {}",
            format_time(part),
            what.label()
        ));
    }
}

fn largest_parts(request: &Request) -> Vec<(What, Nanos)> {
    let mut parts: Vec<(What, Nanos)> = What::ALL
        .iter()
        .map(|what| (*what, request.parts[*what]))
        .filter(|(_, part)| *part > 0)
        .collect();
    parts.sort_by_key(|(_, part)| std::cmp::Reverse(*part));
    parts.truncate(5);
    parts
}

/// The request's thread, then those that held the GIL in its time, the longest first.
fn choose_lanes(process: &ProcessTrack, request: &Request) -> Vec<u32> {
    let mut held: Vec<(Nanos, u32)> = Vec::new();
    for hold in holds_within(&process.gil, request) {
        let length = hold.end.min(request.end) - hold.start.max(request.begin);
        match held.iter_mut().find(|(_, thread)| *thread == hold.thread) {
            Some(sum) => sum.0 += length,
            None => held.push((length, hold.thread)),
        }
    }
    held.sort_unstable_by(|one, other| other.cmp(one));
    let mut lanes: Vec<u32> = request.thread.into_iter().collect();
    lanes.extend(held.iter().map(|(_, thread)| *thread));
    let own = request.thread;
    let mut seen = 0;
    lanes.retain(|thread| {
        seen += 1;
        seen == 1 || Some(*thread) != own
    });
    lanes.truncate(MOST_LANES);
    lanes
}

fn holds_within<'a>(holds: &'a [Hold], request: &Request) -> impl Iterator<Item = &'a Hold> {
    let (begin, end) = (request.begin, request.end);
    let first = holds.partition_point(|hold| hold.end <= begin);
    holds
        .iter()
        .skip(first)
        .take_while(move |hold| hold.start < end)
}

/// When a column begins.
fn column(request: &Request, at: usize, columns: usize) -> Nanos {
    let length = u128::from(request.end - request.begin);
    request.begin + (length * at as u128 / columns as u128) as Nanos
}

/// In each column what there was most of.
fn draw_row(
    request: &Request,
    columns: usize,
    mut most: impl FnMut(Nanos, Nanos) -> char,
) -> String {
    (0..columns)
        .map(|at| {
            let start = column(request, at, columns);
            most(start, column(request, at + 1, columns).max(start + 1))
        })
        .collect()
}

fn draw_spans(spans: &[Span], request: &Request, columns: usize, used: &mut Vec<What>) -> String {
    draw_row(request, columns, |start, end| {
        let mut sums = [0; What::ALL.len()];
        let first = spans.partition_point(|span| span.end <= start);
        for span in spans.iter().skip(first).take_while(|span| span.start < end) {
            sums[span.what as usize] += span.end.min(end) - span.start.max(start);
        }
        let most = What::ALL
            .iter()
            .filter(|what| sums[**what as usize] > 0)
            .max_by_key(|what| sums[**what as usize]);
        most.map_or(' ', |what| {
            used.push(*what);
            letter(*what)
        })
    })
}

fn draw_holder(process: &ProcessTrack, request: &Request, columns: usize) -> String {
    draw_row(request, columns, |start, end| {
        let first = process.gil.partition_point(|hold| hold.end <= start);
        let hold = process.gil.get(first).filter(|hold| hold.start < end);
        match hold.map(|hold| hold.what) {
            None => ' ',
            Some(What::Throttled) => 'T',
            Some(What::RunQueue) => 'w',
            Some(_) => '#',
        }
    })
}

fn draw_windows(quota: &crate::timeline::QuotaTrack, request: &Request, columns: usize) -> String {
    draw_row(request, columns, |start, end| {
        let ended = quota.periods.partition_point(|period| period.end < start);
        let window = quota.windows.partition_point(|window| window.end <= start);
        if quota
            .periods
            .get(ended)
            .is_some_and(|period| period.end < end)
        {
            '|'
        } else if quota
            .windows
            .get(window)
            .is_some_and(|window| window.start < end)
        {
            'T'
        } else {
            '-'
        }
    })
}

#[cfg(test)]
mod tests {
    use super::render_summary;
    use crate::example::{headline, large, unlimited};
    use crate::{Timeline, Verdict};

    fn render(recording: &crate::Recording, width: usize) -> String {
        let timeline = Timeline::build(recording);
        render_summary(&timeline, &Verdict::of(&timeline), width)
    }

    #[test]
    fn the_headline_case_fits_a_terminal() {
        insta::assert_snapshot!(render(&headline(), 80));
    }

    #[test]
    fn the_unlimited_case_fits_a_terminal() {
        insta::assert_snapshot!(render(&unlimited(), 80));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let mut recording = large(5, 5_000);
        recording.processes[0].command = "a\u{1b}[31m".repeat(50);
        recording.processes[0].threads[1].name = "\u{1b}]0;title\u{7}".to_owned();
        recording.quality.notes = vec!["word ".repeat(80), "w".repeat(300)];
        for width in [0, 40, 61, 80, 300] {
            let text = render(&recording, width);
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest.unwrap_or(0) <= width.clamp(40, 120), "{text}");
            assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'));
        }
    }
}
