//! Judging what was observed.
//!
//! An expected value is equal to what is there, or is a rule: `{"at_least": N}`, `{"at_most": N}`, `{"contains": TEXT}`,
//! `{"starts_with": TEXT}`, `{"any_of": [V, …]}`, `{"not": V}`, `{"all": [V, …]}`, or `{"by": {PLACE: V, "v1": V,
//! "v2": V, "else": V}}`, which chooses by place, then by cgroup version. A value whose choice is missing is anything.

use super::case::{Expect, ExpectedEvent, ExpectedRecords};
use super::run::Observed;
use crate::record::Record;
use serde_json::Value;
use std::collections::BTreeMap;

/// Where something was observed: what `by` chooses from.
#[derive(Clone, Debug)]
pub(crate) struct Where {
    pub(crate) place: String,
    pub(crate) cgroup: String,
}

/// What is not as it must be, one line each.
pub(crate) fn judge(expect: &Expect, observed: &Observed, here: &Where) -> Vec<String> {
    let mut wrong = Vec::new();
    let code = Value::from(observed.code);
    if let Err(why) = holds(&expect.code, Some(&code), here) {
        wrong.push(format!("exit code: {why}"));
    }
    if let Some(lines) = &expect.stdout {
        let there: Vec<&str> = observed.stdout.lines().collect();
        if there != lines.iter().map(String::as_str).collect::<Vec<_>>() {
            wrong.push(format!("stdout: {there:?}, expected {lines:?}"));
        }
    }
    wrong.extend(texts("stdout", &expect.stdout_has, &observed.stdout));
    wrong.extend(texts("stderr", &expect.stderr_has, &observed.stderr));
    wrong.extend(json_values(&expect.stdout_json, &observed.stdout, here));
    for event in &expect.events {
        wrong.extend(judge_event(event, &observed.events(), here));
    }
    for (name, value) in &expect.files {
        let text = observed.file(name).map(Value::from);
        if let Err(why) = holds(value, text.as_ref(), here) {
            wrong.push(format!("file {name}: {why}"));
        }
    }
    if let Some(value) = &expect.termination_log {
        let text = Value::from(observed.termination_log.trim());
        if let Err(why) = holds(value, Some(&text), here) {
            wrong.push(format!("termination log: {why}"));
        }
    }
    if let Some(expected) = &expect.records {
        wrong.extend(judge_records(expected, &observed.records(), here));
    }
    for (index, value) in expect.responses.iter().enumerate() {
        let response = observed.responses.get(index).cloned().map(Value::from);
        if let Err(why) = holds(value, response.as_ref(), here) {
            wrong.push(format!("response {}: {why}", index + 1));
        }
    }
    wrong
}

/// Texts that must be there.
pub(crate) fn texts(what: &str, expected: &[String], there: &str) -> Vec<String> {
    let missing = expected.iter().filter(|text| !there.contains(*text));
    missing
        .map(|text| format!("{what} has no {text:?}: {:?}", shorten(there)))
        .collect()
}

/// Values of a JSON document that must be as expected.
pub(crate) fn json_values(
    expected: &BTreeMap<String, Value>,
    document: &str,
    here: &Where,
) -> Vec<String> {
    if expected.is_empty() {
        return Vec::new();
    }
    let document: Value = match serde_json::from_str(document) {
        Ok(document) => document,
        Err(error) => {
            return vec![format!(
                "stdout is no JSON: {error}: {:?}",
                shorten(document)
            )];
        }
    };
    let judged = expected
        .iter()
        .map(|(pointer, value)| (pointer, holds(value, document.pointer(pointer), here)));
    judged
        .filter_map(|(pointer, verdict)| verdict.err().map(|why| format!("{pointer}: {why}")))
        .collect()
}

fn judge_event(expected: &ExpectedEvent, events: &[Value], here: &Where) -> Option<String> {
    let named: Vec<&Value> = events
        .iter()
        .filter(|event| event["event"] == expected.event)
        .collect();
    let mut reasons = Vec::new();
    let mut count = 0_u64;
    for event in &named {
        let wrong: Vec<String> = expected
            .fields
            .iter()
            .filter_map(|(name, value)| {
                let why = holds(value, event.get(name), here).err()?;
                Some(format!("{name}: {why}"))
            })
            .collect();
        if wrong.is_empty() {
            count += 1;
        } else {
            reasons.extend(wrong);
        }
    }
    let at_least_one = serde_json::json!({"at_least": 1});
    let wanted = expected.count.as_ref().unwrap_or(&at_least_one);
    let why = holds(wanted, Some(&Value::from(count)), here).err()?;
    Some(format!(
        "event {} ({} of that name): count {why}; {}",
        expected.event,
        named.len(),
        reasons.join("; ")
    ))
}

fn judge_records(expected: &ExpectedRecords, records: &[Record], here: &Where) -> Vec<String> {
    let complete: Vec<&Record> = records
        .iter()
        .filter(|record| record.is_complete())
        .collect();
    let mut wrong = Vec::new();
    let count = Value::from(complete.len());
    if let Err(why) = holds(&expected.complete, Some(&count), here) {
        let torn = records.iter().filter(|record| !record.is_complete());
        let ends: Vec<&str> = torn.map(Record::last_part).collect();
        wrong.push(format!("complete records: {why}; others end with {ends:?}"));
    }
    let mut functions = expected.grows_in.iter();
    if let Some(function) =
        functions.find(|function| !complete.iter().any(|record| record.grows_in(function)))
    {
        let stacks: Vec<_> = complete.iter().map(|record| record.stacks()).collect();
        wrong.push(format!(
            "no record says that it grows in {function}: {}",
            shorten(&format!("{stacks:?}"))
        ));
    }
    for (pointer, value) in &expected.parts {
        let (kind, field) = pointer
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or((pointer, ""));
        let part = complete.first().and_then(|record| record.part(kind));
        let there = part.and_then(|part| part.pointer(&format!("/{field}")));
        if let Err(why) = holds(value, there, here) {
            wrong.push(format!("record {pointer}: {why}"));
        }
    }
    wrong
}

