//! Which files are worth reading, by their names alone: most of a repository is none of ours.

/// Must a file be read to know what it is?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Candidate {
    /// Its name says that it may be one of ours.
    Yes,
    /// If it begins with `#!`.
    Script,
    /// Its name says that it is something else.
    No,
}

/// Looks at a file's name, without its folders.
pub fn of(name: &str) -> Candidate {
    let name = name.to_ascii_lowercase();
    let (_, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    let is_ours = matches!(
        extension,
        "py" | "sh" | "bash" | "yaml" | "yml" | "json" | "j2" | "tpl" | "tmpl" | "hcl"
    ) || matches!(
        name.as_str(),
        "pyproject.toml" | "dunnage.toml" | "setup.cfg" | "pipfile" | "procfile"
    ) || name.contains("dockerfile")
        || name.contains("containerfile")
        || (extension == "txt" && name.contains("requirements"));
    if is_ours {
        Candidate::Yes
    } else if extension.is_empty() {
        Candidate::Script
    } else {
        Candidate::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_parsers_know_is_read_and_the_rest_is_not() {
        for name in [
            "Dockerfile",
            "Dockerfile.worker",
            "web.dockerfile",
            "Containerfile",
            "a.py",
            "run.sh",
            "a.yaml",
            "compose.yml",
            "requirements-dev.txt",
            "pyproject.toml",
            "Pipfile",
            "values.yaml.j2",
            "dunnage.toml",
        ] {
            assert_eq!(of(name), Candidate::Yes, "{name}");
        }
        assert_eq!(of("entrypoint"), Candidate::Script);
        for name in ["a.md", "a.png", "a.js", "notes.txt", "Cargo.toml"] {
            assert_eq!(of(name), Candidate::No, "{name}");
        }
    }
}
