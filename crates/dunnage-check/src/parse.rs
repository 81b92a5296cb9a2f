//! From a text to a small model with places. What a file is comes from its name first and its contents second.

pub mod candidate;
pub mod command;
pub mod compose;
pub mod dockerfile;
mod kind;
pub mod kubernetes;
pub mod other;
pub mod python;
pub mod quantity;
pub mod requirements;
pub mod shell;
pub mod yaml;

use crate::source::{FileId, Location, Source, Span};
use kind::Kind;

/// What a file was understood as.
#[derive(Debug, Clone)]
pub enum Model {
    /// A Dockerfile or Containerfile.
    Dockerfile(dockerfile::Dockerfile),
    /// Kubernetes objects, one or many: plain, Kustomize output, or a rendered chart.
    Kubernetes(Vec<kubernetes::Object>),
    /// A Compose file.
    Compose(compose::Compose),
    /// A shell script.
    Shell(shell::Script),
    /// Python source, gunicorn's configuration among it.
    Python(python::Facts),
    /// requirements.txt, pyproject.toml, setup.cfg, Pipfile, environment.yml.
    Requirements(requirements::Requirements),
    /// Other files that join images and Dockerfiles: skaffold.yaml, kustomization.yaml, CI workflows.
    Links(other::Links),
    /// A template: `{{` and `{%` of Helm or Jinja. Counted, not judged.
    Template,
    /// Meant for us and not understood: one finding of its own.
    Unparsed {
        /// What the parser said, in lower case.
        message: String,
        /// Where it stopped.
        at: Location,
    },
    /// None of ours.
    Nothing,
}

/// Why a text is not what its name says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// In lower case, without the file's name.
    pub message: String,
    /// Where.
    pub span: Span,
}

/// A letter of a variable's name (POSIX, XBD 3.216), digits among them: what shells, Dockerfiles, Compose and Python share.
pub(crate) fn is_name_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// Parses a file.
pub fn parse(source: &Source, id: FileId) -> Model {
    let kind = kind::of(source);
    let model = match kind {
        Kind::Dockerfile => dockerfile::parse(source, id).map(Model::Dockerfile),
        Kind::Kubernetes => kubernetes::parse(source, id).map(Model::Kubernetes),
        Kind::Compose => compose::parse(source, id).map(Model::Compose),
        Kind::Shell => Ok(Model::Shell(shell::parse(&source.text, 0, id))),
        Kind::Python => python::Facts::of(source, id).map(Model::Python),
        Kind::Requirements => requirements::parse(source, id).map(Model::Requirements),
        Kind::Links => other::parse(source, id).map(Model::Links),
        Kind::Template => Ok(Model::Template),
        Kind::Nothing => Ok(Model::Nothing),
    };
    // a template that is called like what it becomes: cookiecutter's and Jinja's `main.py`
    if model.is_err()
        && ["{{", "{%"]
            .iter()
            .any(|braces| source.text.contains(braces))
    {
        return Model::Template;
    }
    model.unwrap_or_else(|problem| Model::Unparsed {
        message: problem.message,
        at: Location {
            file: id,
            span: problem.span,
        },
    })
}
