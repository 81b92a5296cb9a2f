//! A timeline as JSON, `dunnage.timeline/1`.

use std::io;

use serde::Serialize;

use crate::timeline::Timeline;
use crate::verdict::Verdict;

/// The value of `schema`.
pub const SCHEMA: &str = "dunnage.timeline/1";

#[derive(Serialize)]
struct File<'a> {
    schema: &'static str,
    verdict: &'a Verdict,
    #[serde(flatten)]
    timeline: &'a Timeline,
}

/// Writes the whole of it.
///
/// # Errors
/// As the writer's.
pub fn write_json(timeline: &Timeline, verdict: &Verdict, out: impl io::Write) -> io::Result<()> {
    let file = File {
        schema: SCHEMA,
        verdict,
        timeline,
    };
    serde_json::to_writer(out, &file).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::write_json;
    use crate::example::headline;
    use crate::{Timeline, Verdict};

    #[test]
    fn a_program_finds_spans_and_verdict() {
        let timeline = Timeline::build(&headline());
        let mut text = Vec::new();
        write_json(&timeline, &Verdict::of(&timeline), &mut text).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(json["schema"], "dunnage.timeline/1");
        assert_eq!(json["verdict"]["kind"], "throttled_gil_holder");
        let spans = json["processes"][0]["threads"][1]["spans"]
            .as_array()
            .unwrap();
        assert!(spans.iter().any(|span| span["what"] == "throttled"));
        assert_eq!(json["requests"][0]["parts"].as_array().unwrap().len(), 9);
    }
}
