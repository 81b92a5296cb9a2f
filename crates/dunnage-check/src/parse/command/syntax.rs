//! How the command lines of servers are written: which options have a value, and which ones mean something here.

mod workers;

use super::ServerKind;
use Means::{
    Address, App, Config, Elsewhere, GracefulTimeout, Host, MaxRequests, Port, Threads, Timeout,
    WorkerClass, WorkerTmpDir, Workers,
};
use workers::{CELERY, DRAMATIQ, RQ};

/// What an option says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    App,
    Workers,
    Threads,
    WorkerClass,
    Timeout,
    GracefulTimeout,
    MaxRequests,
    WorkerTmpDir,
    Config,
    /// An address without a port.
    Host,
    /// A port without an address.
    Port,
    /// Both: `0.0.0.0:8000`.
    Address,
    /// A Unix socket or a descriptor.
    Elsewhere,
}

/// A server's command line.
pub(super) struct Syntax {
    /// Options that rules look at.
    pub(super) known: &'static [(&'static str, Means)],
    /// Options without a value. All others have one.
    pub(super) flags: &'static [&'static str],
    /// Options that mean that this is for development.
    pub(super) development: &'static [&'static str],
    /// Does a subcommand come before the application?
    pub(super) has_subcommand: bool,
    /// Is the first word that is no option the application?
    pub(super) takes_app: bool,
}

/// How the command line of a server is read.
pub(super) fn syntax(kind: ServerKind) -> &'static Syntax {
    match kind {
        ServerKind::Gunicorn => &GUNICORN,
        ServerKind::Uvicorn => &UVICORN,
        ServerKind::Hypercorn => &HYPERCORN,
        ServerKind::Granian => &GRANIAN,
        ServerKind::Uwsgi => &UWSGI,
        ServerKind::Waitress => &WAITRESS,
        ServerKind::Daphne => &DAPHNE,
        ServerKind::Celery => &CELERY,
        ServerKind::Rq => &RQ,
        ServerKind::Dramatiq => &DRAMATIQ,
        ServerKind::Flask => &FLASK,
        ServerKind::FastApi => &FAST_API,
        ServerKind::Django => &DJANGO,
        ServerKind::Jupyter => &JUPYTER,
        ServerKind::Streamlit => &STREAMLIT,
        ServerKind::Mlflow => &MLFLOW,
        ServerKind::Airflow => &CLICK_PROGRAM,
        ServerKind::Python => &PYTHON,
    }
}

const CLICK: &[&str] = &["--help", "--version", "-h"];

const UVICORN_FLAGS: &[&str] = &[
    "--reload",
    "--access-log",
    "--no-access-log",
    "--proxy-headers",
    "--no-proxy-headers",
    "--server-header",
    "--no-server-header",
    "--date-header",
    "--no-date-header",
    "--use-colors",
    "--no-use-colors",
    "--factory",
    "--version",
    "--help",
];

static GUNICORN: Syntax = Syntax {
    known: &[
        ("-b", Address),
        ("--bind", Address),
        ("-w", Workers),
        ("--workers", Workers),
        ("--threads", Threads),
        ("-k", WorkerClass),
        ("--worker-class", WorkerClass),
        ("-t", Timeout),
        ("--timeout", Timeout),
        ("--graceful-timeout", GracefulTimeout),
        ("--max-requests", MaxRequests),
        ("--worker-tmp-dir", WorkerTmpDir),
        ("-c", Config),
        ("--config", Config),
    ],
    flags: &[
        "--preload",
        "--reload",
        "--daemon",
        "-D",
        "--no-sendfile",
        "--reuse-port",
        "--capture-output",
        "-R",
        "--enable-stdio-inheritance",
        "--check-config",
        "--print-config",
        "--spew",
        "--log-syslog",
        "--proxy-protocol",
        "--initgroups",
        "--strip-header-spaces",
        "--no-control-socket",
        "-v",
        "--version",
        "-h",
        "--help",
        "--do-handshake-on-connect",
        "--suppress-ragged-eofs",
        "--disable-redirect-access-to-syslog",
        "--permit-obsolete-folding",
        "--permit-unconventional-http-method",
    ],
    development: &["--reload"],
    has_subcommand: false,
    takes_app: true,
};

static UVICORN: Syntax = Syntax {
    known: &[
        ("--host", Host),
        ("--port", Port),
        ("--uds", Elsewhere),
        ("--fd", Elsewhere),
        ("--workers", Workers),
        ("--timeout-graceful-shutdown", GracefulTimeout),
        ("--limit-max-requests", MaxRequests),
    ],
    flags: UVICORN_FLAGS,
    development: &["--reload"],
    has_subcommand: false,
    takes_app: true,
};

static HYPERCORN: Syntax = Syntax {
    known: &[
        ("-b", Address),
        ("--bind", Address),
        ("--insecure-bind", Address),
        ("-w", Workers),
        ("--workers", Workers),
        ("-k", WorkerClass),
        ("--worker-class", WorkerClass),
        ("--graceful-timeout", GracefulTimeout),
        ("--max-requests", MaxRequests),
        ("-c", Config),
        ("--config", Config),
    ],
    flags: &[
        "--reload",
        "--debug",
        "--daemon",
        "-h",
        "--help",
        "--version",
    ],
    development: &["--reload", "--debug"],
    has_subcommand: false,
    takes_app: true,
};

