//! Kubernetes objects. They stay nodes, since a typed model loses the places; what rules ask often is found once.

use super::Problem;
use super::yaml::{self, Document, Node, Value};
use crate::source::Span;
use crate::source::{FileId, Source};

/// One object of a file.
#[derive(Debug, Clone)]
pub struct Object {
    /// `Deployment`, `Service`, …
    pub kind: String,
    /// `metadata.name`, empty if there is none.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: Option<String>,
    /// All of it, for kinds that rules look at; others keep only their names.
    pub node: Node,
    /// Where it stands.
    pub span: Span,
}

/// Kinds whose objects are parsed. All others are passed over.
const KINDS: [&str; 17] = [
    "Pod",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Job",
    "CronJob",
    // Argo's, with a Deployment's shape
    "Rollout",
    // Knative's `Service` has a pod template, the core's has a selector
    "Service",
    "HorizontalPodAutoscaler",
    "VerticalPodAutoscaler",
    "ScaledObject",
    "LimitRange",
    "ConfigMap",
    "List",
    "PodList",
];

/// A ConfigMap beyond this holds files, not a program's environment, and is passed over: 32 KiB.
const MAX_CONFIG_MAP: usize = 32 << 10;

impl Object {
    /// The pod's `spec` of a workload: of a Pod itself, of a template, of a CronJob's template.
    pub fn pod_spec(&self) -> Option<&Node> {
        match self.kind.as_str() {
            "Pod" => self.node.get("spec"),
            "CronJob" => self
                .node
                .at(&["spec", "jobTemplate", "spec", "template", "spec"]),
            _ => self.node.at(&["spec", "template", "spec"]),
        }
    }

    /// The pod's own labels, which selectors look at.
    pub fn pod_labels(&self) -> &[(Node, Node)] {
        let labels = match self.kind.as_str() {
            "Pod" => self.node.at(&["metadata", "labels"]),
            "CronJob" => self.node.at(&[
                "spec",
                "jobTemplate",
                "spec",
                "template",
                "metadata",
                "labels",
            ]),
            _ => self.node.at(&["spec", "template", "metadata", "labels"]),
        };
        labels.map(Node::entries).unwrap_or_default()
    }

    fn of(node: Node) -> Option<Self> {
        let kind = node.get("kind")?.text()?.to_owned();
        let text = |path: &[&str]| node.at(path).and_then(Node::text).map(str::to_owned);
        Some(Self {
            name: text(&["metadata", "name"]).unwrap_or_default(),
            namespace: text(&["metadata", "namespace"]),
            span: node.span,
            kind,
            node,
        })
    }
}

/// Parses all documents of a file. Objects that no rule looks at are passed over without being parsed: a bundle of custom
/// resource definitions costs what looking for `kind:` costs.
///
/// # Errors
/// What is not YAML in an object that is looked at.
pub fn parse(source: &Source, _id: FileId) -> Result<Vec<Object>, Problem> {
    use rayon::prelude::*;
    let documents = yaml::documents(&source.text);
    if source.text.len() < LARGE {
        let objects: Result<Vec<_>, _> = documents.map(|document| read(&document)).collect();
        return Ok(objects?.into_iter().flatten().collect());
    }
    let documents: Vec<_> = documents.collect();
    let read: Vec<_> = documents.par_iter().with_min_len(64).map(read).collect();
    // in order, so that the first problem of the text is told
    let mut objects = Vec::new();
    for document in read {
        objects.extend(document?);
    }
    Ok(objects)
}

/// From here on a file's documents are read on all threads, since a bundle may be all that there is: 4 MiB.
const LARGE: usize = 4 << 20;

/// The objects of a document.
fn read(document: &Document<'_>) -> Result<Vec<Object>, Problem> {
    Ok(match document.peek("kind") {
        Some(kind) if !is_wanted(kind, document) => vec![name_only(kind, document)],
        // flow style and indented documents show their kind only when they are parsed
        _ => document.parse()?.map(unfold).unwrap_or_default(),
    })
}

fn is_wanted(kind: &str, document: &Document<'_>) -> bool {
    KINDS.contains(&kind) && (kind != "ConfigMap" || document.text.len() <= MAX_CONFIG_MAP)
}

fn name_only(kind: &str, document: &Document<'_>) -> Object {
    let name = |key| document.peek_below("metadata", key).map(str::to_owned);
    let span = document.span();
    Object {
        kind: kind.to_owned(),
        name: name("name").unwrap_or_default(),
        namespace: name("namespace"),
        node: Node {
            value: Value::Null,
            span,
        },
        span,
    }
}

/// The objects of a List, or the one object.
fn unfold(node: Node) -> Vec<Object> {
    let is_list = node
        .get("kind")
        .and_then(Node::text)
        .is_some_and(|kind| kind.ends_with("List"));
    if !is_list {
        return Object::of(node).into_iter().collect();
    }
    let Value::Mapping(entries) = node.value else {
        return Vec::new();
    };
    let items = entries
        .into_iter()
        .find(|(key, _)| key.text() == Some("items"))
        .map(|(_, items)| items.value);
    match items {
        Some(Value::Sequence(items)) => items.into_iter().filter_map(Object::of).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Object, parse};
    use crate::source::{FileId, Source};
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<Object> {
        let source = Source {
            path: "a.yaml".to_owned(),
            text: text.to_owned(),
        };
        parse(&source, FileId(0)).unwrap()
    }

    #[test]
    fn objects_that_no_rule_looks_at_keep_their_names_and_are_not_parsed() {
        let text = "kind: CustomResourceDefinition\nmetadata:\n  name: x\nspec: [not yaml\n---\nkind: Pod\nmetadata: {name: p, namespace: n}\nspec: {containers: []}\n";
        let objects = read(text);
        assert_eq!(objects.len(), 2);
        assert!(objects[0].node.is_null() && objects[0].name == "x");
        assert_eq!(
            (objects[1].name.as_str(), objects[1].namespace.as_deref()),
            ("p", Some("n"))
        );
        assert!(objects[1].pod_spec().is_some());
    }

    #[test]
    fn lists_and_json_are_unfolded() {
        let list = r#"{"apiVersion": "v1", "kind": "List", "items": [{"kind": "Pod", "metadata": {"name": "a"}}, {"kind": "Service"}]}"#;
        let kinds: Vec<String> = read(list).into_iter().map(|object| object.kind).collect();
        assert_eq!(kinds, ["Pod", "Service"]);
    }

    proptest! {
        #[test]
        fn any_text_is_objects_or_a_problem(text in "(kind: (Pod|List|X)\n|metadata:\n|  name: a\n|items:\n|- |---\n|\\PC{0,9}|\n){0,20}") {
            let source = Source { path: "a.yaml".to_owned(), text };
            let _ = parse(&source, FileId(0));
        }
    }
}
