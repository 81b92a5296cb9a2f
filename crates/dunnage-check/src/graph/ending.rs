//! Does a program end by itself, so that it serves nothing: tests, a migration, a batch, a tool that somebody runs by hand? Only what the files show is said:
//! a program that may loop, listen or start another one stays a service, and so does everything with a probe.

use super::kubernetes::{Placed, container_node};
use super::mcp::{self, Transport};
use super::workload::{Origin, Workload};
use crate::parse::Model;
use crate::parse::command::{ServerKind, Step, Tail};
use crate::parse::dockerfile::Form;
use crate::parse::python::{Call, Module};
use crate::parse::yaml::Node;
use crate::repository::Repository;
use crate::source::FileId;

/// Programs and modules of Python that look at code and end.
const TOOLS: [&str; 14] = [
    "black",
    "flake8",
    "mypy",
    "nose",
    "nosetests",
    "nox",
    "pre-commit",
    "py.test",
    "pylint",
    "pytest",
    "ruff",
    "tox",
    "unittest",
    "unittest2",
];

/// Commands of `manage.py` that end.
const DJANGO: [&str; 8] = [
    "check",
    "collectstatic",
    "createsuperuser",
    "dumpdata",
    "loaddata",
    "makemigrations",
    "migrate",
    "test",
];

/// Packages that neither serve nor loop until somebody stops them, as far as a program only calls them. By the names under
/// which they are installed.
const QUIET: &[&str] = &[
    "aiohttp",
    "beautifulsoup4",
    "boto3",
    "botocore",
    "httpx",
    "imageio",
    "jinja2",
    "joblib",
    "lxml",
    "matplotlib",
    "mysql-connector-python",
    "numpy",
    "opencv-python",
    "openpyxl",
    "pandas",
    "pillow",
    "polars",
    "psycopg",
    "psycopg2",
    "psycopg2-binary",
    "pyarrow",
    "pydantic",
    "pymongo",
    "pymysql",
    "python-dateutil",
    "python-dotenv",
    "pytz",
    "pyyaml",
    "requests",
    "rich",
    "scikit-learn",
    "scipy",
    "seaborn",
    "sqlalchemy",
    "tabulate",
    "torch",
    "torchvision",
    "tqdm",
];

/// Modules of the standard library that serve, wait or run what is not seen, and the server of a package above.
const SERVING: [&str; 19] = [
    "aiohttp.web",
    "asyncore",
    "code",
    "concurrent.interpreters",
    "http.server",
    "importlib",
    "multiprocessing.connection",
    "multiprocessing.managers",
    "runpy",
    "sched",
    "select",
    "selectors",
    "signal",
    "socket",
    "socketserver",
    "subprocess",
    "threading",
    "wsgiref",
    "xmlrpc.server",
];

/// Packages that read a command line.
const ARGUMENTS: [&str; 7] = [
    "absl", "argparse", "click", "docopt", "fire", "optparse", "typer",
];

/// Does the workload's program end by itself, or by whoever started it?
pub(super) fn ends(repository: &Repository, workload: &Workload) -> bool {
    let probes = &workload.probes;
    let is_probed = [&probes.liveness, &probes.readiness, &probes.startup]
        .iter()
        .any(|probe| probe.is_some());
    !is_probed
        && (is_tool(workload)
            || is_run_by_hand(repository, workload)
            || is_called_test(repository, workload)
            || is_awaited(repository, workload)
            || is_without_input(repository, workload)
            || is_batch(repository, workload))
}

/// `pytest`, `python -m unittest`, `manage.py migrate`.
fn is_tool(workload: &Workload) -> bool {
    match workload.steps.last() {
        Some(Step::Other { name, .. }) => TOOLS.contains(&name.as_str()),
        Some(Step::Server(server)) if server.kind == ServerKind::Python => {
            let is = |word: Option<&crate::source::Stated<String>>, known: &[&str]| {
                word.is_some_and(|word| known.contains(&word.value.as_str()))
            };
            is(server.app.as_ref(), &TOOLS) || is(server.subcommand.as_deref(), &DJANGO)
        }
        _ => false,
    }
}

