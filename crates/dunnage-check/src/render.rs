//! A report as what somebody reads: a terminal, a program, a code host.

mod github;
pub mod json;
pub mod page;
mod sarif;
mod text;

pub use github::render as render_github;
pub use json::render as render_json;
pub use sarif::render as render_sarif;
pub use text::{Style, render as render_text, render_short};

use crate::finding::{Confidence, Severity};
use crate::fix::Safety;
use crate::rules::Persona;
use crate::source::is_obeyed;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt::Write;

/// As JSON writes it.
pub fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

/// As JSON writes it.
pub fn confidence_name(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    }
}

/// As JSON writes it.
pub fn persona_name(persona: Persona) -> &'static str {
    match persona {
        Persona::Regular => "regular",
        Persona::Pedantic => "pedantic",
    }
}

/// As JSON writes it.
fn safety_name(safety: Safety) -> &'static str {
    match safety {
        Safety::Safe => "safe",
        Safety::Unsafe => "unsafe",
        Safety::Manual => "manual",
    }
}

/// A list that is written value by value. All values of a large report together take ten times the text that they become.
struct Listed<F>(F);

impl<F: Fn() -> I, I: Iterator<Item = Value>> Serialize for Listed<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// As indented JSON with a line end. What a terminal would obey is escaped, more than JSON itself asks for.
pub(crate) fn pretty(page: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(page).unwrap_or_default() + "\n";
    let needs_escape = |letter: char| letter != '\n' && is_obeyed(letter);
    if !text.contains(needs_escape) {
        return text;
    }
    // what is left of such letters stands in strings, and none needs two units
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if needs_escape(letter) {
            let _ = write!(safe, "\\u{:04x}", u32::from(letter));
        } else {
            safe.push(letter);
        }
    }
    safe
}
