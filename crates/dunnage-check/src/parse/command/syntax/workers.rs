//! Programs that take their work from a queue.

use super::Means::{App, Config, GracefulTimeout, MaxRequests, Threads, WorkerClass, Workers};
use super::Syntax;

pub(super) static CELERY: Syntax = Syntax {
    known: &[
        ("-A", App),
        ("--app", App),
        ("-c", Workers),
        ("--concurrency", Workers),
        ("-P", WorkerClass),
        ("--pool", WorkerClass),
        ("--max-tasks-per-child", MaxRequests),
        ("--config", Config),
    ],
    flags: &[
        "-B",
        "--beat",
        "-E",
        "--task-events",
        "-D",
        "--detach",
        "--purge",
        "--quiet",
        "-q",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        "--no-color",
        "-C",
        "--skip-checks",
        "--help",
        "--version",
    ],
    development: &[],
    has_subcommand: true,
    takes_app: false,
};

pub(super) static RQ: Syntax = Syntax {
    known: &[],
    flags: &[
        "--burst",
        "-b",
        "--with-scheduler",
        "-s",
        "--verbose",
        "-v",
        "--quiet",
        "-q",
    ],
    development: &[],
    has_subcommand: true,
    takes_app: false,
};

pub(super) static DRAMATIQ: Syntax = Syntax {
    known: &[
        ("-p", Workers),
        ("--processes", Workers),
        ("-t", Threads),
        ("--threads", Threads),
        ("--worker-shutdown-timeout", GracefulTimeout),
    ],
    flags: &[
        "--use-spawn",
        "--skip-logging",
        "--watch-use-polling",
        "-v",
        "--verbose",
    ],
    development: &["--watch"],
    has_subcommand: false,
    takes_app: true,
};
