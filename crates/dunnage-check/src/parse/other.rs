//! Files that say which image is built from which Dockerfile: skaffold.yaml, kustomization.yaml, CI workflows, bake files.
//!
//! A name that holds a variable which the file does not set (`${{ github.sha }}`) loses what follows it if that is only the
//! tag; a name whose own letters are not known is left out. Paths that hold variables are absent.

mod build_command;
mod kustomize;

use super::Problem;
use super::yaml::{self, Node};
use crate::source::Location;
use crate::source::{FileId, Source};

/// An image's name, and what it is made from or replaced by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    /// As manifests call it.
    pub name: String,
    /// The folder that it is built in, below the root.
    pub context: Option<String>,
    /// The Dockerfile, below the root.
    pub dockerfile: Option<String>,
    /// Another name for it (kustomize's `newName`).
    pub renamed: Option<String>,
    /// A build's target stage.
    pub target: Option<String>,
    /// Where it is said.
    pub at: Location,
}

/// What such a file says.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// Images.
    pub images: Vec<ImageName>,
    /// How many pods kustomize gives an object of a name.
    pub replicas: Vec<(String, u32)>,
}

/// Parses a file that links images to Dockerfiles, by its name.
///
/// # Errors
/// What is not YAML.
pub fn parse(source: &Source, id: FileId) -> Result<Links, Problem> {
    let documents = yaml::parse(&source.text)?;
    let name = source.name();
    let reader = Reader { source, id };
    let read = |node: &Node| match name {
        _ if name.starts_with("kustomization") => reader.kustomization(node),
        _ if name.starts_with("skaffold") => reader.skaffold(node),
        _ if name.starts_with("docker-bake") => reader.bake(node),
        _ => reader.workflow(node),
    };
    let replicas = documents
        .iter()
        .filter(|_| name.starts_with("kustomization"))
        .flat_map(kustomize::replicas);
    Ok(Links {
        images: documents.iter().flat_map(read).collect(),
        replicas: replicas.collect(),
    })
}

struct Reader<'a> {
    source: &'a Source,
    id: FileId,
}

