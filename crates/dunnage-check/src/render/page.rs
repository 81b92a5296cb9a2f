//! A page of Markdown on a terminal: headings stand out, code is indented, everything fits the width.

use super::text::{Ink, Paint, Style, wrap};

/// The page.
pub fn render(markdown: &str, style: Style) -> String {
    let paint = Paint(style.is_coloured);
    let mut text = String::new();
    let mut paragraph = String::new();
    let mut is_code = false;
    for line in markdown.lines() {
        let is_fence = line.trim_start().starts_with("```");
        let is_item = line.trim_start().starts_with("- ") || line.starts_with('|');
        if is_code || is_fence || line.is_empty() || line.starts_with('#') || is_item {
            end_paragraph(&mut text, &mut paragraph, style.width);
        }
        if is_fence {
            is_code = !is_code;
        } else if is_code {
            text.push_str(paint.with(Ink::Place, &format!("    {line}")).trim_end());
            text.push('\n');
        } else if line.starts_with('#') {
            text.push_str(&paint.with(Ink::Strong, line.trim_start_matches(['#', ' '])));
            text.push('\n');
        } else if line.is_empty() {
            if !text.ends_with("\n\n") {
                text.push('\n');
            }
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
    }
    end_paragraph(&mut text, &mut paragraph, style.width);
    text
}

fn end_paragraph(text: &mut String, paragraph: &mut String, width: usize) {
    if paragraph.is_empty() {
        return;
    }
    let indent = if paragraph.starts_with("- ") {
        "  "
    } else {
        ""
    };
    text.push_str(&wrap(paragraph, width, indent));
    text.push('\n');
    paragraph.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_paragraphs_lists_and_code_are_told_apart() {
        let style = Style {
            is_coloured: false,
            width: 20,
        };
        let markdown = "## Why\n\nIt is so because\nof that thing here.\n\n- one thing that is long\n- two\n\n```sh\nrun --this   # and it is never broken\n```\n";
        let expected = "Why\n\nIt is so because of\nthat thing here.\n\n- one thing that is\n  long\n- two\n\n    run --this   # and it is never broken\n";
        assert_eq!(render(markdown, style), expected);
    }
}
