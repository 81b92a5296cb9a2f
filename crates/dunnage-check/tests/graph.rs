//! What the graph promises: each manifest finds its image, its command, its program, and says how sure it is.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

use dunnage_check::graph::workload::Python;
use dunnage_check::graph::{Graph, Hint, Hints, Workload, render};
use dunnage_check::{Confidence, Repository};

fn repository(files: &[(&str, &str)]) -> Repository {
    let texts = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    Repository::parse(texts.collect())
}

fn graph(files: &[(&str, &str)]) -> (Repository, Graph) {
    let repository = repository(files);
    let graph = Graph::build(&repository);
    (repository, graph)
}

fn only(graph: &Graph) -> &Workload {
    let [workload] = &graph.workloads[..] else {
        panic!("{} workloads", graph.workloads.len());
    };
    workload
}

fn deployment(name: &str, image: &str, more: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  template:\n    spec:\n      containers:\n        - name: {name}\n          image: {image}\n{more}"
    )
}

/// `init → sh -c → gunicorn`, with `*` at process 1.
fn steps(workload: &Workload) -> String {
    let words = workload.steps.iter().enumerate().map(|(index, step)| {
        let star = if workload.first == Some(index) {
            "*"
        } else {
            ""
        };
        format!("{star}{}", render::step_in_words(step))
    });
    words.collect::<Vec<_>>().join(" → ")
}

const FLASK: &str = "FROM python:3.12-slim\nWORKDIR /app\nCOPY . .\nRUN pip install -r requirements.txt\nCMD gunicorn -w 64 app:app\n";

#[test]
fn the_story_stands_in_one_tree() {
    let manifest = deployment(
        "shop",
        "shop:1.0",
        "          resources:\n            limits:\n              cpu: 500m\n              memory: 512Mi\n          livenessProbe:\n            httpGet:\n              path: /healthz\n              port: 8000\n",
    );
    let (repository, graph) = graph(&[
        ("Dockerfile", FLASK),
        ("requirements.txt", "flask\ngunicorn\nnumpy\n"),
        (
            "app.py",
            "from flask import Flask\nimport store\napp = Flask(__name__)\n",
        ),
        ("store.py", "import numpy\n"),
        ("k8s/deployment.yaml", &manifest),
    ]);
    insta::assert_snapshot!("story", render::render_text(&repository, &graph));
    insta::assert_snapshot!("story-json", render::render_json(&repository, &graph));
}

#[test]
fn a_value_that_may_be_a_secret_is_not_in_the_json() {
    let environment = "          env:\n            - {name: OMP_NUM_THREADS, value: \"1\"}\n            - {name: TOKEN, value: hunter2}\n            - {name: PIN, value: \"271828\"}\n";
    let (repository, graph) = graph(&[
        ("Dockerfile", FLASK),
        ("app.py", ""),
        ("d.yaml", &deployment("shop", "shop", environment)),
    ]);
    let json = render::render_json(&repository, &graph);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let expected = serde_json::json!({"OMP_NUM_THREADS": "1", "PIN": null, "TOKEN": null});
    assert_eq!(json["workloads"][0]["environment"], expected);
}

#[test]
fn a_manifests_command_replaces_the_images_and_its_args_follow_the_entrypoint() {
    let dockerfile = "FROM python:3.12-slim\nWORKDIR /app\nCOPY . .\nENTRYPOINT [\"tini\", \"--\"]\nCMD [\"python\", \"app.py\"]\n";
    let run = |more: &str| {
        let (_, graph) = graph(&[
            ("Dockerfile", dockerfile),
            ("app.py", ""),
            ("d.yaml", &deployment("shop", "shop", more)),
        ]);
        steps(only(&graph))
    };
    assert_eq!(run(""), "*tini → python app.py");
    assert_eq!(
        run("          command: [python, app.py]\n"),
        "*python app.py"
    );
    assert_eq!(
        run("          args: [python, other.py]\n"),
        "*tini → python other.py"
    );
}