/// Whether a value is as expected; if not, why.
pub(crate) fn holds(
    expected: &Value,
    there: Option<&Value>,
    here: &Where,
) -> std::result::Result<(), String> {
    let there_or_null = there.unwrap_or(&Value::Null);
    let fail = || {
        let shown = there.map_or_else(|| "nothing".to_owned(), |value| shorten(&value.to_string()));
        Err(format!("{shown}, expected {expected}"))
    };
    let rule = expected
        .as_object()
        .filter(|map| map.len() == 1)
        .and_then(|map| map.iter().next());
    let Some((name, value)) = rule else {
        let same = match (expected.as_f64(), there_or_null.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-9,
            _ => expected == there_or_null,
        };
        return if same { Ok(()) } else { fail() };
    };
    let text = there_or_null.as_str().map_or_else(
        || there.map(Value::to_string).unwrap_or_default(),
        str::to_owned,
    );
    let wanted = value.as_str().unwrap_or_default();
    let all = || value.as_array().into_iter().flatten();
    let is_so = match name.as_str() {
        "at_least" => there_or_null.as_f64() >= value.as_f64() && there_or_null.is_number(),
        "at_most" => there_or_null.as_f64() <= value.as_f64() && there_or_null.is_number(),
        "contains" => text.contains(wanted),
        "starts_with" => text.starts_with(wanted),
        "not" => holds(value, there, here).is_err(),
        "any_of" => all().any(|value| holds(value, there, here).is_ok()),
        // the one that is not so says more than all of them
        "all" => return all().try_for_each(|value| holds(value, there, here)),
        "by" => {
            let choice = [here.place.as_str(), here.cgroup.as_str(), "else"]
                .iter()
                .find_map(|key| value.get(key));
            return choice.map_or(Ok(()), |value| holds(value, there, here));
        }
        unknown => return Err(format!("the case has an unknown rule {unknown}")),
    };
    if is_so { Ok(()) } else { fail() }
}

fn shorten(text: &str) -> String {
    const LENGTH: usize = 400;
    if text.chars().count() <= LENGTH {
        return text.to_owned();
    }
    text.chars().take(LENGTH).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[allow(
        clippy::needless_pass_by_value,
        reason = "a test reads better with values"
    )]
    fn is_so(expected: Value, there: Value) -> bool {
        let here = Where {
            place: "runc".to_owned(),
            cgroup: "v1".to_owned(),
        };
        holds(&expected, Some(&there), &here).is_ok()
    }

    #[test]
    fn a_value_holds_if_it_is_equal_or_the_rule_says_so() {
        assert!(is_so(json!(1), json!(1.0)));
        assert!(!is_so(json!(1), json!(2)));
        assert!(!is_so(json!("1"), json!(1)));
        assert!(is_so(json!({"at_least": 1}), json!(1)));
        assert!(!is_so(json!({"at_least": 2}), json!(1)));
        assert!(!is_so(json!({"at_least": 0}), json!(null)));
        assert!(!is_so(json!({"at_most": 0}), json!(null)));
        assert!(is_so(json!({"contains": "b"}), json!(["a", "b"])));
        assert!(is_so(json!({"not": {"contains": "c"}}), json!("ab")));
        assert!(is_so(json!({"any_of": [0, 143]}), json!(143)));
        assert!(!is_so(
            json!({"all": [{"contains": "a"}, {"contains": "c"}]}),
            json!("ab")
        ));
    }

    #[test]
    fn by_chooses_the_place_then_the_version_then_else() {
        assert!(!is_so(json!({"by": {"runc": 1, "v1": 2}}), json!(2)));
        assert!(is_so(json!({"by": {"v1": 2, "else": 3}}), json!(2)));
        assert!(is_so(json!({"by": {"host": 1}}), json!(9)));
        assert!(!is_so(json!({"by": {"host": 1, "else": 2}}), json!(9)));
    }

    #[test]
    fn an_unknown_rule_never_holds() {
        assert!(!is_so(json!({"at_lest": 1}), json!(5)));
    }

    #[test]
    fn an_event_is_counted_only_with_its_fields() {
        let events = [
            json!({"event": "killed", "count": 1}),
            json!({"event": "ended"}),
        ];
        let here = Where {
            place: "host".to_owned(),
            cgroup: "v2".to_owned(),
        };
        let expected = |count: Value, fields: Value| ExpectedEvent {
            event: "killed".to_owned(),
            count: Some(count),
            fields: serde_json::from_value(fields).unwrap(),
        };
        assert_eq!(
            judge_event(&expected(json!(1), json!({"count": 1})), &events, &here),
            None
        );
        assert!(judge_event(&expected(json!(0), json!({})), &events, &here).is_some());
        assert!(judge_event(&expected(json!(1), json!({"count": 2})), &events, &here).is_some());
    }
}
