//! The arrows between the crates, held over `cargo metadata`.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

/// Which crates of ours a crate may use, for building and for its tests.
const MAY_USE: [(&str, &[&str]); 13] = [
    ("dunnage-cgroup", &[]),
    ("dunnage-policy", &["dunnage-cgroup"]),
    (
        "dunnage-py",
        &["dunnage-cgroup", "dunnage-policy", "dunnage-sys"],
    ),
    ("dunnage-check", &["dunnage-cgroup", "dunnage-policy"]),
    ("dunnage-cli", &[]),
    (
        "dunnage-lint",
        &[
            "dunnage-check",
            "dunnage-cli",
            "dunnage-policy",
            "dunnage-sys",
        ],
    ),
    ("dunnage-sys", &[]),
    ("dunnage-python", &["dunnage-sys"]),
    ("dunnage-timeline", &[]),
    (
        "dunnage-record",
        &[
            "dunnage-cgroup",
            "dunnage-python",
            "dunnage-sys",
            "dunnage-timeline",
        ],
    ),
    (
        "dunnage-run",
        &[
            "dunnage-cgroup",
            "dunnage-policy",
            "dunnage-python",
            "dunnage-record",
            "dunnage-sys",
            "dunnage-timeline",
        ],
    ),
    (
        "dunnage",
        &[
            "dunnage-cgroup",
            "dunnage-cli",
            "dunnage-policy",
            "dunnage-python",
            "dunnage-record",
            "dunnage-run",
            "dunnage-sys",
            "dunnage-timeline",
        ],
    ),
    ("xtask", &[]),
];

/// Crates that turn values into values: no file, no clock, no environment, so nothing that brings them either.
const PURE: [&str; 3] = ["dunnage-check", "dunnage-policy", "dunnage-timeline"];
const PURE_MAY_USE: [&str; 17] = [
    "arcstr",
    "compact_str",
    "dunnage-cgroup",
    "dunnage-policy",
    "rayon",
    "ruff_python_ast",
    "ruff_python_parser",
    "ruff_text_size",
    "saphyr-parser",
    "serde",
    "serde_json",
    "similar",
    "stacker",
    "thin-vec",
    "thiserror",
    "toml",
    "unicode-width",
];

/// Every package of the workspace with its dependencies as (name, kind).
fn read_workspace() -> BTreeMap<String, Vec<(String, String)>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("normal").to_owned();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            let uses = dependencies
                .iter()
                .map(|one| (text(&one["name"]), text(&one["kind"])))
                .collect();
            (text(&package["name"]), uses)
        })
        .collect()
}

#[test]
fn each_crate_uses_only_the_crates_of_ours_that_stand_below_it() {
    let workspace = read_workspace();
    for (name, uses) in &workspace {
        let (_, allowed) = MAY_USE
            .iter()
            .find(|(known, _)| known == name)
            .unwrap_or_else(|| {
                panic!("{name} is new: give it a place in MAY_USE and in docs/architecture.md")
            });
        for (used, kind) in uses.iter().filter(|(used, _)| workspace.contains_key(used)) {
            assert!(
                allowed.contains(&used.as_str()),
                "{name} must not use {used} ({kind})"
            );
        }
    }
    for (name, _) in MAY_USE {
        assert!(
            workspace.contains_key(name),
            "{name} is gone: take it out of MAY_USE"
        );
    }
}

#[test]
fn a_pure_crate_brings_nothing_that_could_read_a_file_or_a_clock() {
    let workspace = read_workspace();
    for name in PURE {
        for (used, _) in workspace[name].iter().filter(|(_, kind)| kind == "normal") {
            assert!(
                PURE_MAY_USE.contains(&used.as_str()),
                "{name} must stay pure: {used} is not in PURE_MAY_USE"
            );
        }
    }
}

/// What the checklist needs: parsers of languages, tables of patterns, threads for files, walks through folders.
const NOT_IN_CONTAINERS: [&str; 9] = [
    "dunnage-check",
    "ignore",
    "rayon",
    "regex-automata",
    "ruff_python_parser",
    "saphyr-parser",
    "similar",
    "stacker",
    "toml",
];

#[test]
fn the_program_in_containers_brings_nothing_that_reads_a_repository() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = |package: &str| {
        let words = ["tree", "--edges=normal", "--prefix=none", "--format={p}"];
        let output = Command::new(&cargo)
            .args(words)
            .args(["--locked", "--package", package])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        text.lines().map(name).collect::<Vec<_>>()
    };
    let (dunnage, lint) = (tree("dunnage"), tree("dunnage-lint"));
    for name in NOT_IN_CONTAINERS {
        assert!(
            !dunnage.iter().any(|used| used == name),
            "each PID 1 would carry {name}: what needs it belongs into dunnage-lint"
        );
        assert!(
            lint.iter().any(|used| used == name),
            "{name} is nowhere: take it out of NOT_IN_CONTAINERS"
        );
    }
}

#[test]
fn xtask_builds_with_the_standard_library_serde_and_zip_only() {
    let workspace = read_workspace();
    let uses: Vec<_> = workspace["xtask"]
        .iter()
        .filter(|(name, kind)| {
            kind != "dev" && !["serde", "serde_json", "zip"].contains(&name.as_str())
        })
        .collect();
    assert!(uses.is_empty(), "{uses:?}");
}

#[test]
fn a_panic_ends_the_thread_that_reads_memory_and_not_pid_1() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    let release = manifest.unwrap();
    let (_, release) = release.split_once("[profile.release]").unwrap();
    let (release, _) = release.split_once("\n[").unwrap();
    assert!(release.contains("panic = \"unwind\""), "{release}");
}
