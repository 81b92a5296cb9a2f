//! What the watch over the CPU quota says, for a person.

use super::Event;
use crate::verdict::seconds;

/// What to do to know more.
const HINT: &str = "`dunnage record` shows which threads stood still, and who waited for them";

impl Event {
    /// The line of throttling that matters; empty for other events.
    pub(super) fn throttled_text(&self) -> String {
        let Self::CpuThrottled {
            over_ms,
            periods,
            throttled,
            throttled_usec,
            longest_usec,
        } = self
        else {
            return String::new();
        };
        format!(
            "in the last {} {}; {HINT}",
            seconds(*over_ms),
            counted_text(*periods, *throttled, *throttled_usec, Some(*longest_usec))
        )
    }
}

/// How often, how long in all, how long at most.
pub(super) fn counted_text(
    periods: u64,
    throttled: u64,
    usec: u64,
    longest_usec: Option<u64>,
) -> String {
    let mut text = format!(
        "throttled in {throttled} of {periods} periods, {} in all",
        seconds(usec / 1000)
    );
    if let Some(longest @ 1..) = longest_usec {
        text.push_str(&format!(", longest about {} ms", longest.div_ceil(1000)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shutdown::End;
    use crate::verdict::Cause;

    #[test]
    fn a_person_learns_how_often_how_long_and_where_to_look() {
        let event = Event::CpuThrottled {
            over_ms: 15_000,
            periods: 122,
            throttled: 14,
            throttled_usec: 880_400,
            longest_usec: 83_900,
        };
        assert_eq!(
            event.text(),
            "in the last 15 s throttled in 14 of 122 periods, 0.88 s in all, longest about 84 ms; `dunnage record` shows which \
             threads stood still, and who waited for them"
        );
    }

    #[test]
    fn the_last_line_tells_it_where_there_was_any() {
        let ended = |throttled, longest| {
            let event = Event::Ended {
                cause: Cause::Exited,
                code: 0,
                child_code: 0,
                sentence: "python app.py ended".to_owned(),
                end: End::Ended,
                ran_ms: 2000,
                periods: Some(20),
                throttled: Some(throttled),
                throttled_usec: Some(throttled * 70_000),
                longest_throttled_usec: longest,
            };
            event.text()
        };
        assert_eq!(ended(0, None), "python app.py ended; exit code 0; ran 2 s");
        assert_eq!(
            ended(10, Some(81_000)),
            "python app.py ended; exit code 0; ran 2 s; throttled in 10 of 20 periods, 0.7 s in all, longest about 81 ms"
        );
        assert!(ended(10, None).ends_with("0.7 s in all"));
    }
}
