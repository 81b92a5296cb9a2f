//! From the scanner's events to nodes.

use super::places::Places;
use super::{Node, Value};
use crate::parse::Problem;
use crate::source::{Span, Texts};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput};
use std::collections::{HashMap, HashSet};
use thin_vec::{ThinVec, thin_vec};

/// Deeper than any file that people write; it bounds the recursion of everything that walks nodes.
const MAX_DEPTH: usize = 128;

/// How many nodes aliases may copy in one document: a Compose file with anchors copies some hundred.
const MAX_COPIES: usize = 200_000;

/// A node with what bounds it: how many nodes it is, and how many levels.
#[derive(Clone)]
struct Built {
    node: Node,
    size: usize,
    depth: usize,
}

impl Built {
    fn leaf(value: Value, span: Span) -> Self {
        Self {
            node: Node { value, span },
            size: 1,
            depth: 1,
        }
    }
}

/// A collection that has begun.
struct Open {
    /// The items of a sequence; keys and values in turn of a mapping.
    nodes: Vec<Node>,
    is_mapping: bool,
    start: usize,
    anchor: usize,
    size: usize,
    depth: usize,
}

struct Builder<'a> {
    text: &'a str,
    texts: &'a mut Texts,
    offset: usize,
    places: Places<'a>,
    open: Vec<Open>,
    anchors: HashMap<usize, Built>,
    copies: usize,
    root: Option<Node>,
    /// The byte after the last thing that is written here: where a block collection ends.
    written: usize,
}

/// The node of one document that begins at byte `offset` of its file.
pub(super) fn parse(text: &str, offset: usize, texts: &mut Texts) -> Result<Option<Node>, Problem> {
    let mut builder = Builder {
        text,
        texts,
        offset,
        places: Places::of(text),
        open: Vec::new(),
        anchors: HashMap::new(),
        copies: 0,
        root: None,
        written: 0,
    };
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| builder.refuse(&error))?;
        // of a text without `---` only `...` could begin a second document: no one writes that
        if builder.root.is_some() && matches!(event, Event::DocumentStart(_)) {
            break;
        }
        builder.take(event, span)?;
    }
    Ok(builder.root.filter(|node| !node.is_null()))
}

