//! Flow style: `{a: b}`, `[a, b]`, JSON.

use super::new::Style;
use crate::fix::{Edit, Target};
use crate::parse::yaml::{Node, Value};
use crate::source::Span;

/// Behind the closing bracket of a collection in flow style, found in the text behind its last entry.
pub(super) fn flow_end(target: Target<'_>, node: &Node) -> Option<usize> {
    let (last, bracket) = match &node.value {
        Value::Mapping(entries) => (entries.last().map(|(_, value)| value), '}'),
        Value::Sequence(items) => (items.last(), ']'),
        _ => return None,
    };
    let start = match last {
        Some(last) if last.span.start > node.span.start => written_flow_end(target, last)?,
        Some(_) => return None,
        None => node.span.start as usize + 1,
    };
    let mut is_comment = false;
    for (at, character) in target.text.get(start..)?.char_indices() {
        match character {
            '\n' => is_comment = false,
            _ if is_comment => {}
            '#' => is_comment = true,
            character if character == bracket => return Some(start + at + 1),
            character if character == ',' || character.is_whitespace() => {}
            _ => return None,
        }
    }
    None
}

/// Where a node within flow style ends.
pub(super) fn written_flow_end(target: Target<'_>, node: &Node) -> Option<usize> {
    match node.value {
        Value::Mapping(_) | Value::Sequence(_) => flow_end(target, node),
        Value::Plain(_) | Value::Quoted(_) => Some(node.span.end as usize),
        Value::Null => (node.span.start < node.span.end).then_some(node.span.end as usize),
    }
}

/// Where the bracket of a collection in flow style is.
pub(super) fn flow_open(target: Target<'_>, node: &Node, bracket: char) -> Option<usize> {
    target
        .slice(node.span)
        .starts_with(bracket)
        .then_some(node.span.start as usize)
}

/// Flow style as its neighbour is written: quoted strings beside a quoted one.
pub(super) fn flow_style(target: Target<'_>, neighbour: Option<Span>) -> Style {
    let mut style = Style::of(target.text, target.newline());
    style.is_json = match neighbour {
        Some(span) => target.slice(span).starts_with('"'),
        None => target.text.trim_start().starts_with(['{', '[']),
    };
    style
}

/// Before the closing bracket: on a line of its own where the entries have their own lines.
pub(super) fn insert_flow(
    target: Target<'_>,
    (open, end): (usize, usize),
    last: Option<usize>,
    text: &str,
) -> Option<Edit> {
    let close = end - 1;
    let Some(last) = last else {
        let is_empty = target.text.get(open + 1..close)?.trim().is_empty();
        return is_empty.then(|| target.insert(open + 1, text));
    };
    let rest = target.text.get(last..close)?;
    let (at, comma) = if rest.trim_start().starts_with(',') {
        (last + rest.find(',')? + 1, "")
    } else {
        (last, ",")
    };
    let is_several_lines = target.text.get(last..close)?.contains('\n');
    let before = if is_several_lines {
        format!("{}{}", target.newline(), target.indentation(last))
    } else {
        " ".to_owned()
    };
    let after = if comma.is_empty() && is_several_lines {
        ","
    } else {
        ""
    };
    Some(target.insert(at, format!("{comma}{before}{text}{after}")))
}
