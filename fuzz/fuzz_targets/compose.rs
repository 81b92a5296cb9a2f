//! Compose files: services and what holds for them.
#![no_main]

use dunnage_check::Repository;
use dunnage_check::graph::compose::services;
use dunnage_check::parse::Model;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let repository = Repository::parse(vec![("compose.yaml".to_owned(), text.to_owned())]);
    for (id, file) in repository.files() {
        if let Model::Compose(compose) = &file.model {
            for service in services(id, compose) {
                let _ = (
                    service.limits(),
                    service.probes(),
                    service.life(),
                    service.environment(),
                );
            }
        }
    }
});
