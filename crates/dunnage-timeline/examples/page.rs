//! Writes a page to stdout, for looking at: `stall` or `large`, timelines that are known to the nanosecond, or `headline` or
//! `unlimited`, small worlds that were looked at; or that of a recording in a JSON file. `cargo xtask page` opens the door to it.
#![expect(
    clippy::disallowed_methods,
    reason = "the library is pure; this is a program"
)]

#[path = "../tests/page/sample.rs"]
mod sample;

use std::io::Write as _;

use dunnage_timeline::{Recording, Timeline, Verdict, example, render_page};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).unwrap_or_default();
    let timeline = match name.as_str() {
        "stall" => sample::stall(),
        "large" => sample::large(50, 1_000_000),
        "headline" => Timeline::build(&example::headline()),
        "unlimited" => Timeline::build(&example::unlimited()),
        file => {
            let recording: Recording = serde_json::from_str(&std::fs::read_to_string(file)?)?;
            Timeline::build(&recording)
        }
    };
    let page = render_page(&timeline, &Verdict::of(&timeline));
    std::io::stdout().lock().write_all(page.as_bytes())?;
    Ok(())
}
