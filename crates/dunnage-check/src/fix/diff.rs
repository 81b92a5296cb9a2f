//! A change as a unified diff that `git apply` and `patch -p1` take.

use super::Change;
use similar::{Algorithm, TextDiff};

/// The change of one file with three lines around; empty if there is none. `prefix` goes before the path.
pub fn unified_diff(change: &Change, prefix: &str) -> String {
    let path = format!("{prefix}{}", change.path);
    TextDiff::configure()
        .algorithm(Algorithm::Patience)
        .diff_lines(change.before.as_str(), change.after.as_str())
        .unified_diff()
        .context_radius(3)
        .header(&quoted("a", &path), &quoted("b", &path))
        .to_string()
}

/// A name as git writes it: in quotes if there are characters in it that would end it.
fn quoted(side: &str, path: &str) -> String {
    let needs_quotes = path
        .chars()
        .any(|character| character.is_control() || matches!(character, '"' | '\\'));
    if needs_quotes {
        format!("\"{side}/{}\"", path.escape_default())
    } else {
        format!("{side}/{path}")
    }
}

#[cfg(test)]
mod tests {
    use super::unified_diff;
    use crate::fix::Change;
    use crate::source::FileId;

    fn change(before: &str, after: &str) -> Change {
        Change {
            file: FileId(0),
            path: "k8s/web.yaml".to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        }
    }

    #[test]
    fn a_diff_shows_lines_with_what_is_around_them() {
        assert_eq!(
            unified_diff(&change("a\nb\nc\n", "a\nB\nc\n"), "shop/"),
            "--- a/shop/k8s/web.yaml\n+++ b/shop/k8s/web.yaml\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
        );
        assert_eq!(unified_diff(&change("a\n", "a\n"), ""), "");
    }

    #[test]
    fn a_text_that_does_not_end_in_a_newline_is_said_to() {
        let diff = unified_diff(&change("a", "b"), "");
        assert!(
            diff.contains("-a\n\\ No newline at end of file\n+b\n\\ No newline"),
            "{diff}"
        );
    }
}
