use super::{Cluster, Container};
use crate::repository::Repository;
use crate::source::Stated;
use std::fmt::Write;

fn repository(files: &[(&str, &str)]) -> Repository {
    let files = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    Repository::parse(files.collect())
}

/// A Deployment whose pod's spec is this, indented by six.
fn deployment(spec: &str) -> String {
    let mut text = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\nspec:\n  template:\n    metadata:\n      labels: {app: shop}\n    spec:\n".to_owned();
    for line in spec.lines() {
        writeln!(text, "      {line}").unwrap();
    }
    text
}

/// Looks at the first container of the first file.
fn first<T>(files: &[(&str, &str)], look: impl FnOnce(&Cluster<'_>, &Container<'_>) -> T) -> T {
    let repository = repository(files);
    let cluster = Cluster::of(&repository);
    let containers = cluster.containers();
    look(&cluster, &containers[0])
}

fn value<T: Copy>(stated: Option<&Stated<T>>) -> Option<T> {
    stated.map(|stated| stated.value)
}

#[test]
fn init_containers_and_sidecars_are_told_apart() {
    let text = deployment(
        "initContainers:\n- {name: wait, image: a}\n- {name: proxy, image: b, restartPolicy: Always}\ncontainers:\n- {name: web, image: c}\n- {name: patch}\n",
    );
    let repository = repository(&[("a.yaml", &text)]);
    let cluster = Cluster::of(&repository);
    let found: Vec<String> = cluster
        .containers()
        .iter()
        .map(|c| {
            format!(
                "{} {} init={} sidecar={}",
                c.title(),
                c.index,
                c.is_init,
                c.is_sidecar
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "Deployment/shop container web 0 init=false sidecar=false",
            "Deployment/shop container wait 2 init=true sidecar=false",
            "Deployment/shop container proxy 3 init=false sidecar=true",
        ]
    );
}

#[test]
fn limits_come_from_the_container_then_its_pod_then_a_limit_range() {
    let text = deployment(
        "resources: {limits: {memory: 1Gi}}\ncontainers:\n- name: web\n  image: c\n  resources:\n    limits: {cpu: 1500m}\n    requests: {cpu: '1'}\n",
    );
    let range = "apiVersion: v1\nkind: LimitRange\nmetadata: {name: r}\nspec:\n  limits:\n  - type: Pod\n    max: {cpu: 9}\n  - type: Container\n    default: {memory: 2Gi, ephemeral-storage: 1Gi}\n";
    let limits = first(
        &[("a.yaml", &text), ("range.yaml", range)],
        |cluster, container| container.limits(cluster),
    );
    assert_eq!(value(limits.cpu.as_ref()), Some(1_500));
    assert_eq!(value(limits.cpu_request.as_ref()), Some(1_000));
    assert_eq!(value(limits.memory.as_ref()), Some(1 << 30));
    assert_eq!(value(limits.storage.as_deref()), Some(1 << 30));
    assert_eq!(limits.storage.unwrap().at.file.0, 1);
}

#[test]
fn a_patch_of_an_overlay_adds_what_the_base_leaves_out() {
    let base = deployment("containers:\n- {name: web, image: c}\n");
    let patch = deployment(
        "containers:\n- name: web\n  resources: {limits: {memory: 1Gi}}\n  env: [{name: A, value: '1'}]\n",
    );
    let files = [
        ("base/a.yaml", base.as_str()),
        ("overlays/prod/a.yaml", patch.as_str()),
    ];
    let (limits, environment) = first(&files, |cluster, container| {
        let limits = container.limits(cluster);
        let environment = container.environment(cluster, &limits);
        (limits, environment)
    });
    assert_eq!(value(limits.memory.as_ref()), Some(1 << 30));
    assert_eq!(environment.variables["A"].value, "1");
}

#[test]
fn the_environment_is_filled_from_maps_resources_and_earlier_variables() {
    let text = deployment(
        "containers:\n- name: web\n  image: c\n  resources: {limits: {cpu: 1500m, memory: 512Mi}}\n  envFrom:\n  - configMapRef: {name: conf}\n  - secretRef: {name: hidden}\n  env:\n  - {name: CPUS, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}\n  - {name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}\n  - {name: SECRET, valueFrom: {secretKeyRef: {name: s, key: k}}}\n  - {name: BOTH, value: '$(CPUS)-$(MODE)-$(NOT)'}\n",
    );
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf}\ndata: {MODE: prod}\n";
    let environment = first(
        &[("a.yaml", &text), ("map.yaml", map)],
        |cluster, container| container.environment(cluster, &container.limits(cluster)),
    );
    let value = |name: &str| environment.variables[name].value.as_str();
    assert_eq!(
        (value("CPUS"), value("MEM"), value("SECRET")),
        ("2", "512", "")
    );
    assert_eq!(value("BOTH"), "2-prod-$(NOT)");
    assert!(environment.unknown.is_some());
}

#[test]
fn a_service_nearby_counts_only_where_its_selector_and_its_ports_fit() {
    let text = deployment(
        "containers:\n- name: web\n  image: c\n  ports: [{name: http, containerPort: 8000}]\n- name: metrics\n  image: d\n  ports: [{containerPort: 9090}]\n",
    );
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  selector: {app: shop}\n  ports: [{port: 80, targetPort: http}]\n";
    let has_service = |path: &str, service: &str, which: usize| {
        let repository = repository(&[("k8s/a.yaml", &text), (path, service)]);
        let cluster = Cluster::of(&repository);
        cluster.containers()[which].life(&cluster).service.is_some()
    };
    assert!(has_service("k8s/s.yaml", service, 0));
    assert!(!has_service("k8s/s.yaml", service, 1));
    assert!(!has_service("other/app/s.yaml", service, 0));
    assert!(!has_service(
        "k8s/s.yaml",
        &service.replace("shop", "other"),
        0
    ));
}

#[test]
fn shutdown_is_read_with_its_defaults() {
    let text = deployment(
        "shareProcessNamespace: true\nnodeSelector: {cloud.google.com/gke-spot: 'true'}\ncontainers:\n- name: web\n  image: c\n  lifecycle: {preStop: {exec: {command: [sh, -c, 'curl x; sleep 5 && true']}}, stopSignal: SIGINT}\n",
    );
    let life = first(&[("a.yaml", &text)], |cluster, container| {
        container.life(cluster)
    });
    assert_eq!((life.grace, life.grace_at), (30, None));
    assert_eq!(life.pre_stop.unwrap().value, Some(5));
    assert_eq!(life.stop_signal.unwrap().value, "SIGINT");
    assert!(life.foreign_init.is_some() && life.spot.is_some() && !life.is_finite);
}

#[test]
fn probes_that_do_the_same_are_equal_however_they_are_written() {
    let text = deployment(
        "containers:\n- name: web\n  image: c\n  ports: [{name: http, containerPort: 8000}]\n  livenessProbe: {httpGet: {path: /, port: http}}\n  readinessProbe: {httpGet: {port: 8000}, timeoutSeconds: 3}\n  startupProbe: {exec: {command: [python, -c, pass]}}\n",
    );
    let probes = first(&[("a.yaml", &text)], |_, container| container.probes());
    let (live, ready) = (probes.liveness.unwrap(), probes.readiness.unwrap());
    assert_eq!(live.action, "http 8000 /");
    assert_eq!(ready.action, live.action);
    assert_eq!((live.timeout.0, ready.timeout.0), (1, 3));
    assert_eq!(probes.startup.unwrap().exec, ["python", "-c", "pass"]);
}
