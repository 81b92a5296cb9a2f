//! Edits of YAML that keep everything else: comments, indentation, quotes, block and flow style, line ends.
//!
//! A block mapping grows by a line after its last entry, a flow mapping by an entry before its brace. Where a node is not
//! written where it stands (an alias, a merge key), only what is written there is looked at. A builder gives `None` where
//! the text is not as its nodes say, or where the edit would need more than it can know.

mod flow;
mod new;

use super::{Edit, Target};
use crate::parse::yaml::{Node, Value};
use crate::source::Span;
use flow::{flow_end, flow_open, flow_style, insert_flow, written_flow_end};
pub use new::New;
use new::Style;

/// Adds a key to a mapping that does not have it.
pub fn insert_key(target: Target<'_>, mapping: &Node, key: &str, value: &New) -> Option<Edit> {
    let own = own_entries(mapping);
    if let Some(open) = flow_open(target, mapping, '{') {
        let style = flow_style(target, own.first().map(|(key, _)| key.span));
        let text = style.flow_entry(key, value);
        let end = flow_end(target, mapping)?;
        let last = match mapping.entries().last() {
            Some((_, value)) => Some(written_flow_end(target, value)?),
            None => None,
        };
        return insert_flow(target, (open, end), last, &text);
    }
    let style = Style::of(target.text, target.newline());
    let Some(last) = own.last() else {
        // nothing but `<<: *base`
        let start = mapping.span.start as usize;
        let indent = target.column(start);
        let is_merge = target.text.get(start..)?.starts_with("<<");
        let text = format!(
            "{}{}",
            style.entry(key, value, indent),
            style.line(indent, "")
        );
        return is_merge.then(|| target.insert(start, text));
    };
    let indent = target.column(own.first()?.0.span.start as usize);
    let entry = style.entry(key, value, indent);
    let start = last.0.span.start as usize;
    if keeps_newlines(target, &last.1) {
        // a line after it would take the empty lines at its end away
        return Some(target.insert(start, format!("{entry}{}", style.line(indent, ""))));
    }
    let end = target.line_end(written_end(target, last));
    Some(target.insert(end, style.line(indent, &entry)))
}

/// Sets a key to a value: of a mapping below `root`, by the keys of `path`, made where they are missing.
/// A scalar that is there is replaced in its own quotes; a mapping or a list that is there is left alone (`None`).
pub fn set(target: Target<'_>, root: &Node, path: &[&str], value: &New) -> Option<Edit> {
    let (key, rest) = path.split_first()?;
    let Some(found) = root.get(key) else {
        return insert_key(target, root, key, &wrap(rest, value));
    };
    let written = root.key(key)?.span;
    if !own_entries(root)
        .iter()
        .any(|(name, _)| name.text() == Some(*key))
    {
        // a merge key brings it: it can be overridden as a whole only
        return rest
            .is_empty()
            .then(|| insert_key(target, root, key, value))?;
    }
    if found.span.start < written.end && found.value != Value::Null {
        // an alias: what it names belongs to others
        return None;
    }
    match &found.value {
        Value::Null => fill(target, root, (written, found.span), &wrap(rest, value)),
        Value::Mapping(entries) if entries.is_empty() && flow_open(target, root, '{').is_none() => {
            let span = found.span;
            let style = Style::of(target.text, target.newline());
            let indent = target.column(written.start as usize);
            let after = style.after_colon(&wrap(rest, value), indent);
            let colon = written.end as usize
                + target
                    .text
                    .get(written.end as usize..span.start as usize)?
                    .find(':')?;
            let is_bare = target
                .slice(Span::new(colon + 1..span.start as usize))
                .trim()
                .is_empty();
            is_bare.then(|| target.replace(Span::new(colon + 1..span.end as usize), after))
        }
        Value::Mapping(_) if !rest.is_empty() => set(target, found, rest, value),
        Value::Plain(_) | Value::Quoted(_) if rest.is_empty() => {
            replace_scalar(target, found, value)
        }
        _ => None,
    }
}

/// Puts a scalar in the place of a scalar, in the quotes that were there.
pub fn replace_scalar(target: Target<'_>, node: &Node, value: &New) -> Option<Edit> {
    let plain = match node.value {
        Value::Plain(_) => true,
        Value::Quoted(_) => false,
        _ => return None,
    };
    if !plain && block_header(target, node.span).is_some() {
        return None;
    }
    let text = match (value, target.slice(node.span).chars().next()?) {
        (New::Text(text) | New::Plain(text), '"') if !plain => new::double_quoted(text),
        (New::Text(text) | New::Plain(text), '\'') if !plain => {
            format!("'{}'", text.replace('\'', "''"))
        }
        _ if !plain => return None,
        (New::Text(text), _) => new::scalar(text, false),
        (New::Plain(text), _) => text.clone(),
        _ => return None,
    };
    Some(target.replace(node.span, text))
}