/// A program whose words come from whoever starts it: an `ENTRYPOINT` without a `CMD` or a port, of a Dockerfile that nothing
/// refers to, whose module reads arguments. Ctrl-C ends it.
fn is_run_by_hand(repository: &Repository, workload: &Workload) -> bool {
    let Some(built) = workload
        .built
        .filter(|_| workload.origin == Origin::Dockerfile)
    else {
        return false;
    };
    let Model::Dockerfile(dockerfile) = &repository.file(built.file).model else {
        return false;
    };
    let takes_words = dockerfile.stages.get(built.stage).is_some_and(|stage| {
        // a shell form passes no words on
        let entrypoint = stage.entrypoint.as_ref();
        entrypoint.is_some_and(|start| !matches!(start.form, Form::Shell(_)))
            && stage.command.is_none()
            && stage.exposed.is_empty()
    });
    let entry = workload
        .modules
        .first()
        .and_then(|id| repository.module(*id));
    let reads_arguments = entry.is_some_and(|module| {
        let mut names = module.imports.iter().map(|import| import.name.as_str());
        names.any(|name| ARGUMENTS.contains(&name.split('.').next().unwrap_or_default()))
    });
    takes_words && reads_arguments && !serves(workload)
}

/// A Compose service `tests` that publishes no port and starts no server.
fn is_called_test(repository: &Repository, workload: &Workload) -> bool {
    let Origin::Compose { service } = &workload.origin else {
        return false;
    };
    let is_called = service.split(['-', '_', '.']).any(|part| {
        matches!(
            part,
            "test" | "tests" | "pytest" | "unittest" | "unittests" | "e2e" | "lint"
        )
    });
    is_called && !serves(workload) && !publishes(repository, workload, service)
}

/// A Compose service that another one waits for to end well, or that is not to be started again and neither serves nor
/// loops.
fn is_awaited(repository: &Repository, workload: &Workload) -> bool {
    let Origin::Compose { service } = &workload.origin else {
        return false;
    };
    let Model::Compose(compose) = &repository.file(workload.at.file).model else {
        return false;
    };
    let says = |node: &Node, path: &[&str], wanted: &str| {
        node.at(path).and_then(Node::text) == Some(wanted)
    };
    let is_awaited = compose.services.iter().any(|(_, node)| {
        let condition = ["depends_on", service, "condition"];
        says(node, &condition, "service_completed_successfully")
    });
    let is_once = compose
        .services
        .iter()
        .any(|(name, node)| name == service && says(node, &["restart"], "no"));
    let loops = || workload.modules.iter().any(|id| loops(repository, *id));
    !serves(workload)
        && !publishes(repository, workload, service)
        && (is_awaited || is_once && !loops())
}

/// A server of the Model Context Protocol that speaks over stdin, its default, where Kubernetes gives the container none: it
/// reads the end of the file, and ends (mcp 1.30.0, tried).
fn is_without_input(repository: &Repository, workload: &Workload) -> bool {
    let Origin::Kubernetes {
        object, container, ..
    } = workload.origin
    else {
        return false;
    };
    let entry = workload.modules.first();
    let speaks = entry
        .and_then(|id| repository.module(*id))
        .is_some_and(|module| mcp::transport(module) == Some(Transport::Stdin));
    let placed = Placed::of(repository, workload.at.file, object);
    let node = placed.and_then(|placed| container_node(placed.object.pod_spec()?, container));
    let has_input = |node: &Node| node.get("stdin").and_then(Node::text) == Some("true");
    speaks && node.is_some_and(|node| !has_input(node))
}

/// Does it start a server that is known as one?
fn serves(workload: &Workload) -> bool {
    workload
        .server()
        .is_some_and(|server| server.kind != ServerKind::Python)
}

