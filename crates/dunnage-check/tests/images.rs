//! What a guess of an image's Dockerfile promises: it is withheld where the files speak against it.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

use dunnage_check::Repository;
use dunnage_check::graph::Graph;

const SERVER: &str =
    "FROM python:3.12\nEXPOSE 8000\nCMD [\"uvicorn\", \"shop.main:app\", \"--port\", \"8000\"]\n";

/// A Deployment with one container of the same name.
fn deployment(name: &str, image: &str, port: u16, more: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  template:\n    spec:\n      containers:\n        - name: {name}\n          image: {image}\n          ports: [{{containerPort: {port}}}]\n{more}"
    )
}

/// The Dockerfile that the container of this name is linked to.
fn built(files: &[(&str, &str)], container: &str) -> Option<String> {
    let texts = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let repository = Repository::parse(texts.collect());
    let graph = Graph::build(&repository);
    let name = format!("Deployment/{container} container {container}");
    let workload = graph.workloads.iter().find(|one| one.name == name).unwrap();
    let file = workload.built?.file;
    Some(repository.file(file).source.path.clone())
}

#[test]
fn several_images_do_not_share_the_only_dockerfile_unless_a_port_or_a_name_tells_whose_it_is() {
    let api = deployment("api", "acme/api", 8000, "");
    let one = deployment("monitor", "acme/monitor", 9090, "");
    let files = [
        ("Dockerfile", SERVER),
        ("k8s/api.yaml", &api),
        ("k8s/monitor.yaml", &one),
    ];
    assert_eq!(built(&files, "api").as_deref(), Some("Dockerfile"));
    assert_eq!(built(&files, "monitor"), None);

    let same = deployment("worker", "acme/worker", 8000, "");
    let files = [
        ("Dockerfile", SERVER),
        ("k8s/api.yaml", &api),
        ("k8s/worker.yaml", &same),
    ];
    assert_eq!(built(&files, "api"), None);
    assert_eq!(built(&files, "worker"), None);

    let compose = "services:\n  worker:\n    build: .\n";
    let files = [
        ("Dockerfile", SERVER),
        ("docker-compose.yml", compose),
        ("k8s/api.yaml", &api),
        ("k8s/worker.yaml", &same),
    ];
    assert_eq!(built(&files, "api"), None);
    assert_eq!(built(&files, "worker").as_deref(), Some("Dockerfile"));
}

#[test]
fn one_image_of_several_workloads_keeps_the_only_dockerfile() {
    let web = deployment("web", "acme/web:1", 8000, "");
    let again = deployment("admin", "acme/web:2", 8000, "");
    let files = [
        ("Dockerfile", SERVER),
        ("k8s/web.yaml", &web),
        ("k8s/admin.yaml", &again),
    ];
    assert_eq!(built(&files, "web").as_deref(), Some("Dockerfile"));
    assert_eq!(built(&files, "admin").as_deref(), Some("Dockerfile"));
}

#[test]
fn compose_that_builds_the_service_from_another_dockerfile_is_believed() {
    let api = deployment("api", "acme/api", 8000, "");
    let compose = "services:\n  api:\n    build: backend\n";
    let files = [
        ("Dockerfile", SERVER),
        ("backend/Dockerfile", SERVER),
        ("docker-compose.yml", compose),
        ("k8s/api.yaml", &api),
    ];
    assert_eq!(built(&files, "api").as_deref(), Some("backend/Dockerfile"));
    // its Dockerfile is not among the files
    let files = [files[0], files[2], files[3]];
    assert_eq!(built(&files, "api"), None);
    let here = "services:\n  api:\n    build: .\n";
    let files = [
        ("Dockerfile", SERVER),
        ("deploy/compose.yml", here),
        ("k8s/api.yaml", &api),
    ];
    assert_eq!(built(&files, "api").as_deref(), Some("Dockerfile"));
}

#[test]
fn what_compose_pulls_beside_what_it_builds_is_not_built_here() {
    let manifest = deployment("chroma", "ghcr.io/chroma-core/chroma", 8000, "");
    let compose = "services:\n  api:\n    build: .\n  chroma:\n    image: ghcr.io/chroma-core/chroma:latest\n";
    let files = [
        ("Dockerfile", SERVER),
        ("docker-compose.yml", compose),
        ("k8s/chroma.yaml", &manifest),
    ];
    assert_eq!(built(&files, "chroma"), None);
    let alone = [files[0], files[2]];
    assert_eq!(built(&alone, "chroma").as_deref(), Some("Dockerfile"));
}

#[test]
fn a_port_that_the_image_does_not_listen_on_speaks_against_a_guess_and_for_another() {
    let files = |port, more| {
        let manifest = deployment("shop", "acme/shop", port, more);
        let of = |files: &[(&str, &str)]| {
            let mut files = files.to_vec();
            files.push(("k8s/shop.yaml", &manifest));
            built(&files, "shop")
        };
        let other = SERVER.replace("8000", "9000");
        let two = [
            ("new/shop/Dockerfile", SERVER),
            ("old/shop/Dockerfile", &other),
        ];
        (of(&[("Dockerfile", SERVER)]), of(&two))
    };
    let root = Some("Dockerfile".to_owned());
    assert_eq!(
        files(8000, ""),
        (root.clone(), Some("new/shop/Dockerfile".to_owned()))
    );
    assert_eq!(
        files(9000, ""),
        (None, Some("old/shop/Dockerfile".to_owned()))
    );
    let command = "          command: [uvicorn, shop.main:app, --port, '9000']\n";
    assert_eq!(files(9000, command).0, root);
}

