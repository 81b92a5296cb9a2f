//! One workload, as rules see it.

use super::choices::LeftOut;
use super::reach::Missed;
use crate::finding::{Confidence, Evidence};
use crate::parse::command::{Init, Server, ServerKind, Step, Word};
use crate::parse::dockerfile::{Base, Start};
use crate::parse::shell::{Command, Script};
use crate::source::{FileId, Location, Stated};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Something that runs. A large repository has a hundred thousand: what most do not have is boxed.
#[derive(Debug, Clone)]
pub struct Workload {
    /// As a person calls it: "Deployment/shop container web", "service web", "Dockerfile".
    pub name: String,
    /// Where it is declared: the container's or the service's node, or the stage.
    pub at: Location,
    /// What declares it.
    pub origin: Origin,
    /// The image's name as the manifest writes it.
    pub image: Option<Stated<String>>,
    /// The stage that the image is built from.
    pub built: Option<Built>,
    /// What is known of the image that it is from.
    pub base: Base,
    /// Is it Python?
    pub python: Python,
    /// The words that a runtime starts: `ENTRYPOINT` and `CMD` under the manifest's. Empty if they are not known.
    pub command: Vec<Word>,
    /// From PID 1 to the program. Empty if the command is not known.
    pub steps: Vec<Step>,
    /// Which of the steps is process 1 once everything has started; none where the files do not tell.
    pub first: Option<usize>,
    /// The instruction or field that says the command, for fixes.
    pub start: Option<StartPlace>,
    /// The first script among the steps whose text is known.
    pub script: Option<Box<Entrypoint>>,
    /// What holds in the container: `ENV` under the manifest's `env`. A value that comes from a secret or a field is empty.
    pub environment: BTreeMap<String, Stated<String>>,
    /// A source of more variables whose names the files do not tell: a Secret, an env file.
    pub unknown_environment: Option<Location>,
    /// The modules that the program is, and what they import within the repository.
    pub modules: Vec<FileId>,
    /// Top-level packages that it imports or depends on, normalised (`scikit-learn`), each with one place that says so.
    pub packages: BTreeMap<String, Location>,
    /// Resources.
    pub limits: Limits,
    /// Probes.
    pub probes: Probes,
    /// Shutdown.
    pub life: Life,
    /// Who asks it from outside of the container, where that is sure.
    pub requests: Vec<Request>,
    /// What of that its server does not get, where that is sure.
    pub missed: Option<Box<Missed>>,
    /// Is it known from the files that its program ends by itself, whatever the manifest expects: tests, a batch?
    pub ends: bool,
    /// Is it what a cluster runs, or a Compose file for more than a developer's machine?
    pub is_deployed: bool,
    /// Is it a Dockerfile that runs nowhere, beside one in use that it is a copy of or lies below, or beside a ready-made image
    /// of its name? Then it is what somebody
    /// left behind as often as not.
    pub is_left_over: bool,
    /// What shows that it runs on a developer's own machine.
    pub developer: Option<Box<Evidence>>,
    /// How the links from the manifest to the image and the program were found; what a rule adds as evidence.
    pub chain: Vec<Evidence>,
    /// The weakest of the chain's links.
    pub confidence: Confidence,
}

/// A script that one of the steps is: a file of the repository, or lines that a Dockerfile writes into the image.
#[derive(Debug, Clone)]
pub struct Entrypoint {
    /// Where its text stands: all of a file, or a part of a Dockerfile.
    pub at: Location,
    /// What it does, with the variables filled in that are known. Its places are those of the file.
    pub script: Arc<Script>,
    /// The commands of branches that its arguments and its environment close.
    pub left_out: LeftOut,
    /// Are the bytes at those places the script's own, so that an edit of them is one of the script? Not where a builder
    /// or a shell makes them from what is written.
    pub is_verbatim: bool,
}

/// What declares a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A container of a pod.
    Kubernetes {
        /// `Deployment`, `Job`, …
        kind: String,
        /// Which object of the file ([`crate::parse::Model::Kubernetes`]).
        object: usize,
        /// Which container of the pod.
        container: usize,
        /// An init container that does not restart: it does not serve.
        is_init: bool,
    },
    /// A service of a Compose file.
    Compose {
        /// Its name.
        service: String,
    },
    /// A Dockerfile that nothing else refers to.
    Dockerfile,
}

/// The stage that an image is built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Built {
    /// The Dockerfile.
    pub file: FileId,
    /// Which of its stages.
    pub stage: usize,
}

/// Is it Python?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Python {
    /// Its command, its base image or what is installed says so.
    Yes,
    /// It is something else, and left alone.
    No,
    /// Nothing tells.
    Unknown,
}

/// Where the command is written.
#[derive(Debug, Clone)]
pub enum StartPlace {
    /// `ENTRYPOINT` and `CMD` of the stage.
    Dockerfile {
        /// `ENTRYPOINT`.
        entrypoint: Option<Box<Start>>,
        /// `CMD`.
        command: Option<Box<Start>>,
    },
    /// `command` and `args` of a manifest or `entrypoint` and `command` of a service; either may come from the image.
    Manifest {
        /// Kubernetes `command`, Compose `entrypoint`.
        command: Option<Location>,
        /// Kubernetes `args`, Compose `command`.
        arguments: Option<Location>,
    },
}

