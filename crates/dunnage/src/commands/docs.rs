//! Documentation generated from the code: `docs/events.md`, `docs/run.md`, `docs/plan.md`, and
//! all about `check`.

mod checklist;
mod examples;
mod rules;

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Arg, Args, Command, CommandFactory, ValueEnum};
use dunnage_policy::event::{CATALOGUE, EventDoc};
use dunnage_policy::plan::knobs::{KNOBS, UNTOUCHED};

use crate::cli::{Cli, env};
use crate::output;

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
    /// Of `check`, as one JSON object: paths and texts
    Check,
    /// From a report of `dunnage demo --format json` on stdin
    Picture,
}

/// Prints a page.
pub fn run(args: &DocsArgs) -> anyhow::Result<ExitCode> {
    let text = match args.page {
        Page::Events => events(),
        Page::Run => options_page(RUN_HEAD, "run"),
        Page::Plan => plan_page(),
        Page::Check => serde_json::to_string(&rules::pages()?)? + "\n",
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

/// A doc comment's text as one line for a table.
fn sentence(text: &str) -> String {
    text.trim()
        .trim_end_matches('.')
        .replace('|', "\\|")
        .replace('\n', " ")
}

const RUN_HEAD: &str = include_str!("run_page.md");

/// A page's hand-written head, then a table of the command's options for each heading.
fn options_page(head: &str, command: &str) -> String {
    let mut text = head.to_owned();
    let mut cli = Cli::command();
    cli.build();
    let Some(command) = cli.find_subcommand(command) else {
        return text;
    };
    for heading in headings(command) {
        let _ = write!(
            text,
            "\n### {heading}\n\n| option | variable | default | meaning |\n|---|---|---|---|\n"
        );
        for arg in command
            .get_arguments()
            .filter(|arg| arg.get_help_heading() == Some(heading))
        {
            text.push_str(&row(arg));
        }
    }
    text
}

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

fn headings(command: &Command) -> Vec<&str> {
    let mut headings: Vec<&str> = Vec::new();
    for heading in command.get_arguments().filter_map(Arg::get_help_heading) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    headings
}

fn row(arg: &Arg) -> String {
    let (Some(long), Some(variable)) = (arg.get_long(), env::variable(arg)) else {
        return String::new();
    };
    let value = arg
        .get_value_names()
        .and_then(|names| names.first())
        .map(|name| name.replace('|', "\\|"))
        .unwrap_or_default();
    let default = arg
        .get_default_values()
        .first()
        .map(|value| format!("`{}`", value.display()))
        .unwrap_or_default();
    let help = arg
        .get_long_help()
        .or_else(|| arg.get_help())
        .map(ToString::to_string)
        .unwrap_or_default();
    format!(
        "| `--{long} {value}` | `{variable}` | {default} | {} |\n",
        sentence(&help)
    )
}