fn publishes(repository: &Repository, workload: &Workload, service: &str) -> bool {
    match &repository.file(workload.at.file).model {
        Model::Compose(compose) => compose.services.iter().any(|(name, node)| {
            name == service && (node.get("ports").is_some() || node.get("expose").is_some())
        }),
        _ => true,
    }
}

/// Does a line of the module begin a `while`?
pub(super) fn loops(repository: &Repository, module: FileId) -> bool {
    let text = &repository.file(module).source.text;
    text.lines().any(|line| {
        line.trim_start()
            .strip_prefix("while")
            .is_some_and(|rest| rest.starts_with([' ', '\t', '(', '\\']))
    })
}

/// A Python program without a loop, all of whose modules are here, and that uses nothing but what ends.
fn is_batch(repository: &Repository, workload: &Workload) -> bool {
    let is_plain = |step: &Step| match step {
        Step::Init(_) | Step::Wrapper { .. } | Step::Server(_) => true,
        Step::Shell { tail, .. } => matches!(tail, Tail::Exec | Tail::Plain),
        _ => false,
    };
    let is_python = workload
        .server()
        .is_some_and(|server| server.kind == ServerKind::Python);
    let imports_quiet = || {
        let imported = workload
            .packages
            .iter()
            .filter(|(_, at)| matches!(repository.file(at.file).model, Model::Python(_)));
        imported.map(|(name, _)| name).all(|name| is_quiet(name))
    };
    is_python
        && !workload.modules.is_empty()
        && workload.steps.iter().all(is_plain)
        && imports_quiet()
        && workload.modules.iter().all(|id| {
            let module = repository.module(*id);
            !loops(repository, *id)
                && module.is_some_and(|module| {
                    ends_module(module) && is_complete(repository, workload, module)
                })
        })
}

/// Is it a package of those that end, by the name under which it is installed?
pub(super) fn is_quiet(package: &str) -> bool {
    QUIET.contains(&package)
}

/// Are the modules here that it imports from its own package?
pub(super) fn is_complete(repository: &Repository, workload: &Workload, module: &Module) -> bool {
    let is_here = |part: &str| {
        workload.modules.iter().any(|id| {
            let source = &repository.file(*id).source;
            let folder = source.folder().rsplit('/').next();
            source.name().strip_suffix(".py") == Some(part) || folder == Some(part)
        })
    };
    let mut own = module
        .imports
        .iter()
        .filter(|import| import.name.starts_with('.'));
    own.all(|import| {
        import
            .name
            .split('.')
            .any(|part| !part.is_empty() && is_here(part))
    })
}

pub(super) fn ends_module(module: &Module) -> bool {
    let serves = module.imports.iter().any(|import| {
        SERVING.iter().any(|serving| {
            import
                .name
                .strip_prefix(serving)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    });
    !serves && !module.calls.iter().any(may_go_on)
}

/// May a call never come back, or start what does not: `server.serve_forever()`, `event.wait()`, `os.execvp(…)`?
fn may_go_on(call: &Call) -> bool {
    let name = call.name.as_str();
    let is_unseen = name.starts_with("os.exec")
        || name.starts_with("os.spawn")
        || matches!(
            name,
            "os.system" | "os.popen" | "os.fork" | "exec" | "eval" | "__import__" | "input"
        );
    let is_endless = name.starts_with("itertools.c")
        || name == "itertools.repeat"
        || (name == "iter" && call.arguments.len() > 1);
    is_unseen || is_endless || goes_on(call)
}

/// A call that does not come back by itself, by its name.
pub(super) fn goes_on(call: &Call) -> bool {
    let name = call.name.as_str();
    let last = name.rsplit('.').next().unwrap_or_default();
    matches!(
        last,
        "consume"
            | "listen"
            | "loop"
            | "mainloop"
            | "poll"
            | "serve"
            | "start_server"
            | "stream"
            | "subscribe"
            | "watch"
            | "work"
    ) || last.contains("forever")
        || last.contains("polling")
        || last.contains("consuming")
        || (last == "run" && name != "asyncio.run")
        || (last == "start" && !name.contains("Process"))
        || (last == "wait" && name != "asyncio.wait")
}