/// Resources. CPU in thousandths, memory in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// `limits.cpu`, `cpus`.
    pub cpu: Option<Stated<u64>>,
    /// `requests.cpu`.
    pub cpu_request: Option<Stated<u64>>,
    /// `limits.memory`, `mem_limit`.
    pub memory: Option<Stated<u64>>,
    /// `requests.memory`.
    pub memory_request: Option<Stated<u64>>,
    /// `limits.ephemeral-storage`.
    pub storage: Option<Box<Stated<u64>>>,
    /// `pids_limit`.
    pub pids: Option<Box<Stated<u64>>>,
    /// Size of `/dev/shm` where it is mounted or set; `None` in `value` for a mount without a limit.
    pub shm: Option<Box<Stated<Option<u64>>>>,
    /// The `resources` node, for edits.
    pub at: Option<Location>,
}

/// Probes of a container.
#[derive(Debug, Clone, Default)]
pub struct Probes {
    /// `livenessProbe`, or a Compose healthcheck.
    pub liveness: Option<Box<Probe>>,
    /// `readinessProbe`.
    pub readiness: Option<Box<Probe>>,
    /// `startupProbe`.
    pub startup: Option<Box<Probe>>,
}

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The key that begins it: one line to point at.
    pub at: Location,
    /// What it does, in a form that can be compared: `http 8000 /healthz`, `exec python …`, `tcp 8000`, `grpc 9000`.
    pub action: String,
    /// The words of an `exec` probe.
    pub exec: Vec<String>,
    /// `timeoutSeconds`; the default is 1 and has no place.
    pub timeout: (u32, Option<Location>),
    /// `periodSeconds`, default 10.
    pub period: u32,
    /// `failureThreshold`, default 3.
    pub failures: u32,
    /// `initialDelaySeconds`, default 0.
    pub delay: u32,
}

/// A port on which somebody outside of the container asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The container's port, whatever it is called outside.
    pub port: u16,
    /// Who asks.
    pub by: Asker,
    /// Where it is said.
    pub at: Location,
}

/// Who asks a container from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A Service that selects its pod.
    Service,
    /// The kubelet's probe.
    Probe,
    /// Who asks the host: `ports` of Compose.
    Host,
}

/// Shutdown.
#[derive(Debug, Clone, Default)]
pub struct Life {
    /// `terminationGracePeriodSeconds` (default 30) or `stop_grace_period` (default 10), in seconds.
    pub grace: u32,
    /// Where it is said; none if it is the default.
    pub grace_at: Option<Location>,
    /// `lifecycle.preStop`: its seconds where it sleeps.
    pub pre_stop: Option<Stated<Option<u32>>>,
    /// A Service that selects the pod.
    pub service: Option<Location>,
    /// Do all Services that do lead to a port for metrics, which is asked for a graph and not by a user?
    pub is_only_scraped: bool,
    /// How many of its pods there may be at once, a rollout aside; 0 where nothing counts pods.
    pub most_pods: u32,
    /// `shareProcessNamespace: true` or Compose `init: true`: PID 1 is not the image's.
    pub foreign_init: Option<Location>,
    /// `restartPolicy` other than Always, a Job or a CronJob: it ends by itself.
    pub is_finite: bool,
    /// A selector or a toleration that names spot or preemptible nodes.
    pub spot: Option<Location>,
    /// `STOPSIGNAL` or `stop_signal`.
    pub stop_signal: Option<Box<Stated<String>>>,
}

impl Entrypoint {
    /// The commands that may run, in order.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        let commands = self.script.commands.iter().enumerate();
        commands
            .filter(|(index, _)| !self.left_out.has(*index))
            .map(|(_, command)| command)
    }
}

impl Workload {
    /// The server, if the steps end in one.
    pub fn server(&self) -> Option<&Server> {
        self.steps.iter().find_map(|step| match step {
            Step::Server(server) => Some(&**server),
            _ => None,
        })
    }

    /// What process 1 is once everything has started.
    pub fn first(&self) -> Option<&Step> {
        self.steps.get(self.first?)
    }

    /// Does it serve for as long as the pod lives: no Job, no init container, no program that ends by itself?
    pub fn is_service(&self) -> bool {
        !self.ends
            && !self.life.is_finite
            && !matches!(self.origin, Origin::Kubernetes { is_init: true, .. })
    }

    /// Does it work on tasks of a queue, which are lost where it is killed?
    pub fn works_on_tasks(&self) -> bool {
        self.server().is_some_and(|server| {
            let subcommand = server.subcommand.as_ref();
            let is_worker = || subcommand.is_some_and(|word| word.value == "worker");
            match server.kind {
                ServerKind::Celery => is_worker(),
                kind => matches!(kind, ServerKind::Rq | ServerKind::Dramatiq),
            }
        })
    }

    /// What a variable holds in the container.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(|value| value.value.as_str())
    }

    /// The init, if there is one among the steps.
    pub fn init(&self) -> Option<&Init> {
        self.steps.iter().find_map(|step| match step {
            Step::Init(init) => Some(init),
            _ => None,
        })
    }
}
