//! Documentation generated from the code: `docs/events.md`, `docs/run.md`, `docs/plan.md`. What is about `check` is printed by
//! its own program.

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Args, CommandFactory, ValueEnum};
use dunnage_cli::output;
use dunnage_cli::page::{options_page, sentence};
use dunnage_policy::event::{CATALOGUE, EventDoc};
use dunnage_policy::plan::knobs::{KNOBS, UNTOUCHED};

use crate::cli::Cli;

/// Print generated documentation.
#[derive(Debug, Args)]
pub struct DocsArgs {
    /// The page
    page: Page,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Page {
    Events,
    Run,
    Plan,
    /// From a report of `dunnage demo --format json` on stdin
    Picture,
}

/// Prints a page.
pub fn run(args: &DocsArgs) -> anyhow::Result<ExitCode> {
    let text = match args.page {
        Page::Events => events(),
        Page::Run => options_page(RUN_HEAD, Cli::command(), "run"),
        Page::Plan => plan_page(),
        Page::Picture => super::picture::draw_from_stdin()?,
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

const EVENTS_HEAD: &str = "\
# Events

What `dunnage run` says on stderr. As text, each line begins with `dunnage: `, those of level warn and error with
`dunnage: warning: ` and `dunnage: error: `. With `--log-format json` each line is one object:

```json
{\"schema\":\"dunnage.event/1\",\"time\":\"2026-11-25T04:05:06.789Z\",\"level\":\"info\",\"event\":\"stopping\",\"signal\":\"SIGTERM\", …}
```

Times are UTC, sizes in bytes, times in milliseconds or microseconds as the field's name says, `null` is unknown. A line
is never longer than 4096 bytes; one that would be is cut to its names and numbers and has `\"cut\": true`. When nobody
reads stderr, lines wait, then are lost and counted: the application is never held up.

| event | level | printed |
|---|---|---|
";

fn events() -> String {
    let mut text = EVENTS_HEAD.to_owned();
    for EventDoc {
        name, level, when, ..
    } in CATALOGUE
    {
        let _ = writeln!(
            text,
            "| [`{name}`](#{name}) | {} | {} |",
            level_name(*level),
            sentence(when)
        );
    }
    for EventDoc {
        name, when, fields, ..
    } in CATALOGUE
    {
        let _ = write!(
            text,
            "\n## {name}\n\n{}\n\n| field | meaning |\n|---|---|\n",
            sentence(when)
        );
        for (field, meaning) in *fields {
            let _ = writeln!(text, "| `{field}` | {} |", sentence(meaning));
        }
    }
    text
}

fn level_name(level: dunnage_policy::event::Level) -> String {
    format!("{level:?}").to_lowercase()
}

const RUN_HEAD: &str = include_str!("run_page.md");

const PLAN_HEAD: &str = include_str!("plan_page.md");

fn plan_page() -> String {
    let mut text = PLAN_HEAD.to_owned();
    text.push_str("\n## Who is governed by what\n\n| library | we set | it obeys, the strongest first |\n|---|---|---|\n");
    for knob in KNOBS {
        let ranking: Vec<_> = knob
            .ranking
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        let _ = writeln!(
            text,
            "| {} | `{}` | {} |",
            knob.library,
            knob.variable,
            ranking.join(", ")
        );
    }
    text.push_str("\n## What gets no variable\n\n| library | why |\n|---|---|\n");
    for (library, why) in UNTOUCHED {
        let _ = writeln!(text, "| {library} | {why} |");
    }
    text
}