/// Adds an item at the end of a list.
pub fn append_item(target: Target<'_>, list: &Node, item: &New) -> Option<Edit> {
    let own = own_items(list);
    if let Some(open) = flow_open(target, list, '[') {
        let style = flow_style(target, own.first().map(|item| item.span));
        let end = flow_end(target, list)?;
        let last = match list.items().last() {
            Some(item) => Some(written_flow_end(target, item)?),
            None => None,
        };
        return insert_flow(target, (open, end), last, &style.flow(item));
    }
    let (first, last) = (own.first()?, own.last()?);
    if keeps_newlines(target, last) {
        return None;
    }
    let indent = target.column(dash_of(target, first)?);
    let style = Style::of(target.text, target.newline());
    let end = if last.value == Value::Null && target.slice(last.span).is_empty() {
        dash_of(target, last)?
    } else {
        deepest_end(target, last)
    };
    let text = style.line(indent, &style.item(item, indent));
    Some(target.insert(target.line_end(end), text))
}

/// Adds strings before the first item of a list: `["dunnage", "run", "--"]` before a command.
pub fn prepend_items(target: Target<'_>, list: &Node, items: &[&str]) -> Option<Edit> {
    let first = own_items(list).first().copied()?;
    if let Some(open) = flow_open(target, list, '[') {
        let style = flow_style(target, Some(first.span));
        let items: String = items
            .iter()
            .flat_map(|item| [style.flow(&New::text(*item)), ", ".to_owned()])
            .collect();
        let is_directly_after = target
            .text
            .get(open + 1..first.span.start as usize)?
            .trim()
            .is_empty();
        return is_directly_after.then(|| target.insert(first.span.start as usize, items));
    }
    let dash = dash_of(target, first)?;
    let indent = target.column(dash);
    let style = Style::of(target.text, target.newline());
    let items: String = items
        .iter()
        .flat_map(|item| {
            let item = style.item(&New::text(*item), indent);
            [item, style.line(indent, "")]
        })
        .collect();
    Some(target.insert(dash, items))
}

/// Takes a key and its value away. `None` if the mapping would be left without an entry, or is in flow style.
pub fn remove_key(target: Target<'_>, mapping: &Node, key: &str) -> Option<Edit> {
    let own = own_entries(mapping);
    let index = own.iter().position(|(name, _)| name.text() == Some(key))?;
    // the empty lines behind the entry would come to the block scalar before it
    let is_behind_kept = index > 0 && keeps_newlines(target, &own[index - 1].1);
    if own.len() < 2 || flow_open(target, mapping, '{').is_some() || is_behind_kept {
        return None;
    }
    let start = own[index].0.span.start as usize;
    if index == 0 && target.indentation(start).len() != start - target.line_start(start) {
        // `- key: value`: the next entry comes to stand behind the dash
        let next = own[1].0.span.start as usize;
        return Some(target.replace(Span::new(start..next), ""));
    }
    let end = written_end(target, own[index]);
    Some(target.remove_lines(start, target.line_end(end)))
}

/// Sets a variable of a container of a pod: `env` is a list of names and values.
pub fn set_container_env(
    target: Target<'_>,
    container: &Node,
    name: &str,
    value: &str,
) -> Option<Edit> {
    let variable = New::map([("name", New::text(name)), ("value", New::text(value))]);
    let Some(env) = container.get("env").filter(|env| env.value != Value::Null) else {
        return set(target, container, &["env"], &New::List(vec![variable]));
    };
    let is_named = |item: &&Node| item.get("name").and_then(Node::text) == Some(name);
    match env.items().iter().find(is_named) {
        Some(item) if item.get("value").is_some() => {
            set(target, item, &["value"], &New::text(value))
        }
        Some(_) => None,
        None => append_item(target, env, &variable),
    }
}

/// Sets a variable of a Compose service, whose `environment` is a mapping or a list of `NAME=value`.
pub fn set_service_env(
    target: Target<'_>,
    service: &Node,
    name: &str,
    value: &str,
) -> Option<Edit> {
    let Some(list) = service
        .get("environment")
        .filter(|node| !node.items().is_empty())
    else {
        return set(target, service, &["environment", name], &New::text(value));
    };
    let assignment = New::text(format!("{name}={value}"));
    let is_named = |item: &&Node| {
        let text = item.text().unwrap_or_default();
        text.split_once('=').map_or(text, |(before, _)| before) == name
    };
    match list.items().iter().find(is_named) {
        Some(item) => replace_scalar(target, item, &assignment),
        None => append_item(target, list, &assignment),
    }
}

