//! What each output looks like, over findings made by hand.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

use dunnage_check::engine::{Hidden, Silenced, Silencer, Skipped};
use dunnage_check::graph::{Graph, render as graph_render};
use dunnage_check::render::{
    Style, render_github, render_json, render_sarif, render_short, render_text,
};
use dunnage_check::{
    Baseline, Confidence, Edit, Finding, Fix, Location, Places, Report, Repository, Safety,
    Settings, Severity, Span, rules,
};
use proptest::prelude::*;

const MANIFEST: &str = "apiVersion: apps/v1\nkind: Deployment\nspec:\n  containers:\n    - name: web\n      resources: {limits: {cpu: 500m}}\n";
const DOCKERFILE: &str = "FROM python:3.12\n\tCMD gunicorn shop.wsgi:app --workers 64 --bind 0.0.0.0:8000 --access-logfile - --timeout 30 --keep-alive 5\n";

/// The place of some words of a file.
fn place(repository: &Repository, path: &str, words: &str) -> Location {
    let file = repository.at(path).unwrap();
    let start = repository.file(file).source.text.find(words).unwrap();
    Location {
        file,
        span: Span::new(start..start + words.len()),
    }
}

fn report() -> Report {
    let repository = Repository::parse(vec![
        ("k8s/my web.yaml".into(), MANIFEST.into()),
        ("shop/Dockerfile".into(), DOCKERFILE.into()),
        (
            "shop/é\u{202e}.py".into(),
            "x = '中文' + nothing  # 100%, ::error::\n".into(),
        ),
    ]);
    let rule = rules::find("FILE002").unwrap();
    let limit = place(&repository, "k8s/my web.yaml", "500m");
    let command = place(&repository, "shop/Dockerfile", DOCKERFILE[18..].trim_end());
    let workers = place(&repository, "shop/Dockerfile", "64");
    let name = place(&repository, "shop/é\u{202e}.py", "nothing");
    let edit = |at: Location, text: &str| Edit {
        file: at.file,
        span: at.span,
        text: text.into(),
    };
    let findings = vec![
        Finding::new(rule, limit, "64 gunicorn workers share a CPU limit of 500m")
            .severity(Severity::Error)
            .of("Deployment/shop container web")
            .because(workers, "64 workers")
            .because(command, "the image's command, which is written in shell form and not as a list")
            .fix(Fix {
                title: "run 2 workers".into(),
                safety: Safety::Unsafe,
                edits: vec![edit(workers, "2")],
            })
            .fix(Fix {
                title: "raise the limit to what 64 workers need, or scale the Deployment with one or two workers in each of its pods instead".into(),
                safety: Safety::Manual,
                edits: vec![],
            }),
        Finding::new(rule, command, "the shell stays process 1 and keeps SIGTERM to itself")
            .confidence(Confidence::Medium)
            .fix(Fix {
                title: "write it as a list".into(),
                safety: Safety::Safe,
                edits: vec![edit(command, "CMD [\"gunicorn\"]")],
            }),
        Finding::new(rule, name, "100% of \x1b[31mnothing").severity(Severity::Info),
    ];
    let silenced = Silenced {
        finding: Finding::new(rule, workers, "too many"),
        fingerprint: "00000000000000aa".into(),
        by: Silencer::Comment {
            at: command,
            reason: "it is a batch".into(),
        },
    };
    Report {
        graph: Graph::default(),
        fingerprints: (1..=3).map(|number| format!("{number:016x}")).collect(),
        findings,
        silenced: vec![silenced],
        hidden: Hidden { mild: 4, unsure: 1 },
        skipped: Skipped {
            binary: 1,
            ..Skipped::default()
        },
        repository,
    }
}

const PLAIN: Style = Style {
    is_coloured: false,
    width: 80,
};

#[test]
fn text_has_the_line_the_caret_the_chain_and_what_mends_it() {
    let report = report();
    let places = Places::new(&report.repository, "");
    insta::assert_snapshot!(render_text(&report, &places, PLAIN));
}

const IMAGE: (&str, &str) = (
    "Dockerfile",
    "FROM python:3.12-slim\nCMD gunicorn shop:app --workers 64\n",
);

/// Two services and a pod from one image, and a module that nothing runs.
fn shared_image() -> Report {
    let service = "    build: .\n    deploy: {resources: {limits: {cpus: '0.5'}}}\n";
    let compose = format!("services:\n  web:\n{service}  api:\n{service}");
    let module = ("shop.py", "import flask\napp = flask.Flask('shop')\n");
    let manifest = ("kubernetes.yaml", SHOP);
    let files = [
        IMAGE,
        ("compose.yaml", &compose),
        manifest,
        module,
        ("alone.py", IDLE),
    ];
    check(&files, "", &Baseline::default())
}

