//! What is known of an image by its name: which shell and C library it has, and which Python.

use super::{Base, Libc, Shell};
use crate::parse::command::Tail;

/// A shell of this name in an image whose `/bin/sh` is `image`: does it become the command that stands so in its text?
/// `None` where the shell is not known. Measured: dash 0.5.12, bash 5.2, busybox 1.35.
pub fn becomes(name: &str, image: Shell, tail: Tail) -> Option<bool> {
    let shell = match name {
        "bash" => Shell::Bash,
        "dash" => Shell::Dash,
        "ash" => Shell::Busybox,
        "sh" => image,
        _ => Shell::Unknown,
    };
    match (tail, shell) {
        (Tail::Exec, _) => Some(true),
        (Tail::Followed, _)
        | (_, Shell::Dash)
        | (Tail::Redirected, Shell::Bash)
        | (Tail::BeforeBreak, Shell::Busybox) => Some(false),
        (_, Shell::Busybox | Shell::Bash) => Some(true),
        (_, Shell::Unknown | Shell::None) => None,
    }
}

/// The parts of an image's name.
struct Name<'a> {
    /// Registry and folders, without the last part.
    path: &'a str,
    /// The last part.
    last: &'a str,
    /// Without the digest.
    tag: &'a str,
}

impl<'a> Name<'a> {
    fn of(image: &'a str) -> Self {
        let image = image.split('@').next().unwrap_or_default();
        let (path, rest) = image.rsplit_once('/').unwrap_or(("", image));
        let (last, tag) = rest.split_once(':').unwrap_or((rest, ""));
        Self { path, last, tag }
    }

    fn says(&self, words: &[&str]) -> bool {
        let is_part = |text: &str, word: &str| {
            text.split(['-', '_', '.'])
                .any(|part| part.starts_with(word))
        };
        words
            .iter()
            .any(|word| is_part(self.tag, word) || is_part(self.last, word))
    }
}

const DEBIAN: &[&str] = &[
    "debian", "ubuntu", "bookworm", "bullseye", "trixie", "buster", "stretch", "jessie", "slim",
    "jammy", "focal", "noble", "bionic", "xenial",
];
const RED_HAT: &[&str] = &[
    "fedora",
    "centos",
    "rockylinux",
    "almalinux",
    "ubi7",
    "ubi8",
    "ubi9",
    "ubi10",
    "ubi",
    "amazonlinux",
    "al2023",
    "oraclelinux",
    "opensuse",
    "sles",
    "photon",
];

/// Official and well-known images that hold Python, and are Debian or Ubuntu where the tag says nothing else, by the last part of
/// the name.
const PYTHON_ON_DEBIAN: &[&str] = &[
    "python",
    "pypy",
    "miniconda3",
    "anaconda3",
    "miniforge3",
    "mambaforge",
    "micromamba",
    "pytorch",
    "tensorflow",
    "uvicorn-gunicorn",
    "uvicorn-gunicorn-fastapi",
    "uvicorn-gunicorn-starlette",
    "meinheld-gunicorn",
    "meinheld-gunicorn-flask",
    "uwsgi-nginx-flask",
    "airflow",
    "superset",
    "ray",
    "mlflow",
];

/// The same without Python.
const OTHERS_ON_DEBIAN: &[&str] = &[
    "buildpack-deps",
    "debian",
    "ubuntu",
    "node",
    "golang",
    "rust",
    "ruby",
    "php",
    "perl",
    "postgres",
    "redis",
    "nginx",
    "httpd",
    "mongo",
    "rabbitmq",
    "maven",
    "gradle",
    "eclipse-temurin",
    "cuda",
    "uwsgi-nginx",
    "playwright",
    "minideb",
    "tritonserver",
    "gdal",
];

/// Images that hold Python on a system that is not known.
const PYTHON_ON_OTHERS: &[&str] = &["ray-ml", "jupyterhub", "vllm-openai", "spark-py"];

impl Base {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        shell: Shell::Unknown,
        libc: Libc::Unknown,
        python: None,
        is_python: false,
        init: None,
    };

    /// What the name of an image tells, with or without registry, tag and digest.
    pub fn of(image: &str) -> Self {
        let name = Name::of(image);
        let (shell, libc) = system(&name);
        let python = version(&name);
        let is_python = python.is_some()
            || PYTHON_ON_DEBIAN.contains(&name.last)
            || PYTHON_ON_OTHERS.contains(&name.last)
            || name.last.starts_with("python")
            || name.last.starts_with("pytorch")
            || name.path.ends_with("python")
            || is_jupyter(&name);
        Self {
            shell,
            libc,
            python,
            is_python,
            init: init(&name),
        }
    }
}

