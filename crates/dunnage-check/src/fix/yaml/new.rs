//! New YAML, written in the style of the place that it is put in.

/// A value that comes into a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum New {
    /// Written as it is: numbers, `true`, quantities.
    Plain(String),
    /// A string; quoted where it would be read as something else.
    Text(String),
    /// Keys and values.
    Map(Vec<(String, New)>),
    /// Items.
    List(Vec<New>),
}

impl New {
    /// A number, `true`, or a quantity such as `500m`.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "numbers and literals are given"
    )]
    pub fn plain(value: impl ToString) -> Self {
        Self::Plain(value.to_string())
    }

    /// A string.
    pub fn text(value: impl Into<String>) -> Self {
        Self::Text(value.into())
    }

    /// Keys and values.
    pub fn map<const N: usize>(entries: [(&str, New); N]) -> Self {
        let entries = entries.into_iter();
        Self::Map(
            entries
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    }

    /// A list of strings.
    pub fn texts(items: &[&str]) -> Self {
        Self::List(items.iter().map(|item| Self::text(*item)).collect())
    }

    /// Is there anything below it that has to stand on lines of its own?
    fn is_nested(&self) -> bool {
        match self {
            Self::Plain(_) | Self::Text(_) => false,
            Self::Map(entries) => !entries.is_empty(),
            Self::List(items) => !items.is_empty(),
        }
    }
}

/// How the place is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    /// Spaces that a nested mapping is indented by.
    pub(super) step: usize,
    /// Spaces that the dashes of a list are indented by, against the key of the list.
    pub(super) dash: usize,
    pub(super) newline: &'static str,
    /// Flow style with quoted keys: JSON.
    pub(super) is_json: bool,
}

impl Style {
    /// As a text is written in most of it: as the first nested mapping and the first list are.
    pub(super) fn of(text: &str, newline: &'static str) -> Self {
        let mut style = Self {
            step: 2,
            dash: 0,
            newline,
            is_json: false,
        };
        let (mut has_step, mut has_dash) = (false, false);
        let lines = text.lines().map(str::trim_end);
        let lines = lines.filter(|line| !line.trim_start().is_empty());
        let mut before = "";
        for line in lines {
            let deeper = indentation(line).checked_sub(indentation(before));
            let is_item = line.trim_start().starts_with("- ");
            match deeper
                .filter(|_| before.ends_with(':') && !before.trim_start().starts_with(['#', '-']))
            {
                Some(dash) if is_item && !has_dash && dash <= 8 => {
                    (style.dash, has_dash) = (dash, true);
                }
                Some(step @ 1..=8)
                    if !is_item && !has_step && !line.trim_start().starts_with('#') =>
                {
                    (style.step, has_step) = (step, true);
                }
                _ => {}
            }
            if has_step && has_dash {
                break;
            }
            before = line;
        }
        style
    }

    /// `key: value` in block style; lines after the first begin with `indent` spaces.
    pub(super) fn entry(self, key: &str, value: &New, indent: usize) -> String {
        format!("{}:{}", scalar(key, false), self.after_colon(value, indent))
    }

    /// What follows the colon of a key that stands at `indent`.
    pub(super) fn after_colon(self, value: &New, indent: usize) -> String {
        match value {
            New::Map(entries) if value.is_nested() => {
                let indent = indent + self.step;
                let entries = entries.iter();
                entries
                    .map(|(key, value)| self.line(indent, &self.entry(key, value, indent)))
                    .collect()
            }
            New::List(items) if value.is_nested() => {
                let indent = indent + self.dash;
                let items = items.iter();
                items
                    .map(|item| self.line(indent, &self.item(item, indent)))
                    .collect()
            }
            _ => format!(" {}", self.flow(value)),
        }
    }

    /// `- item`, whose dash stands at `indent`.
    pub(super) fn item(self, item: &New, indent: usize) -> String {
        let New::Map(entries) = item else {
            return format!("- {}", self.flow(item));
        };
        let indent = indent + 2;
        let entries: Vec<String> = entries
            .iter()
            .map(|(key, value)| self.entry(key, value, indent))
            .collect();
        if entries.is_empty() {
            return "- {}".to_owned();
        }
        let between = format!("{}{}", self.newline, " ".repeat(indent));
        format!("- {}", entries.join(&between))
    }

