//! What a Compose file says about a service.

use super::kubernetes::Environment;
use super::workload::{Asker, Life, Limits, Probe, Probes, Request};
use crate::parse::Model;
use crate::parse::compose::Compose;
use crate::parse::is_name_letter;
use crate::parse::quantity;
use crate::parse::yaml::{Node, Value};
use crate::repository::Repository;
use crate::source::{FileId, Location, Stated};
use std::borrow::Cow;

/// What Compose gives where a service says nothing, in seconds.
const DEFAULT_GRACE: u32 = 10;

/// A service, and what is asked of it.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    /// Its file.
    pub file: FileId,
    /// Its name.
    pub name: &'a str,
    /// Its node, with what it inherits.
    pub node: &'a Node,
    /// The key that names it: one line to point at.
    pub key: Option<&'a Node>,
}

/// The services of a file.
pub fn services(file: FileId, compose: &Compose) -> impl Iterator<Item = Service<'_>> {
    let keys = compose.node.get("services");
    compose.services.iter().map(move |(name, node)| Service {
        file,
        name,
        node,
        key: keys.and_then(|keys| keys.key(name)),
    })
}

/// The node of the service of this name, if the file is Compose's.
pub fn service_node<'a>(
    repository: &'a Repository,
    file: FileId,
    service: &str,
) -> Option<&'a Node> {
    let Model::Compose(compose) = &repository.file(file).model else {
        return None;
    };
    let mut services = compose.services.iter();
    services
        .find(|(name, _)| name == service)
        .map(|(_, node)| node)
}

impl Service<'_> {
    fn place(&self, node: &Node) -> Location {
        Location {
            file: self.file,
            span: node.span,
        }
    }

    /// Its key, or all of it.
    pub fn at(&self) -> Location {
        self.place(self.key.unwrap_or(self.node))
    }

    /// `image`.
    pub fn image(&self) -> Option<Stated<String>> {
        let node = self.node.get("image")?;
        Some(Stated::new(text_of(node)?, self.place(node)))
    }

    /// `cpus`, `mem_limit`, `deploy.resources`, `pids_limit`, `shm_size`.
    pub fn limits(&self) -> Limits {
        let resources = self.node.at(&["deploy", "resources"]);
        let read = |short: &str, path: [&str; 2], parse: fn(&str) -> Option<u64>| {
            let long = resources.and_then(|resources| resources.at(&path));
            let node = long.or_else(|| self.node.get(short))?;
            let value = parse(&text_of(node)?).filter(|value| *value > 0)?;
            Some(Stated::new(value, self.place(node)))
        };
        let shm = self.node.get("shm_size").and_then(|node| {
            let size = quantity::compose_bytes(&text_of(node)?)?;
            Some(Stated::new(Some(size), self.place(node)))
        });
        Limits {
            cpu: read("cpus", ["limits", "cpus"], quantity::milli),
            cpu_request: read("", ["reservations", "cpus"], quantity::milli),
            memory: read("mem_limit", ["limits", "memory"], quantity::compose_bytes),
            memory_request: read(
                "mem_reservation",
                ["reservations", "memory"],
                quantity::compose_bytes,
            ),
            storage: None,
            pids: read("pids_limit", ["limits", "pids"], |text| text.parse().ok()).map(Box::new),
            shm: shm.map(Box::new),
            at: resources.map(|node| self.place(node)),
        }
    }

    /// The healthcheck, as a liveness probe: nothing else of Compose acts on it but who depends on the service.
    pub fn probes(&self) -> Probes {
        Probes {
            liveness: self.healthcheck().map(Box::new),
            ..Probes::default()
        }
    }

    fn healthcheck(&self) -> Option<Probe> {
        let node = self.node.get("healthcheck")?;
        let test = node.get("test")?;
        let words: Vec<String> = match &test.value {
            Value::Sequence(items) => items.iter().filter_map(text_of).collect(),
            _ => vec!["CMD-SHELL".to_owned(), text_of(test)?],
        };
        let exec: Vec<String> = match words.first().map(String::as_str) {
            Some("NONE") | None => return None,
            Some("CMD") => words[1..].to_vec(),
            Some("CMD-SHELL") => ["sh", "-c"]
                .into_iter()
                .map(str::to_owned)
                .chain(words[1..].iter().cloned())
                .collect(),
            Some(_) => words,
        };
        let seconds = |key: &str, default: u32| {
            let text = node.get(key).and_then(text_of);
            text.and_then(|text| quantity::seconds(&text))
                .unwrap_or(default)
        };
        let failures = node.get("retries").and_then(Node::number).unwrap_or(3);
        Some(Probe {
            at: self.place(self.node.key("healthcheck")?),
            action: format!("exec {}", exec.join(" ")),
            exec,
            timeout: (
                seconds("timeout", 30),
                node.get("timeout").map(|node| self.place(node)),
            ),
            period: seconds("interval", 30),
            failures: u32::try_from(failures).unwrap_or(u32::MAX),
            delay: seconds("start_period", 0),
        })
    }

    /// How it is ended.
    pub fn life(&self) -> Life {
        let grace = self.node.get("stop_grace_period");
        let init = self
            .node
            .get("init")
            .filter(|node| node.flag() == Some(true));
        Life {
            grace: grace
                .and_then(|node| quantity::seconds(&text_of(node)?))
                .unwrap_or(DEFAULT_GRACE),
            grace_at: grace.map(|node| self.place(node)),
            foreign_init: init.map(|node| self.place(node)),
            stop_signal: self
                .node
                .get("stop_signal")
                .and_then(|node| Some(Stated::new(text_of(node)?, self.place(node))))
                .map(Box::new),
            ..Life::default()
        }
    }

    /// The container's ports that the host maps. None where it shares somebody's network.
    pub fn requests(&self) -> Vec<Request> {
        if self.node.get("network_mode").is_some() {
            return Vec::new();
        }
        let ports = self.node.get("ports").map(Node::items).unwrap_or_default();
        let ports = ports.iter().filter_map(|node| {
            let text = text_of(node.get("target").unwrap_or(node))?;
            let inside = text.rsplit(':').next()?;
            let port = inside.split('/').next()?.parse().ok()?;
            let at = self.place(node);
            let by = Asker::Host;
            Some(Request { port, by, at })
        });
        ports.collect()
    }

    /// `environment`, as a mapping or a list. What `env_file` holds is not known, nor is a name without a value.
    pub fn environment(&self) -> Environment {
        let mut environment = Environment {
            unknown: self.node.get("env_file").map(|node| self.place(node)),
            ..Environment::default()
        };
        let Some(node) = self.node.get("environment") else {
            return environment;
        };
        for (name, value) in node.entries() {
            if let Some(name) = name.text() {
                let at = Location {
                    file: self.file,
                    span: value.span,
                };
                let value = text_of(value);
                environment.hide(name, value.is_none());
                let stated = Stated::new(value.unwrap_or_default(), at);
                environment.variables.insert(name.to_owned(), stated);
            }
        }
        for item in node.items() {
            let text = item.text().unwrap_or_default();
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, interpolate(value)),
                None => (text, None),
            };
            environment.hide(name, value.is_none());
            let value = value.map(Cow::into_owned).unwrap_or_default();
            let stated = Stated::new(value, self.place(item));
            environment.variables.insert(name.to_owned(), stated);
        }
        environment
    }
}

