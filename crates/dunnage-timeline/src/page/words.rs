//! What the page says in words, as HTML.

use std::fmt::Write as _;

use super::escape::html;
use crate::Nanos;
use crate::timeline::{Parts, Timeline, What};
use crate::verdict::{Fix, Kind, Subject, Verdict};

/// The texts of the template, by name. All are HTML already.
pub(super) fn of(timeline: &Timeline, verdict: &Verdict) -> [(&'static str, String); 13] {
    let stalled = !matches!(verdict.kind, Kind::Nothing | Kind::NotEnough);
    [
        (
            "title",
            html(&format!("{}: dunnage record", verdict.headline)),
        ),
        ("subject", subject(timeline)),
        ("kind", if stalled { "stalled" } else { "calm" }.to_owned()),
        ("headline", html(&verdict.headline)),
        ("graph_number", graph_number(timeline)),
        ("graph", html(&verdict.graph)),
        ("happened_number", happened_number(verdict)),
        ("happened", html(&verdict.happened)),
        ("cause", html(&verdict.cause)),
        ("slow", slow(&verdict.slow)),
        ("fixes", fixes(&verdict.fixes)),
        ("slowest_title", slowest_title(verdict).to_owned()),
        ("quality", quality(timeline)),
    ]
}

/// The last line, with the size of the file without it.
pub(super) fn footer(timeline: &Timeline, bytes: usize) -> String {
    let spans: usize = timeline
        .processes
        .iter()
        .flat_map(|process| &process.threads)
        .map(|thread| thread.spans.len())
        .sum();
    format!(
        "This file is complete: {} with {} spans of time, no network. Made by dunnage {}.",
        size(bytes),
        thousands(spans as u64),
        html(&timeline.about.dunnage)
    )
}

fn subject(timeline: &Timeline) -> String {
    let about = &timeline.about;
    let of = match timeline.processes.as_slice() {
        [] => "no process".to_owned(),
        [one] => one.command.clone(),
        [first, rest @ ..] => format!("{} and {} more", first.command, rest.len()),
    };
    let started = about.started.replace('T', " ");
    let started = started
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end_matches('Z');
    html(&format!(
        "{of} · {started} UTC · {}",
        duration(about.duration)
    ))
}

/// The most that a dashboard would have shown, against the limit.
fn graph_number(timeline: &Timeline) -> String {
    let Some(quota) = &timeline.quota else {
        return String::new();
    };
    // before so much has passed, the average is of less; the verdict's words leave that out too
    let from = quota
        .graph
        .last()
        .map_or(0, |last| last.0.min(15_000_000_000));
    let whole = quota.graph.iter().filter(|point| point.0 >= from);
    let most = whole.map(|point| point.1).fold(0.0, f64::max);
    // a cgroup that does not count it, or nothing that could be seen
    if most == 0.0 {
        return String::new();
    }
    match quota.limit {
        Some(limit) if limit > 0.0 => number(
            &format!("{:.0} %", most / limit * 100.0),
            "of the limit, at most",
        ),
        _ => number(&format!("{most:.2}"), "CPUs, at most"),
    }
}

fn happened_number(verdict: &Verdict) -> String {
    let latency = &verdict.latency;
    match verdict.subject {
        _ if latency.count == 0 => String::new(),
        Subject::Stalls => number(&duration(latency.max), "the longest stall"),
        Subject::Requests if latency.count < 100 => number(&duration(latency.max), "the slowest"),
        Subject::Requests => number(&duration(latency.p99), "for 1 request in 100 (p99)"),
    }
}

fn number(value: &str, unit: &str) -> String {
    format!("<p class=\"number\">{value} <small>{unit}</small></p>")
}

/// What the slow requests' time was, as a bar and in words.
fn slow(parts: &Parts) -> String {
    let total = parts.total();
    if total == 0 {
        return String::new();
    }
    let mut kinds: Vec<What> = What::ALL
        .into_iter()
        .filter(|what| parts[*what] > 0)
        .collect();
    kinds.sort_by_key(|what| std::cmp::Reverse(parts[*what]));
    let mut bar = String::new();
    let mut list = String::new();
    let mut x = 0.0;
    for what in kinds {
        let share = parts[what] as f64 / total as f64;
        let class = class(what);
        let _ = write!(
            bar,
            "<rect class=\"{class}\" x=\"{x:.2}%\" width=\"{:.2}%\" height=\"100%\"/>",
            share * 100.0
        );
        x += share * 100.0;
        if share >= 0.01 {
            let _ = write!(
                list,
                "<li><svg class=\"swatch\" viewBox=\"0 0 14 14\" aria-hidden=\"true\"><rect class=\"{class}\" width=\"14\" \
                 height=\"14\"/></svg><b>{:.0} %</b> {}</li>",
                share * 100.0,
                what.label()
            );
        }
    }
    format!(
        "<div class=\"slow\"><h2>Where the slow requests’ time went</h2><svg class=\"parts\" aria-hidden=\"true\">{bar}</svg><ul class=\"legend\">{list}</ul></div>"
    )
}

/// The style sheet's name of a kind.
fn class(what: What) -> &'static str {
    match what {
        What::Running => "k-running",
        What::GilRunning => "k-gil-running",
        What::GilThrottled => "k-gil-throttled",
        What::GilRunnable => "k-gil-runnable",
        What::GilUnknown => "k-gil-unknown",
        What::Throttled => "k-throttled",
        What::RunQueue => "k-run-queue",
        What::Sleeping => "k-sleeping",
        What::Unknown => "k-unknown",
    }
}

