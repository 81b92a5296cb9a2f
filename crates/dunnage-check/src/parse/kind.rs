//! What a file is, from its name first and a look at its text second. Cheap: it is asked for every file of a repository.

use crate::source::Source;

/// Which parser a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Dockerfile,
    Kubernetes,
    Compose,
    Shell,
    Python,
    Requirements,
    Links,
    Template,
    Nothing,
}

/// What a file is.
pub(super) fn of(source: &Source) -> Kind {
    if source.text.len() > Source::MAX_BYTES {
        return Kind::Nothing;
    }
    let name = source.name().to_ascii_lowercase();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    match extension {
        "py" => Kind::Python,
        "sh" | "bash" => Kind::Shell,
        "yaml" | "yml" => of_yaml(source, stem),
        "json" if stem == "docker-bake" => Kind::Links,
        "json" if is_kubernetes(&source.text) => Kind::Kubernetes,
        "j2" | "tpl" | "tmpl" => Kind::Template,
        "dockerfile" | "containerfile" => Kind::Dockerfile,
        _ if is_dockerfile(&name, extension) => Kind::Dockerfile,
        _ if is_requirements(&name, extension) => Kind::Requirements,
        "" => of_script(&source.text),
        _ => Kind::Nothing,
    }
}

/// `Dockerfile`, `Dockerfile.worker`, `Containerfile`; not `Dockerfile.j2`, nor what is about Dockerfiles.
fn is_dockerfile(name: &str, extension: &str) -> bool {
    let first = name.split(['.', '-', '_']).next().unwrap_or_default();
    let is_text_about_them = matches!(
        extension,
        "rs" | "go"
            | "js"
            | "ts"
            | "tsx"
            | "rb"
            | "java"
            | "c"
            | "h"
            | "lua"
            | "vim"
            | "md"
            | "rst"
            | "adoc"
            | "html"
            | "css"
            | "toml"
            | "ini"
            | "cfg"
            | "conf"
            | "xml"
            | "lock"
            | "csv"
            | "svg"
            | "map"
            | "dockerignore"
    );
    matches!(first, "dockerfile" | "containerfile") && !is_text_about_them
}

fn is_requirements(name: &str, extension: &str) -> bool {
    matches!(name, "pyproject.toml" | "setup.cfg" | "pipfile")
        || (extension == "txt" && name.contains("requirements"))
}

/// A file without an extension: a script says so in its first line.
fn of_script(text: &str) -> Kind {
    let Some(first) = text.strip_prefix("#!").and_then(|rest| rest.lines().next()) else {
        return Kind::Nothing;
    };
    let is = |name: &str| first.split(['/', ' ']).any(|word| word == name);
    if ["sh", "bash", "dash", "ash"].into_iter().any(is) {
        Kind::Shell
    } else if first.contains("python") {
        Kind::Python
    } else {
        Kind::Nothing
    }
}

fn of_yaml(source: &Source, stem: &str) -> Kind {
    let is_workflow = source.path.contains(".github/workflows/") || stem == ".gitlab-ci";
    if is_workflow || matches!(stem, "kustomization" | "skaffold") {
        return Kind::Links;
    }
    if stem.starts_with("environment") && source.text.contains("dependencies:") {
        return Kind::Requirements;
    }
    let is_compose = stem.contains("compose") || source.text.contains("\nservices:");
    if is_template(&source.text) {
        return Kind::Template;
    }
    if is_kubernetes(&source.text) {
        Kind::Kubernetes
    } else if is_compose {
        Kind::Compose
    } else {
        Kind::Nothing
    }
}

/// Helm's and Jinja's own words. Other braces stand in values: alerts (`{{ $labels.pod }}`), Compose's `{{.Node.Hostname}}`.
fn is_template(text: &str) -> bool {
    const HELM: [&str; 9] = [
        "{{-",
        "{{ if ",
        "{{ include ",
        "{{ template ",
        "{{ range ",
        ".Values",
        ".Release.",
        ".Chart.",
        "{%",
    ];
    (text.contains("{{") || text.contains("{%")) && HELM.iter().any(|word| text.contains(word))
}

fn is_kubernetes(text: &str) -> bool {
    text.contains("apiVersion") && text.contains("kind")
}

#[cfg(test)]
mod tests {
    use super::{Kind, of};
    use crate::source::Source;

    fn kind(path: &str, text: &str) -> Kind {
        of(&Source {
            path: path.to_owned(),
            text: text.to_owned(),
        })
    }

    #[test]
    fn a_file_is_known_by_its_name_or_its_first_line() {
        assert_eq!(kind("a/Dockerfile", ""), Kind::Dockerfile);
        assert_eq!(kind("Dockerfile.worker", ""), Kind::Dockerfile);
        assert_eq!(kind("dockerfile-mode.js.map", "{}"), Kind::Nothing);
        assert_eq!(kind("worker.dockerfile", ""), Kind::Dockerfile);
        assert_eq!(kind("Dockerfile.j2", ""), Kind::Template);
        assert_eq!(kind("src/dockerfile.rs", ""), Kind::Nothing);
        assert_eq!(kind("entrypoint", "#!/usr/bin/env bash\n"), Kind::Shell);
        assert_eq!(kind("start", "#!/usr/bin/python3\n"), Kind::Python);
        assert_eq!(kind("requirements-dev.txt", ""), Kind::Requirements);
        assert_eq!(kind("docs/readme.md", "apiVersion: kind:"), Kind::Nothing);
    }

    #[test]
    fn yaml_is_known_by_what_it_holds() {
        assert_eq!(
            kind("a.yaml", "apiVersion: v1\nkind: Pod\n"),
            Kind::Kubernetes
        );
        assert_eq!(kind("compose.yml", "services: {}\n"), Kind::Compose);
        assert_eq!(
            kind("t/a.yaml", "apiVersion: v1\nkind: {{ .Values.kind }}\n"),
            Kind::Template
        );
        assert_eq!(
            kind(
                "rules.yaml",
                "apiVersion: v1\nkind: X\ntext: '{{ $labels.pod }}'\n"
            ),
            Kind::Kubernetes
        );
        assert_eq!(kind("mkdocs.yml", "site_name: x\n"), Kind::Nothing);
    }
}
