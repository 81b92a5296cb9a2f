//! Which worker may be replaced: the fattest process, if its parent is known to start a new one in its place.
//!
//! A worker that is told to end must be replaced, must finish what it has begun, and must not be the only one. That is
//! known of gunicorn's master and of uvicorn's with `--workers`, whose workers end gracefully on SIGTERM. Of others it is
//! known that they do not take it well: a process pool is broken, celery loses what a worker had acknowledged. They are
//! known by their command lines, which is why the answer may be "I cannot tell", and never a guess.

/// A parent that replaces its workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// gunicorn's master.
    Gunicorn,
    /// uvicorn's parent with `--workers`.
    Uvicorn,
}

/// A process as this decision needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub pid: i32,
    /// Its parent's id.
    pub parent: i32,
    /// Its command line.
    pub arguments: Vec<String>,
    /// Its own memory, in bytes (`RssAnon`).
    pub rss: u64,
}

/// A worker that may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worker {
    /// The worker.
    pub pid: i32,
    /// Its parent.
    pub parent: i32,
    /// What the parent is.
    pub manager: Manager,
    /// How many workers the parent has, this one included.
    pub workers: usize,
    /// The worker's memory, in bytes.
    pub rss: u64,
}

/// Why no worker can be replaced; the text says what to use instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is none to be seen.
    #[error("the application's processes cannot be seen")]
    Nobody,
    /// The fattest process is celery's.
    #[error(
        "the fattest process is a worker of celery, which would lose what it has acknowledged: set \
         worker_max_memory_per_child instead"
    )]
    Celery,
    /// The fattest process belongs to a pool of Python.
    #[error(
        "the fattest process belongs to a pool of processes, which would break, or to a server that is not known: set \
         max_tasks_per_child (concurrent.futures) or maxtasksperchild (multiprocessing) instead"
    )]
    Pool,
    /// The fattest process has no parent that is known to replace it.
    #[error(
        "the fattest process has no parent that is known to replace it: only workers of gunicorn and of uvicorn --workers \
         are recycled"
    )]
    Unknown,
    /// There is but one worker.
    #[error(
        "it is the only worker, and nobody would answer meanwhile: give the server two or more"
    )]
    Alone,
}

/// The worker to replace, of all processes below the supervisor.
pub fn choose_worker(processes: &[Candidate]) -> Result<Worker, Refusal> {
    let fattest = processes
        .iter()
        .max_by_key(|process| process.rss)
        .ok_or(Refusal::Nobody)?;
    let parent = processes
        .iter()
        .find(|process| process.pid == fattest.parent);
    let mut lines = [Some(fattest), parent].into_iter().flatten();
    if lines.any(|process| is_called(&process.arguments, "celery")) {
        return Err(Refusal::Celery);
    }
    let found = parent.and_then(|parent| Some((parent, Manager::of(&parent.arguments)?)));
    let Some((parent, manager)) = found else {
        return Err(
            if is_spawned(&fattest.arguments) || is_forked(fattest, parent) {
                Refusal::Pool
            } else {
                Refusal::Unknown
            },
        );
    };
    if !manager.has_worker(parent, fattest) {
        return Err(Refusal::Unknown);
    }
    let workers = count_workers(processes, manager, parent.pid);
    if workers < 2 {
        return Err(Refusal::Alone);
    }
    Ok(Worker {
        pid: fattest.pid,
        parent: parent.pid,
        manager,
        workers,
        rss: fattest.rss,
    })
}

/// How many workers a parent has; 0 where it has gone.
pub fn count_workers(processes: &[Candidate], manager: Manager, parent: i32) -> usize {
    let Some(parent) = processes.iter().find(|process| process.pid == parent) else {
        return 0;
    };
    let workers = processes
        .iter()
        .filter(|process| manager.has_worker(parent, process));
    workers.count()
}

impl Manager {
    /// What a command line belongs to, if it is one that replaces its workers.
    fn of(arguments: &[String]) -> Option<Self> {
        if is_called(arguments, "gunicorn") || title(arguments).starts_with("gunicorn: master") {
            Some(Self::Gunicorn)
        } else if is_called(arguments, "uvicorn") {
            Some(Self::Uvicorn)
        } else {
            None
        }
    }

    fn has_worker(self, parent: &Candidate, process: &Candidate) -> bool {
        process.parent == parent.pid
            && match self {
                // forked; with setproctitle it says what it is
                Self::Gunicorn => {
                    process.arguments == parent.arguments
                        || title(&process.arguments).starts_with("gunicorn: worker")
                }
                Self::Uvicorn => is_spawned(&process.arguments),
            }
    }
}

/// What a process calls itself.
fn title(arguments: &[String]) -> &str {
    arguments.first().map_or("", String::as_str)
}

/// Whether a command line is this program's: `/usr/bin/gunicorn …`, `python /usr/bin/gunicorn …`, `python -m gunicorn …`,
/// or a title such as `[celeryd: …]`.
fn is_called(arguments: &[String], program: &str) -> bool {
    let is = |path: &str| path.rsplit('/').next() == Some(program);
    let [first, rest @ ..] = arguments else {
        return false;
    };
    if is(first) || (program == "celery" && first.starts_with("[celeryd:")) {
        return true;
    }
    let name = first.rsplit('/').next().unwrap_or_default();
    if !name.starts_with("python") {
        return false;
    }
    let mut rest = rest.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        match word {
            "-m" => return rest.next() == Some(program),
            "-c" => return false,
            "-W" | "-X" | "--check-hash-based-pycs" => drop(rest.next()),
            flag if flag.starts_with('-') => {}
            script => return is(script),
        }
    }
    false
}