const SHOP: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
        - name: web
          image: shop:1
          resources: {limits: {cpu: 500m}}
          livenessProbe: {httpGet: {path: /, port: 80}}
";

#[test]
fn a_workload_says_its_chain_once_and_a_place_that_repeats_is_not_shown_again() {
    let report = check(&[IMAGE, ("k8s.yaml", SHOP)], "", &Baseline::default());
    let places = Places::new(&report.repository, "");
    insta::assert_snapshot!("text_of_one_workload", render_text(&report, &places, PLAIN));
}

#[test]
fn what_is_found_for_several_workloads_is_told_once_and_names_the_others() {
    let report = shared_image();
    let places = Places::new(&report.repository, "");
    insta::assert_snapshot!(
        "text_of_a_shared_image",
        render_text(&report, &places, PLAIN)
    );
}

#[test]
fn text_is_never_wider_than_asked_for_and_colour_adds_nothing_but_colour() {
    for report in [report(), shared_image()] {
        is_bounded(&report);
    }
}

fn is_bounded(report: &Report) {
    let places = Places::new(&report.repository, "");
    for width in [50, 70, 100] {
        let plain = render_text(report, &places, Style { width, ..PLAIN });
        for line in plain.lines() {
            assert!(
                unicode_width::UnicodeWidthStr::width(line) <= width,
                "{width}: {line}"
            );
        }
        let coloured = render_text(
            report,
            &places,
            Style {
                width,
                is_coloured: true,
            },
        );
        assert_eq!(without_colour(&coloured), plain);
    }
}

fn without_colour(text: &str) -> String {
    let mut pieces = text.split("\x1b[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once('m').unwrap().1)
}

#[test]
fn short_has_a_line_for_each_finding_and_the_counts() {
    let report = report();
    let places = Places::new(&report.repository, "");
    let text = render_short(&report, &places);
    assert_eq!(text.lines().count(), report.findings.len() + 1);
    insta::assert_snapshot!(text);
}

#[test]
fn json_has_everything_with_what_was_silenced() {
    let report = report();
    let places = Places::new(&report.repository, "checkout/");
    insta::assert_snapshot!(render_json(&report, &places, "0.0.0"));
}

#[test]
fn sarif_has_the_chain_the_fixes_and_the_suppressions() {
    let report = report();
    let places = Places::new(&report.repository, "");
    let page: serde_json::Value =
        serde_json::from_str(&render_sarif(&report, &places, "0.0.0")).unwrap();
    let run = &page["runs"][0];
    let index = run["results"][0]["ruleIndex"].as_u64().unwrap() as usize;
    assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "FILE002");
    let mut results = run["results"].clone();
    for result in results.as_array_mut().unwrap() {
        // moves with each new rule
        result["ruleIndex"].take();
    }
    insta::assert_json_snapshot!(results);
}

#[test]
fn annotations_cannot_be_broken_by_what_a_file_says() {
    let report = report();
    let places = Places::new(&report.repository, "");
    insta::assert_snapshot!(render_github(&report, &places));
}

fn check(texts: &[(&str, &str)], settings: &str, baseline: &Baseline) -> Report {
    let texts = texts
        .iter()
        .map(|(path, text)| ((*path).into(), (*text).into()));
    let settings = Settings::parse("dunnage.toml", settings).unwrap();
    dunnage_check::check(Repository::parse(texts.collect()), &settings, baseline)
}

/// A comment that ignores nothing is a warning that needs no other rule.
const IDLE: &str = "x = 1\n# dunnage: ignore\ny = 1\n";

#[test]
fn what_is_below_tests_is_one_step_less_severe_and_then_hidden() {
    let report = check(
        &[("a.py", IDLE), ("tests/a.py", IDLE)],
        "",
        &Baseline::default(),
    );
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.hidden, Hidden { mild: 1, unsure: 0 });
    let report = check(
        &[("tests/a.py", IDLE)],
        "persona = \"pedantic\"",
        &Baseline::default(),
    );
    assert_eq!(report.findings[0].severity, Severity::Info);
}

#[test]
fn a_rule_that_is_ignored_finds_nothing_and_one_that_is_named_is_shown_however_mild() {
    let none = check(
        &[("a.py", IDLE)],
        "ignore = [\"FILE\"]",
        &Baseline::default(),
    );
    assert!(none.findings.is_empty());
    let named = "select = [\"ignore-without-effect\"]";
    let mild = check(&[("tests/a.py", IDLE)], named, &Baseline::default());
    assert_eq!(mild.findings.len(), 1);
}

#[test]
fn the_exit_code_counts_what_is_at_least_as_severe_as_asked_for() {
    let report = check(&[("a.py", IDLE)], "", &Baseline::default());
    for (fail_on, fails) in [
        ("error", false),
        ("warning", true),
        ("info", true),
        ("never", false),
    ] {
        let settings = Settings::parse("x", &format!("fail-on = \"{fail_on}\"")).unwrap();
        assert_eq!(report.fails(&settings), fails, "{fail_on}");
    }
    assert!(!report.fails(&Settings::default()));
}

