//! The page: what was measured, beside what was aimed at.

use super::inits::{Init, NONE, OURS};
use super::python::Costs;
use super::{Measured, agent, idle, orphans, signal, start};
use std::fmt::Write as _;

pub(crate) struct Page {
    pub(crate) machine: Vec<(&'static str, String)>,
    pub(crate) inits: Vec<Init>,
    pub(crate) missing: Vec<&'static str>,
    /// In the order of `inits`.
    pub(crate) measured: Vec<Measured>,
    pub(crate) program_bytes: u64,
    /// An interpreter's start, without and with the agent.
    pub(crate) starts: agent::Starts,
    /// What the reader of cgroup files printed about its cost, or why it did not.
    pub(crate) reads: Result<String, String>,
    /// What the Python module's calls cost, or why that was not measured.
    pub(crate) module: Result<Costs, String>,
}

pub(super) const MODULE: &str = "\n## The Python module\n\n";

/// A section from a run of its own, and whether its targets are met.
pub(super) fn render_part(
    heading: &str,
    task: &str,
    machine: &[(&'static str, String)],
    targets: &[Target],
) -> (String, bool) {
    let mut text = heading.to_owned();
    let _ = writeln!(text, "From a run of its own (`cargo xtask {task}`):\n");
    for (name, value) in machine {
        let _ = writeln!(text, "- {name}: {value}");
    }
    text.push('\n');
    render_targets(targets, &mut text);
    text.push('\n');
    (text, targets.iter().all(Target::is_not_missed))
}

/// The section under a heading, with it.
pub(super) fn section_of<'a>(page: &'a str, heading: &str) -> Option<&'a str> {
    let section = &page[page.find(heading)?..];
    let rest = section.get(heading.len()..)?;
    let end = rest.find("\n## ").unwrap_or(rest.len());
    section.get(..heading.len() + end)
}

/// The page with a section in the place of the one under the same heading, or at its end.
pub(super) fn replace_section(page: &str, heading: &str, section: &str) -> String {
    match section_of(page, heading) {
        Some(old) => page.replacen(old, section, 1),
        None => format!("{page}{section}"),
    }
}

/// A number to meet.
pub(crate) struct Target {
    what: String,
    aim: String,
    got: String,
    /// `None` where there was nothing to compare with.
    met: Option<bool>,
}

impl Target {
    /// Whether it is met, or could not be judged.
    pub(super) fn is_not_missed(&self) -> bool {
        self.met != Some(false)
    }
}

impl Page {
    /// Whether every target that could be judged is met, and at least one could.
    pub(crate) fn all_met(&self) -> bool {
        self.targets()
            .iter()
            .all(|target| target.met != Some(false))
    }

    pub(crate) fn render(&self) -> String {
        let mut page = String::from(
            "# Benchmarks\n\nWritten by `cargo xtask bench`: one run, all inits in turn on the same machine. Not edited by hand.\n\n",
        );
        for (name, value) in &self.machine {
            let _ = writeln!(page, "- {name}: {value}");
        }
        let _ = writeln!(
            page,
            "- static release program: {} bytes",
            self.program_bytes
        );
        for init in self.inits.iter().filter(|init| !init.version.is_empty()) {
            let _ = writeln!(page, "- {}: {}", init.name, init.version);
        }
        for name in &self.missing {
            let _ = writeln!(page, "- {name}: not installed, not compared");
        }
        page.push_str("\n## Targets\n\n");
        render_targets(&self.targets(), &mut page);
        self.render_table(&mut page);
        self.render_starts(&mut page);
        self.render_module(&mut page);
        self.render_reads(&mut page);
        page
    }

    fn render_module(&self, page: &mut String) {
        page.push_str(MODULE);
        match &self.module {
            Ok(costs) => costs.render(page),
            Err(why) => {
                let _ = writeln!(page, "skipped: {}", why.lines().next().unwrap_or_default());
            }
        }
    }

