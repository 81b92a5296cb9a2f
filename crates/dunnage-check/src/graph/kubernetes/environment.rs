//! The environment of a container as its manifest says it.

use super::{Cluster, Container, place};
use crate::graph::workload::Limits;
use crate::parse::command::{Filled, Word};
use crate::parse::quantity;
use crate::parse::yaml::Node;
use crate::source::{FileId, Location, Stated};
use std::collections::{BTreeMap, BTreeSet};

/// Variables, and whether there are more.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// By name. A value that the files do not tell is empty.
    pub variables: BTreeMap<String, Stated<String>>,
    /// Names whose values the files do not tell.
    pub hidden: BTreeSet<String>,
    /// A source of variables whose names the files do not tell: a Secret, a ConfigMap that is not here, an env file.
    pub unknown: Option<Location>,
}

impl Environment {
    /// Notes whether the value of a name that is set now is known.
    pub fn hide(&mut self, name: &str, is_hidden: bool) {
        if is_hidden {
            self.hidden.insert(name.to_owned());
        } else {
            self.hidden.remove(name);
        }
    }

    /// Fills in `$(NAME)` of `command` and `args`, as the kubelet does: by the manifest's variables only.
    pub fn expand_words(&self, words: &mut [Word]) {
        for word in words.iter_mut().filter(|word| word.text.contains("$(")) {
            if self.refers_to_hidden(&word.text) {
                continue;
            }
            let used = self.variables.iter().filter(|(name, _)| {
                let reference = format!("$({name})");
                word.text.contains(&reference) && !word.text.contains(&format!("${reference}"))
            });
            word.filled = used
                .map(|(name, value)| Filled {
                    name: name.as_str().into(),
                    value: value.value.as_str().into(),
                    at: value.at,
                })
                .collect();
            word.text = expand(&word.text, &self.variables);
        }
    }

    fn refers_to_hidden(&self, text: &str) -> bool {
        let mut names = self.hidden.iter();
        names.any(|name| text.contains(&format!("$({name})")))
    }
}

impl Container<'_> {
    /// `envFrom`, then `env` over it, with `$(NAME)` of earlier variables filled in.
    pub fn environment(&self, cluster: &Cluster<'_>, limits: &Limits) -> Environment {
        let mut environment = Environment::default();
        let sources = self.get("envFrom");
        for (file, source) in sources.iter().flat_map(|(file, node)| each(*file, node)) {
            self.include(cluster, file, source, &mut environment);
        }
        let own = self.node.get("env").map(|node| (self.owner.file, node));
        let patched = self
            .patches
            .iter()
            .filter_map(|(file, patch)| Some((*file, patch.get("env")?)));
        for (file, entry) in own
            .into_iter()
            .chain(patched)
            .flat_map(|(file, node)| each(file, node))
        {
            let Some(name) = entry.get("name").and_then(Node::text) else {
                continue;
            };
            let written = entry
                .get("value")
                .map(|value| value.text().unwrap_or_default());
            let value = match written {
                Some(written) => Some(expand(written, &environment.variables)),
                None if entry.get("valueFrom").is_some() => self.value_from(cluster, entry, limits),
                // a name alone is an empty value
                None => Some(String::new()),
            };
            let is_hidden = value.is_none()
                || written.is_some_and(|written| environment.refers_to_hidden(written));
            environment.hide(name, is_hidden);
            let stated = Stated::new(value.unwrap_or_default(), place(file, entry));
            environment.variables.insert(name.to_owned(), stated);
        }
        environment
    }

    fn include(
        &self,
        cluster: &Cluster<'_>,
        file: FileId,
        source: &Node,
        environment: &mut Environment,
    ) {
        let prefix = source
            .get("prefix")
            .and_then(Node::text)
            .unwrap_or_default();
        let name = source.at(&["configMapRef", "name"]).and_then(Node::text);
        let map = name.and_then(|name| cluster.config_map(&self.owner, name));
        let Some(map) = map else {
            environment.unknown.get_or_insert(place(file, source));
            return;
        };
        let data = map.object.node.get("data").map(Node::entries);
        for (key, value) in data.unwrap_or_default() {
            let (Some(key), Some(text)) = (key.text(), value.text()) else {
                continue;
            };
            let stated = Stated::new(text.to_owned(), place(map.file, value));
            environment
                .variables
                .insert(format!("{prefix}{key}"), stated);
        }
    }

    /// What `valueFrom` gives, as far as files tell: a resource of the container, a key of a ConfigMap.
    fn value_from(&self, cluster: &Cluster<'_>, entry: &Node, limits: &Limits) -> Option<String> {
        let from = entry.get("valueFrom")?;
        if let Some(reference) = from.get("resourceFieldRef") {
            return resource(reference, self.name, limits);
        }
        let reference = from.get("configMapKeyRef")?;
        let map = cluster.config_map(&self.owner, reference.get("name")?.text()?)?;
        let value = map
            .object
            .node
            .at(&["data", reference.get("key")?.text()?])?;
        value.text().map(str::to_owned)
    }
}

fn each(file: FileId, node: &Node) -> impl Iterator<Item = (FileId, &Node)> {
    node.items().iter().map(move |item| (file, item))
}

/// A resource divided by `divisor`, rounded up as the kubelet does: with no divisor, 500m CPU are 1. Of another container,
/// or without a limit, it is the node's to say.
fn resource(reference: &Node, container: &str, limits: &Limits) -> Option<String> {
    let of = reference.get("containerName").and_then(Node::text);
    if of.is_some_and(|name| name != container) {
        return None;
    }
    let divisor = reference.get("divisor").and_then(Node::text).unwrap_or("1");
    let divisor =
        quantity::milli(divisor).map(|divisor| if divisor == 0 { 1_000 } else { divisor })?;
    let request = |request: &Option<Stated<u64>>, limit: &Option<Stated<u64>>| {
        request
            .as_ref()
            .or(limit.as_ref())
            .map(|stated| stated.value)
    };
    let milli = match reference.get("resource")?.text()? {
        "limits.cpu" => limits.cpu.as_ref()?.value,
        "requests.cpu" => request(&limits.cpu_request, &limits.cpu)?,
        "limits.memory" => limits.memory.as_ref()?.value.checked_mul(1_000)?,
        "requests.memory" => request(&limits.memory_request, &limits.memory)?.checked_mul(1_000)?,
        _ => return None,
    };
    Some(milli.div_ceil(divisor).to_string())
}

/// Fills in `$(NAME)` of variables that are known; `$$` stays as it is written, as do names that are not known.
fn expand(text: &str, known: &BTreeMap<String, Stated<String>>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("$(") {
        let (before, reference) = rest.split_at(start);
        result.push_str(before);
        let name = reference[2..].split(')').next().unwrap_or_default();
        match known.get(name) {
            Some(value) if reference.len() > name.len() + 2 && !before.ends_with('$') => {
                result.push_str(&value.value);
                rest = &reference[name.len() + 3..];
            }
            _ => {
                result.push_str("$(");
                rest = &reference[2..];
            }
        }
        // values of values of values grow without bound only in files that mean harm
        if result.len() > 64 << 10 {
            return String::new();
        }
    }
    result.push_str(rest);
    result
}