/// Whether a process was started by multiprocessing's spawn or forkserver.
fn is_spawned(arguments: &[String]) -> bool {
    arguments.iter().any(|word| {
        word == "--multiprocessing-fork"
            || word.contains("multiprocessing.spawn import spawn_main")
            || word.contains("multiprocessing.forkserver")
    })
}

/// Whether a process is a fork of its parent that never became another program.
fn is_forked(process: &Candidate, parent: Option<&Candidate>) -> bool {
    parent.is_some_and(|parent| parent.arguments == process.arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn process(pid: i32, parent: i32, line: &str, rss: u64) -> Candidate {
        Candidate {
            pid,
            parent,
            arguments: line.split('|').map(str::to_owned).collect(),
            rss,
        }
    }

    const SPAWNED: &str = "python|-c|from multiprocessing.spawn import spawn_main; spawn_main()|--multiprocessing-fork";
    const TRACKER: &str = "python|-c|from multiprocessing.resource_tracker import main;main(7)";

    #[test]
    fn the_fattest_of_gunicorn_s_workers_is_chosen() {
        for (master, worker) in [
            (
                "/usr/bin/python3|/usr/local/bin/gunicorn|app:app",
                "/usr/bin/python3|/usr/local/bin/gunicorn|app:app",
            ),
            (
                "python|-u|-m|gunicorn|app:app",
                "python|-u|-m|gunicorn|app:app",
            ),
            ("gunicorn: master [app]", "gunicorn: worker [app]"),
        ] {
            let all = [
                process(7, 1, master, 50),
                process(8, 7, worker, 20),
                process(9, 7, worker, 90),
            ];
            let found = choose_worker(&all).unwrap();
            assert_eq!(
                (found.pid, found.parent, found.workers),
                (9, 7, 2),
                "{master}"
            );
            assert_eq!(found.manager, Manager::Gunicorn);
            assert_eq!(count_workers(&all, Manager::Gunicorn, 7), 2);
            assert_eq!(count_workers(&all, Manager::Gunicorn, 70), 0);
        }
    }

    #[test]
    fn uvicorn_s_workers_are_known_from_its_other_children() {
        let line = "/venv/bin/python|/venv/bin/uvicorn|app:app|--workers|2";
        let mut all = vec![
            process(7, 1, line, 30),
            process(8, 7, TRACKER, 99),
            process(9, 7, SPAWNED, 80),
            process(10, 7, SPAWNED, 70),
        ];
        assert_eq!(
            choose_worker(&all),
            Err(Refusal::Unknown),
            "the tracker is none"
        );
        all[1].rss = 5;
        assert_eq!(choose_worker(&all).unwrap().pid, 9);
        all.pop();
        assert_eq!(choose_worker(&all), Err(Refusal::Alone));
    }

    #[test]
    fn who_would_not_take_it_well_is_left_alone_and_told_what_to_use() {
        let refusal = |line: &str, parent: &str| {
            let all = [
                process(7, 1, parent, 1),
                process(8, 7, line, 9),
                process(9, 7, line, 8),
            ];
            choose_worker(&all).unwrap_err()
        };
        let celery = "python|-m|celery|-A|app|worker";
        assert_eq!(refusal(celery, celery), Refusal::Celery);
        assert_eq!(
            refusal("[celeryd: x:ForkPoolWorker-1]", "[celeryd: x:MainProcess]"),
            Refusal::Celery
        );
        assert_eq!(refusal("python|batch.py", "python|batch.py"), Refusal::Pool);
        assert_eq!(refusal(SPAWNED, "python|batch.py"), Refusal::Pool);
        assert_eq!(refusal("python|a.py", "sh|run.sh"), Refusal::Unknown);
        assert!(
            Refusal::Celery
                .to_string()
                .contains("worker_max_memory_per_child")
        );
        assert_eq!(choose_worker(&[]), Err(Refusal::Nobody));
    }

    #[test]
    fn a_script_that_only_has_the_word_is_no_server() {
        let words = |line: &str| line.split('|').map(str::to_owned).collect::<Vec<_>>();
        for line in [
            "python|-c|gunicorn",
            "cat|gunicorn",
            "python|my_gunicorn.py",
            "python|-m|app|gunicorn",
            "",
        ] {
            assert_eq!(Manager::of(&words(line)), None, "{line}");
        }
        assert!(is_called(
            &words("python3.11|-X|dev|-m|gunicorn"),
            "gunicorn"
        ));
    }

    proptest! {
        #[test]
        fn whoever_is_chosen_is_the_fattest_and_not_alone(rows in prop::collection::vec((0_i32..9, 0_i32..9, 0_usize..5, any::<u64>()), 0..20)) {
            let lines = ["python|-m|gunicorn", "gunicorn: worker [a]", SPAWNED, "uvicorn|app", "x"];
            let all: Vec<_> = rows.iter().map(|(pid, parent, line, rss)| process(*pid, *parent, lines[*line], *rss)).collect();
            if let Ok(found) = choose_worker(&all) {
                prop_assert!(found.workers >= 2);
                prop_assert!(all.iter().all(|process| process.rss <= found.rss));
            }
        }
    }
}