impl Builder<'_> {
    fn byte(&self, character: usize) -> usize {
        self.places.byte(character)
    }

    /// Bytes of the file.
    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.offset + start..self.offset + end.max(start))
    }

    fn problem(&self, character: usize, message: impl Into<String>) -> Problem {
        let start = self.byte(character);
        let length = self.text[start..].chars().next().map_or(0, char::len_utf8);
        Problem {
            message: message.into(),
            span: Span::new(self.offset + start..self.offset + start + length),
        }
    }

    fn refuse(&self, error: &ScanError) -> Problem {
        self.problem(error.marker().index(), error.info().to_lowercase())
    }

    fn take(&mut self, event: Event<'_>, span: saphyr_parser::Span) -> Result<(), Problem> {
        let from = span.start.index();
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let built = self.scalar(&text, style, span);
                self.written = built.node.span.range().end - self.offset;
                self.anchor(anchor, &built, from)?;
                self.push(built);
            }
            Event::Alias(id) => {
                let built = self.copy(id, from)?;
                self.written = self.byte(span.end.index());
                self.push(built);
            }
            Event::SequenceStart(anchor, _) => self.begin(false, anchor, from)?,
            Event::MappingStart(anchor, _) => self.begin(true, anchor, from)?,
            Event::SequenceEnd | Event::MappingEnd => {
                self.written = self.written.max(self.flow_end(span));
                self.end(from)?;
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// The end of a flow collection, whose closing bracket is an event of its own; nothing for a block collection.
    fn flow_end(&self, span: saphyr_parser::Span) -> usize {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        match self.text.as_bytes().get(start) {
            Some(b'}' | b']') if end > start => start + 1,
            _ => 0,
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: saphyr_parser::Span) -> Built {
        let plain = style == ScalarStyle::Plain;
        let end = self.byte(span.end.index());
        let mut start = skip_properties(self.text, self.byte(span.start.index())).min(end);
        if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            start = block_header(self.text, start);
        }
        let written = &self.text[start..end];
        // the scanner counts what follows a quoted scalar, and the white space after a block scalar, as part of it
        let length = match written.as_bytes().first() {
            Some(b'"') if !plain => quoted_length(written, '"'),
            Some(b'\'') if !plain => quoted_length(written, '\''),
            _ => written.trim_end().len(),
        };
        let span = self.span(start, start + length);
        let value = if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            Value::Null
        } else if plain {
            Value::Plain(self.texts.share(text))
        } else {
            Value::Quoted(self.texts.share(text))
        };
        Built::leaf(value, span)
    }

    /// Notes a node under its anchor. The note is a copy too.
    fn anchor(&mut self, anchor: usize, built: &Built, from: usize) -> Result<(), Problem> {
        if anchor != 0 {
            self.count_copies(built.size, from)?;
            self.anchors.insert(anchor, built.clone());
        }
        Ok(())
    }

    fn copy(&mut self, id: usize, from: usize) -> Result<Built, Problem> {
        // an alias inside of what it names: a loop
        let Some(built) = self.anchors.get(&id) else {
            return Err(self.problem(from, "an alias names a node that it is part of"));
        };
        let (size, depth) = (built.size, built.depth);
        if self.open.len() + depth > MAX_DEPTH {
            return Err(self.problem(from, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.count_copies(size, from)?;
        Ok(self.anchors[&id].clone())
    }

    fn count_copies(&mut self, size: usize, from: usize) -> Result<(), Problem> {
        self.copies += size;
        if self.copies > MAX_COPIES {
            let message = format!("aliases copy more than {MAX_COPIES} nodes");
            return Err(self.problem(from, message));
        }
        Ok(())
    }

    fn begin(&mut self, is_mapping: bool, anchor: usize, from: usize) -> Result<(), Problem> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.problem(from, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let start = self.byte(from);
        self.open.push(Open {
            nodes: Vec::new(),
            is_mapping,
            start,
            anchor,
            size: 1,
            depth: 1,
        });
        Ok(())
    }

    fn end(&mut self, from: usize) -> Result<(), Problem> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let start = self.collection_start(&open);
        let span = self.span(start, self.written);
        let value = if open.is_mapping {
            Value::Mapping(merge(pairs(open.nodes)))
        } else {
            Value::Sequence(exactly(open.nodes.into_iter()))
        };
        let built = Built {
            node: Node { value, span },
            size: open.size,
            depth: open.depth,
        };
        self.anchor(open.anchor, &built, from)?;
        self.push(built);
        Ok(())
    }

    /// At the bracket, the dash or the first key: the scanner may name the anchor before it, or the first item behind a dash.
    fn collection_start(&self, open: &Open) -> usize {
        let start = skip_properties(self.text, open.start).min(self.written.max(open.start));
        if open.is_mapping || self.text[start..].starts_with(['[', '-']) {
            return start;
        }
        let before = self.text[..start].trim_end();
        if before.ends_with('-') {
            before.len() - 1
        } else {
            start
        }
    }

    fn push(&mut self, built: Built) {
        match self.open.last_mut() {
            Some(open) => {
                open.size += built.size;
                open.depth = open.depth.max(built.depth + 1);
                open.nodes.push(built.node);
            }
            None => self.root = Some(built.node),
        }
    }
}

/// Behind anchors, tags and comments: where the value itself begins.
fn skip_properties(text: &str, start: usize) -> usize {
    let mut at = start;
    while text[at..].starts_with(['&', '!']) {
        let length = text[at..]
            .find(char::is_whitespace)
            .unwrap_or(text.len() - at);
        at += length;
        loop {
            at += text[at..].len() - text[at..].trim_start().len();
            if !text[at..].starts_with('#') {
                break;
            }
            at += text[at..].find('\n').unwrap_or(text.len() - at);
        }
    }
    at
}

/// Where the `|` or `>` of a block scalar stands, whose content the scanner names.
fn block_header(text: &str, content: usize) -> usize {
    let before = text[..content].trim_end();
    let line = before.rfind('\n').map_or(0, |newline| newline + 1);
    let is_header = |rest: &str| {
        let rest = rest.trim_start_matches(['-', '+', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
        rest.is_empty() || rest.trim_start().starts_with('#')
    };
    before[line..]
        .rmatch_indices(['|', '>'])
        .find(|(at, _)| is_header(&before[line + at + 1..]))
        .map_or(content, |(at, _)| line + at)
}

/// The bytes of a quoted scalar, both quotes included.
fn quoted_length(written: &str, quote: char) -> usize {
    let mut characters = written.char_indices().skip(1).peekable();
    while let Some((byte, character)) = characters.next() {
        if character == '\\' && quote == '"' {
            characters.next();
        } else if character == quote {
            if quote == '\'' && characters.next_if(|(_, next)| *next == quote).is_some() {
                continue;
            }
            return byte + 1;
        }
    }
    written.trim_end().len()
}

/// Without room for more: nodes are kept to the end.
fn exactly<T>(items: impl ExactSizeIterator<Item = T>) -> ThinVec<T> {
    let mut exact = ThinVec::with_capacity(items.len());
    exact.extend(items);
    exact
}

fn pairs(nodes: Vec<Node>) -> ThinVec<(Node, Node)> {
    let mut pairs = ThinVec::with_capacity(nodes.len() / 2);
    let mut nodes = nodes.into_iter();
    while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
        pairs.push((key, value));
    }
    pairs
}

/// The entries of `<<` behind those that are written, without those that are overridden.
fn merge(entries: ThinVec<(Node, Node)>) -> ThinVec<(Node, Node)> {
    let is_merge =
        |(key, _): &(Node, Node)| matches!(&key.value, Value::Plain(text) if text == "<<");
    if !entries.iter().any(is_merge) {
        return entries;
    }
    let (merges, mut entries): (ThinVec<_>, ThinVec<_>) = entries.into_iter().partition(is_merge);
    let mut seen: HashSet<String> = entries
        .iter()
        .filter_map(|(key, _)| key.text().map(str::to_owned))
        .collect();
    let merged = merges.into_iter().flat_map(|(_, value)| {
        if let Value::Sequence(items) = value.value {
            items
        } else {
            thin_vec![value]
        }
    });
    for node in merged {
        let Value::Mapping(inherited) = node.value else {
            continue;
        };
        for (key, value) in inherited {
            if key.text().is_none_or(|name| seen.insert(name.to_owned())) {
                entries.push((key, value));
            }
        }
    }
    entries.shrink_to_fit();
    entries
}
