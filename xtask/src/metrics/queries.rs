//! The queries of the dashboard, as Grafana would send them.

use serde_json::Value;

/// Every query, with the title of its panel.
pub(crate) fn of_dashboard(dashboard: &Value) -> Vec<(String, String)> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut queries = Vec::new();
    for panel in list(&dashboard["panels"]) {
        let title = panel["title"].as_str().unwrap_or_default();
        for target in list(&panel["targets"]) {
            if let Some(query) = target["expr"].as_str() {
                queries.push((title.to_owned(), query.to_owned()));
            }
        }
    }
    queries
}

/// Puts values in the places of Grafana's variables: everything, over the last seconds.
pub(crate) fn fill(query: &str) -> String {
    query
        .replace("$namespace", ".*")
        .replace("$pod", ".*")
        .replace("$__rate_interval", "10s")
        .replace("$__range", "1m")
}

/// Whether all metrics that a query names are on a page.
pub(crate) fn is_answerable(query: &str, page: &str) -> bool {
    metrics_of(query).iter().all(|name| {
        page.lines().any(|line| {
            let rest = line.strip_prefix(name.as_str());
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        })
    })
}

/// The metrics of ours that a text names.
pub(crate) fn metrics_of(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names: Vec<String> = text
        .split(|c: char| !is_part(c))
        .filter(|word| word.starts_with("dunnage_"))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_target_of_every_panel_is_a_query() {
        let dashboard = json!({"panels": [
            {"title": "a", "targets": [{"expr": "dunnage_a"}, {"expr": "dunnage_b"}]},
            {"title": "row"},
        ]});
        let queries = of_dashboard(&dashboard);
        assert_eq!(queries.len(), 2);
        assert_eq!(queries[1], ("a".to_owned(), "dunnage_b".to_owned()));
    }

    #[test]
    fn no_variable_is_left() {
        let query = "rate(dunnage_a{namespace=~\"$namespace\",pod=~\"$pod\"}[$__rate_interval])";
        assert_eq!(
            fill(query),
            "rate(dunnage_a{namespace=~\".*\",pod=~\".*\"}[10s])"
        );
    }

    #[test]
    fn a_query_is_answerable_where_the_page_has_all_its_metrics() {
        let page = "# HELP dunnage_c x\ndunnage_a 1\ndunnage_b{kind=\"x\"} 2\n";
        assert!(is_answerable(
            "dunnage_a / on() dunnage_b{kind=\"x\"}",
            page
        ));
        assert!(!is_answerable("dunnage_a / dunnage_c", page));
        assert!(!is_answerable("dunnage_", page));
    }
}