impl Reader<'_> {
    fn at(&self, node: &Node) -> Location {
        Location {
            file: self.id,
            span: node.span,
        }
    }

    fn kustomization(&self, node: &Node) -> Vec<ImageName> {
        let images = node.get("images").map(Node::items).unwrap_or_default();
        images
            .iter()
            .filter_map(|image| {
                let text = |key| image.get(key).and_then(Node::text).map(str::to_owned);
                Some(ImageName {
                    name: text("name")?,
                    context: None,
                    dockerfile: None,
                    renamed: text("newName"),
                    target: None,
                    at: self.at(image),
                })
            })
            .collect()
    }

    fn skaffold(&self, node: &Node) -> Vec<ImageName> {
        let profiles = node.get("profiles").map(Node::items).unwrap_or_default();
        let artifacts = std::iter::once(node)
            .chain(profiles)
            .filter_map(|part| part.at(&["build", "artifacts"]))
            .flat_map(Node::items);
        artifacts
            .filter_map(|artifact| {
                let text = |path: &[&str]| artifact.at(path).and_then(Node::text);
                let context = join(self.source.folder(), text(&["context"]).unwrap_or("."));
                let of_docker = |key| text(&["docker", key]).or_else(|| text(&["kaniko", key]));
                // skaffold looks for the Dockerfile in the context
                let dockerfile = of_docker("dockerfile").unwrap_or("Dockerfile");
                Some(ImageName {
                    name: text(&["image"])?.to_owned(),
                    dockerfile: join(context.as_deref()?, dockerfile),
                    context,
                    renamed: None,
                    target: of_docker("target").map(str::to_owned),
                    at: self.at(artifact),
                })
            })
            .collect()
    }

    /// `docker-bake.json`: targets with tags.
    fn bake(&self, node: &Node) -> Vec<ImageName> {
        let targets = node.get("target").map(Node::entries).unwrap_or_default();
        targets
            .iter()
            .flat_map(|(_, target)| {
                let text = |key| target.get(key).and_then(Node::text);
                let context = join(self.source.folder(), text("context").unwrap_or("."));
                let dockerfile = text("dockerfile").unwrap_or("Dockerfile");
                let tags = target.get("tags").map(Node::items).unwrap_or_default();
                tags.iter()
                    .filter_map(|tag| {
                        Some(ImageName {
                            name: name_without_tag(tag.text()?, &[])?,
                            dockerfile: context
                                .as_deref()
                                .and_then(|folder| join(folder, dockerfile)),
                            context: context.clone(),
                            renamed: None,
                            target: text("target").map(str::to_owned),
                            at: self.at(tag),
                        })
                    })
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Steps of GitHub's workflows and scripts of GitLab's jobs: each `docker/build-push-action` and each `docker build`.
    fn workflow(&self, node: &Node) -> Vec<ImageName> {
        let mut variables = Vec::new();
        let mut found = Vec::new();
        collect_variables(node, &mut variables);
        self.walk(node, &variables, &mut found);
        found
    }

    fn walk(&self, node: &Node, variables: &[(&str, &str)], found: &mut Vec<ImageName>) {
        let uses = node.get("uses").and_then(Node::text).unwrap_or_default();
        if uses.contains("build-push-action") {
            self.build_action(node, variables, found);
        }
        for (key, value) in node.entries() {
            if matches!(key.text(), Some("run" | "script" | "before_script")) {
                let lines = std::iter::once(value).chain(value.items());
                for line in lines.filter(|line| line.text().is_some()) {
                    self.script(line, variables, found);
                }
            }
            self.walk(value, variables, found);
        }
        for item in node.items() {
            self.walk(item, variables, found);
        }
    }

    fn build_action(&self, step: &Node, variables: &[(&str, &str)], found: &mut Vec<ImageName>) {
        let text = |key| step.at(&["with", key]).and_then(Node::text);
        let context = fill(text("context").unwrap_or("."), variables);
        let file = text("file").map(|file| fill(file, variables));
        let Some(tags) = step.at(&["with", "tags"]) else {
            return;
        };
        for tag in tags.text().unwrap_or_default().split([',', '\n']) {
            found.extend(self.built(
                tag.trim(),
                &context,
                file.as_deref(),
                text("target"),
                tags,
                variables,
            ));
        }
    }

    fn script(&self, node: &Node, variables: &[(&str, &str)], found: &mut Vec<ImageName>) {
        for build in build_command::find(node.text().unwrap_or_default()) {
            let context = fill(&build.context, variables);
            let file = build.file.map(|file| fill(&file, variables));
            for tag in &build.tags {
                let target = build.target.as_deref();
                found.extend(self.built(tag, &context, file.as_deref(), target, node, variables));
            }
        }
    }

    fn built(
        &self,
        tag: &str,
        context: &str,
        file: Option<&str>,
        target: Option<&str>,
        node: &Node,
        variables: &[(&str, &str)],
    ) -> Option<ImageName> {
        let context = join("", context);
        let dockerfile = match file {
            Some(file) => join("", file),
            None => join(context.as_deref()?, "Dockerfile"),
        };
        Some(ImageName {
            name: name_without_tag(tag, variables)?,
            context,
            dockerfile,
            renamed: None,
            target: target.map(str::to_owned),
            at: self.at(node),
        })
    }
}

/// The variables that a workflow sets anywhere: `env:` and `variables:`.
fn collect_variables<'a>(node: &'a Node, found: &mut Vec<(&'a str, &'a str)>) {
    for (key, value) in node.entries() {
        if matches!(key.text(), Some("env" | "variables")) {
            let pairs = value.entries().iter();
            found.extend(pairs.filter_map(|(name, value)| Some((name.text()?, value.text()?))));
        }
        collect_variables(value, found);
    }
    for item in node.items() {
        collect_variables(item, found);
    }
}

/// Fills in `${{ env.NAME }}`, `${NAME}` and `$NAME` once; what is not known stays.
fn fill(text: &str, variables: &[(&str, &str)]) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        result.push_str(&rest[..start]);
        rest = &rest[start..];
        let (reference, name) = reference(rest);
        let value = variables.iter().find(|(known, _)| *known == name);
        match value {
            Some((_, value)) if result.len() < 4_096 => result.push_str(value),
            _ => result.push_str(reference),
        }
        rest = &rest[reference.len()..];
    }
    result.push_str(rest);
    result
}

/// The reference that a text begins with, and the name in it.
fn reference(text: &str) -> (&str, &str) {
    let closed = |open: &str, close: &str| {
        let inside = text.strip_prefix(open)?;
        let end = inside.find(close)?;
        let whole = &text[..open.len() + end + close.len()];
        let name = inside[..end].trim();
        Some((whole, name.strip_prefix("env.").unwrap_or(name)))
    };
    if let Some(found) = closed("${{", "}}").or_else(|| closed("${", "}")) {
        return found;
    }
    let end = text[1..]
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .map_or(text.len(), |end| end + 1);
    (&text[..end], &text[1..end])
}

/// A reference without tag and digest; none if its last part is not known.
fn name_without_tag(tag: &str, variables: &[(&str, &str)]) -> Option<String> {
    let filled = fill(&fill(tag, variables), variables);
    let name = filled.split('@').next()?;
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    // a colon inside of `${NAME:-x}` is no tag: what is not known hides it
    let end = name[last..]
        .find(':')
        .map_or(name.len(), |colon| last + colon);
    let name = &name[..end];
    let own = &name[last.min(name.len())..];
    (!own.is_empty() && !own.contains(['$', '{', '}', ' '])).then(|| name.to_owned())
}

/// A path below the root, `.` and `..` resolved; none if it leaves the root, is absolute, or is not known.
fn join(folder: &str, path: &str) -> Option<String> {
    let path = path.trim();
    if path.starts_with('/') || path.contains(['$', '{', ':']) {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests;
