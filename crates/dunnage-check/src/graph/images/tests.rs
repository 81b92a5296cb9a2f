use super::convention::{is_called, nearest, suffix};
use super::{Reference, join, normalise};
use crate::finding::Confidence;

fn reference(name: &str) -> (Option<String>, String) {
    let reference = Reference::parse(name).unwrap();
    (reference.registry, reference.path)
}

#[test]
fn a_name_is_read_without_tag_digest_and_variables() {
    let none = |path: &str| (None, path.to_owned());
    let at = |registry: &str, path: &str| (Some(registry.to_owned()), path.to_owned());
    assert_eq!(reference("shop"), none("shop"));
    assert_eq!(reference("shop:1.2"), none("shop"));
    assert_eq!(
        reference("localhost:5000/shop"),
        at("localhost:5000", "shop")
    );
    assert_eq!(
        reference("ghcr.io/acme/shop@sha256:00ff"),
        at("ghcr.io", "acme/shop")
    );
    assert_eq!(reference("docker.io/library/redis:7"), none("redis"));
    assert_eq!(
        reference("${REGISTRY:-ghcr.io/acme}/shop:${TAG}"),
        none("shop")
    );
    assert_eq!(
        reference("ghcr.io/${{ github.repository_owner }}/shop:${{ github.sha }}"),
        at("ghcr.io", "shop")
    );
    assert_eq!(reference("$REGISTRY/shop:$TAG"), none("shop"));
    assert_eq!(Reference::parse("${IMAGE}"), None);
    assert_eq!(Reference::parse("$(IMAGE):x"), None);
    assert_eq!(Reference::parse(""), None);
}

#[test]
fn names_match_as_far_as_they_say() {
    let matches = |a: &str, b: &str| {
        Reference::parse(a)
            .unwrap()
            .matches(&Reference::parse(b).unwrap())
    };
    assert_eq!(matches("shop", "shop:1"), Some(Confidence::High));
    assert_eq!(
        matches("ghcr.io/acme/shop", "acme/shop"),
        Some(Confidence::High)
    );
    assert_eq!(
        matches("ghcr.io/acme/shop", "shop"),
        Some(Confidence::Medium)
    );
    assert_eq!(
        matches("ghcr.io/acme/shop", "quay.io/other/shop"),
        Some(Confidence::Medium)
    );
    assert_eq!(matches("acme/shop", "other/shop"), None);
    assert_eq!(matches("shop", "shop-worker"), None);
}

#[test]
fn what_is_official_is_found_in_a_sorted_list() {
    let is_official = |name: &str| Reference::parse(name).unwrap().is_official();
    assert!(
        is_official("postgres:15")
            && is_official("docker.io/library/redis")
            && is_official("adminer")
    );
    assert!(!is_official("shop") && !is_official("acme/redis") && !is_official("ghcr.io/redis"));
    assert!(
        Reference::parse("registry.k8s.io/pause")
            .unwrap()
            .is_of_others()
    );
    assert!(Reference::parse("prom/prometheus").unwrap().is_of_others());
}

#[test]
fn folders_and_endings_name_images() {
    assert!(
        is_called("shop", "shop")
            && is_called("my_shop", "my-shop")
            && is_called("shop", "shop-service")
    );
    assert!(!is_called("", "shop") && !is_called("sho", "shop"));
    assert_eq!(suffix("Dockerfile.worker"), Some("worker"));
    assert_eq!(suffix("worker.Dockerfile"), Some("worker"));
    assert_eq!(suffix("Dockerfile"), None);
    assert_eq!(nearest(&crate::Repository::default(), &[], "a"), None);
}

#[test]
fn paths_lose_their_dots() {
    assert_eq!(normalise("./a//b/../c/"), "a/c");
    assert_eq!(normalise("."), "");
    assert_eq!(join("", "Dockerfile"), "Dockerfile");
    assert_eq!(join("k8s", "../Dockerfile"), "Dockerfile");
}
