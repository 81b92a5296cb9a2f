//! What `dunnage check` looks at, which settings it takes, and its exit codes.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// Ignores nothing, so it is a warning without any other rule: the mark of a file that was looked at.
const MARK: &str = "# dunnage: ignore\nx = 1\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn check(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dunnage-check"))
        .arg("check")
        .args(words)
        .current_dir(folder)
        .env_remove("NO_COLOR")
        .output()
        .unwrap()
}

fn json(folder: &Path, words: &[&str]) -> Value {
    let output = check(folder, &[words, &["--format", "json"]].concat());
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The paths of the files that carry the mark and were looked at.
fn found(folder: &Path, words: &[&str]) -> Vec<String> {
    let page = json(folder, words);
    let findings = page["findings"].as_array().unwrap();
    let path = |finding: &Value| finding["location"]["path"].as_str().unwrap().to_owned();
    findings.iter().map(path).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_git_ignores_is_hidden_or_is_installed_is_not_looked_at() {
    let folder = folder(&[
        (".gitignore", "built/\n"),
        ("a.py", MARK),
        ("built/b.py", MARK),
        (".hidden/c.py", MARK),
        (".github/d.py", MARK),
        ("node_modules/e.py", MARK),
        ("env/pyvenv.cfg", ""),
        ("env/f.py", MARK),
        ("vendor/g.py", MARK),
    ]);
    assert_eq!(
        found(
            folder.path(),
            &["--exclude", "vendor/**", "--min-severity", "info"]
        ),
        [".github/d.py", "a.py"]
    );
}

#[test]
fn links_are_not_followed_but_for_one_that_is_named() {
    let outside = folder(&[("a.py", MARK)]);
    let inside = folder(&[]);
    symlink(outside.path(), inside.path().join("link")).unwrap();
    symlink(outside.path().join("a.py"), inside.path().join("b.py")).unwrap();
    assert!(found(inside.path(), &[]).is_empty());
    assert_eq!(found(inside.path(), &["link"]).len(), 1);
}

#[test]
fn binary_and_large_files_are_counted_and_not_judged() {
    let folder = folder(&[("a.py", "x = '\0'\n")]);
    fs::write(folder.path().join("b.py"), b"x = '\xff'\n").unwrap();
    let large = fs::File::create(folder.path().join("c.py")).unwrap();
    large.set_len((64 << 20) + 1).unwrap();
    let page = json(folder.path(), &[]);
    assert_eq!(page["summary"]["skipped"]["binary"], 2);
    assert_eq!(page["summary"]["skipped"]["large"], 1);
    assert_eq!(page["summary"]["files"], 0);
}

#[test]
fn a_script_is_known_by_its_first_line() {
    let folder = folder(&[
        ("bin/start", &format!("#!/usr/bin/env python3\n{MARK}")),
        ("bin/notes", MARK),
    ]);
    assert_eq!(found(folder.path(), &[]), ["bin/start"]);
}

#[test]
fn paths_are_told_from_where_the_user_stands() {
    let folder = folder(&[("a/x.py", MARK), ("b/y.py", MARK), ("c/z.py", MARK)]);
    assert_eq!(found(folder.path(), &["a", "b/y.py"]), ["a/x.py", "b/y.py"]);
    assert_eq!(found(folder.path(), &["a"]), ["a/x.py"]);
    let inside = folder.path().join("c");
    assert_eq!(found(&inside, &["."]), ["z.py"]);
    let other = found(&inside, &["../a"]);
    assert!(
        Path::new(&other[0]).is_absolute() && other[0].ends_with("a/x.py"),
        "{other:?}"
    );
}

#[test]
fn the_exit_code_tells_findings_from_failures() {
    let folder = folder(&[("a.py", MARK)]);
    let code = |words: &[&str]| check(folder.path(), words).status.code();
    assert_eq!(code(&[]), Some(0), "a warning is below the threshold");
    assert_eq!(code(&["--fail-on", "warning"]), Some(1));
    assert_eq!(
        code(&["--fail-on", "warning", "--ignore", "FILE002"]),
        Some(0)
    );
    let absent = check(folder.path(), &["absent"]);
    assert_eq!(absent.status.code(), Some(2));
    assert!(said(&absent).contains("absent"), "{}", said(&absent));
    let unknown = check(folder.path(), &["--select", "PID999"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(said(&unknown).contains("PID999"), "{}", said(&unknown));
}

#[test]
fn settings_are_the_nearest_ones_and_a_mistake_in_them_is_told_with_its_line() {
    let folder = folder(&[
        ("pyproject.toml", "[tool.dunnage]\nignore = [\"FILE002\"]\n"),
        ("a.py", MARK),
        ("deep/dunnage.toml", "persona = \"pedantic\"\n"),
        ("deep/b.py", MARK),
        ("broken/dunnage.toml", "\nselekt = []\n"),
    ]);
    assert!(found(folder.path(), &[]).is_empty());
    assert_eq!(found(folder.path(), &["deep"]), ["deep/b.py"]);
    let broken = check(folder.path(), &["broken"]);
    assert_eq!(broken.status.code(), Some(2));
    let words = said(&broken);
    assert!(
        words.contains("broken/dunnage.toml:2:") && words.contains("selekt"),
        "{words}"
    );
}

#[test]
fn settings_above_the_repository_are_not_taken() {
    let folder = folder(&[
        ("dunnage.toml", "ignore = [\"FILE002\"]\n"),
        ("repository/.git/HEAD", ""),
        ("repository/a.py", MARK),
    ]);
    assert_eq!(found(folder.path(), &["repository"]), ["repository/a.py"]);
}

#[test]
fn an_image_that_no_file_names_is_found_where_the_settings_say() {
    let folder = folder(&[
        (
            "dunnage.toml",
            "[images]\n\"registry/x\" = \"services/odd/Dockerfile\"\n",
        ),
        (
            "services/odd/Dockerfile",
            "FROM python:3.12\nCMD [\"python\", \"-m\", \"shop\"]\n",
        ),
        (
            "services/pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: web\n    image: registry/x:1\n",
        ),
    ]);
    for root in [".", "services"] {
        let output = check(folder.path(), &["--graph", root]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("odd/Dockerfile:2"), "{root}: {text}");
    }
}

#[test]
fn a_baseline_that_was_written_silences_what_was_there_and_nothing_new() {
    let folder = folder(&[("a.py", MARK)]);
    let written = check(folder.path(), &["--write-baseline", "known.json"]);
    assert_eq!(written.status.code(), Some(0));
    fs::write(folder.path().join("b.py"), MARK).unwrap();
    let page = json(folder.path(), &["--baseline", "known.json"]);
    assert_eq!(page["summary"]["baselined"], 1);
    assert_eq!(page["summary"]["warnings"], 1);
    fs::write(
        folder.path().join("dunnage.toml"),
        "baseline = \"known.json\"\n",
    )
    .unwrap();
    assert_eq!(json(folder.path(), &[])["summary"]["baselined"], 1);
}

#[test]
fn text_for_no_terminal_has_no_colour_and_ends_with_the_counts() {
    let folder = folder(&[("a.py", MARK)]);
    let output = check(folder.path(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains('\x1b'), "{text}");
    let last = text.lines().last().unwrap();
    assert!(
        last.starts_with("1 warning in 0 workloads; 1 file"),
        "{last}"
    );
    let coloured = check(folder.path(), &["--color", "always"]).stdout;
    assert!(coloured.contains(&0x1b));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let files: Vec<(String, String)> = (0..2000)
        .map(|number| (format!("{number}.py"), MARK.into()))
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let folder = folder(&files);
    let line = format!("{} check | head -n 1", env!("CARGO_BIN_EXE_dunnage-check"));
    let output = Command::new("bash")
        .args(["-o", "pipefail", "-c", &line])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(said(&output), "");
}

#[test]
fn charts_are_rendered_by_the_helm_that_is_there_if_asked_for() {
    let folder = folder(&[
        ("chart/Chart.yaml", "apiVersion: v2\nname: shop\n"),
        ("chart/templates/web.yaml", "kind: {{ .Values.kind }}\n"),
    ]);
    let bin = tempfile::tempdir().unwrap();
    let helm = bin.path().join("helm");
    fs::write(
        &helm,
        "#!/bin/sh\nprintf 'apiVersion: v1\\nkind: Pod\\n# dunnage: ignore\\nmetadata: {name: %s}\\n' \"$2\"\n",
    )
    .unwrap();
    fs::set_permissions(&helm, PermissionsExt::from_mode(0o755)).unwrap();
    let plain = json(folder.path(), &[]);
    assert_eq!(plain["summary"]["templates"], 1);
    let path = format!(
        "{}:{}",
        bin.path().display(),
        std::env::var("PATH").unwrap()
    );
    let asked = |path: &str| {
        Command::new(env!("CARGO_BIN_EXE_dunnage-check"))
            .args(["check", "--helm", "--format", "json"])
            .current_dir(folder.path())
            .env("PATH", path)
            .output()
            .unwrap()
    };
    let page: Value = serde_json::from_slice(&asked(&path).stdout).unwrap();
    assert_eq!(page["summary"]["templates"], 0, "{page}");
    assert_eq!(
        page["findings"][0]["location"]["path"],
        "chart/(helm template).yaml"
    );
    let without = asked("/nonexistent");
    assert_eq!(without.status.code(), Some(2));
    assert!(said(&without).contains("helm"), "{}", said(&without));
}

#[test]
fn a_rule_is_explained_by_id_name_and_family_and_an_event_by_name() {
    let explain = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dunnage-check"));
        command.arg("explain").args(words).output().unwrap()
    };
    for word in ["FILE002", "file002", "ignore-without-effect", "FILE"] {
        let output = explain(&[word]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.contains("FILE002 ignore-without-effect"),
            "{word}: {text}"
        );
    }
    let event = explain(&["started"]);
    assert!(
        String::from_utf8(event.stdout)
            .unwrap()
            .starts_with("started\n")
    );
    let unknown = explain(&["PID999"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(said(&unknown).contains("PID999"));
    let page: Value = serde_json::from_slice(&explain(&["--format", "json"]).stdout).unwrap();
    assert!(page["rules"].as_array().unwrap().len() >= 2);
}
