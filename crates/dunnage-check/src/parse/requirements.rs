//! What a project depends on: names only, normalised as PEP 503 says.

mod lines;
mod tables;

use super::Problem;
use super::yaml;
use crate::source::Stated;
use crate::source::{FileId, Location, Source, Span};

/// Dependencies that a file declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirements {
    /// What is installed wherever the file is: normalised names (`scikit-learn`).
    pub packages: Vec<Stated<String>>,
    /// What is installed where it is asked for: extras, groups, development. Not what is for other systems than Linux.
    pub optional: Vec<Stated<String>>,
    /// `requires-python`, as written.
    pub requires_python: Option<Stated<String>>,
    /// Files that it includes, as written: `-r other.txt`. The path is from the file's own folder.
    pub includes: Vec<String>,
}

/// Parses a file of dependencies, by its name.
///
/// # Errors
/// TOML and YAML that do not parse. In a file of lines what is not understood is passed over.
pub fn parse(source: &Source, id: FileId) -> Result<Requirements, Problem> {
    let name = source.name().to_ascii_lowercase();
    let reader = Reader {
        source,
        file: id,
        found: Requirements::default(),
    };
    match name.as_str() {
        "pyproject.toml" => tables::read_pyproject(reader),
        "pipfile" => tables::read_pipfile(reader),
        "setup.cfg" => Ok(lines::read_setup_cfg(reader)),
        _ if matches!(name.rsplit('.').next(), Some("yml" | "yaml")) => read_environment(reader),
        _ => Ok(lines::read_requirements(reader)),
    }
}

/// A name in the one form in which two of them can be compared: `Scikit_Learn` is `scikit-learn`.
pub fn normalise(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for part in name.split(['-', '_', '.']).filter(|part| !part.is_empty()) {
        if !normal.is_empty() {
            normal.push('-');
        }
        normal.push_str(&part.to_ascii_lowercase());
    }
    normal
}

/// Is it installed always, or where somebody asks for it?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Always,
    Optional,
}

struct Reader<'a> {
    source: &'a Source,
    file: FileId,
    found: Requirements,
}

impl Reader<'_> {
    fn at(&self, start: usize, length: usize) -> Location {
        Location {
            file: self.file,
            span: Span::new(start..start + length),
        }
    }

    fn add(&mut self, name: &str, at: Location, need: Need) {
        let name = normalise(name);
        if name.is_empty() {
            return;
        }
        let list = match need {
            Need::Always => &mut self.found.packages,
            Need::Optional => &mut self.found.optional,
        };
        list.push(Stated::new(name, at));
    }

    /// A requirement as PEP 508 writes it, that begins at a byte of the file.
    fn add_requirement(&mut self, text: &str, start: usize, need: Need) {
        let indent = text.len() - text.trim_start().len();
        let (start, text) = (start + indent, &text[indent..]);
        let (before, marker) = text.split_once(';').unwrap_or((text, ""));
        if is_elsewhere(marker) {
            return;
        }
        let need = if marker.contains("extra") {
            Need::Optional
        } else {
            need
        };
        let name = leading_name(before);
        let rest = before[name.len()..].trim_start();
        let is_name =
            rest.is_empty() || rest.starts_with(['[', '(', '<', '>', '=', '!', '~', '@', ',']);
        if is_name {
            self.add(name, self.at(start, name.len()), need);
        } else if let Some((offset, name)) = name_of_place(before) {
            self.add(name, self.at(start + offset, name.len()), need);
        }
    }
}

/// The longest beginning that is a project's name.
fn leading_name(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'))
        .unwrap_or(text.len());
    text[..end].trim_end_matches(['-', '_', '.'])
}

/// The name in a URL or a path, with its offset: `#egg=name`, or a wheel's file name.
fn name_of_place(text: &str) -> Option<(usize, &str)> {
    if let Some(egg) = text.find("egg=") {
        let start = egg + "egg=".len();
        return Some((start, leading_name(&text[start..])));
    }
    let path = text.split(['#', '?']).next().unwrap_or_default().trim_end();
    let file = path.rsplit('/').next().unwrap_or_default();
    let (name, _) = file.split_once('-')?;
    let is_wheel = std::path::Path::new(file)
        .extension()
        .is_some_and(|extension| extension == "whl" || extension == "gz");
    (is_wheel && leading_name(name) == name).then(|| (path.len() - file.len(), name))
}

/// Does a marker restrict a requirement to another system than Linux?
fn is_elsewhere(marker: &str) -> bool {
    [
        "win32", "Windows", "darwin", "Darwin", "'nt'", "\"nt\"", "cygwin",
    ]
    .iter()
    .any(|system| marker.contains(system))
        && !marker.contains("!=")
        && !marker.contains(" or ")
}

/// conda's `environment.yml`: `dependencies`, with a list of pip's among them.
fn read_environment(mut reader: Reader<'_>) -> Result<Requirements, Problem> {
    let documents = yaml::parse(&reader.source.text)?;
    let dependencies = documents.iter().filter_map(|node| node.get("dependencies"));
    for item in dependencies.flat_map(yaml::Node::items) {
        let start = item.span.start as usize;
        if let Some(text) = item.text() {
            let channel = text.rfind("::").map_or(0, |at| at + 2);
            let name = leading_name(&text[channel..]);
            let version = text[channel + name.len()..].trim();
            if name == "python" {
                let at = reader.at(start, item.span.range().len());
                let version = version.trim_start_matches('=').to_owned();
                reader.found.requires_python = Some(Stated::new(version, at));
            } else {
                reader.add(name, reader.at(start + channel, name.len()), Need::Always);
            }
        }
        for requirement in item.get("pip").map_or(&[][..], yaml::Node::items) {
            if let Some(text) = requirement.text() {
                reader.add_requirement(text, requirement.span.start as usize, Need::Always);
            }
        }
    }
    Ok(reader.found)
}

#[cfg(test)]
mod tests;
