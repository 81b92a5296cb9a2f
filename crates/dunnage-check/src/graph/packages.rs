//! What is installed in an image: from `RUN`, and from the files of dependencies that it copies.

use super::files::Files;
use crate::parse::Model;
use crate::parse::dockerfile::Stage;
use crate::repository::Repository;
use crate::source::{FileId, Location, Stated};
use std::collections::BTreeMap;

/// Packages by their normalised names, each with one place that says so.
pub(super) type Packages = BTreeMap<String, Location>;

/// What the stages install; and whether anything in them says that there is Python.
pub(super) fn installed(
    repository: &Repository,
    files: &Files<'_>,
    stages: &[&Stage],
) -> (Packages, bool) {
    let mut packages = Packages::new();
    let mut is_python = false;
    for run in stages.iter().flat_map(|stage| &stage.runs) {
        is_python |= of_run(repository, files, run, &mut packages);
    }
    (packages, is_python)
}

/// One `RUN`: is it about Python?
fn of_run(
    repository: &Repository,
    files: &Files<'_>,
    run: &Stated<String>,
    packages: &mut Packages,
) -> bool {
    let text = run.value.replace("\\\n", " ");
    let mut is_python = false;
    for command in text.split(['\n', ';', '&', '|']) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let Some(rest) = installer(&words) else {
            is_python |= words.iter().any(|word| is_python_package(word));
            continue;
        };
        is_python = true;
        of_installer(repository, files, rest, run.at, packages);
    }
    is_python
}

/// The words behind `pip install`, `uv sync`, `poetry install` and the like.
fn installer<'w, 't>(words: &'w [&'t str]) -> Option<&'w [&'t str]> {
    words.windows(2).enumerate().find_map(|(index, pair)| {
        let program = pair[0].rsplit('/').next().unwrap_or_default();
        let is_one = match pair[1] {
            "install" => {
                program.starts_with("pip") && program != "pipx"
                    || matches!(
                        program,
                        "poetry" | "pipenv" | "pdm" | "conda" | "mamba" | "micromamba"
                    )
            }
            "sync" => matches!(program, "uv" | "pipenv" | "pdm"),
            _ => false,
        };
        is_one.then(|| &words[index + 1..])
    })
}

/// `apt-get install python3` and the like.
fn is_python_package(word: &str) -> bool {
    let rest = word
        .strip_prefix("python")
        .map(|rest| rest.trim_start_matches(['3', '2', '.', '-']));
    matches!(rest, Some(rest) if rest.is_empty() || rest.starts_with(|first: char| first.is_ascii_digit()) || matches!(rest, "pip" | "dev" | "venv"))
        || word == "py3-pip"
}

fn of_installer(
    repository: &Repository,
    files: &Files<'_>,
    words: &[&str],
    at: Location,
    packages: &mut Packages,
) {
    let (verb, rest) = words
        .split_first()
        .map_or(("", words), |(verb, rest)| (*verb, rest));
    let mut is_project = verb == "sync";
    let mut words = rest.iter();
    let mut names = 0;
    while let Some(word) = words.next() {
        match *word {
            "-r" | "--requirement" | "-c" | "--constraint" => {
                let is_one = word.ends_with('r') || word.ends_with("requirement");
                if let Some(path) = words.next().filter(|_| is_one) {
                    requirements(repository, files, path, packages);
                }
            }
            "." | "./" | "-e" | "--editable" => is_project = true,
            word if word.starts_with("-r") => requirements(repository, files, &word[2..], packages),
            word if word.starts_with("--requirement=") => {
                requirements(repository, files, &word[14..], packages);
            }
            word if word.starts_with('-') || word.contains('/') || word.contains('$') => {}
            word => {
                names += 1;
                if let Some(name) = package_name(word) {
                    packages.entry(name).or_insert(at);
                }
            }
        }
    }
    // poetry, pdm and pipenv without names install the project
    if is_project || names == 0 && verb == "install" {
        for name in ["pyproject.toml", "setup.cfg", "Pipfile"] {
            if let Some(id) = files.find(name).or_else(|| files.find_source(name)) {
                of_file(repository, id, packages);
            }
        }
    }
}

/// The name in `"uvicorn[standard]>=0.30"`, as PEP 503 normalises it.
fn package_name(word: &str) -> Option<String> {
    let word = word.trim_matches(['"', '\'']);
    let end = word
        .find(|character: char| {
            !character.is_ascii_alphanumeric() && !matches!(character, '-' | '_' | '.')
        })
        .unwrap_or(word.len());
    let name = word[..end].to_ascii_lowercase().replace(['_', '.'], "-");
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        .then_some(name)
}

fn requirements(repository: &Repository, files: &Files<'_>, path: &str, packages: &mut Packages) {
    let path = path.trim_matches(['"', '\'']);
    let name = path.rsplit('/').next().unwrap_or(path);
    let found = files
        .find(path)
        .or_else(|| files.find_source(path))
        .or_else(|| files.find_source(name));
    if let Some(id) = found {
        of_file(repository, id, packages);
    }
}

/// What a file of dependencies names, and the files that it includes.
fn of_file(repository: &Repository, id: FileId, packages: &mut Packages) {
    let mut todo = vec![id];
    let mut seen = std::collections::BTreeSet::new();
    while let Some(id) = todo.pop() {
        let file = repository.file(id);
        let Model::Requirements(requirements) = &file.model else {
            continue;
        };
        if !seen.insert(id) {
            continue;
        }
        for package in &requirements.packages {
            packages.entry(package.value.clone()).or_insert(package.at);
        }
        let folder = file.source.folder();
        todo.extend(
            requirements
                .includes
                .iter()
                .filter_map(|path| repository.at(&super::images::join(folder, path))),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{installer, is_python_package, package_name};

    #[test]
    fn installers_are_known_by_two_words() {
        let rest = |text: &str| {
            installer(&text.split(' ').collect::<Vec<_>>()).map(|words| words.join(" "))
        };
        assert_eq!(
            rest("pip install -r a.txt").as_deref(),
            Some("install -r a.txt")
        );
        assert_eq!(
            rest("python -m pip install flask").as_deref(),
            Some("install flask")
        );
        assert_eq!(
            rest("/venv/bin/pip3 install x").as_deref(),
            Some("install x")
        );
        assert_eq!(rest("uv pip install x").as_deref(), Some("install x"));
        assert_eq!(rest("uv sync --locked").as_deref(), Some("sync --locked"));
        assert_eq!(rest("apt-get install curl"), None);
        assert_eq!(rest("npm install"), None);
    }

    #[test]
    fn names_lose_versions_and_extras() {
        assert_eq!(
            package_name("'uvicorn[standard]>=0.30'").as_deref(),
            Some("uvicorn")
        );
        assert_eq!(
            package_name("scikit_learn==1.9").as_deref(),
            Some("scikit-learn")
        );
        assert_eq!(package_name("==1"), None);
    }

    #[test]
    fn a_systems_python_is_known() {
        for word in [
            "python3",
            "python",
            "python3.12",
            "python3-pip",
            "python3.11-venv",
            "py3-pip",
        ] {
            assert!(is_python_package(word), "{word}");
        }
        for word in ["python3-yaml-doc", "curl", "pythonic"] {
            assert!(!is_python_package(word), "{word}");
        }
    }
}
