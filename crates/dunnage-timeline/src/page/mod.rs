//! The page: one HTML file that needs nothing else.
//!
//! Words come first and are plain HTML, so that they are there without a script, on paper and for a screen reader: the
//! verdict, what to do, how well it was seen. The pictures are drawn by the script from the timeline that lies in the same
//! file ([`encode`]). Names of processes, threads and marks are whatever the recorded programs chose, so each text is
//! escaped for the place where it stands, and the page's content security policy lets nothing run or load but the one script
//! and the one style sheet whose hashes it names: not even what got past the escaping.

mod encode;
mod escape;
mod sha256;
mod words;

use serde::Serialize;

use crate::timeline::{ProcessTrack, Timeline};
use crate::verdict::{Subject, Verdict};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
/// One script, from the general to the particular. The files share one scope.
const SCRIPT: &str = concat!(
    "\"use strict\";\n(() => {\n",
    include_str!("js/text.js"),
    include_str!("js/data.js"),
    include_str!("js/paint.js"),
    include_str!("js/series.js"),
    include_str!("js/chart.js"),
    include_str!("js/input.js"),
    include_str!("js/panels.js"),
    include_str!("js/lanes.js"),
    include_str!("js/main.js"),
    "})();\n"
);

/// What the script needs as texts; the rest is in the bytes.
#[derive(Serialize)]
struct Facts<'a> {
    about: &'a crate::recording::About,
    processes: Vec<ProcessFacts<'a>>,
    quota: Option<QuotaFacts<'a>>,
    names: &'a [String],
    /// What the verdict is about: `requests` or `stalls`, and the name of the requests.
    subject: Subject,
    name: &'a str,
}

#[derive(Serialize)]
struct ProcessFacts<'a> {
    pid: i32,
    command: &'a str,
    python: Option<&'a str>,
    has_gil: bool,
    threads: Vec<ThreadFacts<'a>>,
}

#[derive(Serialize)]
struct ThreadFacts<'a> {
    tid: i32,
    name: &'a str,
}

#[derive(Serialize)]
struct QuotaFacts<'a> {
    source: &'a str,
    limit: Option<f64>,
    period: u64,
}

impl<'a> ProcessFacts<'a> {
    fn of(process: &'a ProcessTrack) -> Self {
        let threads = process.threads.iter().map(|thread| ThreadFacts {
            tid: thread.tid,
            name: &thread.name,
        });
        Self {
            pid: process.pid,
            command: &process.command,
            python: process.python.as_deref(),
            has_gil: process.has_gil,
            threads: threads.collect(),
        }
    }
}

/// The page of a timeline: about 90 KB, and some 5 bytes for each of its spans.
pub fn render_page(timeline: &Timeline, verdict: &Verdict) -> String {
    let encoded = encode::encode(timeline);
    let facts = Facts {
        about: &timeline.about,
        processes: timeline.processes.iter().map(ProcessFacts::of).collect(),
        quota: timeline.quota.as_ref().map(|quota| QuotaFacts {
            source: &quota.source,
            limit: quota.limit,
            period: quota.period,
        }),
        names: &encoded.names,
        subject: verdict.subject,
        name: &verdict.name,
    };
    // the types hold nothing that JSON cannot say; were it otherwise, the page says that it cannot be drawn
    let facts = serde_json::to_string(&facts).unwrap_or_default();
    let data = encode::base64(&encoded.bytes);
    let parts = [
        (
            "script_hash",
            encode::base64(&sha256::sha256(SCRIPT.as_bytes())),
        ),
        (
            "style_hash",
            encode::base64(&sha256::sha256(STYLE.as_bytes())),
        ),
        ("style", STYLE.to_owned()),
        ("script", SCRIPT.to_owned()),
        ("facts", escape::json_in_html(&facts)),
        ("data", data),
    ];
    let words = words::of(timeline, verdict);
    let length =
        |parts: &[(&str, String)]| -> usize { parts.iter().map(|(_, text)| text.len()).sum() };
    let bytes = TEMPLATE.len() + length(&parts) + length(&words);
    let footer = ("footer", words::footer(timeline, bytes));
    fill(TEMPLATE, |name| {
        parts
            .iter()
            .chain(&words)
            .chain([&footer])
            .find(|(known, _)| *known == name)
            .map_or("", |(_, text)| text)
    })
}

/// Puts texts where `{{name}}` stands, in one pass: what is put in is not looked at again.
fn fill<'a>(template: &str, text_of: impl Fn(&str) -> &'a str) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            break;
        };
        out.push_str(before);
        out.push_str(text_of(name));
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_not_looked_at_again() {
        let filled = fill("a {{one}} b {{two}} c", |name| match name {
            "one" => "{{two}}",
            _ => "2",
        });
        assert_eq!(filled, "a {{two}} b 2 c");
    }

    #[test]
    fn script_and_style_do_not_end_their_elements() {
        assert!(!SCRIPT.contains("</") && !SCRIPT.contains("<!--"));
        assert!(!STYLE.contains("</"));
    }
}
