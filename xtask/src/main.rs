//! The project's own tasks. `cargo xtask` without a word lists them.
//!
//! Each task is a file or a folder here, written with the standard library, serde and zip, so that it builds in seconds on a
//! fresh machine.
//! A task that cannot do a part of its work says so in a line that starts with `skipped: `, and repeats these lines at
//! the end: nothing is left out in silence.

mod bench;
mod demo;
mod dist;
mod fuzz;
mod generate;
mod growth;
mod lab;
mod lint;
mod metrics;
mod page;
mod python;
mod record;
mod test;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

  lint [--no-skip]  rustfmt, clippy, typos, file sizes, stale generated pages
  test              every test of the project, and what was skipped
  gen [--check]     docs/events.md and docs/run.md from the program
  torture           10,000 dumps of each Python while it runs at full speed, and what they cost it; half an hour
  dist [FOLDER]     the static release programs, dunnage with its agent: their paths and sizes; laid into FOLDER
  demo [ARG...]     build, a venv with NumPy, pandas and gunicorn, then `dunnage demo ARG...`
  bench [python|check]
                    side by side with tini, dumb-init and catatonit, and the Python module; writes docs/benchmarks.md,
                    or that part of it alone; what `dunnage check` costs is written by itself only
  bench record [PART..]
                    what recording costs, beside py-spy, or parts of it (own, slow, py_spy, minute); writes its section of
                    docs/record.md
  fuzz [SECONDS] [TARGET..]
                    each target of fuzz/, or these, from the fixtures as seeds, a minute each; needs cargo-fuzz and a nightly
  libraries [--check]
                    real libraries: how large their pools are, for docs/libraries.md; what they give back
  growth [OPTION..] programs that grow until the kernel kills, and work that only looks so, hundreds of times; for
                    docs/memory.md
  metrics           a real Prometheus scrapes a real run and answers every query of deploy/
  page [NAME]       the recorder's page of a made-up timeline (`stall` or `large`), for looking at: its path
  picture PAGE      docs/record.png from a page that `dunnage record` wrote
  lab [PLACE...]    the cases of lab/ in containers and on this machine; see docs/lab.md";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let task = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let done = match (task.as_str(), rest.as_slice()) {
        ("lint", []) => Ok(lint::run(false)),
        ("lint", [flag]) if flag == "--no-skip" => Ok(lint::run(true)),
        ("test", []) => test::run(),
        ("gen", []) => generate::run(false),
        ("gen", [flag]) if flag == "--check" => generate::run(true),
        ("dist", []) => dist::run(None),
        ("dist", [folder]) => dist::run(Some(folder)),
        ("torture", []) => test::torture(),
        ("demo", rest) => demo::run(rest),
        ("bench", []) => bench::run(),
        ("bench", [part]) if part == "python" => bench::run_module(),
        ("bench", [part]) if part == "check" => bench::run_check(),
        ("bench", [part, rest @ ..]) if part == "record" => bench::record::run(rest),
        ("fuzz", rest) => fuzz::run(rest),
        ("libraries", []) => python::libraries(false),
        ("libraries", [flag]) if flag == "--check" => python::libraries(true),
        ("growth", rest) => growth::run(rest),
        ("metrics", []) => metrics::run(),
        ("page", rest) => page::run(rest),
        ("picture", [page]) => page::picture(page),
        ("lab", rest) => lab::run(rest),
        _ => {
            tools::complain(USAGE);
            return ExitCode::from(2);
        }
    };
    done.unwrap_or_else(|error| {
        tools::complain(&format!("xtask {task}: {error}"));
        ExitCode::from(2)
    })
}