/// What to do. The first two are in sight; the others are a click away, so that they do not push the picture off the screen.
fn fixes(fixes: &[Fix]) -> String {
    if fixes.is_empty() {
        return String::new();
    }
    let (first, others) = fixes.split_at(fixes.len().min(2));
    let mut out = format!(
        "<aside class=\"fixes\" aria-labelledby=\"fixes-title\"><h2 id=\"fixes-title\">What to do</h2><ol>{}</ol>",
        items(first)
    );
    if !others.is_empty() {
        let ways = counted(others.len(), "more way", "more ways");
        let _ = write!(
            out,
            "<details><summary>{ways}</summary><ol>{}</ol></details>",
            items(others)
        );
    }
    out + "</aside>"
}

fn items(fixes: &[Fix]) -> String {
    fixes.iter().fold(String::new(), |mut items, fix| {
        let _ = write!(items, "<li>{}", html(&fix.text));
        if !fix.expected.is_empty() {
            let _ = write!(
                items,
                " <span class=\"expected\">{}</span>",
                html(&fix.expected)
            );
        }
        if let Some(setting) = &fix.setting {
            let _ = write!(items, "<code>{}</code>", html(setting));
        }
        items + "</li>"
    })
}

fn slowest_title(verdict: &Verdict) -> &'static str {
    match verdict.subject {
        Subject::Requests => "The slowest requests",
        Subject::Stalls => "The longest stalls",
    }
}

/// How the recording was made and how good it is.
fn quality(timeline: &Timeline) -> String {
    let (about, quality) = (&timeline.about, &timeline.quality);
    let own = quality.own_cpu as f64 / about.duration.max(1) as f64 * 100.0;
    let threads: usize = timeline
        .processes
        .iter()
        .map(|process| process.threads.len())
        .sum();
    let mut rows = vec![
        (
            "Looked each",
            format!(
                "{} at the median, {} at p99, {} at most; asked for {}",
                duration(quality.interval_median),
                duration(quality.interval_p99),
                duration(quality.interval_max),
                duration(quality.asked_interval)
            ),
        ),
        (
            "Own cost",
            format!("{own:.2} % of a CPU ({})", duration(quality.own_cpu)),
        ),
        ("Read as", quality.permission.clone()),
        (
            "Seen",
            format!(
                "{}, {}",
                counted(timeline.processes.len(), "process", "processes"),
                counted(threads, "thread", "threads")
            ),
        ),
        (
            "Machine",
            format!(
                "kernel {}, {}, {} CPUs",
                about.kernel,
                about.cgroup_version.map_or_else(
                    || "no cgroup".to_owned(),
                    |version| format!("cgroup v{version}")
                ),
                about.cpus
            ),
        ),
    ];
    if let Some(bytes) = quality.own_bytes {
        rows[1].1 += &format!(", {} of memory", size(bytes as usize));
    }
    if let Some(quota) = &timeline.quota {
        rows.push((
            "Quota",
            format!(
                "{} of {} periods throttled, {} in all; from {}",
                thousands(quota.counted_throttled),
                thousands(quota.counted_periods),
                duration(quota.throttled_time),
                quota.source
            ),
        ));
    }
    let mut out = String::from("<dl>");
    for (name, value) in rows {
        let _ = write!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", html(&value));
    }
    out.push_str("</dl>");
    if !quality.notes.is_empty() {
        out.push_str("<ul>");
        for note in &quality.notes {
            let _ = write!(out, "<li>{}</li>", html(note));
        }
        out.push_str("</ul>");
    }
    out
}

/// Three digits that mean something, as `duration` of `js/text.js`.
fn duration(time: Nanos) -> String {
    let us = time as f64 / 1e3;
    match us {
        _ if us < 999.5 => format!("{us:.0} µs"),
        _ if us < 9_995.0 => format!("{:.2} ms", us / 1e3),
        _ if us < 99_950.0 => format!("{:.1} ms", us / 1e3),
        _ if us < 999_500.0 => format!("{:.0} ms", us / 1e3),
        _ if us < 9_995_000.0 => format!("{:.2} s", us / 1e6),
        _ if us < 59_950_000.0 => format!("{:.1} s", us / 1e6),
        _ => {
            let seconds = (us / 1e6).round() as u64;
            format!("{} min {:02} s", seconds / 60, seconds % 60)
        }
    }
}

fn size(bytes: usize) -> String {
    if bytes < 1_000_000 {
        format!("{} KB", bytes.div_ceil(1000))
    } else {
        format!("{:.1} MB", bytes as f64 / 1e6)
    }
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_that_mean_something() {
        let shown = [
            340_000,
            3_412_000,
            34_120_000,
            421_400_000,
            4_070_000_000,
            59_960_000_000,
            61_000_000_000,
        ];
        assert_eq!(
            shown.map(duration),
            [
                "340 µs",
                "3.41 ms",
                "34.1 ms",
                "421 ms",
                "4.07 s",
                "1 min 00 s",
                "1 min 01 s"
            ]
        );
    }

    #[test]
    fn sizes_are_rounded_up_and_thousands_set_apart() {
        assert_eq!(
            (size(80_001), size(4_190_000)),
            ("81 KB".to_owned(), "4.2 MB".to_owned())
        );
        assert_eq!(thousands(1_000_000), "1,000,000");
    }
}
