//! Paths in the image: where what was copied is, through stages that copy from stages.

use super::{Stage, Written};
use crate::source::Stated;

/// What an earlier stage had copied from the context below `source`, and where it is now that this was copied on.
pub(super) fn passed_on(
    from: &Stage,
    source: &str,
    destination: &str,
) -> Vec<(Vec<String>, String)> {
    let source = absolute(None, source);
    let source = source.trim_end_matches('/');
    let mut found = Vec::new();
    for (sources, to, _) in &from.copies {
        let to = to.trim_end_matches('/');
        if let Some(below) = below(to, source) {
            let to = format!("{}{below}/", destination.trim_end_matches('/'));
            found.push((sources.clone(), to));
        } else if let Some(below) = below(source, to) {
            // a part of what was copied: `/app/src` of `COPY . /app`
            let inner = sources
                .iter()
                .map(|source| format!("{}{below}", source.trim_end_matches('/')));
            found.push((inner.collect(), destination.to_owned()));
        }
    }
    found
}

/// What an earlier stage wrote at or below `source`, where it is now.
pub(super) fn written_on(from: &Stage, source: &str, destination: &str) -> Vec<Written> {
    let source = absolute(None, source);
    let source = source.trim_end_matches('/');
    let mut found = Vec::new();
    for file in &from.written {
        let Some(below) = below(&file.path, source) else {
            continue;
        };
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let into = destination.trim_end_matches('/');
        let path = match (below, destination.ends_with('/')) {
            ("", true) => format!("{into}/{name}"),
            _ => format!("{into}{below}"),
        };
        let mut file = file.clone();
        file.path = path;
        found.push(file);
    }
    found
}

/// What of a path is below a folder, with its `/`; empty if they are the same.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path joined to the working folder, which is `/` where nothing is said.
pub(super) fn absolute(workdir: Option<&Stated<String>>, path: &str) -> String {
    if path.starts_with('/') || path.starts_with('$') {
        return path.to_owned();
    }
    let base = workdir.map_or("", |base| base.value.trim_end_matches('/'));
    let path = path.strip_prefix("./").unwrap_or(path);
    let joined = format!("{base}/{}", if path == "." { "" } else { path });
    if joined.len() > 1 && path == "." {
        return format!("{}/", joined.trim_end_matches('/'));
    }
    joined
}
