//! A comment that silences a finding, on a line of its own before it.

use super::{Edit, Target};
use crate::source::Span;

/// `# dunnage: ignore[ID]` above the line of a finding. `None` where a line of comment cannot stand: in JSON, and behind a
/// line that goes on with a backslash (in a Dockerfile it can).
pub fn ignore(target: Target<'_>, path: &str, at: Span, id: &str) -> Option<Edit> {
    let start = target.line_start(at.start as usize);
    let name = path
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_json =
        name.rsplit('.').next() == Some("json") || target.text.trim_start().starts_with('{');
    let before = target.text.get(..start)?.trim_end_matches(['\n', '\r']);
    let is_dockerfile = name.contains("dockerfile") || name.contains("containerfile");
    if is_json || !target.holds(at) || (before.ends_with('\\') && !is_dockerfile) {
        return None;
    }
    let indentation = target.indentation(start);
    Some(target.insert(
        start,
        format!("{indentation}# dunnage: ignore[{id}]{}", target.newline()),
    ))
}

#[cfg(test)]
mod tests {
    use super::ignore;
    use crate::fix::{Target, apply};
    use crate::source::{FileId, Span};

    fn silence(path: &str, text: &str, part: &str) -> Option<String> {
        let start = text.find(part).unwrap();
        let target = Target {
            file: FileId(0),
            text,
        };
        let edit = ignore(target, path, Span::new(start..start + part.len()), "CPU002")?;
        Some(apply(text, &[edit]).unwrap())
    }

    #[test]
    fn the_comment_stands_above_the_line_and_as_deep() {
        assert_eq!(
            silence("a.py", "def f():\r\n    g()\r\n", "g()").unwrap(),
            "def f():\r\n    # dunnage: ignore[CPU002]\r\n    g()\r\n"
        );
        assert_eq!(
            silence("Dockerfile", "RUN a \\\n  b\n", "b").unwrap(),
            "RUN a \\\n  # dunnage: ignore[CPU002]\n  b\n"
        );
    }

    #[test]
    fn where_no_comment_can_stand_there_is_none() {
        assert_eq!(silence("a.sh", "a \\\n  b\n", "b"), None);
        assert_eq!(silence("a.json", "{\"a\":\n1}", "1"), None);
        assert_eq!(silence("a.yaml", "{\"a\":\n1}", "1"), None);
    }
}
