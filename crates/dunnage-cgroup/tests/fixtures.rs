//! Every folder of `fixtures/cgroup` is a container as a reader sees it, with the answer beside it in `expected.json`.
//!
//! A key that `expected.json` leaves out is not compared. `notes` holds a part of each note, in their order, and there are
//! no others. `affinity: null` lets the reader find it in the folder's files.

#![allow(clippy::unwrap_used, reason = "a test's helper fails as the test does")]

use dunnage_cgroup::{Overrides, PressureKind, ReadError, Reader, Root, read_limits};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The nineteen of the conformance table and what was added to them; a folder that gets lost fails the test.
const AT_LEAST: usize = 107;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cgroup");
    let mut cases: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    cases
}

fn expected(case: &Path) -> Map<String, Value> {
    let path = case.join("expected.json");
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    match serde_json::from_str(&text) {
        Ok(Value::Object(map)) => map,
        other => panic!("{}: not an object: {other:?}", path.display()),
    }
}

fn overrides(expected: &Map<String, Value>) -> Overrides {
    let Some(given) = expected.get("overrides") else {
        return Overrides::default();
    };
    Overrides {
        cpus: given["cpus"].as_f64(),
        memory_bytes: given["memory_bytes"].as_u64(),
    }
}

/// What the reader says, in the shape of `expected.json`.
fn actual_limits(case: &Path, expected: &Map<String, Value>) -> Map<String, Value> {
    let affinity = expected["affinity"]
        .as_u64()
        .map(|cpus| u32::try_from(cpus).unwrap());
    let limits = read_limits(&Root::at(case), &overrides(expected), affinity);
    let mut cpu = json!({
        "effective": limits.cpu.effective.value,
        "source": limits.cpu.effective.source,
        "confidence": limits.cpu.effective.confidence,
        "limit": limits.cpu.limit,
    });
    if let Some(bandwidth) = limits.cpu.bandwidth {
        cpu["bandwidth"] = json!(bandwidth);
    }
    let memory = json!({
        "limit": limits.memory.limit.as_ref().map(|limit| limit.value),
        "source": limits.memory.limit.as_ref().map(|limit| &limit.source),
        "confidence": limits.memory.confidence,
        "high": limits.memory.high,
        "swap": limits.memory.swap,
    });
    let map = json!({
        "hierarchy": limits.hierarchy,
        "cpu": cpu,
        "memory": memory,
        "notes": limits.notes,
        "read": actual_reads(case),
    });
    map.as_object().unwrap().clone()
}

fn actual_reads(case: &Path) -> Value {
    fn value<T: Serialize>(read: Result<T, ReadError>) -> Value {
        read.map_or(Value::Null, |value| json!(value))
    }
    let mut reader = Reader::open(&Root::at(case));
    json!({
        "memory": value(reader.memory()),
        "throttling": value(reader.throttling()),
        "events": value(reader.memory_events()),
        "bound": value(reader.memory_bound(None)),
        "bound_usage": value(reader.bound_usage()),
        "bound_memory": value(reader.bound_memory()),
        "bound_hits": value(reader.bound_hits()),
        "pressure": {
            "cpu": value(reader.pressure(PressureKind::Cpu)),
            "memory": value(reader.pressure(PressureKind::Memory)),
            "io": value(reader.pressure(PressureKind::Io)),
        },
    })
}

/// Differences between an expected value and the actual one, for the keys that are expected.
fn differences(at: &str, expected: &Value, actual: &Value, found: &mut Vec<String>) {
    if let (Value::Object(expected), Value::Object(actual)) = (expected, actual) {
        for (key, value) in expected {
            let other = actual.get(key).unwrap_or(&Value::Null);
            differences(&format!("{at}.{key}"), value, other, found);
        }
        return;
    }
    let is_same = match (expected.as_f64(), actual.as_f64()) {
        (Some(expected), Some(actual)) => (expected - actual).abs() < 1e-9,
        _ => expected == actual,
    };
    if !is_same {
        found.push(format!("{at}: expected {expected}, actual {actual}"));
    }
}

fn note_differences(expected: &Value, actual: &Value, found: &mut Vec<String>) {
    let (expected, actual) = (expected.as_array().unwrap(), actual.as_array().unwrap());
    let holds = expected.len() == actual.len()
        && expected
            .iter()
            .zip(actual)
            .all(|(part, note)| note.as_str().unwrap().contains(part.as_str().unwrap()));
    if !holds {
        found.push(format!("notes: expected {expected:?}, actual {actual:?}"));
    }
}

#[test]
fn every_recorded_container_is_read_as_it_is_enforced() {
    let cases = cases();
    let mut failures = String::new();
    for case in &cases {
        let expected = expected(case);
        let actual = actual_limits(case, &expected);
        let mut found = Vec::new();
        for key in ["hierarchy", "cpu", "memory", "read"] {
            if let Some(value) = expected.get(key) {
                differences(key, value, &actual[key], &mut found);
            }
        }
        for key in ["from", "hierarchy", "cpu", "notes"] {
            assert!(expected.contains_key(key), "{}: no {key}", case.display());
        }
        note_differences(&expected["notes"], &actual["notes"], &mut found);
        for line in found {
            let name = case.file_name().unwrap().to_string_lossy();
            failures.push_str(&format!("{name}: {line}\n"));
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(
        cases.len() >= AT_LEAST,
        "only {} of {AT_LEAST} folders in fixtures/cgroup",
        cases.len()
    );
}

#[test]
fn the_nineteen_of_the_conformance_table_are_there() {
    let names: Vec<_> = cases()
        .iter()
        .map(|case| case.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    for letter in 'a'..='s' {
        let prefix = format!("{letter}-");
        let count = names
            .iter()
            .filter(|name| name.starts_with(&prefix))
            .count();
        assert_eq!(count, 1, "case {letter}");
    }
}

#[test]
fn kept_descriptors_tell_the_same_limits_as_a_fresh_reading() {
    for case in cases() {
        let root = Root::at(&case);
        let limits = read_limits(&root, &Overrides::default(), Some(2));
        let mut reader = Reader::open(&root);
        let cpu = reader.cpu_limit().ok().flatten();
        assert_eq!(cpu, limits.cpu.limit, "{}", case.display());
        if let Ok(memory) = reader.memory() {
            let limit = limits.memory.limit.map(|limit| limit.value);
            assert_eq!(memory.limit, limit, "{}", case.display());
            let bound = reader.memory_bound(None).unwrap();
            let bound = bound.and_then(|bound| bound.limit);
            assert_eq!(bound, limit, "{}", case.display());
        }
    }
}

#[test]
fn no_file_of_a_container_is_needed_for_an_answer() {
    for case in cases() {
        let copy = tempfile::tempdir().unwrap();
        let (from, to) = (case.as_path(), copy.path());
        let files = copy_files(from, to);
        for file in files {
            let kept = fs::read(&file).unwrap();
            fs::remove_file(&file).unwrap();
            let limits = read_limits(&Root::at(to), &Overrides::default(), Some(2));
            assert!(
                limits.cpu.effective.value > 0.0,
                "{} without {}",
                case.display(),
                file.display()
            );
            assert!(limits.cpu.effective.value <= 2.0);
            fs::write(&file, kept).unwrap();
        }
    }
}

/// Copies the plain files below a folder and returns the copies.
fn copy_files(from: &Path, to: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            fs::create_dir_all(&target).unwrap();
            files.extend(copy_files(&path, &target));
        } else if kind.is_file() {
            fs::copy(&path, &target).unwrap();
            files.push(target);
        }
    }
    files
}
