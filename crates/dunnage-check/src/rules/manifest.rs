//! What rules over manifests share: the nodes behind a workload, and amounts in words.

use super::Context;
use super::about::{modules, pythons};
use crate::fix::Target;
use crate::graph::kubernetes::{Placed, container_node};
use crate::graph::workload::{Origin, Workload};
use crate::parse::Model;
use crate::parse::command::{ServerKind, Step};
use crate::parse::compose::Compose;
use crate::parse::yaml::Node;
use crate::source::Location;

/// The nodes behind a container of a manifest.
pub(super) struct Manifest<'a> {
    /// The file, for edits.
    pub(super) target: Target<'a>,
    /// The object that declares it.
    pub(super) owner: Placed<'a>,
    /// Its pod's `spec`.
    pub(super) pod: &'a Node,
    /// The container.
    pub(super) container: &'a Node,
}

impl<'a> Manifest<'a> {
    /// Of a container of a pod; none of anything else.
    pub(super) fn of(context: &Context<'a>, workload: &Workload) -> Option<Self> {
        let Origin::Kubernetes {
            object, container, ..
        } = workload.origin
        else {
            return None;
        };
        let file = workload.at.file;
        let owner = Placed::of(context.repository, file, object)?;
        let pod = owner.object.pod_spec()?;
        Some(Self {
            target: Target::of(context.repository, file),
            owner,
            pod,
            container: container_node(pod, container)?,
        })
    }

    /// Is no second pod there to take requests while this one starts or ends: one replica of a Deployment whose strategy is
    /// Recreate, or of a StatefulSet, which replaces a pod only once it is gone?
    pub(super) fn is_replaced_alone(&self, workload: &Workload) -> bool {
        let object = self.owner.object;
        let strategy = object.node.at(&["spec", "strategy", "type"]);
        let is_replaced = match object.kind.as_str() {
            "Deployment" => strategy.and_then(Node::text) == Some("Recreate"),
            "StatefulSet" => true,
            _ => false,
        };
        is_replaced && workload.life.most_pods <= 1
    }

    /// The place of a node.
    pub(super) fn at(&self, node: &Node) -> Location {
        Location {
            file: self.target.file,
            span: node.span,
        }
    }
}

/// Containers of manifests that are Python and run for as long as their pod: no Job, no init container.
pub(super) fn python_services<'a>(context: &Context<'a>) -> Vec<(&'a Workload, Manifest<'a>)> {
    pythons(context)
        .filter(|workload| !workload.life.is_finite)
        .filter_map(|workload| Some((workload, Manifest::of(context, workload)?)))
        .collect()
}

/// Services of Compose files that are Python, with the file and the service's node.
pub(super) fn python_compose<'a>(
    context: &Context<'a>,
) -> impl Iterator<Item = (&'a Workload, &'a Compose, &'a Node, Target<'a>)> {
    let repository = context.repository;
    pythons(context).filter_map(move |workload| {
        let Origin::Compose { service } = &workload.origin else {
            return None;
        };
        let file = workload.at.file;
        let Model::Compose(compose) = &repository.file(file).model else {
            return None;
        };
        let (_, node) = compose.services.iter().find(|(name, _)| name == service)?;
        Some((workload, compose, node, Target::of(repository, file)))
    })
}

/// Does it answer requests: does a Service lead to it, or is its program a web server?
pub(super) fn answers_requests(workload: &Workload) -> bool {
    use ServerKind as Kind;
    let is_web = |kind| {
        matches!(
            kind,
            Kind::Gunicorn
                | Kind::Uvicorn
                | Kind::Hypercorn
                | Kind::Granian
                | Kind::Daphne
                | Kind::Uwsgi
                | Kind::Waitress
                | Kind::Flask
                | Kind::Django
                | Kind::FastApi
                | Kind::Streamlit
                | Kind::Mlflow
        )
    };
    workload.life.service.is_some() || workload.server().is_some_and(|server| is_web(server.kind))
}

/// Is nothing known of what runs in it: neither a command nor what its image is built from? That it is Python is what the image's
/// name says.
pub(super) fn is_unseen(workload: &Workload) -> bool {
    workload.steps.is_empty() && workload.built.is_none()
}

/// Programs that one person looks at now and then.
const DASHBOARDS: [&str; 4] = ["jupyter", "jupyter-lab", "jupyter-notebook", "tensorboard"];

/// Is it a dashboard, where a refused or slow request wakes nobody: Celery's flower, TensorBoard, a notebook?
pub(super) fn is_dashboard(workload: &Workload) -> bool {
    let is_flower = workload.server().is_some_and(|server| {
        let subcommand = server.subcommand.as_ref();
        server.kind == ServerKind::Celery && subcommand.is_some_and(|word| word.value == "flower")
    });
    let is_named = matches!(workload.steps.last(),
        Some(Step::Other { name, .. }) if DASHBOARDS.contains(&name.as_str()));
    is_flower || is_named
}

/// MLflow's server, whose clients try again.
pub(super) fn is_mlflow(workload: &Workload) -> bool {
    workload
        .server()
        .is_some_and(|server| server.kind == ServerKind::Mlflow)
}

/// The first call of the program's modules whose resolved name is one of these.
pub(super) fn first_call(
    context: &Context<'_>,
    workload: &Workload,
    is_one: fn(&str) -> bool,
) -> Option<Location> {
    modules(context.repository, workload).find_map(|(_, module)| {
        let call = module.calls.iter().find(|call| is_one(&call.name))?;
        Some(call.at)
    })
}

/// Does a call of this name start a process?
pub(super) fn starts_process(name: &str) -> bool {
    name.starts_with("subprocess.")
        || matches!(
            name,
            "os.fork"
                | "os.system"
                | "os.popen"
                | "asyncio.create_subprocess_exec"
                | "asyncio.create_subprocess_shell"
                | "multiprocessing.Process"
                | "multiprocessing.Pool"
                | "concurrent.futures.ProcessPoolExecutor"
        )
}

/// Bytes as a fix writes them into a manifest: `512Mi`, `2Gi`; whole mebibytes at least, where a message may say `1.5Gi`.
pub(super) fn memory(bytes: u64) -> String {
    let mebi = bytes >> 20;
    if mebi >= 1_024 && mebi.is_multiple_of(1_024) {
        format!("{}Gi", mebi / 1_024)
    } else {
        format!("{mebi}Mi")
    }
}

/// How many times one amount is another, as people say it: `4`, `2.5`.
pub(super) fn times(amount: u64, of: u64) -> String {
    let tenths = amount.saturating_mul(10) / of.max(1);
    if tenths.is_multiple_of(10) {
        (tenths / 10).to_string()
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}