    fn render_table(&self, page: &mut String) {
        let names: Vec<_> = self.inits.iter().map(|init| init.name).collect();
        let _ = writeln!(
            page,
            "\n## All numbers\n\n| | {} |\n|---|{}",
            names.join(" | "),
            "---|".repeat(names.len())
        );
        let bare = self.of(NONE);
        let added =
            |value: Option<f64>, base: fn(&Measured) -> Option<f64>| Some(value? - base(bare?)?);
        let (idle_n, idle_s, runs) = (idle::INSTANCES, idle::SECONDS, start::RUNS);
        self.row(
            page,
            &format!("idle RSS, KiB (median of {idle_n})"),
            0,
            |one| one.rss_kib,
        );
        self.row(
            page,
            &format!("idle PSS, KiB (median of {idle_n})"),
            0,
            |one| one.pss_kib,
        );
        self.row(
            page,
            &format!("voluntary context switches in {idle_s} s idle (median of {idle_n})"),
            0,
            |one| one.switches,
        );
        self.row(page, &format!("`true`, ms (median of {runs})"), 2, |one| {
            one.start_ms
        });
        self.row(page, "added to `true`, ms", 2, |one| {
            added(one.start_ms, |bare| bare.start_ms)
        });
        self.row(
            page,
            &format!("`true` below unshare, init as PID 1, ms (median of {runs})"),
            2,
            |one| one.start_pid1_ms,
        );
        self.row(page, "added to it, ms", 2, |one| {
            added(one.start_pid1_ms, |bare| bare.start_pid1_ms)
        });
        let count = signal::SIGNALS;
        self.row(
            page,
            &format!("signal to handler, µs (median of {count})"),
            0,
            |one| one.signal_us,
        );
        self.row(
            page,
            &format!("signal to handler, µs (95th percentile of {count})"),
            0,
            |one| one.signal_p95_us,
        );
        let count = orphans::ORPHANS;
        self.row(
            page,
            &format!("{count} orphans: zombies left (1 run)"),
            0,
            |one| one.orphans_left,
        );
        self.row(
            page,
            &format!("{count} orphans: s, bound by making them (1 run)"),
            1,
            |one| one.orphans_s,
        );
        let (count, runs) = (orphans::BURST, orphans::BURST_RUNS);
        self.row(
            page,
            &format!("{count} orphans ending at once: s until reaped (median of {runs})"),
            3,
            |one| one.burst_s,
        );
        page.push_str(
            "\nRSS counts shared pages of the C library in full, PSS by share: both depend on what else runs. A static program \
             shares nothing. The signal's time includes Python's `os.kill` and `signal.sigwait`, alike for all, and is \
             measured in a CPU cgroup as a container has one (in the root cgroup the kernel schedules each session as a group of its own, \
             which favours an init that starts its child in a new session); in the column without an init the receiver is PID 1 itself.\n",
        );
    }

    fn row(
        &self,
        page: &mut String,
        what: &str,
        digits: usize,
        value: impl Fn(&Measured) -> Option<f64>,
    ) {
        let cells = self.measured.iter().map(|one| {
            value(one).map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
        });
        let _ = writeln!(
            page,
            "| {what} | {} |",
            cells.collect::<Vec<_>>().join(" | ")
        );
    }

    fn render_reads(&self, page: &mut String) {
        page.push_str("\n## Reading cgroup files\n\n");
        let _ = match &self.reads {
            Ok(json) => writeln!(
                page,
                "Printed by `cargo run --release -p dunnage-cgroup --example read_cost`.\n\n```json\n{}\n```",
                json.trim()
            ),
            Err(why) => writeln!(page, "skipped: {}", why.lines().next().unwrap_or_default()),
        };
    }

    fn render_starts(&self, page: &mut String) {
        let agent::Starts { python, of } = &self.starts;
        let _ = writeln!(
            page,
            "\n## The agent in an interpreter's start\n\n{python}, median of {} in turn.\n\n| program | without, ms | added through the path, ms | added through the wheel's `.pth` file, ms |\n|---|---|---|---|",
            agent::RUNS
        );
        for (program, start) in agent::PROGRAMS.iter().zip(of) {
            let agent::Start { plain, agent, pth } = start;
            let _ = writeln!(
                page,
                "| `{program}` | {plain:.2} | {:.2} | {:.2} |",
                agent - plain,
                pth - plain
            );
        }
        page.push_str("\nMost of it is compiling: a zip that serves every version of Python can hold sources only. `compile()` prepares itself at its first use, which the second program does by itself.\n");
    }

    fn start_target(&self, who: &str, with: fn(&agent::Start) -> f64) -> Target {
        at_most(
            &format!("{who}, added to `python3 -c pass`"),
            self.starts
                .of
                .first()
                .map(|start| with(start) - start.plain),
            3.0,
            "ms",
            2,
        )
    }

    fn of(&self, name: &str) -> Option<&Measured> {
        self.inits
            .iter()
            .position(|init| init.name == name)
            .and_then(|index| self.measured.get(index))
    }

    /// The smallest value of the peers.
    fn best_peer(&self, value: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
        let peers = self
            .inits
            .iter()
            .zip(&self.measured)
            .filter(|(init, _)| init.is_peer());
        peers
            .filter_map(|(_, one)| value(one))
            .min_by(f64::total_cmp)
    }

