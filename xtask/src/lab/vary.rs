//! One case that stands for many: `"vary": [["mib", [128, 256]], ["way", ["ints", "json"]]]`.
//!
//! Each combination of values is a case of its own, called after them. `<mib>` in a text stands for the value, and a text
//! that is nothing else becomes the value itself. So many combinations as show each *pair* of values at least once are
//! played always, all of them only with `--set full`: what fails at all mostly fails for one value or for two together.
//! `"not_in_if": [[{"mib": 1024}, {"vm": "why"}]]` adds reasons to `not_in` where these values are.

use crate::tools::Result;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

type Choice = Vec<(String, Value)>;

/// One of the cases: what its name ends with, its text, and whether it is needed to show each pair.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) suffix: String,
    pub(crate) case: Value,
    pub(crate) is_needed: bool,
}

/// The cases that a text stands for: itself, where it does not vary.
pub(crate) fn expand(mut case: Value) -> Result<Vec<Variant>> {
    let map = case.as_object_mut().ok_or("a case is an object")?;
    let (vary, reasons) = (map.remove("vary"), map.remove("not_in_if"));
    let Some(vary) = vary else {
        let suffix = String::new();
        return Ok(vec![Variant {
            suffix,
            case,
            is_needed: true,
        }]);
    };
    let axes: Vec<(String, Vec<Value>)> = serde_json::from_value(vary)?;
    let reasons: Vec<(Map<String, Value>, Map<String, Value>)> =
        serde_json::from_value(reasons.unwrap_or_else(|| Value::Array(Vec::new())))?;
    let all = combine(&axes);
    let needed = find_pairwise(&all);
    let variants = all.iter().enumerate().map(|(index, choice)| {
        let mut case = fill(&case, choice);
        for (values, why) in &reasons {
            if values
                .iter()
                .all(|(name, value)| choice.contains(&(name.clone(), value.clone())))
            {
                add_reasons(&mut case, why);
            }
        }
        Variant {
            suffix: choice.iter().map(name_of).collect(),
            case,
            is_needed: needed.contains(&index),
        }
    });
    Ok(variants.collect())
}

fn add_reasons(case: &mut Value, why: &Map<String, Value>) {
    if case["not_in"].is_null() {
        case["not_in"] = Value::Object(Map::new());
    }
    for (place, reason) in why {
        case["not_in"][place] = reason.clone();
    }
}

/// Every combination, the last axis running fastest.
fn combine(axes: &[(String, Vec<Value>)]) -> Vec<Choice> {
    let mut all = vec![Vec::new()];
    for (name, values) in axes {
        let longer = all.iter().flat_map(|choice: &Choice| {
            values.iter().map(move |value| {
                let mut choice = choice.clone();
                choice.push((name.clone(), value.clone()));
                choice
            })
        });
        all = longer.collect();
    }
    all
}

/// Indices of combinations that hold each pair of values: always the one that shows most pairs that were not shown yet.
fn find_pairwise(all: &[Choice]) -> BTreeSet<usize> {
    let pairs_of = |choice: &Choice| {
        let words: Vec<String> = choice
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut pairs = BTreeSet::new();
        for (index, first) in words.iter().enumerate() {
            // an axis alone is shown whole, too
            pairs.insert(first.clone());
            pairs.extend(
                words
                    .iter()
                    .skip(index + 1)
                    .map(|second| format!("{first} {second}")),
            );
        }
        pairs
    };
    let mut left: BTreeSet<String> = all.iter().flat_map(pairs_of).collect();
    let mut taken = BTreeSet::new();
    while !left.is_empty() {
        let news = |choice: &Choice| pairs_of(choice).intersection(&left).count();
        // of equals the first
        let best = (0..all.len()).rev().max_by_key(|index| news(&all[*index]));
        let Some(best) = best else { break };
        for pair in pairs_of(&all[best]) {
            left.remove(&pair);
        }
        taken.insert(best);
    }
    taken
}

/// `-ints`, `-mib128`, `-group` or `-no-group`.
fn name_of((name, value): &(String, Value)) -> String {
    match value {
        Value::String(text) => format!("-{text}"),
        Value::Bool(true) => format!("-{name}"),
        Value::Bool(false) => format!("-no-{name}"),
        other => format!("-{name}{other}"),
    }
}

fn fill(value: &Value, choice: &Choice) -> Value {
    match value {
        Value::String(text) => fill_text(text, choice),
        Value::Array(values) => values.iter().map(|value| fill(value, choice)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), fill(value, choice)))
            .collect(),
        other => other.clone(),
    }
}

fn fill_text(text: &str, choice: &Choice) -> Value {
    let mut filled = text.to_owned();
    for (name, value) in choice {
        let stand_in = format!("<{name}>");
        if text == stand_in {
            return value.clone();
        }
        let shown = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        filled = filled.replace(&stand_in, &shown);
    }
    filled.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_that_is_only_a_stand_in_becomes_the_value() {
        let case = json!({"vary": [["mib", [128]], ["way", ["ints"]], ["group", [false]]],
            "limits": {"memory_mib": "<mib>", "oom_group": "<group>"}, "start": ["grow", "<way>", "at <mib> MiB"]});
        let variant = expand(case).unwrap().remove(0);
        assert_eq!(variant.suffix, "-mib128-ints-no-group");
        let wanted = json!({"limits": {"memory_mib": 128, "oom_group": false}, "start": ["grow", "ints", "at 128 MiB"]});
        assert_eq!(variant.case, wanted);
    }

    #[test]
    fn a_reason_is_added_only_to_its_values() {
        let case = json!({"vary": [["mib", [128, 1024]]], "not_in": {"v1": "old"}, "not_in_if": [[{"mib": 1024}, {"vm": "small"}]]});
        let told: Vec<Value> = expand(case)
            .unwrap()
            .into_iter()
            .map(|variant| variant.case["not_in"].clone())
            .collect();
        assert_eq!(
            told,
            [json!({"v1": "old"}), json!({"v1": "old", "vm": "small"})]
        );
    }

    #[test]
    fn each_pair_is_shown_by_few_of_many() {
        let axes = [("a", 6), ("b", 3), ("c", 2), ("d", 2), ("e", 2)];
        let axes: Vec<_> = axes
            .map(|(name, count)| (name.to_owned(), (0..count).map(Value::from).collect()))
            .to_vec();
        let all = combine(&axes);
        let needed = find_pairwise(&all);
        assert_eq!(all.len(), 144);
        assert!(needed.len() <= 20, "{}", needed.len());
        let is_shown = |first: &(String, Value), second: &(String, Value)| {
            needed
                .iter()
                .any(|index| all[*index].contains(first) && all[*index].contains(second))
        };
        for choice in &all {
            for first in choice {
                assert!(
                    choice.iter().all(|second| is_shown(first, second)),
                    "{choice:?}"
                );
            }
        }
    }

    #[test]
    fn a_case_that_does_not_vary_is_itself() {
        let variants = expand(json!({"start": ["<way>"]})).unwrap();
        assert_eq!(variants.len(), 1);
        assert!(variants[0].is_needed && variants[0].suffix.is_empty());
        assert_eq!(variants[0].case, json!({"start": ["<way>"]}));
    }
}
