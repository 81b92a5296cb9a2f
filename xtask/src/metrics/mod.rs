//! `cargo xtask metrics`: what `dunnage run` tells is what Prometheus understands, and what `deploy/` asks for is there.
//!
//! A real Prometheus scrapes a real run for some seconds: a Python in a cgroup with limits, throttled and filling it.
//! `promtool` checks the page, the file and the rules; then Prometheus answers every query of the dashboard and evaluates
//! every alert. A query whose metrics are on the page must have a result: one that is silently empty is a panel that
//! stays blank.

mod application;
mod http;
mod prometheus;
mod queries;

use crate::tools::{Result, cargo, must_succeed, root, say, target_dir};
use application::Application;
use prometheus::Prometheus;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

const DASHBOARD: &str = "deploy/grafana-dashboard.json";
const RULES: &str = "deploy/prometheus-rules.yaml";
const RULES_TEST: &str = "deploy/prometheus-rules-test.yaml";

pub(crate) fn run() -> Result<ExitCode> {
    must_succeed(&mut cargo([
        "build", "--quiet", "--locked", "-p", "dunnage",
    ]))?;
    let tools = prometheus::find_or_unpack()?;
    let scratch = target_dir().join("metrics");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    fs::create_dir_all(&scratch)?;
    let promtool = tools.join("promtool");
    must_succeed(
        Command::new(&promtool)
            .args(["check", "rules"])
            .arg(root().join(RULES)),
    )?;
    must_succeed(
        Command::new(&promtool)
            .args(["test", "rules"])
            .arg(root().join(RULES_TEST)),
    )?;

    let application = Application::start(&scratch)?;
    let page = http::get(application.address(), "/metrics")?;
    check_page(&promtool, "the page", &page)?;
    let file = fs::read_to_string(application.textfile())?;
    check_page(&promtool, "the file", &file)?;
    let families = |text: &str| -> Vec<String> {
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.map(str::to_owned).collect()
    };
    if families(&page) != families(&file) {
        return Err("the page and the file hold different metrics".into());
    }

    let prometheus =
        Prometheus::start(&tools, &scratch, application.address(), &root().join(RULES))?;
    prometheus.wait_for_scrapes(12)?;
    let mut wrong = ask_dashboard(&prometheus, &page)?;
    wrong.extend(prometheus.unhealthy_rules()?);
    for line in &wrong {
        say(&format!("wrong: {line}"));
    }
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Lets promtool judge a page by Prometheus' rules for names, types and help.
fn check_page(promtool: &Path, what: &str, page: &str) -> Result<()> {
    say(&format!("$ promtool check metrics < {what}"));
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(page.as_bytes())?;
    }
    if child.wait()?.success() {
        Ok(())
    } else {
        Err(format!("promtool finds fault with {what}").into())
    }
}

/// Asks what every panel asks; returns what is wrong.
fn ask_dashboard(prometheus: &Prometheus, page: &str) -> Result<Vec<String>> {
    let dashboard = serde_json::from_str(&fs::read_to_string(root().join(DASHBOARD))?)?;
    let queries = queries::of_dashboard(&dashboard);
    let (mut wrong, mut with_result, mut without_data) = (Vec::new(), 0, 0);
    for (panel, query) in &queries {
        match prometheus.query(&queries::fill(query)) {
            Err(error) => wrong.push(format!("panel {panel}: {query}: {error}")),
            Ok(0) if queries::is_answerable(query, page) => {
                wrong.push(format!(
                    "panel {panel}: {query}: no result, though its metrics are there"
                ));
            }
            Ok(0) => {
                without_data += 1;
                say(&format!("no data here: panel {panel}: {query}"));
            }
            Ok(_) => with_result += 1,
        }
    }
    say(&format!(
        "dashboard: {} queries, {with_result} with a result, {without_data} without data here, {} wrong",
        queries.len(),
        wrong.len()
    ));
    if queries.is_empty() {
        wrong.push("the dashboard has no queries".to_owned());
    }
    Ok(wrong)
}