/// A string in double quotes, as JSON and YAML read it.
pub(super) fn quoted(text: &str) -> String {
    new::double_quoted(text)
}

/// A string without quotes where YAML reads it back as the same.
pub(super) fn plain_or_quoted(text: &str) -> String {
    new::scalar(text, false)
}

/// `value` below the keys of `path`.
fn wrap(path: &[&str], value: &New) -> New {
    path.iter().rev().fold(value.clone(), |value, key| {
        New::Map(vec![((*key).to_owned(), value)])
    })
}

/// Gives a key without a value one: `resources:`, `resources: ~`.
fn fill(target: Target<'_>, parent: &Node, (key, value): (Span, Span), new: &New) -> Option<Edit> {
    if flow_open(target, parent, '{').is_some() {
        return None;
    }
    let end = target.line_end(key.end as usize);
    let rest = target.text.get(key.end as usize..end)?;
    let after_colon = rest.trim_start().strip_prefix(':')?;
    let style = Style::of(target.text, target.newline());
    let text = style.after_colon(new, target.column(key.start as usize));
    let colon = end - after_colon.len();
    let is_nested = text.starts_with(style.newline);
    if value.start as usize >= colon && (value.end as usize) <= end && value.start < value.end {
        return Some(target.replace(Span::new(colon..value.end as usize), text));
    }
    let after = after_colon.trim_start();
    match (after.is_empty() || after.starts_with('#'), is_nested) {
        (true, true) => Some(target.insert(end, text)),
        (true, false) => Some(target.insert(colon, text)),
        (false, _) => None,
    }
}

/// The entries that are written in the mapping itself, in order; not those that a merge key brings.
fn own_entries(mapping: &Node) -> Vec<&(Node, Node)> {
    let mut after = mapping.span.start;
    let entries = mapping.entries().iter();
    entries
        .take_while(|(key, _)| {
            let is_own = key.span.start >= after && key.span.start < mapping.span.end;
            after = after.max(key.span.end);
            is_own
        })
        .collect()
}

/// The items up to the first that is an alias, whose place is elsewhere.
fn own_items(list: &Node) -> Vec<&Node> {
    let mut after = list.span.start;
    let items = list.items();
    let own: Vec<&Node> = items
        .iter()
        .take_while(|item| {
            let is_own = item.span.start >= after;
            after = after.max(item.span.end);
            is_own
        })
        .collect();
    if own.len() == items.len() {
        own
    } else {
        Vec::new()
    }
}

/// Where what an entry's value holds ends in the text; the end of its key for an empty value or an alias.
fn written_end(target: Target<'_>, (key, value): &(Node, Node)) -> usize {
    let is_foreign = value.span.start < key.span.end;
    let is_empty = target.slice(value.span).trim().is_empty();
    if is_foreign || is_empty {
        return key.span.end as usize;
    }
    deepest_end(target, value)
}

/// The end of a block collection is where its last entry ends: its own span may reach over comments to the next thing.
fn deepest_end(target: Target<'_>, node: &Node) -> usize {
    let open = target.slice(node.span).chars().next();
    let end = match &node.value {
        Value::Mapping(_) if open != Some('{') => own_entries(node)
            .last()
            .map(|entry| written_end(target, entry)),
        Value::Sequence(_) if open != Some('[') => {
            own_items(node).last().map(|item| deepest_end(target, item))
        }
        Value::Mapping(_) | Value::Sequence(_) => flow_end(target, node),
        _ => None,
    };
    end.unwrap_or(node.span.end as usize)
}

/// The first line of a block scalar, with its indicator `|` or `>`.
fn block_header(target: Target<'_>, scalar: Span) -> Option<&str> {
    let header = target.slice(scalar).lines().next()?;
    header
        .starts_with(['|', '>'])
        .then(|| header.split(" #").next())?
}

/// Does a block scalar at the end of this value keep its empty lines (`|+`)?
fn keeps_newlines(target: Target<'_>, value: &Node) -> bool {
    match &value.value {
        Value::Quoted(text) => {
            let is_blank = !text.is_empty() && text.trim().is_empty();
            is_blank || block_header(target, value.span).is_some_and(|header| header.contains('+'))
        }
        Value::Mapping(_) => own_entries(value)
            .last()
            .is_some_and(|(_, value)| keeps_newlines(target, value)),
        Value::Sequence(items) => items
            .last()
            .is_some_and(|item| keeps_newlines(target, item)),
        Value::Null | Value::Plain(_) => false,
    }
}

/// The dash before an item of a block list.
fn dash_of(target: Target<'_>, item: &Node) -> Option<usize> {
    let before = target.text.get(..item.span.start as usize)?.trim_end();
    before.ends_with('-').then(|| before.len() - 1)
}

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
