//! PID008.

use crate::finding::{Confidence, Finding, Severity};
use crate::parse::command::Step;
use crate::rules::about::{about, pythons, runs_dunnage};
use crate::rules::shells::{keeps_term, program};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// `uv run`, `pdm run`, `hatch run`, `pixi run` or `conda run` as the command of a container.
    ///
    /// ## Why
    /// These start the program as their child and stay in front of it. Tried as process 1 with SIGTERM, 2026-11-29,
    /// CPython 3.11:
    ///
    /// | command | stays | memory | SIGTERM reaches the program |
    /// |---|---|---|---|
    /// | `uv run` 0.13.9 | yes | 25 MB | yes |
    /// | `pdm run` 2.29.4 | yes | 45 MB | yes |
    /// | `hatch run` 1.18.2 | yes | 28 MB | **no**: alive after 6 s |
    /// | `poetry run` 2.5.1, `pipenv run` 2026.10, `dotenv run` 1.2.4 | no, execve | – | yes |
    ///
    /// `conda run` starts the program below a shell and passes no SIGTERM on (conda #10351, open). None of them reaps
    /// orphans for the program, and `uv run` may look for the lock file and the index at each start of the container.
    ///
    /// ## Example
    /// ```dockerfile
    /// CMD ["uv", "run", "gunicorn", "shop.wsgi:app"]
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// RUN uv sync --frozen
    /// ENV PATH=/app/.venv/bin:$PATH
    /// CMD ["gunicorn", "shop.wsgi:app"]
    /// ```
    /// conda: `ENV PATH=/opt/conda/envs/shop/bin:$PATH`.
    ///
    /// ## Fix
    /// None that applies itself: where the environment is stands in no file.
    ///
    /// ## References
    /// - <https://docs.astral.sh/uv/guides/integration/docker/#using-the-environment>
    /// - <https://github.com/conda/conda/issues/10351>
    pub(in crate::rules) static RULE = {
        id: "PID008",
        name: "project-runner",
        title: "a project tool stays as process 1 in front of the program",
        family: Family::Pid,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context).filter(|workload| workload.is_service()) {
        for step in &workload.steps {
            let Step::Wrapper { name, execs, at } = step else {
                continue;
            };
            let tool = name.split(' ').next().unwrap_or_default();
            let is_runner = matches!(
                tool,
                "uv" | "uvx" | "pdm" | "hatch" | "pixi" | "conda" | "mamba" | "micromamba"
            );
            if *execs || !is_runner {
                continue;
            }
            let program = program(workload);
            let finding = if keeps_term(tool) && !runs_dunnage(workload) {
                let message =
                    format!("`{name}` stays in front of {program} and passes no SIGTERM on");
                Finding::new(&RULE, *at, message)
            } else {
                let message =
                    format!("`{name}` stays in front of {program} as a process of its own");
                Finding::new(&RULE, *at, message).severity(Severity::Info)
            };
            findings.push(about(finding, workload));
        }
    }
}
