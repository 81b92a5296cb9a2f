//! The plan as text for a person, and as lines for a shell.

use std::fmt::Write;

use dunnage_cgroup::Confidence;

use super::settings::count_of_cpus;
use super::{Action, Plan};

impl Plan {
    /// For a person who knows no kernel: what bounds the container, then each variable with its reason, then notes.
    pub fn render_text(&self) -> String {
        let mut text = String::new();
        let mut row = |label: &str, value: &str, more: &str| {
            // writing to a String cannot fail
            let _ = writeln!(text, "{label:<8} {value}");
            if !more.is_empty() {
                let _ = writeln!(text, "{:<8} {more}", "");
            }
        };
        row("cpu", &self.cpu_in_words(), "");
        row("memory", &self.memory_in_words(), "");
        row(
            "workers",
            &format!("{} ({})", self.workers.count, self.workers.source),
            "",
        );
        row(
            "policy",
            &format!("{}: {}", self.policy.name(), self.policy.help()),
            "",
        );
        row("agent", &self.agent, "");
        for setting in &self.env {
            let label = match setting.action {
                Action::Set => "set",
                Action::Kept => "kept",
            };
            let assignment = match &setting.value {
                Some(value) => format!("{}={value}", setting.name),
                None => format!("{} (not set)", setting.name),
            };
            row(label, &assignment, &setting.reason);
        }
        if self.env.is_empty() {
            row("set", "nothing", "");
        }
        for note in &self.notes {
            row("note", note, "");
        }
        text
    }

    /// `NAME=value` lines of what is set, for `env $(dunnage plan --format env)` and `docker run --env-file`. Our values
    /// hold no blank, quote or character that a shell expands.
    pub fn render_env(&self) -> String {
        let lines: Vec<_> = self
            .assignments()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        lines.concat()
    }

    fn cpu_in_words(&self) -> String {
        let cpu = &self.cpu;
        let limit = match (cpu.limit, cpu.confidence) {
            (Some(limit), _) => count_of_cpus(limit),
            (None, Confidence::Unknown) => "no limit can be seen".to_owned(),
            (None, _) => "no limit".to_owned(),
        };
        let pools = match cpu.threads {
            Some(1) => ", 1 thread for each compute pool of each worker".to_owned(),
            Some(threads) => format!(", {threads} threads for each compute pool of each worker"),
            None => String::new(),
        };
        format!("{limit} ({}){pools}", cpu.source)
    }

    fn memory_in_words(&self) -> String {
        match (self.memory.limit_bytes, &self.memory.source) {
            (Some(bytes), Some(source)) => format!("{} ({source})", bytes_in_words(bytes)),
            _ if self.memory.confidence == Confidence::Unknown => "no limit can be seen".to_owned(),
            _ => "no limit".to_owned(),
        }
    }
}

/// Bytes in the largest binary unit that leaves at least 1, one decimal at most.
pub fn bytes_in_words(bytes: u64) -> String {
    let (unit, name) = [
        (1_u64 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ]
    .into_iter()
    .find(|(unit, _)| bytes >= *unit)
    .unwrap_or((1, "bytes"));
    let text = format!("{:.1}", bytes as f64 / unit as f64);
    format!("{} {name}", text.strip_suffix(".0").unwrap_or(&text))
}