static GRANIAN: Syntax = Syntax {
    known: &[
        ("--host", Host),
        ("--port", Port),
        ("--uds", Elsewhere),
        ("--workers", Workers),
        ("--runtime-threads", Threads),
        ("--blocking-threads", Threads),
        ("--workers-kill-timeout", GracefulTimeout),
    ],
    flags: &[
        "--reload",
        "--no-reload",
        "--access-log",
        "--no-access-log",
        "--log",
        "--no-log",
        "--ws",
        "--no-ws",
        "--factory",
        "--no-factory",
        "--respawn-failed-workers",
        "--help",
        "--version",
    ],
    development: &["--reload"],
    has_subcommand: false,
    takes_app: true,
};

static UWSGI: Syntax = Syntax {
    known: &[
        ("-p", Workers),
        ("--processes", Workers),
        ("--workers", Workers),
        ("--threads", Threads),
        ("--max-requests", MaxRequests),
        ("--ini", Config),
        ("--module", App),
        ("-w", App),
        ("--wsgi-file", App),
    ],
    flags: &[
        "--master",
        "-M",
        "--enable-threads",
        "--die-on-term",
        "--vacuum",
        "--lazy-apps",
        "--need-app",
        "--single-interpreter",
        "--thunder-lock",
        "--strict",
    ],
    development: &[],
    has_subcommand: false,
    takes_app: false,
};

static WAITRESS: Syntax = Syntax {
    known: &[
        ("--host", Host),
        ("--port", Port),
        ("--listen", Address),
        ("--unix-socket", Elsewhere),
        ("--threads", Threads),
        ("--app", App),
    ],
    flags: &[
        "--call",
        "--expose-tracebacks",
        "--no-expose-tracebacks",
        "--help",
    ],
    development: &[],
    has_subcommand: false,
    takes_app: true,
};

static DAPHNE: Syntax = Syntax {
    known: &[
        ("-b", Host),
        ("--bind", Host),
        ("-p", Port),
        ("--port", Port),
        ("-u", Elsewhere),
        ("--unix-socket", Elsewhere),
        ("--fd", Elsewhere),
        ("-e", Elsewhere),
        ("--endpoint", Elsewhere),
        ("-t", Timeout),
        ("--http-timeout", Timeout),
    ],
    flags: &["--proxy-headers", "-h", "--help"],
    development: &[],
    has_subcommand: false,
    takes_app: true,
};

static FLASK: Syntax = Syntax {
    known: &[
        ("-h", Host),
        ("--host", Host),
        ("-p", Port),
        ("--port", Port),
        ("--app", App),
        ("-A", App),
    ],
    flags: &[
        "--debug",
        "--no-debug",
        "--reload",
        "--no-reload",
        "--debugger",
        "--no-debugger",
        "--with-threads",
        "--without-threads",
        "--help",
        "--version",
    ],
    development: &["--debug", "--reload", "--debugger"],
    has_subcommand: true,
    takes_app: false,
};

static FAST_API: Syntax = Syntax {
    known: &[
        ("--host", Host),
        ("--port", Port),
        ("--workers", Workers),
        ("--app", App),
    ],
    flags: &[
        "--reload",
        "--no-reload",
        "--proxy-headers",
        "--no-proxy-headers",
        "--help",
    ],
    development: &["--reload"],
    has_subcommand: true,
    takes_app: true,
};

static DJANGO: Syntax = Syntax {
    known: &[],
    flags: &[
        "--noreload",
        "--nothreading",
        "--ipv6",
        "-6",
        "--insecure",
        "--no-color",
    ],
    development: &[],
    has_subcommand: true,
    takes_app: false,
};

static JUPYTER: Syntax = Syntax {
    known: &[
        ("--ip", Host),
        ("--ServerApp.ip", Host),
        ("--NotebookApp.ip", Host),
        ("--port", Port),
        ("--ServerApp.port", Port),
        ("--NotebookApp.port", Port),
    ],
    ..CLICK_PROGRAM
};

static STREAMLIT: Syntax = Syntax {
    known: &[("--server.address", Host), ("--server.port", Port)],
    ..CLICK_PROGRAM
};

static MLFLOW: Syntax = Syntax {
    known: &[
        ("-h", Host),
        ("--host", Host),
        ("-p", Port),
        ("--port", Port),
        ("-w", Workers),
        ("--workers", Workers),
    ],
    flags: &[
        "--artifacts-only",
        "--dev",
        "--help",
        "--no-serve-artifacts",
        "--serve-artifacts",
    ],
    takes_app: false,
    ..CLICK_PROGRAM
};

static CLICK_PROGRAM: Syntax = Syntax {
    known: &[],
    flags: CLICK,
    development: &[],
    has_subcommand: true,
    takes_app: true,
};

static PYTHON: Syntax = Syntax {
    known: &[],
    flags: CLICK,
    development: &[],
    has_subcommand: false,
    takes_app: false,
};
