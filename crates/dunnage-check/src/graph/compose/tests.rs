use super::{Service, interpolate, services};
use crate::parse::Model;
use crate::repository::Repository;
use crate::source::FileId;
use proptest::prelude::*;

fn look<T>(text: &str, name: &str, look: impl FnOnce(Service<'_>) -> T) -> T {
    let repository = Repository::parse(vec![("compose.yaml".to_owned(), text.to_owned())]);
    let Model::Compose(compose) = &repository.file(FileId(0)).model else {
        panic!("{:?}", repository.file(FileId(0)).model)
    };
    look(
        services(FileId(0), compose)
            .find(|service| service.name == name)
            .unwrap(),
    )
}

#[test]
fn limits_are_read_in_both_spellings() {
    let text = "services:\n  a:\n    cpus: 0.5\n    mem_limit: 512m\n    pids_limit: 100\n    shm_size: 1gb\n  b:\n    deploy: {resources: {limits: {cpus: '2', memory: 1G}, reservations: {memory: 500M}}}\n  c:\n    mem_limit: ${MEM:-256m}\n    cpus: ${CPUS}\n    pids_limit: -1\n";
    let read = |name| look(text, name, |service| service.limits());
    let (a, b, c) = (read("a"), read("b"), read("c"));
    assert_eq!(a.cpu.unwrap().value, 500);
    assert_eq!(a.memory.unwrap().value, 512 << 20);
    assert_eq!(a.pids.unwrap().value, 100);
    assert_eq!(a.shm.unwrap().value, Some(1 << 30));
    assert_eq!(b.cpu.unwrap().value, 2_000);
    assert_eq!(
        (b.memory.unwrap().value, b.memory_request.unwrap().value),
        (1 << 30, 500 << 20)
    );
    assert_eq!(c.memory.unwrap().value, 256 << 20);
    assert!(c.cpu.is_none() && c.pids.is_none());
}

#[test]
fn a_service_inherits_from_its_anchor_and_from_what_it_extends() {
    let text = "x-base: &base\n  init: true\nservices:\n  a:\n    <<: *base\n    stop_grace_period: 1m\n    environment: [A=1, B]\n  b:\n    extends: {service: a}\n    environment: {C: 2}\n  loop:\n    extends: loop\n";
    let life = look(text, "b", |service| service.life());
    assert_eq!((life.grace, life.foreign_init.is_some()), (60, true));
    let environment = look(text, "a", |service| service.environment());
    assert_eq!(environment.variables["A"].value, "1");
    assert_eq!(environment.variables["B"].value, "");
    assert_eq!(look(text, "loop", |service| service.life().grace), 10);
}

#[test]
fn a_healthcheck_is_a_probe_unless_it_is_switched_off() {
    let text = "services:\n  a:\n    healthcheck: {test: curl x, timeout: 5s, interval: 1m}\n  b:\n    healthcheck: {test: [NONE]}\n";
    let probe = look(text, "a", |service| service.probes().liveness).unwrap();
    assert_eq!(probe.exec, ["sh", "-c", "curl x"]);
    assert_eq!((probe.timeout.0, probe.period, probe.failures), (5, 60, 3));
    assert!(look(text, "b", |service| service.probes().liveness).is_none());
}

#[test]
fn variables_have_the_default_that_the_file_gives() {
    assert_eq!(interpolate("a${B:-c}$$d").as_deref(), Some("ac$d"));
    assert_eq!(interpolate("${B-x}").as_deref(), Some("x"));
    assert_eq!(interpolate("$B"), None);
    assert_eq!(interpolate("${B:?no}"), None);
}

proptest! {
    #[test]
    fn any_text_is_filled_in_or_unknown(text in "([$a{}:\\-é]){0,20}") {
        let _ = interpolate(&text);
    }
}
