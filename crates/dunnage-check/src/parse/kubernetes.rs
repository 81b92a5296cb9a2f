//! Kubernetes objects. They stay nodes, since a typed model loses the places; what rules ask often is found once.

use super::Problem;
use super::yaml::{self, Document, Node, Value};
use crate::source::{FileId, Short, Source, Span, Texts};

/// One object of a file.
#[derive(Debug, Clone)]
pub struct Object {
    /// `Deployment`, `Service`, …
    pub kind: Short,
    /// `metadata.name`, empty if there is none.
    pub name: Short,
    /// `metadata.namespace`.
    pub namespace: Option<Short>,
    /// What rules look at: `spec`, `data`, a pod's `metadata`. Null for kinds that they do not.
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
        let kind = node.get("kind")?.shared()?;
        let text = |path: &[&str]| node.at(path).and_then(Node::shared);
        Some(Self {
            name: text(&["metadata", "name"]).unwrap_or_default(),
            namespace: text(&["metadata", "namespace"]),
            span: node.span,
            node: looked_at(node, &kind),
            kind,
        })
    }
}

/// An object's node without what no rule looks at: what a cluster adds to it (`status`, `managedFields`) is most of it.
fn looked_at(node: Node, kind: &str) -> Node {
    let Value::Mapping(mut entries) = node.value else {
        return node;
    };
    entries.retain(|(key, _)| match key.text() {
        // the labels of a pod
        Some("metadata") => kind == "Pod",
        Some(key) => matches!(key, "spec" | "data"),
        None => false,
    });
    entries.shrink_to_fit();
    if let Some((_, spec)) = entries
        .iter_mut()
        .find(|(key, _)| key.text() == Some("spec"))
        && spec.get("template").is_some()
        && let Value::Mapping(fields) = &mut spec.value
    {
        // which pods are a workload's own: its template says what they are
        fields.retain(|(key, _)| key.text() != Some("selector"));
        fields.shrink_to_fit();
    }
    Node {
        value: Value::Mapping(entries),
        ..node
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
        let mut texts = Texts::default();
        return join(documents.map(|document| read(&document, &mut texts)));
    }
    let documents: Vec<_> = documents.collect();
    let read: Vec<_> = documents
        .par_iter()
        .with_min_len(64)
        .map_init(Texts::default, |texts, document| read(document, texts))
        .collect();
    join(read.into_iter())
}

/// All of them, or the first problem of the text.
fn join(
    documents: impl Iterator<Item = Result<Vec<Object>, Problem>>,
) -> Result<Vec<Object>, Problem> {
    let mut objects = Vec::new();
    for document in documents {
        objects.extend(document?);
    }
    objects.shrink_to_fit();
    Ok(objects)
}

/// From here on a file's documents are read on all threads, since a bundle may be all that there is: 4 MiB.
const LARGE: usize = 4 << 20;

/// The objects of a document.
fn read(document: &Document<'_>, texts: &mut Texts) -> Result<Vec<Object>, Problem> {
    Ok(match document.peek("kind") {
        Some(kind) if !is_wanted(kind, document) => vec![name_only(kind, document, texts)],
        // flow style and indented documents show their kind only when they are parsed
        _ => document.parse(texts)?.map(unfold).unwrap_or_default(),
    })
}

fn is_wanted(kind: &str, document: &Document<'_>) -> bool {
    KINDS.contains(&kind) && (kind != "ConfigMap" || document.text.len() <= MAX_CONFIG_MAP)
}

fn name_only(kind: &str, document: &Document<'_>, texts: &mut Texts) -> Object {
    let mut name = |key| Some(texts.share(document.peek_below("metadata", key)?));
    let span = document.span();
    Object {
        kind: kind.into(),
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
    use crate::source::{FileId, Short, Source};
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
        let kinds: Vec<Short> = read(list).into_iter().map(|object| object.kind).collect();
        assert_eq!(kinds, ["Pod", "Service"]);
    }

    #[test]
    fn what_a_cluster_adds_to_an_object_is_not_kept() {
        let text = "kind: Deployment\nmetadata:\n  name: a\n  managedFields: [{manager: kubectl}]\nspec: {replicas: 1}\nstatus: {replicas: 1}\n";
        let objects = read(text);
        let keys = objects[0]
            .node
            .entries()
            .iter()
            .filter_map(|(key, _)| key.text());
        assert_eq!(keys.collect::<Vec<_>>(), ["spec"]);
        assert_eq!(objects[0].name, "a");
        let pod = read("kind: Pod\nmetadata: {name: a, labels: {app: a}}\nspec: {}\n");
        assert_eq!(pod[0].pod_labels().len(), 1);
    }

    proptest! {
        #[test]
        fn any_text_is_objects_or_a_problem(text in "(kind: (Pod|List|X)\n|metadata:\n|  name: a\n|items:\n|- |---\n|\\PC{0,9}|\n){0,20}") {
            let source = Source { path: "a.yaml".to_owned(), text };
            let _ = parse(&source, FileId(0));
        }
    }
}