/// A scalar with `${NAME:-default}` filled in; none if it is not known.
fn text_of(node: &Node) -> Option<String> {
    interpolate(node.text()?).map(Cow::into_owned)
}

/// A word of a command, as the container gets it. What the file does not tell becomes `$(NAME)`, which no shell of ours
/// fills in: it is not the container's variable.
pub fn interpolate_word(text: &str) -> Cow<'_, str> {
    interpolate_or(text, |inside| Some(format!("$({inside})"))).unwrap_or(Cow::Borrowed(text))
}

/// A value; none if a name has no default: its value is not in the file.
fn interpolate(text: &str) -> Option<Cow<'_, str>> {
    interpolate_or(text, |_| None)
}

/// `${NAME:-default}` and `${NAME-default}` as their default, `$$` as `$`, and a name without a default as what `missing`
/// makes of it.
fn interpolate_or(text: &str, missing: impl Fn(&str) -> Option<String>) -> Option<Cow<'_, str>> {
    if !text.contains('$') {
        return Some(Cow::Borrowed(text));
    }
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        result.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
            continue;
        }
        let braced = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let (inside, after) = braced.unwrap_or_else(|| {
            rest.split_at(
                rest.find(|letter| !is_name_letter(letter))
                    .unwrap_or(rest.len()),
            )
        });
        match inside.split_once(":-").or_else(|| inside.split_once('-')) {
            Some((_, default)) => result.push_str(default),
            None => result.push_str(&missing(inside)?),
        }
        rest = after;
    }
    result.push_str(rest);
    Some(Cow::Owned(result))
}

#[cfg(test)]
mod tests;