#[test]
fn a_script_that_was_copied_is_followed_to_what_it_executes() {
    let dockerfile = "FROM python:3.12-slim\nWORKDIR /app\nCOPY docker/entrypoint.sh /entrypoint.sh\nCOPY . /app\nENTRYPOINT [\"/entrypoint.sh\"]\nCMD [\"gunicorn\", \"app:app\"]\n";
    let run = |script: &str| {
        let (_, graph) = graph(&[
            ("Dockerfile", dockerfile),
            ("docker/entrypoint.sh", script),
            ("app.py", "import flask\n"),
        ]);
        let workload = only(&graph);
        assert!(workload.script.is_some());
        (steps(workload), workload.confidence)
    };
    assert_eq!(
        run("#!/bin/sh\nset -e\npython migrate.py\nexec \"$@\"\n"),
        (
            "/entrypoint.sh → *gunicorn app:app".to_owned(),
            Confidence::High
        )
    );
    assert_eq!(
        run("#!/bin/sh\npython migrate.py\n\"$@\"\n"),
        (
            "*/entrypoint.sh → gunicorn app:app".to_owned(),
            Confidence::High
        )
    );
    assert_eq!(
        run("#!/bin/sh\nuvicorn main:app\n"),
        (
            "*/entrypoint.sh → uvicorn main:app".to_owned(),
            Confidence::High
        )
    );
}

#[test]
fn the_shell_of_the_base_image_decides_who_is_process_1() {
    let run = |base: &str, command: &str| {
        let (_, graph) = graph(&[("Dockerfile", &format!("FROM {base}\nCMD {command}\n"))]);
        steps(only(&graph))
    };
    assert_eq!(
        run("python:3.12-slim", "python app.py"),
        "*sh -c → python app.py"
    );
    assert_eq!(
        run("python:3.12-alpine", "python app.py"),
        "sh -c → *python app.py"
    );
    assert_eq!(
        run("python:3.12-slim", "exec python app.py"),
        "sh -c → *python app.py"
    );
    assert_eq!(
        run("acme/unknown", "python app.py"),
        "sh -c → python app.py"
    );
}

#[test]
fn images_are_found_by_what_files_say_before_what_names_suggest() {
    let manifest = deployment("web", "ghcr.io/acme/shop:${TAG}", "");
    let python = "FROM python:3.12-slim\nCMD [\"python\", \"a.py\"]\n";
    let compose = "services:\n  web:\n    image: ghcr.io/acme/shop\n    build:\n      context: services/web\n";
    let built = |files: &[(&str, &str)]| {
        let (repository, graph) = graph(files);
        let workload = graph
            .workloads
            .iter()
            .find(|workload| workload.name.starts_with("Deployment"))
            .unwrap();
        let path = workload
            .built
            .map(|built| repository.file(built.file).source.path.clone());
        (path, workload.confidence)
    };
    let at = |path: &str, confidence| (Some(path.to_owned()), confidence);
    let said = [
        ("compose.yaml", compose),
        ("services/web/Dockerfile", python),
        ("shop/Dockerfile", python),
        ("d.yaml", &manifest),
    ];
    assert_eq!(
        built(&said),
        at("services/web/Dockerfile", Confidence::High)
    );
    let named = [
        ("services/web/Dockerfile", python),
        ("shop/Dockerfile", python),
        ("d.yaml", &manifest),
    ];
    assert_eq!(built(&named), at("shop/Dockerfile", Confidence::Medium));
    let official = deployment("postgres", "postgres:15", "");
    let other = [("Dockerfile", python), ("d.yaml", &official)];
    assert_eq!(
        built(&other),
        (None, Confidence::High),
        "nobody builds postgres"
    );
    let foreign = deployment("web", "summerwind/h2spec", "");
    let local = "services:\n  web:\n    image: own:local\n    build: h2spec\n";
    let other = [
        ("compose.yaml", local),
        ("h2spec/Dockerfile", python),
        ("d.yaml", foreign.as_str()),
    ];
    assert_eq!(built(&other).0, None, "it is built under another name");
    let two = [
        ("a/Dockerfile", python),
        ("b/Dockerfile", python),
        ("d.yaml", &manifest),
    ];
    assert_eq!(built(&two).0, None, "two are no guess");
}

#[test]
fn arguments_alone_are_the_command_of_an_official_python() {
    let compose = "services:\n  a:\n    image: python:3.12\n    command: gunicorn shop.wsgi -w 8\n";
    let (_, known) = graph(&[("compose.yaml", compose)]);
    assert_eq!(steps(only(&known)), "*gunicorn shop.wsgi (8 workers)");
    let other = compose.replace("python:3.12", "acme/python:3.12");
    let (_, unknown) = graph(&[("compose.yaml", &other)]);
    assert_eq!(steps(only(&unknown)), "", "its ENTRYPOINT is not known");
}

