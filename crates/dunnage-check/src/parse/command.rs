//! A command line: which program it starts, through which wrappers, with which options that matter here.
//!
//! Pure text: whether the words come from `CMD`, from a manifest, from Compose or from the last line of a script does not
//! matter. [`read`] takes words and gives the steps from the first process to the program that serves.

mod binding;
mod options;
mod program;
mod shell;
mod syntax;
mod wrapper;

use crate::parse::shell::fill::Variables;
use crate::source::{Location, Short, Stated};
pub use binding::Binding;
pub use program::file_name;
pub use shell::read_text;

/// One word of a command line, unquoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As the program gets it; `$NAME` stays as it is written.
    pub text: String,
    /// With its quotes.
    pub at: Location,
    /// The variables that a shell filled in here.
    pub filled: Vec<Filled>,
}

/// A variable that a shell filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// Its name.
    pub name: Short,
    /// What it holds.
    pub value: Short,
    /// Where that is written.
    pub at: Location,
}

impl Word {
    /// A word that holds what is written.
    pub fn new(text: impl Into<String>, at: Location) -> Self {
        Self {
            text: text.into(),
            at,
            filled: Vec::new(),
        }
    }
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
/// its option is in `unknown`. What most do not have is boxed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Server {
    /// Which one.
    pub kind: ServerKind,
    /// `worker` of celery, `run` of flask, `runserver` of manage.py, …
    pub subcommand: Option<Box<Stated<String>>>,
    /// `package.module:app` or the module or the file, as written.
    pub app: Option<Stated<String>>,
    /// Worker processes: `-w`, `--workers`, `-c` of celery, `WEB_CONCURRENCY` is the graph's.
    pub workers: Option<Stated<u32>>,
    /// Threads of a worker.
    pub threads: Option<Stated<u32>>,
    /// gunicorn's `-k`, celery's `-P`.
    pub worker_class: Option<Box<Stated<String>>>,
    /// Seconds after which a silent worker is killed: gunicorn's `-t`.
    pub timeout: Option<Stated<u32>>,
    /// Seconds that a shutdown may take: gunicorn's `--graceful-timeout`, uvicorn's `--timeout-graceful-shutdown`.
    pub graceful_timeout: Option<Stated<u32>>,
    /// Requests after which a worker is replaced.
    pub max_requests: Option<Stated<u32>>,
    /// gunicorn's `--worker-tmp-dir`.
    pub worker_tmp_dir: Option<Box<Stated<String>>>,
    /// gunicorn's `-c`: a path or `python:module`.
    pub config: Option<Box<Stated<String>>>,
    /// Loads the application before it forks: `--preload`.
    pub preload: bool,
    /// For development only: `--reload`, `--debug`, `flask run`, `runserver`.
    pub development: Option<Location>,
    /// uWSGI was asked to end at SIGTERM instead of starting anew: `--die-on-term`.
    pub dies_on_term: bool,
    /// The interpreter was asked not to buffer its output: `-u`.
    pub is_unbuffered: bool,
    /// Where the program is named: `gunicorn`, `-m uvicorn`, `python`.
    pub at: Option<Location>,
    /// What says where it listens.
    pub binding: Option<Box<Binding>>,
    /// The call of a module that starts it, where no command line names it.
    pub call: Option<Location>,
    /// Names of options whose values could not be read.
    pub unknown: Vec<String>,
    /// Options whose values are those of variables.
    pub origins: Vec<Origin>,
}

/// An option whose value is a variable's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Where the variable's value is written: the option's own place in [`Server`].
    pub at: Location,
    /// Where the command asks for it.
    pub asked: Location,
    /// "--workers is $WORKERS".
    pub note: String,
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
    Mlflow,
    /// `python -m module` or `python file.py` that is none of these.
    #[default]
    Python,
}

/// How the command that matters stands in a shell's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tail {
    /// After `exec`: every shell becomes it.
    Exec,
    /// The last, without redirections: bash and busybox become it, dash does not.
    Plain,
    /// The last, with redirections: busybox becomes it.
    Redirected,
    /// The last, with a line break behind it, as a block of YAML ends: bash becomes it, busybox does not.
    BeforeBreak,
    /// Something follows it, or it is in a pipe, a subshell, a loop or the background: every shell stays.
    Followed,
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
        /// Was it asked to end at the first failure: `-e`, or `set -e` in the text?
        exits_on_error: bool,
        /// How the last command stands in the text: what decides whether a shell becomes it by itself.
        tail: Tail,
        /// Where the command begins that would need `exec`.
        last: Location,
        /// The shell's text.
        at: Location,
    },
    /// A script of the repository or of the image, by the path in the image.
    Script {
        /// As written.
        path: String,
        /// What it is started with, as far as the words tell.
        arguments: Vec<Word>,
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

/// Wrappers in front of wrappers are followed so far.
const MAX_STEPS: usize = 16;

/// The steps of a command line. Empty for no words. Variables in the texts of shells stay as they are written.
pub fn read(words: &[Word]) -> Vec<Step> {
    read_in(words, &mut Variables::unknown())
}

/// The steps of a command line in an environment. What its shells put into it is there afterwards.
pub fn read_in(words: &[Word], variables: &mut Variables) -> Vec<Step> {
    let mut steps = Vec::new();
    follow(words, variables, &mut steps);
    steps
}

/// What a first word was understood as.
enum Read<'a> {
    /// A step, and the words that it starts.
    Goes(Step, &'a [Word]),
    /// Steps that end the line.
    Ends(Vec<Step>),
}

fn follow(mut words: &[Word], variables: &mut Variables, steps: &mut Vec<Step>) {
    while let Some(first) = words.first()
        && steps.len() < MAX_STEPS
    {
        let name = file_name(&first.text);
        let read = wrapper::read_init(name, words)
            .or_else(|| shell::read(name, words, variables))
            .or_else(|| wrapper::read(name, words))
            .or_else(|| program::read(name, words))
            .unwrap_or_else(|| other(name, words));
        match read {
            Read::Goes(step, rest) => {
                steps.push(step);
                words = rest;
            }
            Read::Ends(last) => {
                steps.extend(last);
                return;
            }
        }
    }
}

/// A program that is none of the known: its arguments are its own, but for a script's, which often hands over to them.
fn other<'a>(name: &str, words: &'a [Word]) -> Read<'a> {
    let at = words[0].at;
    let path = &words[0].text;
    if !is_script(path) {
        let name = name.to_owned();
        return Read::Ends(vec![Step::Other { name, at }]);
    }
    let script = Step::Script {
        path: path.clone(),
        arguments: words[1..].to_vec(),
        at,
    };
    hand_over(script, &words[1..])
}

/// After a script come the words that it may run, if they are a command that is known.
fn hand_over(script: Step, rest: &[Word]) -> Read<'_> {
    let is_command = !matches!(read(rest).first(), None | Some(Step::Other { .. }));
    if is_command {
        Read::Goes(script, rest)
    } else {
        Read::Ends(vec![script])
    }
}

fn is_script(path: &str) -> bool {
    let name = file_name(path);
    has_extension(name, &["sh", "bash"])
        || name.contains("entrypoint")
        || name.contains("entry-point")
        || (path.contains('/') && (name.starts_with("start") || name.starts_with("run")))
}

/// Does a file's name end in `.` and one of these?
fn has_extension(name: &str, extensions: &[&str]) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|extension| extensions.contains(&extension))
}

#[cfg(test)]
mod tests;
