//! A report as what somebody reads: a terminal, a program, a code host.

pub mod text;

pub use text::{Style, render as render_text};

use crate::finding::{Confidence, Severity};

/// As JSON writes it.
fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

/// As JSON writes it.
fn confidence_name(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    }
}
