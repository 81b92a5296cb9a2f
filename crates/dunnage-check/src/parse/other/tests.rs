use super::{join, parse};
use crate::source::{FileId, Source};
use proptest::prelude::*;

/// Each image as `name context dockerfile target renamed`, `-` for what is absent.
fn read(path: &str, text: &str) -> Vec<String> {
    let source = Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    parse(&source, FileId(0))
        .unwrap()
        .images
        .iter()
        .map(|image| {
            let [context, dockerfile, target, renamed] = [
                &image.context,
                &image.dockerfile,
                &image.target,
                &image.renamed,
            ]
            .map(or_dash);
            format!("{} {context} {dockerfile} {target} {renamed}", image.name)
        })
        .collect()
}

#[test]
fn skaffold_names_the_context_below_its_own_folder() {
    let text = "build:\n  artifacts:\n  - image: shop/web\n    context: ../web\n    docker: {dockerfile: Dockerfile.prod, target: run}\n  - image: db\n";
    assert_eq!(
        read("deploy/skaffold.yaml", text),
        [
            "shop/web web web/Dockerfile.prod run -",
            "db deploy deploy/Dockerfile - -"
        ]
    );
}

#[test]
fn kustomize_renames_images() {
    let text = "images:\n- name: shop\n  newName: registry.example/shop\n  newTag: v1\n";
    assert_eq!(
        read("kustomization.yaml", text),
        ["shop - - - registry.example/shop"]
    );
}

#[test]
fn a_workflow_names_images_by_action_and_by_command() {
    let text = "env:\n  IMAGE: ghcr.io/acme/web\njobs:\n  build:\n    steps:\n    - uses: docker/build-push-action@v6\n      with:\n        context: ./web\n        tags: |\n          ${{ env.IMAGE }}:${{ github.sha }}\n          ${{ secrets.NAME }}\n    - run: |\n        docker buildx build --push -t acme/worker:v1 \\\n          -f worker/Dockerfile .\n";
    assert_eq!(
        read(".github/workflows/ci.yml", text),
        [
            "ghcr.io/acme/web web web/Dockerfile - -",
            "acme/worker  worker/Dockerfile - -"
        ]
    );
}

#[test]
fn a_gitlab_job_builds_with_kaniko() {
    let text = "build:\n  variables: {APP: shop}\n  script:\n  - /kaniko/executor --context $CI_PROJECT_DIR --dockerfile app/Dockerfile --destination registry/$APP:$CI_COMMIT_TAG\n";
    assert_eq!(
        read(".gitlab-ci.yml", text),
        ["registry/shop - app/Dockerfile - -"]
    );
}

#[test]
fn a_path_does_not_leave_the_root() {
    assert_eq!(join("a/b", "../c/./d").as_deref(), Some("a/c/d"));
    assert_eq!(join("a", "../../b"), None);
    assert_eq!(join("", "/etc"), None);
    assert_eq!(join("", "https://x"), None);
}

proptest! {
    #[test]
    fn any_script_has_builds_or_none(script in "\\PC{0,80}|(docker|build|-t|=|\\$|\\{|\\}|[a:/@ ]|\n|\\\\){0,40}") {
        let text = format!("run: {script:?}\n");
        let source = Source { path: "x.yml".to_owned(), text };
        let _ = parse(&source, FileId(0));
    }
}

#[test]
fn kustomize_sets_replicas_by_its_list_and_by_patches_that_stand_in_it() {
    let text = "replicas:\n- {name: web, count: 3}\npatches:\n- target: {kind: Deployment, name: worker}\n  patch: |-\n    - op: replace\n      path: /spec/replicas\n      value: 2\n- patch: |-\n    kind: Deployment\n    metadata: {name: beat}\n    spec: {replicas: 1}\n- path: other.yaml\n";
    let source = Source {
        path: "kustomization.yaml".to_owned(),
        text: text.to_owned(),
    };
    let replicas = parse(&source, FileId(0)).unwrap().replicas;
    let expected = [("web", 3), ("worker", 2), ("beat", 1)];
    assert_eq!(
        replicas,
        expected.map(|(name, count)| (name.to_owned(), count))
    );
}
