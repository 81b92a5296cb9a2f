//! Files of lines: pip's requirements.txt and setup.cfg.

use super::{Need, Reader, Requirements};
use crate::source::Stated;

/// pip's format: a requirement or an option a line, `\` continues, `#` begins a comment.
pub(super) fn read_requirements(mut reader: Reader<'_>) -> Requirements {
    let source = reader.source;
    let mut start = 0;
    let mut is_continued = false;
    for line in source.text.split_inclusive('\n') {
        let text = without_comment(line.trim_end());
        let continues = text.ends_with('\\');
        // What continues a requirement are its hashes and options.
        if !is_continued {
            read_line(&mut reader, text.trim_end_matches('\\').trim_end(), start);
        }
        is_continued = continues;
        start += line.len();
    }
    reader.found
}

/// A comment begins a line or follows a blank: `#egg=` is none.
fn without_comment(line: &str) -> &str {
    let is_start = |at: usize| at == 0 || line[..at].ends_with([' ', '\t']);
    let comment = line.match_indices('#').find(|(at, _)| is_start(*at));
    comment.map_or(line, |(at, _)| &line[..at]).trim_end()
}

fn read_line(reader: &mut Reader<'_>, line: &str, start: usize) {
    let text = line.trim_start_matches('\u{feff}').trim_start();
    let start = start + line.len() - text.len();
    let Some(option) = text.strip_prefix('-') else {
        // Options of a requirement follow it: `numpy --no-binary :all:`.
        let end = text.find(" --").unwrap_or(text.len());
        reader.add_requirement(&text[..end], start, Need::Always);
        return;
    };
    for name in ["-requirement", "r", "-editable", "e"] {
        let Some(rest) = option.strip_prefix(name) else {
            continue;
        };
        let value = rest.trim_start_matches(['=', ' ', '\t']);
        if name.ends_with('t') || name == "r" {
            reader.found.includes.push(value.to_owned());
        } else {
            reader.add_requirement(value, start + text.len() - value.len(), Need::Always);
        }
        return;
    }
}

/// `install_requires` and `python_requires` of `[options]`, and the extras.
pub(super) fn read_setup_cfg(mut reader: Reader<'_>) -> Requirements {
    let source = reader.source;
    let (mut section, mut key) = ("", "");
    let mut start = 0;
    for line in source.text.split_inclusive('\n') {
        let text = without_comment(line.trim_end());
        let is_indented = text.starts_with([' ', '\t']);
        if let Some(name) = text.strip_prefix('[') {
            (section, key) = (name.trim_end_matches(']'), "");
        } else if !is_indented && let Some((name, value)) = text.split_once(['=', ':']) {
            key = name.trim();
            let value_start = start + text.len() - value.len();
            read_setting(&mut reader, section, key, value, value_start);
        } else if is_indented {
            read_setting(&mut reader, section, key, text, start);
        }
        start += line.len();
    }
    reader.found
}

fn read_setting(reader: &mut Reader<'_>, section: &str, key: &str, value: &str, start: usize) {
    match (section, key) {
        ("options", "install_requires") => reader.add_requirement(value, start, Need::Always),
        ("options.extras_require", _) => reader.add_requirement(value, start, Need::Optional),
        ("options", "python_requires") => {
            let text = value.trim();
            let at = reader.at(start + value.len() - value.trim_start().len(), text.len());
            reader.found.requires_python = Some(Stated::new(text.to_owned(), at));
        }
        _ => {}
    }
}