    fn targets(&self) -> Vec<Target> {
        let ours = self.of(OURS).cloned().unwrap_or_default();
        let tini = self.of("tini").cloned().unwrap_or_default();
        let mut targets = vec![
            at_most("idle RSS", ours.rss_kib, 2048.0, "KiB", 0),
            at_most(
                "voluntary context switches in the idle seconds",
                ours.switches,
                0.0,
                "",
                0,
            ),
            above_tini("start of `true`", ours.start_ms, tini.start_ms),
            above_tini(
                "start of `true`, as PID 1",
                ours.start_pid1_ms,
                tini.start_pid1_ms,
            ),
            twice_best(
                "signal to handler",
                ours.signal_us,
                self.best_peer(|one| one.signal_us),
                "µs",
                0,
            ),
            at_most("zombies left of the orphans", ours.orphans_left, 0.0, "", 0),
            twice_best(
                "burst of orphans",
                ours.burst_s,
                self.best_peer(|one| one.burst_s),
                "s",
                3,
            ),
            self.start_target("the agent of the wheel", |start| start.pth),
            self.start_target("the agent through the path", |start| start.agent),
        ];
        targets.extend(self.module.iter().flat_map(Costs::targets));
        targets
    }
}

pub(super) fn render_targets(targets: &[Target], page: &mut String) {
    page.push_str("| what | target | measured | |\n|---|---|---|---|\n");
    for Target {
        what,
        aim,
        got,
        met,
    } in targets
    {
        let verdict = match met {
            Some(true) => "pass",
            Some(false) => "**miss**",
            None => "not judged",
        };
        let _ = writeln!(page, "| {what} | {aim} | {got} | {verdict} |");
    }
}

pub(super) fn at_most(
    what: &str,
    got: Option<f64>,
    limit: f64,
    unit: &str,
    digits: usize,
) -> Target {
    Target {
        what: what.to_owned(),
        aim: format!("≤ {limit} {unit}").trim().to_owned(),
        got: got.map_or_else(
            || "–".to_owned(),
            |got| format!("{got:.digits$} {unit}").trim().to_owned(),
        ),
        met: got.map(|got| got <= limit),
    }
}

fn above_tini(what: &str, got: Option<f64>, tini: Option<f64>) -> Target {
    let more = got.zip(tini).map(|(got, tini)| got - tini);
    Target {
        what: what.to_owned(),
        aim: "within 1.0 ms of tini's".to_owned(),
        got: more.map_or_else(|| "–".to_owned(), |more| format!("{more:+.2} ms")),
        met: more.map(|more| more <= 1.0),
    }
}

fn twice_best(
    what: &str,
    got: Option<f64>,
    best: Option<f64>,
    unit: &str,
    digits: usize,
) -> Target {
    let both = got.zip(best);
    Target {
        what: what.to_owned(),
        aim: "≤ 2× the best peer's median".to_owned(),
        got: both.map_or_else(
            || "–".to_owned(),
            |(got, best)| {
                format!(
                    "{got:.digits$} {unit} against {best:.digits$} {unit} ({:.2}×)",
                    got / best
                )
            },
        ),
        met: both.map(|(got, best)| got <= 2.0 * best),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(ours: Measured, tini: Measured) -> Page {
        let init = |name| Init {
            name,
            prefix: Vec::new(),
            version: String::new(),
        };
        Page {
            machine: Vec::new(),
            inits: vec![init(NONE), init(OURS), init("tini")],
            missing: vec!["catatonit"],
            measured: vec![Measured::default(), ours, tini],
            program_bytes: 1,
            starts: agent::Starts::default(),
            reads: Err("no such example\nand more".to_owned()),
            module: Err("no Python here\nand more".to_owned()),
        }
    }

    fn measured(start_ms: f64, signal_us: f64) -> Measured {
        Measured {
            rss_kib: Some(2048.0),
            start_ms: Some(start_ms),
            signal_us: Some(signal_us),
            ..Measured::default()
        }
    }

    #[test]
    fn a_section_takes_the_place_of_its_old_one_and_of_nothing_else() {
        let section = format!("{MODULE}new\n");
        let with = |old: &str| format!("# Page\n\n## All\n\n1\n{old}\n## Reading\n\n2\n");
        let old = format!("{MODULE}old\n\n| a |\n");
        assert_eq!(
            replace_section(&with(&old), MODULE, &section),
            with(&section)
        );
        assert_eq!(
            replace_section("# Page\n", MODULE, &section),
            format!("# Page\n{section}")
        );
        assert_eq!(
            replace_section(&format!("# Page\n{old}"), MODULE, &section),
            format!("# Page\n{section}")
        );
    }

    #[test]
    fn a_target_that_is_met_exactly_passes_and_one_above_it_is_a_miss() {
        assert!(page(measured(3.0, 80.0), measured(2.0, 40.0)).all_met());
        assert!(!page(measured(3.1, 80.0), measured(2.0, 40.0)).all_met());
        assert!(!page(measured(3.0, 81.0), measured(2.0, 40.0)).all_met());
    }

    #[test]
    fn what_was_not_measured_is_neither_a_pass_nor_zero() {
        let text = page(measured(3.0, 90.0), Measured::default()).render();
        assert!(
            text.contains("| signal to handler | ≤ 2× the best peer's median | – | not judged |"),
            "{text}"
        );
        assert!(
            text.contains("| idle RSS | ≤ 2048 KiB | 2048 KiB | pass |"),
            "{text}"
        );
        assert!(
            text.contains("- catatonit: not installed, not compared"),
            "{text}"
        );
        assert!(text.contains("skipped: no such example\n"), "{text}");
    }
}
