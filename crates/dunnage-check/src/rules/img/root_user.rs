//! IMG006.

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::kubernetes::container_node;
use crate::graph::workload::{Origin, Workload};
use crate::parse::Model;
use crate::parse::yaml::Node;
use crate::repository::Repository;
use crate::rules::about::{about, pythons, stage};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// An image without `USER`, or with `USER root`, where the pod does not say another user.
    ///
    /// ## Why
    /// Code that gets out of the program is root in the container, and one hole in the kernel or the runtime away from the
    /// node. Restricted namespaces (`runAsNonRoot`) refuse to start the image. Python needs no root: ports above 1023 are
    /// free for all, and bytecode is written at build time or not at all.
    ///
    /// ## Example
    /// ```dockerfile
    /// FROM python:3.12-slim
    /// CMD ["gunicorn", "shop.wsgi:app"]
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// RUN useradd --system --uid 1000 app
    /// USER 1000
    /// ```
    /// By number, so that `runAsNonRoot` can be checked without the image's `/etc/passwd`.
    ///
    /// ## References
    /// - <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
    pub(in crate::rules) static RULE = {
        id: "IMG006",
        name: "root-user",
        title: "the program runs as root",
        family: Family::Img,
        severity: Severity::Info,
        confidence: Confidence::Medium,
        persona: Persona::Pedantic,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let Some((_, stage)) = stage(context.repository, workload) else {
            continue;
        };
        // an image of somebody else may have set a user that its name does not tell
        let is_official =
            stage.base.value.starts_with("python") || stage.base.value.starts_with("debian");
        let (at, message) = match &stage.user {
            Some(user) if is_root(&user.value) => {
                (user.at, "the program runs as root: USER says so")
            }
            None if is_official => (
                stage.from,
                "the program runs as root: the image has no USER",
            ),
            _ => continue,
        };
        if !says_user(context.repository, workload) {
            findings.push(about(Finding::new(&RULE, at, message), workload));
        }
    }
}

fn is_root(user: &str) -> bool {
    matches!(user.split(':').next().unwrap_or_default(), "root" | "0")
}

/// Does the manifest put another user in the image's place?
fn says_user(repository: &Repository, workload: &Workload) -> bool {
    let says = |node: &Node| {
        let context = node.get("securityContext");
        let user = context
            .and_then(|context| context.get("runAsUser"))
            .and_then(Node::text);
        user.is_some_and(|user| !is_root(user))
            || node
                .get("user")
                .and_then(Node::text)
                .is_some_and(|user| !is_root(user))
    };
    let file = &repository.file(workload.at.file).model;
    match (&workload.origin, file) {
        (
            Origin::Kubernetes {
                object, container, ..
            },
            Model::Kubernetes(objects),
        ) => {
            let pod = objects.get(*object).and_then(|object| object.pod_spec());
            pod.is_some_and(|pod| says(pod) || container_node(pod, *container).is_some_and(says))
        }
        (Origin::Compose { service }, Model::Compose(compose)) => compose
            .services
            .iter()
            .any(|(name, node)| name == service && says(node)),
        _ => false,
    }
}