fn is_jupyter(name: &Name<'_>) -> bool {
    matches!(name.path.rsplit('/').next(), Some("jupyter"))
}

/// The init that the image's own `ENTRYPOINT` is.
fn init(name: &Name<'_>) -> Option<&'static str> {
    match name.last {
        "airflow" if name.path.ends_with("apache") => Some("dumb-init"),
        _ if is_jupyter(name) => Some("tini"),
        _ => None,
    }
}

fn system(name: &Name<'_>) -> (Shell, Libc) {
    let is_debug = name.tag.starts_with("debug");
    if name.path.contains("distroless") {
        return (
            if is_debug {
                Shell::Busybox
            } else {
                Shell::None
            },
            Libc::Glibc,
        );
    }
    if name.path.contains("chainguard") || name.last.starts_with("wolfi") {
        let has_shell = name.tag.contains("dev") || name.last.starts_with("wolfi");
        return (
            if has_shell {
                Shell::Busybox
            } else {
                Shell::None
            },
            Libc::Glibc,
        );
    }
    match name.last {
        "scratch" => return (Shell::None, Libc::Unknown),
        "busybox" => return (Shell::Busybox, Libc::Unknown),
        // statically linked programs and nothing else
        "uv" if !name.says(&["alpine", "python"]) && !name.says(DEBIAN) => {
            return (Shell::None, Libc::Unknown);
        }
        _ => {}
    }
    if name.says(&["alpine"]) {
        return (Shell::Busybox, Libc::Musl);
    }
    let is_red_hat =
        name.says(RED_HAT) || name.path.contains("ubi") || name.path.ends_with("lambda");
    if is_red_hat && !name.says(DEBIAN) {
        return (Shell::Bash, Libc::Glibc);
    }
    let is_known = PYTHON_ON_DEBIAN.contains(&name.last)
        || OTHERS_ON_DEBIAN.contains(&name.last)
        || is_jupyter(name)
        || name.path.ends_with("devcontainers");
    if name.says(DEBIAN) || is_known || is_nvidia(name) {
        return (Shell::Dash, Libc::Glibc);
    }
    (Shell::Unknown, Libc::Unknown)
}

fn is_nvidia(name: &Name<'_>) -> bool {
    name.path.starts_with("nvcr.io/nvidia")
}

/// Python's version, where the name tells: `python:3.12-slim`, `uv:python3.12-…`, `ray:2.9-py310`, `ubi9/python-311`.
fn version(name: &Name<'_>) -> Option<(u8, u8)> {
    if name.path.contains("distroless") && name.last.starts_with("python3") {
        return match name.last {
            "python3-debian11" => Some((3, 9)),
            "python3" | "python3-debian12" => Some((3, 11)),
            "python3-debian13" => Some((3, 13)),
            _ => None,
        };
    }
    if matches!(name.last, "python" | "pypy") {
        let tag = name.tag.split('-').find(|part| part.starts_with("3."));
        if let Some(found) = tag.and_then(dotted) {
            return Some(found);
        }
    }
    for text in [name.tag, name.last] {
        for (at, _) in text.match_indices("py") {
            let rest = &text[at + 2..];
            let rest = rest.strip_prefix("thon").unwrap_or(rest);
            let rest = rest.trim_start_matches(['-', '_', ':']);
            if let Some(found) = dotted(rest).or_else(|| joined(rest)) {
                return Some(found);
            }
        }
    }
    None
}

/// `3.12…`.
fn dotted(text: &str) -> Option<(u8, u8)> {
    let rest = text.strip_prefix("3.")?;
    Some((3, number(rest)?))
}

/// `312…`.
fn joined(text: &str) -> Option<(u8, u8)> {
    let rest = text.strip_prefix('3')?;
    Some((3, number(rest)?))
}

/// The number that a text begins with.
fn number(text: &str) -> Option<u8> {
    let end = text.find(|letter: char| !letter.is_ascii_digit());
    text[..end.unwrap_or(text.len())].parse().ok()
}