#[test]
fn the_only_image_of_ones_own_is_built_from_the_only_dockerfile() {
    let python = "FROM python:3.12-slim\nCMD [\"gunicorn\", \"shop.wsgi\"]\n";
    let web = deployment("web", "acme/storefront:1", "");
    let redis = deployment("redis", "redis:7", "");
    let linked = |files: &[(&str, &str)]| {
        let (_, graph) = graph(files);
        let workloads = graph.workloads.iter();
        let built = workloads.filter(|workload| workload.built.is_some());
        built
            .map(|workload| workload.name.clone())
            .collect::<Vec<_>>()
    };
    let one = [
        ("backend/Dockerfile", python),
        ("k8s/web.yaml", &web),
        ("k8s/redis.yaml", &redis),
    ];
    assert_eq!(linked(&one), ["Deployment/web container web"]);
    let worker = deployment("worker", "acme/worker:1", "");
    let two = [
        ("backend/Dockerfile", python),
        ("k8s/web.yaml", &web),
        ("k8s/worker.yaml", &worker),
    ];
    assert_eq!(
        linked(&two),
        ["backend/Dockerfile"],
        "two images, one Dockerfile: no guess"
    );
}

#[test]
fn two_compose_files_of_one_service_and_images_of_others_leave_the_link() {
    let link = |files: &[(&str, &str)]| {
        let manifest = deployment("api", "fallout-backend:latest", "");
        let (_, graph) = graph(
            &[
                &[("backend/Dockerfile", FLASK), ("k8s/d.yaml", &manifest)],
                files,
            ]
            .concat(),
        );
        let workload = graph
            .workloads
            .into_iter()
            .find(|workload| workload.name.starts_with("Deployment"));
        workload.unwrap().built.is_some()
    };
    let base = "services:\n  api:\n    build: {context: ., dockerfile: backend/Dockerfile}\n  mail: {image: axllent/mailpit}\n";
    assert!(
        link(&[("docker-compose.yml", base)]),
        "mailpit has an owner"
    );
    let same = [
        ("docker-compose.yml", base),
        ("docker-compose.prod.yml", base),
    ];
    assert!(link(&same));
    let named = "services:\n  api: {image: 'registry.example.com/acme/fallout-backend:2'}\n";
    assert!(link(&[
        ("docker-compose.yml", base),
        ("docker-compose.prod.yml", named)
    ]));
    let two = "services:\n  other: {image: stray-worker}\n";
    assert!(
        !link(&[("docker-compose.yml", two)]),
        "either may be the one that is built"
    );
}

#[test]
fn a_hint_wins_over_everything() {
    let python = "FROM python:3.12-slim AS app\nCMD [\"python\", \"a.py\"]\nFROM app AS debug\nCMD [\"python\", \"-m\", \"pdb\"]\n";
    let repository = repository(&[
        ("x/Dockerfile", python),
        ("shop/Dockerfile", python),
        ("d.yaml", &deployment("web", "acme/shop", "")),
    ]);
    let hint = Hint {
        dockerfile: "x/Dockerfile".to_owned(),
        target: Some("app".to_owned()),
        context: None,
    };
    let hints = Hints {
        images: [("acme/shop".to_owned(), hint)].into(),
    };
    let graph = Graph::build_with(&repository, &hints);
    let workload = graph
        .workloads
        .iter()
        .find(|workload| workload.name.starts_with("Deployment"))
        .unwrap();
    assert_eq!(steps(workload), "*python a.py");
    assert_eq!(workload.confidence, Confidence::High);
}

#[test]
fn a_dockerfile_that_several_manifests_run_is_a_workload_for_each_and_none_by_itself() {
    let (_, graph) = graph(&[
        ("Dockerfile", FLASK),
        ("web.yaml", &deployment("web", "shop", "")),
        (
            "worker.yaml",
            &deployment(
                "worker",
                "shop",
                "          command: [celery, -A, tasks, worker]\n",
            ),
        ),
    ]);
    let steps: Vec<String> = graph.workloads.iter().map(steps).collect();
    assert_eq!(
        steps,
        ["*sh -c → gunicorn app:app (64 workers)", "*celery tasks"]
    );
}