#[test]
fn a_baseline_knows_its_findings_when_lines_move_and_tells_a_second_one() {
    let before = check(&[("a.py", IDLE)], "", &Baseline::default());
    let marks = before.fingerprints.iter().map(String::as_str);
    let baseline = Baseline::of(before.findings.iter().zip(marks), &before.repository);
    let moved = check(&[("a.py", &format!("import os\n\n{IDLE}"))], "", &baseline);
    assert!(moved.findings.is_empty());
    assert_eq!(moved.silenced[0].by, Silencer::Baseline);
    let second = check(&[("a.py", &format!("{IDLE}{IDLE}"))], "", &baseline);
    assert_eq!(second.findings.len(), 1);
}

#[test]
fn a_comment_silences_and_is_told_as_the_reason() {
    let text = "x = 1\n# dunnage: ignore[FILE002] known\ny = 1  # dunnage: ignore\n";
    let report = check(&[("a.py", text)], "", &Baseline::default());
    let silenced: Vec<_> = report.silenced.iter().map(|one| &one.by).collect();
    assert!(
        matches!(silenced[..], [Silencer::Comment { reason, .. }] if reason == "known"),
        "{silenced:?}"
    );
}

/// A repository with something to say about every kind of file, in a folder of this name.
fn of_all_kinds(folder: &str) -> Vec<(String, String)> {
    let files = [
        (
            "Dockerfile",
            "FROM python:3.8\nWORKDIR /app\nCOPY . .\nEXPOSE 8000\nENTRYPOINT [\"./start.sh\"]\nCMD [\"flask\", \"run\"]\n",
        ),
        (
            "start.sh",
            "#!/bin/sh\npython manage.py migrate\n\"$@\" | tee log\n",
        ),
        (
            "compose.yaml",
            "services:\n  web:\n    build: .\n    restart: always\n    ports: [\"8000:8000\"]\n    command: sh -c \"gunicorn shop:app -w 64\"\n",
        ),
        (
            "web.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n        - name: web\n          image: web\n          command: [sh, -c, python shop.py]\n          resources: {limits: {cpu: 500m}}\n",
        ),
        ("shop.py", "import torch\nwhile True:\n    torch.work()\n"),
    ];
    let place = |(path, text): (&str, &str)| (format!("{folder}/{path}"), text.to_owned());
    files.map(place).to_vec()
}

fn is_obeyed(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{200e}' | '\u{202e}' | '\u{2066}')
}

/// Every message, note and title of a page.
fn sayings(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(values) => values.iter().for_each(|value| sayings(value, found)),
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                let is_said =
                    ["message", "note", "title", "name", "workload"].contains(&key.as_str());
                found.extend(value.as_str().filter(|_| is_said).map(str::to_owned));
                sayings(value, found);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_that_a_file_or_its_name_holds_is_obeyed_by_a_terminal(
        file in 0usize..5,
        at in 0.0f64..1.0,
        letter in prop::sample::select(vec!['\0', '\u{7}', '\u{8}', '\r', '\u{1b}', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2066}']),
        is_named in any::<bool>(),
    ) {
        let folder = if is_named { format!("sh{letter}[2Jop") } else { "shop".to_owned() };
        let mut files = of_all_kinds(&folder);
        let text = &mut files[file].1;
        text.insert((at * text.len() as f64) as usize, letter);
        let settings = Settings::parse("dunnage.toml", "persona = \"pedantic\"").unwrap();
        let report = dunnage_check::check(Repository::parse(files), &settings, &Baseline::default());
        prop_assert!(!report.findings.is_empty());
        let places = Places::new(&report.repository, "");
        let style = Style { is_coloured: false, width: 100 };
        let pages = [render_json(&report, &places, "1"), render_sarif(&report, &places, "1")];
        for page in &pages {
            let mut said = Vec::new();
            sayings(&serde_json::from_str(page).unwrap(), &mut said);
            prop_assert!(said.len() > report.findings.len());
            prop_assert!(!said.iter().any(|text| text.contains(is_obeyed)), "{:?}", said);
        }
        let shown = [
            render_text(&report, &places, style),
            render_short(&report, &places),
            graph_render::render_text(&report.repository, &report.graph),
            graph_render::render_json(&report.repository, &report.graph),
        ];
        for text in pages.iter().chain(&shown) {
            prop_assert!(!text.replace('\n', "").contains(is_obeyed), "{:?}", text);
        }
        let commands = render_github(&report, &places);
        prop_assert!(!commands.replace('\n', "").contains(char::is_control), "{:?}", commands);
    }
}
