//! Manifests: objects, what holds for their containers, and what selects them.
#![no_main]

use dunnage_check::Repository;
use dunnage_check::graph::kubernetes::Cluster;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let text = format!("apiVersion: v1\n{text}");
    let repository = Repository::parse(vec![("pod.yaml".to_owned(), text)]);
    let cluster = Cluster::of(&repository);
    for container in cluster.containers() {
        let limits = container.limits(&cluster);
        let _ = container.environment(&cluster, &limits);
        let _ = (
            container.probes(),
            container.life(&cluster),
            container.command(),
        );
    }
});