    /// A new line with this on it.
    pub(super) fn line(self, indent: usize, text: &str) -> String {
        format!("{}{}{text}", self.newline, " ".repeat(indent))
    }

    /// On one line.
    pub(super) fn flow(self, value: &New) -> String {
        let join = |items: Vec<String>| items.join(", ");
        match value {
            New::Plain(text) => text.clone(),
            New::Text(text) => scalar(text, self.is_json),
            New::List(items) => {
                format!(
                    "[{}]",
                    join(items.iter().map(|item| self.flow(item)).collect())
                )
            }
            New::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| self.flow_entry(key, value));
                format!("{{{}}}", join(entries.collect()))
            }
        }
    }

    /// `key: value` on one line.
    pub(super) fn flow_entry(self, key: &str, value: &New) -> String {
        format!("{}: {}", scalar(key, self.is_json), self.flow(value))
    }
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// A string as YAML, in double quotes if it has to be.
pub(super) fn scalar(text: &str, quoted: bool) -> String {
    if quoted || !is_safe_plain(text) {
        double_quoted(text)
    } else {
        text.to_owned()
    }
}

/// Double quotes as JSON writes them, which YAML reads too.
pub(super) fn double_quoted(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + 2);
    result.push('"');
    for character in text.chars() {
        match character {
            '"' => result.push_str("\\\""),
            '\\' => result.push_str("\\\\"),
            '\n' => result.push_str("\\n"),
            '\r' => result.push_str("\\r"),
            '\t' => result.push_str("\\t"),
            character if character.is_control() || character == '\u{feff}' => {
                result.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            character => result.push(character),
        }
    }
    result.push('"');
    result
}

/// Would YAML read these characters back as the same string, in block and in flow style?
fn is_safe_plain(text: &str) -> bool {
    const WORDS: [&str; 12] = [
        "null", "~", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf",
    ];
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    let begins = text
        .bytes()
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_' || first == b'/');
    let is_word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    begins && !is_word && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::{New, Style, scalar};

    fn style() -> Style {
        Style::of("", "\n")
    }

    #[test]
    fn strings_that_would_be_read_as_something_else_are_quoted() {
        assert_eq!(scalar("OMP_NUM_THREADS", false), "OMP_NUM_THREADS");
        assert_eq!(scalar("/healthz", false), "/healthz");
        for text in [
            "1", "true", "No", "a: b", "a #b", "- a", "", "500m", "*a", "a,b",
        ] {
            assert_eq!(scalar(text, false), format!("\"{text}\""));
        }
        assert_eq!(scalar("a\"\\\n", false), r#""a\"\\\n""#);
    }

    #[test]
    fn a_file_says_how_deep_it_indents() {
        let four = Style::of("a:\n    b:\n      - x\n", "\n");
        assert_eq!((four.step, four.dash), (4, 2));
        let kubectl = Style::of("a:\n  # note\n  b:\n  - x\n", "\n");
        assert_eq!((kubectl.step, kubectl.dash), (2, 0));
    }

    #[test]
    fn values_are_written_in_block_or_flow_style() {
        let value = New::map([
            ("exec", New::map([("command", New::texts(&["sleep", "5"]))])),
            ("cpu", New::plain("500m")),
        ]);
        assert_eq!(
            style().entry("preStop", &value, 4),
            "preStop:\n      exec:\n        command:\n        - sleep\n        - \"5\"\n      cpu: 500m"
        );
        assert_eq!(
            style().flow_entry("preStop", &value),
            "preStop: {exec: {command: [sleep, \"5\"]}, cpu: 500m}"
        );
        assert_eq!(
            style().item(
                &New::map([("name", New::text("A")), ("value", New::text("1"))]),
                2
            ),
            "- name: A\n    value: \"1\""
        );
    }
}