#[test]
fn a_database_and_an_owner_that_nothing_here_is_built_for_are_not_guessed() {
    let variables = "          env: [{name: MYSQL_ROOT_PASSWORD, value: x}]\n";
    let manifest = deployment("mysql", "acme/shop:mysql", 3306, variables);
    let files = [("shop/Dockerfile", SERVER), ("k8s/mysql.yaml", &manifest)];
    assert_eq!(built(&files, "mysql"), None);

    let bake = r#"{"target": {"shop": {"context": ".", "tags": ["ghcr.io/acme/shop:1"]}}}"#;
    let manifest = deployment("queue", "ghcr.io/others/queue", 8000, "");
    let files = [
        ("Dockerfile", SERVER),
        ("docker-bake.json", bake),
        ("k8s/queue.yaml", &manifest),
    ];
    assert_eq!(built(&files, "queue"), None);
    let own = manifest.replace("others", "acme");
    let files = [files[0], files[1], ("k8s/queue.yaml", &own)];
    assert_eq!(built(&files, "queue").as_deref(), Some("Dockerfile"));
}

#[test]
fn the_name_that_all_images_of_an_owner_share_says_nothing_of_which_is_which() {
    let web = deployment("front", "acme/shop-web", 8000, "");
    let worker = deployment("tasks", "acme/shop-worker", 8000, "");
    let files = [
        ("web/Dockerfile", SERVER),
        ("docker/Dockerfile.worker", SERVER),
        ("k8s/web.yaml", &web),
        ("k8s/worker.yaml", &worker),
    ];
    assert_eq!(built(&files, "front").as_deref(), Some("web/Dockerfile"));
    assert_eq!(
        built(&files, "tasks").as_deref(),
        Some("docker/Dockerfile.worker")
    );
    // one image shares its name with none
    assert_eq!(built(&files[..3], "front"), None);

    let (web, worker) = (
        web.replace("shop-web", "web_shop"),
        worker.replace("shop-worker", "worker_shop"),
    );
    let files = [
        files[0],
        files[1],
        ("k8s/a.yaml", &web),
        ("k8s/b.yaml", &worker),
    ];
    assert_eq!(built(&files, "front").as_deref(), Some("web/Dockerfile"));

    let stranger = worker.replace("acme/", "others/");
    let files = [files[0], files[1], files[2], ("k8s/b.yaml", &stranger)];
    assert_eq!(built(&files, "front"), None);
}

#[test]
fn a_part_of_a_name_is_withheld_where_two_folders_fit_or_something_speaks_against_one() {
    let web = deployment("front", "acme/shop-web", 8000, "");
    let worker = deployment("tasks", "acme/shop-worker", 8000, "");
    let with = |more: &[(&str, &str)]| {
        let mut files = vec![("k8s/web.yaml", web.as_str()), ("k8s/worker.yaml", &worker)];
        files.extend(more);
        built(&files, "front")
    };
    let one = ("web/Dockerfile", SERVER);
    assert_eq!(with(&[one]).as_deref(), Some("web/Dockerfile"));
    assert_eq!(with(&[one, ("old/web/Dockerfile", SERVER)]), None);
    let other_port = SERVER.replace("8000", "9000");
    assert_eq!(with(&[("web/Dockerfile", &other_port)]), None);
    let compose = "services:\n  front:\n    build: ./site\n";
    assert_eq!(with(&[one, ("compose.yaml", compose)]), None);
    let named = "services:\n  x:\n    image: acme/other\n    build: ./web\n";
    assert_eq!(with(&[one, ("compose.yaml", named)]), None);
    assert_eq!(with(&[("src/Dockerfile", SERVER)]), None);
}

#[test]
fn a_container_that_is_called_as_a_folder_is_built_there_unless_another_may_be() {
    let front = deployment("front", "acme/shop", 8000, "");
    let other = deployment("queue", "acme/tasks", 8000, "");
    let with = |more: &[(&str, &str)]| {
        let mut files = vec![
            ("k8s/front.yaml", front.as_str()),
            ("k8s/queue.yaml", &other),
        ];
        files.extend(more);
        built(&files, "front")
    };
    let one = ("front/Dockerfile", SERVER);
    assert_eq!(with(&[one]).as_deref(), Some("front/Dockerfile"));
    assert_eq!(with(&[one, ("old/front/Dockerfile", SERVER)]), None);
    assert_eq!(with(&[one, ("Dockerfile", SERVER)]), None);
    let same_name = other.replace("name: queue", "name: front");
    assert_eq!(with(&[one, ("k8s/again.yaml", &same_name)]), None);

    let sidecar = "        - name: proxy\n          image: acme/proxy\n";
    let pod = front.replace("- name: front", "- name: main") + sidecar;
    let names = "Deployment/front container proxy";
    let files = [one, ("k8s/front.yaml", pod.as_str())];
    let texts = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let repository = Repository::parse(texts.to_vec());
    let graph = Graph::build(&repository);
    let proxy = graph
        .workloads
        .iter()
        .find(|one| one.name == names)
        .unwrap();
    assert!(proxy.built.is_none());
}
