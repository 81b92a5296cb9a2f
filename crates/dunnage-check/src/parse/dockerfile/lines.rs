//! A Dockerfile's instructions: lines joined, comments left out, here-documents found.
//!
//! An instruction's arguments keep their length: what does not count (the escape before a newline, a comment between two
//! lines) becomes [`NOTHING`], so that a place in the arguments is a place in the file.

use crate::parse::Problem;
use crate::parse::shell::word;
use crate::source::Span;
use std::ops::Range;

/// Stands for a byte that does not count.
pub(super) const NOTHING: char = '\0';

/// One instruction.
#[derive(Debug)]
pub(super) struct Instruction {
    /// In capitals.
    pub keyword: String,
    /// Where the keyword begins.
    pub start: usize,
    /// What follows the keyword, without blanks at its ends, as bytes of the file.
    pub range: Range<usize>,
    /// The same, of the same length, with [`NOTHING`] for what does not count.
    pub arguments: String,
    /// Here-documents, in the order in which they are asked for.
    pub documents: Vec<Document>,
}

/// A here-document.
#[derive(Debug, Clone)]
pub(super) struct Document {
    /// The word that ends it, without quotes.
    pub name: String,
    /// Its lines, as bytes of the file.
    pub range: Range<usize>,
    /// `<<'EOF'`.
    pub is_quoted: bool,
    /// `<<-EOF`.
    pub strips_tabs: bool,
}

impl Instruction {
    /// To the end of the arguments.
    pub(super) fn span(&self) -> Span {
        Span::new(self.start..self.range.end.max(self.start))
    }

    /// A place in the arguments as bytes of the file.
    pub(super) fn within(&self, range: Range<usize>) -> Span {
        Span::new(self.range.start + range.start..self.range.start + range.end)
    }

    /// The arguments as an instruction of their own: what `ONBUILD` holds.
    pub(super) fn inner_keyword(&self) -> &str {
        self.arguments.split_whitespace().next().unwrap_or_default()
    }
}

/// A physical line: its bytes without the newline, and where the next begins.
fn line_at(text: &str, start: usize) -> (Range<usize>, usize) {
    let rest = &text[start..];
    let end = rest.find('\n').map_or(text.len(), |found| start + found);
    let next = (end + 1).min(text.len());
    let trimmed = text[start..end].trim_end_matches('\r').len();
    (start..start + trimmed, next)
}

/// All instructions of a text.
pub(super) fn read(text: &str) -> Result<Vec<Instruction>, Problem> {
    let mut at = if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    let escape = escape_of(&text[at..]);
    let mut found = Vec::new();
    while at < text.len() {
        let (line, next) = line_at(text, at);
        let trimmed = text[line.clone()].trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            at = next;
            continue;
        }
        let start = line.end - trimmed.len();
        let (joined, next) = join(text, start, escape);
        let mut instruction = split(start, &joined);
        at = documents(text, &mut instruction, next)?;
        found.push(instruction);
    }
    Ok(found)
}

/// `# escape=` among the directives at the beginning.
fn escape_of(text: &str) -> char {
    for line in text.lines() {
        let Some((name, value)) = line
            .trim()
            .strip_prefix('#')
            .and_then(|line| line.split_once('='))
        else {
            break;
        };
        let name = name.trim();
        if name.eq_ignore_ascii_case("escape") {
            return if value.trim() == "`" { '`' } else { '\\' };
        }
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            break;
        }
    }
    '\\'
}

/// The logical line that begins at `start`, of the same length as what it was written as, and where the next begins.
fn join(text: &str, start: usize, escape: char) -> (String, usize) {
    let mut joined = String::new();
    let mut at = start;
    let mut goes_on = true;
    while goes_on && at < text.len() {
        let (line, next) = line_at(text, at);
        let content = &text[line.clone()];
        let is_first = at == start;
        if !is_first && is_empty_or_comment(content) {
            blank(&mut joined, next - at);
            at = next;
            continue;
        }
        let kept = content.trim_end_matches([' ', '\t']).strip_suffix(escape);
        goes_on = kept.is_some();
        let kept = kept.unwrap_or(content);
        joined.push_str(kept);
        blank(&mut joined, next - at - kept.len());
        at = next;
    }
    (joined, at)
}

fn is_empty_or_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

fn blank(joined: &mut String, count: usize) {
    joined.extend(std::iter::repeat_n(NOTHING, count));
}

fn split(start: usize, joined: &str) -> Instruction {
    let is_blank = |letter: char| letter.is_whitespace() || letter == NOTHING;
    let end = joined.find(is_blank).unwrap_or(joined.len());
    let keyword = joined[..end].to_ascii_uppercase();
    let rest = joined[end..].trim_end_matches(is_blank);
    let arguments = rest.trim_start_matches(is_blank);
    let begin = start + end + rest.len() - arguments.len();
    Instruction {
        keyword,
        start,
        range: begin..begin + arguments.len(),
        arguments: arguments.to_owned(),
        documents: Vec::new(),
    }
}

/// Here-documents that the arguments ask for; their texts follow the line. Where the next instruction begins.
fn documents(text: &str, instruction: &mut Instruction, mut at: usize) -> Result<usize, Problem> {
    let keyword = match instruction.keyword.as_str() {
        "ONBUILD" => instruction.inner_keyword().to_ascii_uppercase(),
        other => other.to_owned(),
    };
    if !matches!(keyword.as_str(), "RUN" | "COPY" | "ADD") {
        return Ok(at);
    }
    // the builder looks for them in the joined line: `<<EOF\` takes in the word that the next line begins with
    let joined = instruction.arguments.replace(NOTHING, "");
    for (end, is_quoted, strips_tabs) in wanted(&joined) {
        let begin = at;
        loop {
            if at >= text.len() {
                return Err(Problem {
                    message: format!("the here-document has no end: no line is `{end}`"),
                    span: instruction.span(),
                });
            }
            let (line, next) = line_at(text, at);
            let content = &text[line.clone()];
            let content = if strips_tabs {
                content.trim_start_matches('\t')
            } else {
                content
            };
            at = next;
            if content == end {
                instruction.documents.push(Document {
                    name: end,
                    range: begin..line.start,
                    is_quoted,
                    strips_tabs,
                });
                break;
            }
        }
    }
    Ok(at)
}

/// Words of the form `<<END` or `<<-END`, outside quotes: what ends each, whether that is quoted, and whether tabs are
/// stripped.
fn wanted(arguments: &str) -> Vec<(String, bool, bool)> {
    let mut found = Vec::new();
    let mut at = 0;
    let bytes = arguments.as_bytes();
    while at < bytes.len() {
        if bytes[at..].starts_with(b"<<") && bytes.get(at + 2) != Some(&b'<') {
            at += 2;
            let strips_tabs = bytes.get(at) == Some(&b'-');
            at += usize::from(strips_tabs);
            let (end, after) = word::read(arguments, at);
            // `<< END` is none, as the builder reads it
            if after > at {
                let is_quoted = end != arguments[at..after];
                found.push((end, is_quoted, strips_tabs));
                at = after;
            }
            continue;
        }
        if bytes[at..].starts_with(b"<<<") {
            at += 3;
            continue;
        }
        let after = word::read(arguments, at).1;
        at = after.max(at + 1);
    }
    found
}
