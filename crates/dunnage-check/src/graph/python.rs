//! Is a workload Python? A wrong yes makes noise about somebody's nginx, a wrong no misses a failure; the command decides
//! before the image, and the image before what is installed.

use super::images::Reference;
use super::workload::Python;
use crate::parse::command::Step;
use crate::parse::dockerfile::Base;

/// What is known when it is asked.
pub(super) struct Signs<'a> {
    pub(super) steps: &'a [Step],
    pub(super) base: Base,
    /// The name of the image that runs, or that the outermost `FROM` names.
    pub(super) image: Option<&'a str>,
    /// Is the image built here, so that what it installs is known?
    pub(super) is_built: bool,
    /// Do its `RUN`s install Python packages, or Python itself?
    pub(super) installs: bool,
}

/// The answer.
pub(super) fn judge(signs: &Signs<'_>) -> Python {
    match signs
        .steps
        .iter()
        .rev()
        .find(|step| !matches!(step, Step::Shell { .. }))
    {
        Some(Step::Server(_)) => return Python::Yes,
        Some(Step::Other { name, .. }) if is_other_program(name) => return Python::No,
        Some(Step::Wrapper { name, .. }) if is_python_wrapper(name) => return Python::Yes,
        _ => {}
    }
    let is_wrapped = signs
        .steps
        .iter()
        .any(|step| matches!(step, Step::Wrapper { name, .. } if is_python_wrapper(name)));
    if is_wrapped || signs.base.is_python || signs.installs {
        return Python::Yes;
    }
    let is_official = signs
        .image
        .and_then(Reference::parse)
        .is_some_and(|image| image.is_official() && !is_bare_system(image.base()));
    // what a Dockerfile installs is all there to see
    let is_plain_build = signs.is_built
        && signs
            .image
            .and_then(Reference::parse)
            .is_some_and(|image| image.is_official());
    if is_official || is_plain_build {
        Python::No
    } else {
        Python::Unknown
    }
}

/// An image that holds a system and no program: what runs in it may be anything.
fn is_bare_system(name: &str) -> bool {
    matches!(
        name,
        "almalinux"
            | "alpine"
            | "amazonlinux"
            | "bash"
            | "busybox"
            | "centos"
            | "debian"
            | "fedora"
            | "oraclelinux"
            | "python"
            | "pypy"
            | "rockylinux"
            | "scratch"
            | "spark"
            | "ubuntu"
    )
}

/// Wrappers that start Python programs only.
fn is_python_wrapper(name: &str) -> bool {
    let first = name.split(' ').next().unwrap_or_default();
    matches!(
        first,
        "uv" | "poetry"
            | "pipenv"
            | "pdm"
            | "hatch"
            | "ddtrace-run"
            | "opentelemetry-instrument"
            | "newrelic-admin"
            | "conda"
    )
}

/// Programs that are known not to be Python.
fn is_other_program(name: &str) -> bool {
    matches!(
        name,
        "node"
            | "npm"
            | "npx"
            | "yarn"
            | "pnpm"
            | "bun"
            | "deno"
            | "java"
            | "nginx"
            | "httpd"
            | "apache2"
            | "caddy"
            | "envoy"
            | "haproxy"
            | "traefik"
            | "redis-server"
            | "redis"
            | "postgres"
            | "mysqld"
            | "mariadbd"
            | "mongod"
            | "memcached"
            | "rabbitmq-server"
            | "php"
            | "php-fpm"
            | "apache2-foreground"
            | "ruby"
            | "bundle"
            | "rails"
            | "puma"
            | "dotnet"
            | "erl"
            | "elixir"
            | "mix"
            | "go"
            | "cargo"
            | "prometheus"
            | "grafana-server"
            | "etcd"
            | "consul"
            | "vault"
            | "minio"
            | "sleep"
            | "tail"
            | "cat"
            | "echo"
            | "true"
            | "sshd"
            | "curl"
            | "wget"
            | "nc"
            | "socat"
            | "pause"
            | "busybox"
            | "tritonserver"
            | "ollama"
            | "llama-server"
            | "kubectl"
            | "helm"
            | "git"
            | "aws"
            | "gsutil"
            | "rclone"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::dockerfile::{Libc, Shell};
    use crate::source::{FileId, Location, Span};

    fn at() -> Location {
        Location {
            file: FileId(0),
            span: Span::default(),
        }
    }

    fn other(name: &str) -> Vec<Step> {
        vec![Step::Other {
            name: name.to_owned(),
            at: at(),
        }]
    }

    fn ask(
        steps: &[Step],
        image: Option<&str>,
        is_python: bool,
        is_built: bool,
        installs: bool,
    ) -> Python {
        let base = Base {
            shell: Shell::Dash,
            libc: Libc::Glibc,
            python: None,
            is_python,
            init: None,
        };
        judge(&Signs {
            steps,
            base,
            image,
            is_built,
            installs,
        })
    }

    #[test]
    fn the_command_decides_before_the_image() {
        let server = [Step::Server(Box::default())];
        assert_eq!(
            ask(&server, Some("node:20"), false, true, false),
            Python::Yes
        );
        assert_eq!(
            ask(&other("nginx"), Some("python:3.12"), true, true, true),
            Python::No
        );
        assert_eq!(
            ask(&other("shop"), Some("python:3.12"), true, true, false),
            Python::Yes
        );
    }

    #[test]
    fn an_image_without_a_known_command_is_judged_by_its_name() {
        assert_eq!(
            ask(&[], Some("postgres:15"), false, false, false),
            Python::No
        );
        assert_eq!(
            ask(&[], Some("ghcr.io/acme/shop"), false, false, false),
            Python::Unknown
        );
        assert_eq!(ask(&[], None, false, false, false), Python::Unknown);
    }

    #[test]
    fn what_a_dockerfile_installs_is_all_there_to_see() {
        assert_eq!(
            ask(&other("shop"), Some("debian:12"), false, true, false),
            Python::No
        );
        assert_eq!(
            ask(&other("shop"), Some("debian:12"), false, true, true),
            Python::Yes
        );
        assert_eq!(
            ask(&other("shop"), Some("debian:12"), false, false, false),
            Python::Unknown
        );
        assert_eq!(
            ask(&other("shop"), Some("acme/base"), false, true, false),
            Python::Unknown
        );
    }
}
