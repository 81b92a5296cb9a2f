//! `docs/checklist.md`: what production-ready means for Python on Kubernetes, one page; each line says which rules look and
//! what `dunnage run` does about it by itself.

use std::fmt::Write;

use dunnage_check::rules;

use crate::explain;

const HEAD: &str = "\
# The checklist

What a Python workload needs before it goes to Kubernetes, by the failure that is avoided. `dunnage check` looks for each
line in the files of a repository, across them: which command runs in which image under which limits. The last column is
what `dunnage run` does by itself, whatever the files say.
";

/// A part of the page: a heading, and lines with the rules that look.
type Part = (
    &'static str,
    &'static [(&'static str, &'static [&'static str])],
);

const PARTS: &[Part] = &[
    (
        "Process 1",
        &[
            (
                "No shell stands between the init and the program: exec form, `exec` in `sh -c` and in entrypoint scripts, one text behind `-c`",
                &["PID001", "PID002", "PID003", "PID016"],
            ),
            (
                "There is an init that reaps orphans, exactly one, and it reaches the whole process group",
                &["PID004", "PID005", "PID006", "PID007", "PID012", "PID014"],
            ),
            (
                "Process 1 is the program and no package manager, and there is one program in a container",
                &["PID008", "PID009", "PID010"],
            ),
            ("Children are waited for", &["PID011"]),
            (
                "The stop signal is one that the program handles",
                &["PID013"],
            ),
            ("The number of processes is bounded", &["PID015"]),
        ],
    ),
    (
        "CPU",
        &[
            (
                "Thread pools of numeric libraries are sized by the CPU limit, not by the node",
                &["CPU001", "CPU010", "CPU011", "CPU014"],
            ),
            (
                "Sizes do not come from `os.cpu_count()`",
                &["CPU002", "CPU003", "CPU004", "CPU005"],
            ),
            ("Workers fit the limit", &["CPU006", "CPU012"]),
            (
                "A service has a request, and a limit of one CPU or more, or none",
                &["CPU007", "CPU008", "CPU009"],
            ),
            ("Scaling is reached before throttling", &["CPU013"]),
        ],
    ),
    (
        "Memory",
        &[
            (
                "There is a limit, and the request is not far below it",
                &["MEM001", "MEM002"],
            ),
            ("Imports times workers fit it", &["MEM003", "MEM004"]),
            (
                "What is kept in memory besides the heap is bounded: tmpfs, shared memory, disk",
                &["MEM006", "MEM007", "MEM013"],
            ),
            (
                "Growth is bounded: caches, workers that leak, what the allocator keeps",
                &["MEM005", "MEM008", "MEM009", "MEM011", "MEM012"],
            ),
            ("Sizes do not come from the node's memory", &["MEM010"]),
        ],
    ),
    (
        "Shutdown",
        &[
            (
                "SIGTERM ends the program, and cleanup runs",
                &["LIFE001", "LIFE002", "LIFE003", "LIFE010"],
            ),
            (
                "Requests stop coming before the program stops",
                &["LIFE004"],
            ),
            (
                "The grace period holds what must happen in it",
                &["LIFE005", "LIFE006", "LIFE007", "LIFE012"],
            ),
            ("Calls in flight are finished", &["LIFE008"]),
            ("A node that goes away is survived", &["LIFE009"]),
            ("A failed command fails the container", &["LIFE011"]),
        ],
    ),
    (
        "Probes",
        &[
            (
                "Readiness is asked, and is not the same question as liveness",
                &["PROBE001", "PROBE002"],
            ),
            (
                "Liveness survives a throttled moment, a slow start and a long request",
                &["PROBE003", "PROBE005", "PROBE007", "PROBE009"],
            ),
            (
                "A probe is cheap and asks about this container alone",
                &["PROBE004", "PROBE006"],
            ),
            (
                "Under Compose something notices a service that hangs",
                &["PROBE008"],
            ),
        ],
    ),
    (
        "Sockets",
        &[(
            "The server listens on an address and a port on which it is asked",
            &["NET001", "NET002"],
        )],
    ),
    (
        "Image",
        &[
            (
                "A production server runs, not a development server",
                &["IMG001"],
            ),
            ("Output arrives, also the last line", &["IMG002"]),
            ("gunicorn's heartbeat does not wait for a disk", &["IMG003"]),
            (
                "The base is pinned, supported, and fits the libraries",
                &["IMG004", "IMG005"],
            ),
            (
                "It runs as a user other than root, on a root file system that it need not write",
                &["IMG006"],
            ),
            (
                "Variables of the command and of the start script are filled in when the container starts",
                &["IMG007", "IMG008"],
            ),
        ],
    ),
    (
        "Evidence",
        &[("After a kill somebody knows why", &["OBS001"])],
    ),
];

/// The page.
pub fn page() -> String {
    let mut text = HEAD.to_owned();
    for (title, lines) in PARTS {
        let _ = write!(
            text,
            "\n## {title}\n\n| | rules | `dunnage run` |\n|---|---|---|\n"
        );
        for (line, ids) in *lines {
            let rules: Vec<_> = ids.iter().filter_map(|id| rules::find(id)).collect();
            let links: Vec<String> = rules
                .iter()
                .map(|rule| format!("[{0}](rules/{0}.md)", rule.id))
                .collect();
            let mut by_run: Vec<String> = Vec::new();
            for words in rules.iter().map(|rule| explain::by_run(rule)) {
                if !words.is_empty() && !by_run.contains(&words) {
                    by_run.push(words);
                }
            }
            let _ = writeln!(
                text,
                "| {line} | {} | {} |",
                links.join(" "),
                by_run.join("; ")
            );
        }
    }
    text.push_str("\n[All rules](rules/README.md), and [what is no rule](rules/README.md#what-is-no-rule-of-check).\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_on_the_checklist_once() {
        let listed: Vec<&str> = PARTS
            .iter()
            .flat_map(|(_, lines)| lines.iter())
            .flat_map(|(_, ids)| ids.iter().copied())
            .collect();
        for rule in rules::all().filter(|rule| !rule.id.starts_with("FILE")) {
            let count = listed.iter().filter(|id| **id == rule.id).count();
            assert_eq!(count, 1, "{} on the checklist", rule.id);
        }
    }
}