#[test]
fn what_is_not_python_is_known() {
    let python = |dockerfile: &str| {
        let (_, graph) = graph(&[("Dockerfile", dockerfile)]);
        only(&graph).python.clone()
    };
    assert_eq!(
        python("FROM node:20\nRUN apt-get install -y python3\nCMD [\"node\", \"a.js\"]\n"),
        Python::No
    );
    assert_eq!(
        python(
            "FROM golang:1.25 AS b\nFROM scratch\nCOPY --from=b /shop /shop\nENTRYPOINT [\"/shop\"]\n"
        ),
        Python::No
    );
    assert_eq!(
        python(
            "FROM debian:12\nRUN apt-get install -y python3-pip && pip install flask\nCMD [\"shop\"]\n"
        ),
        Python::Yes
    );
    assert_eq!(python("FROM acme/base\nCMD [\"shop\"]\n"), Python::Unknown);
}

#[test]
fn the_environment_of_the_manifest_lies_over_the_images() {
    let dockerfile = "FROM python:3.12-slim\nENV OMP_NUM_THREADS=4 WEB_CONCURRENCY=3\nCMD [\"gunicorn\", \"app:app\"]\n";
    let manifest = deployment(
        "shop",
        "shop",
        "          env:\n            - name: OMP_NUM_THREADS\n              value: \"1\"\n",
    );
    let (_, graph) = graph(&[("Dockerfile", dockerfile), ("d.yaml", &manifest)]);
    let workload = only(&graph);
    assert_eq!(workload.variable("OMP_NUM_THREADS"), Some("1"));
    assert_eq!(
        workload.server().unwrap().workers.as_ref().unwrap().value,
        3
    );
}

#[test]
fn a_target_names_the_stage() {
    let dockerfile = "FROM python:3.12-slim AS web\nCMD [\"gunicorn\", \"app:app\"]\nFROM web AS worker\nCMD [\"celery\", \"-A\", \"app\", \"worker\"]\n";
    let compose = "services:\n  web:\n    build:\n      context: .\n      target: web\n  worker:\n    build: .\n    command: python -m 'my worker'\n";
    let (_, graph) = graph(&[("Dockerfile", dockerfile), ("compose.yaml", compose)]);
    let steps: Vec<String> = graph.workloads.iter().map(steps).collect();
    assert_eq!(steps, ["*gunicorn app:app", "*python my worker"]);
}

#[test]
fn a_last_stage_that_only_stages_for_development_hide_is_an_image_of_its_own() {
    let dockerfile = |last: &str| {
        format!(
            "FROM python:3.12-slim AS development\nCMD [\"flask\", \"run\"]\nFROM python:3.12-slim AS {last}\nCMD [\"gunicorn\", \"app:app\"]\n"
        )
    };
    let names = |last: &str, target: &str, more: &[(&str, &str)]| {
        let compose =
            format!("services:\n  web:\n    build:\n      context: .\n      target: {target}\n");
        let dockerfile = dockerfile(last);
        let files = [
            ("Dockerfile", dockerfile.as_str()),
            ("compose.yaml", &compose),
        ];
        let (_, graph) = graph(&[&files[..], more].concat());
        let names = graph.workloads.into_iter().map(|workload| workload.name);
        names.collect::<Vec<_>>()
    };
    let both = ["Dockerfile", "service web"];
    assert_eq!(names("production", "development", &[]), both);
    assert_eq!(names("production", "production", &[]), ["service web"]);
    assert_eq!(names("tests", "development", &[]), ["service web"]);
    // a build that names its stage makes no other
    let bake = r#"{"target": {"shop": {"dockerfile": "Dockerfile", "target": "development", "tags": ["shop:1"]}}}"#;
    let built = [("docker-bake.json", bake)];
    assert_eq!(names("production", "development", &built), ["service web"]);
    let manifest = deployment("shop", "shop", "");
    let deployed = [("k8s/shop.yaml", manifest.as_str())];
    assert_eq!(
        names("production", "development", &deployed),
        ["service web", "Deployment/shop container shop"]
    );
}
