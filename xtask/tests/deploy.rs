//! What `deploy/` and `docs/health.md` name is there: metrics of the page, variables of the program.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;

fn read(file: &str) -> String {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    std::fs::read_to_string(root.join(file)).unwrap()
}

/// Every word of a text that begins so.
fn words(text: &str, beginning: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with(beginning) && word.len() > beginning.len())
        .map(str::to_owned)
        .collect()
}

/// The metrics of a page that has all of them, which a test of the program keeps.
fn metrics() -> BTreeSet<String> {
    let page = read(
        "crates/dunnage-run/src/health/snapshots/dunnage_run__health__metrics__tests__a_page_with_everything.snap",
    );
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .filter_map(|rest| rest.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn dashboard_and_alerts_ask_for_metrics_that_there_are() {
    let known = metrics();
    for file in [
        "deploy/grafana-dashboard.json",
        "deploy/prometheus-rules.yaml",
        "deploy/prometheus-rules-test.yaml",
    ] {
        let unknown: Vec<_> = words(&read(file), "dunnage_")
            .difference(&known)
            .cloned()
            .collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn the_guide_explains_every_metric_and_every_alert_and_no_other() {
    let guide = read("docs/health.md");
    assert_eq!(words(&guide, "dunnage_"), metrics());
    let alerts: BTreeSet<_> = read("deploy/prometheus-rules.yaml")
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .map(str::to_owned)
        .collect();
    assert_eq!(words(&guide, "Dunnage"), alerts);
}

#[test]
fn the_example_deployment_sets_variables_that_there_are() {
    let known = words(&read("docs/run.md"), "DUNNAGE_");
    let set = words(&read("deploy/kubernetes.yaml"), "DUNNAGE_");
    assert!(set.len() >= 4, "{set:?}");
    assert!(set.is_subset(&known), "{set:?}");
}
