//! The pages about rules: one each, the table of all, the checklist, the schema, and what the examples show.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use clap::CommandFactory;
use dunnage_check::render::{
    Style, confidence_name, json, persona_name, render_text, severity_name,
};
use dunnage_check::rules::{self, Family, Rule};
use dunnage_check::{Baseline, Places, Settings};
use dunnage_cli::page::options_page;

use super::checklist;
use super::examples;
use crate::Cli;
use crate::check::load_folder;
use crate::explain::rule_page;

/// Every page by its path below the repository. The examples are read from `fixtures/check` below the working directory.
pub fn pages() -> anyhow::Result<BTreeMap<String, String>> {
    let mut pages = BTreeMap::new();
    for rule in rules::all() {
        let page = rule_page(rule) + FOOT;
        pages.insert(format!("docs/rules/{}.md", rule.id), page);
    }
    pages.insert("docs/rules/README.md".into(), table());
    pages.insert("docs/rules/examples.md".into(), examples::page()?);
    pages.insert("docs/checklist.md".into(), checklist::page());
    pages.insert("docs/check.schema.json".into(), json::schema());
    pages.insert(
        "docs/check.md".into(),
        options_page(&check_head()?, Cli::command(), "check"),
    );
    Ok(pages)
}

const CHECK_HEAD: &str = include_str!("../check_page.md");

/// With what is found in the example, so that the page shows what a terminal does.
fn check_head() -> anyhow::Result<String> {
    let repository = load_folder(Path::new("examples/flask"))?;
    let report = dunnage_check::check(repository, &Settings::default(), &Baseline::default());
    let places = Places::new(&report.repository, "");
    let style = Style {
        is_coloured: false,
        width: 100,
    };
    let shown = render_text(&report, &places, style);
    Ok(CHECK_HEAD.replace("{flask}", shown.trim_end()))
}

const FOOT: &str = "
---

[All rules](README.md) · [how to select, ignore and mend](../check.md)
";

const TABLE_HEAD: &str = "\
# The rules

What `dunnage check` looks for. Each rule has a page, which `dunnage explain ID` prints too. Severity is how much it hurts if it is true,
confidence how sure the files make it; a finding may be raised or lowered by what else is known. [examples.md](examples.md)
shows what the fixtures prove of each, [checklist.md](../checklist.md) is the same by subject.
";

fn table() -> String {
    let mut text = TABLE_HEAD.to_owned();
    let mut family = None;
    for rule in rules::all() {
        if family != Some(rule.family) {
            family = Some(rule.family);
            let _ = write!(
                text,
                "\n## {}\n\n| rule | | severity | confidence | persona |\n|---|---|---|---|---|\n",
                title(rule.family)
            );
        }
        let _ = writeln!(text, "{}", row(rule));
    }
    text.push_str(WITHOUT_HEAD);
    for (id, why) in WITHOUT {
        if rules::find(id).is_none() {
            let _ = writeln!(text, "| {id} | {why} |");
        }
    }
    text
}

fn row(rule: &Rule) -> String {
    format!(
        "| [{0}]({0}.md) `{1}` | {2} | {3} | {4} | {5} |",
        rule.id,
        rule.name,
        rule.title.replace('|', "\\|"),
        severity_name(rule.severity),
        confidence_name(rule.confidence),
        persona_name(rule.persona),
    )
}

fn title(family: Family) -> &'static str {
    match family {
        Family::Pid => "Process 1, children, signals",
        Family::Cpu => "CPU quota, threads, workers",
        Family::Mem => "Memory",
        Family::Life => "Start, shutdown, grace",
        Family::Probe => "Probes",
        Family::Net => "Sockets: where the server listens and who asks there",
        Family::Img => "The image and how it is run",
        Family::Obs => "Evidence for those who are on call",
        Family::File => "The tool's own",
    }
}

const WITHOUT_HEAD: &str = "
## What is no rule of `check`

Ids that the plan had and that are not used: what files cannot tell is said by `dunnage doctor`, which looks at the live
container; what turned out wrong, or too often wrong, is said by nobody.

| id | why |
|---|---|
";

/// Ids without a rule, and why. An id is never used for something else.
const WITHOUT: &[(&str, &str)] = &[
    (
        "CPU004",
        "a pool of threads waits for IO: its size has nothing to do with CPUs, and a small one makes requests queue",
    ),
    (
        "CPU010",
        "`n_jobs=-1` of joblib and scikit-learn follows the quota, since loky reads it (measured with 3.7); `num_workers=os.cpu_count()` is CPU002's",
    ),
    (
        "MEM012",
        "`memory.oom.group` is the node's choice: `dunnage doctor` reads it",
    ),
    (
        "PROBE006",
        "what a probe's handler asks, through a framework's routes and layers, is seldom told by files; what keeps the loop that answers it is PROBE009's",
    ),
];
