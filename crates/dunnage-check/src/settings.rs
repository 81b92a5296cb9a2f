//! What a repository says about how it wants to be checked: `dunnage.toml`, or `[tool.dunnage]` in `pyproject.toml`.

use crate::finding::{Confidence, Severity};
use crate::rules::{self, Persona, Rule};
use crate::source::{Source, names_development};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Folders whose files are not deployed: what is found below them is one step less severe.
const ASIDE: [&str; 23] = [
    "test",
    "tests",
    "testing",
    "testdata",
    "fixtures",
    "e2e",
    "example",
    "examples",
    "sample",
    "samples",
    "doc",
    "docs",
    "demo",
    "demos",
    "benchmark",
    "benchmarks",
    "ci",
    "playground",
    "quickstart",
    "tutorial",
    "tutorials",
    "workshop",
    "workshops",
];

/// Folders of manifests for a cluster on somebody's own machine.
const LOCAL: [&str; 5] = ["k3d", "kind", "local", "microk8s", "minikube"];

/// Overlays that nobody is called for at night.
const FOR_DEVELOPMENT: [&str; 4] = ["dev", "development", "local", "test"];

/// Folders of what others have written, and of the tools of a forge: nobody deploys it from here.
const FOREIGN: [&str; 10] = [
    ".circleci",
    ".devcontainer",
    ".github",
    ".gitlab",
    "3rdparty",
    "_vendor",
    "third-party",
    "third_party",
    "thirdparty",
    "vendored",
];

/// The settings of a repository. What is not said has a default; an unknown key is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Only these rules: ids, names, families, `all`.
    pub select: Option<Vec<Selector>>,
    /// None of these.
    pub ignore: Vec<Selector>,
    /// Who looks.
    pub persona: Option<Persona>,
    /// The least severe that is shown.
    pub min_severity: Option<Severity>,
    /// The least sure that is shown.
    pub min_confidence: Option<Confidence>,
    /// The least severe that makes the exit code 1.
    pub fail_on: Option<FailOn>,
    /// Files that are not looked at, as in a .gitignore.
    pub exclude: Vec<String>,
    /// The baseline, below the settings' folder.
    pub baseline: Option<String>,
    /// Folders, by name, whose files are not deployed; replaces the usual ones.
    pub aside: Option<Vec<String>>,
    /// Which Dockerfile an image is built from, where no file says it: `"registry/shop" = "shop/Dockerfile"`, or
    /// `"shop/Dockerfile#stage"`; from the settings' folder on.
    pub images: BTreeMap<String, String>,
}

/// What makes the exit code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailOn {
    /// Anything that is shown.
    Info,
    /// Warnings and errors.
    Warning,
    /// Errors.
    Error,
    /// Nothing.
    Never,
}

impl FailOn {
    /// Does a finding of this severity count?
    pub fn is_reached_by(self, severity: Severity) -> bool {
        match self {
            Self::Info => true,
            Self::Warning => severity >= Severity::Warning,
            Self::Error => severity == Severity::Error,
            Self::Never => false,
        }
    }
}

/// A word that stands for rules.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Selector {
    /// Every rule.
    All,
    /// The rules whose id begins so: `PID`, or `PID0`.
    Prefix(String),
    /// One rule, by its id.
    Rule(String),
}

impl Selector {
    /// Does it stand for this rule?
    pub fn holds(&self, rule: &Rule) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => rule.id.starts_with(prefix.as_str()),
            Self::Rule(id) => rule.id == id,
        }
    }
}

impl std::str::FromStr for Selector {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        if word.eq_ignore_ascii_case("all") {
            return Ok(Self::All);
        }
        if let Some(rule) = rules::find(word) {
            return Ok(Self::Rule(rule.id.to_owned()));
        }
        let prefix = word.to_ascii_uppercase();
        if !word.is_empty() && rules::all().any(|rule| rule.id.starts_with(&prefix)) {
            return Ok(Self::Prefix(prefix));
        }
        Err(format!(
            "`{word}` is no rule and no family; `dunnage explain` lists them"
        ))
    }
}

impl TryFrom<String> for Selector {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        word.parse()
    }
}

/// Why settings could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}: {message}")]
pub struct BadSettings {
    /// The file.
    pub path: String,
    /// From 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

impl Settings {
    /// From the text of a `dunnage.toml`.
    ///
    /// # Errors
    /// No TOML, an unknown key, or a value that does not fit.
    pub fn parse(path: &str, text: &str) -> Result<Self, BadSettings> {
        toml::from_str(text).map_err(|error| bad(path, text, &error))
    }

    /// From the text of a `pyproject.toml`; none if it has no `[tool.dunnage]`.
    ///
    /// # Errors
    /// As [`Settings::parse`]. Other tools' tables are not looked at.
    pub fn parse_pyproject(path: &str, text: &str) -> Result<Option<Self>, BadSettings> {
        #[derive(Deserialize)]
        struct Project {
            tool: Option<Tool>,
        }
        #[derive(Deserialize)]
        struct Tool {
            dunnage: Option<Settings>,
        }
        let project: Project = toml::from_str(text).map_err(|error| bad(path, text, &error))?;
        Ok(project.tool.and_then(|tool| tool.dunnage))
    }

    /// Is a rule wanted? Rules of the pedantic persona are where it is asked for, or where they are named.
    pub fn wants(&self, rule: &Rule) -> bool {
        if self.ignore.iter().any(|selector| selector.holds(rule)) {
            return false;
        }
        let is_pedantic = self.persona() == Persona::Pedantic;
        match &self.select {
            Some(select) => select.iter().any(|selector| match selector {
                Selector::Rule(_) => selector.holds(rule),
                _ => selector.holds(rule) && (is_pedantic || rule.persona == Persona::Regular),
            }),
            None => is_pedantic || rule.persona == Persona::Regular,
        }
    }

    /// Is a rule asked for by its own id or name? Its findings are then shown however mild they are.
    pub fn names(&self, rule: &Rule) -> bool {
        let select = self.select.iter().flatten();
        select
            .filter(|selector| matches!(selector, Selector::Rule(_)))
            .any(|selector| selector.holds(rule))
    }

    /// Who looks; everybody if it is not said.
    pub fn persona(&self) -> Persona {
        self.persona.unwrap_or(Persona::Regular)
    }

    /// The least severe that is shown: warnings, or everything to the pedantic.
    pub fn min_severity(&self) -> Severity {
        self.min_severity.unwrap_or(match self.persona() {
            Persona::Regular => Severity::Warning,
            Persona::Pedantic => Severity::Info,
        })
    }

    /// The least sure that is shown: what is likely, or everything to the pedantic.
    pub fn min_confidence(&self) -> Confidence {
        self.min_confidence.unwrap_or(match self.persona() {
            Persona::Regular => Confidence::Medium,
            Persona::Pedantic => Confidence::Low,
        })
    }

    /// What makes the exit code 1: errors.
    pub fn fail_on(&self) -> FailOn {
        self.fail_on.unwrap_or(FailOn::Error)
    }

    /// How severe a finding in a file is: one step less below a folder of what is not deployed, an info in what is not the
    /// repository's own.
    pub fn severity_in(&self, source: &Source, severity: Severity) -> Severity {
        let mut folders = source.folder().split('/');
        if self.aside.is_none() && folders.clone().any(|folder| FOREIGN.contains(&folder)) {
            return Severity::Info;
        }
        if self.aside.is_none() && is_local(source) {
            return Severity::Info;
        }
        let is_aside = folders.any(|folder| match &self.aside {
            Some(names) => names.iter().any(|name| name == folder),
            None => ASIDE.contains(&folder),
        });
        match severity {
            Severity::Error if is_aside => Severity::Warning,
            Severity::Warning if is_aside => Severity::Info,
            other => other,
        }
    }
}

/// Is it a manifest for a cluster on one's own machine, or an overlay for development: `overlays/dev`, `deploy/kind`,
/// `kind-config.yaml`?
fn is_local(source: &Source) -> bool {
    let name = source.name();
    let is_yaml = matches!(name.rsplit('.').next(), Some("yaml" | "yml"));
    let folders: Vec<&str> = source.folder().split('/').collect();
    let is_overlay = folders.windows(2).any(|pair| {
        matches!(pair[0], "overlays" | "environments" | "envs")
            && FOR_DEVELOPMENT.contains(&pair[1])
    });
    let is_of_local = folders.windows(2).any(|pair| {
        matches!(
            pair[0],
            "deploy" | "k8s" | "kubernetes" | "manifests" | "kustomize" | "overlays"
        ) && (LOCAL.contains(&pair[1]) || FOR_DEVELOPMENT.contains(&pair[1]))
    });
    let is_named = ["kind-", "minikube-"]
        .iter()
        .any(|start| name.starts_with(start))
        || names_development(name);
    is_yaml && (is_overlay || is_of_local || is_named)
}

fn bad(path: &str, text: &str, error: &toml::de::Error) -> BadSettings {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.as_bytes().get(..start).unwrap_or_default();
    BadSettings {
        path: path.to_owned(),
        line: before.split(|byte| *byte == b'\n').count() as u32,
        message: error.message().trim().replace('\n', "; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_not_known_is_an_error_with_its_line() {
        let error = Settings::parse("dunnage.toml", "ignore = []\nselekt = []\n").unwrap_err();
        assert_eq!((error.line, error.path.as_str()), (2, "dunnage.toml"));
        assert!(error.message.contains("selekt"), "{error}");
    }

    #[test]
    fn a_rule_that_does_not_exist_is_an_error_with_its_line() {
        let error = Settings::parse("dunnage.toml", "\nignore = [\"PID999\"]").unwrap_err();
        assert_eq!(error.line, 2);
        assert!(error.message.contains("PID999"), "{error}");
    }

    #[test]
    fn pyproject_is_read_below_tool_dunnage_alone() {
        let text = "[project]\nname = \"x\"\n[tool.ruff]\nselect = 1\n[tool.dunnage]\npersona = \"pedantic\"\n";
        let settings = Settings::parse_pyproject("pyproject.toml", text).unwrap();
        assert_eq!(settings.unwrap().persona, Some(Persona::Pedantic));
        let without = Settings::parse_pyproject("pyproject.toml", "[tool.ruff]\n");
        assert_eq!(without, Ok(None));
    }

    #[test]
    fn what_is_not_deployed_is_a_step_less_severe_and_what_is_not_ones_own_is_an_info() {
        let of = |settings: &Settings, path: &str| {
            let source = Source {
                path: path.to_owned(),
                text: String::new(),
            };
            settings.severity_in(&source, Severity::Error)
        };
        let settings = Settings::default();
        assert_eq!(of(&settings, "a/tests/Dockerfile"), Severity::Warning);
        assert_eq!(of(&settings, "a/tests.py"), Severity::Error);
        let vendored = "shop/thirdparty/depth/Dockerfile";
        assert_eq!(of(&settings, vendored), Severity::Info);
        assert_eq!(
            of(&settings, ".github/actions/x/Dockerfile"),
            Severity::Info
        );
        for local in [
            "overlays/dev/a.yaml",
            "deploy/kind/a.yaml",
            "k8s/kind-shop.yml",
            "k8s/dev/a.yaml",
            "deploy/compose.local.yaml",
            "compose.dev.yml",
            ".devcontainer/Dockerfile",
        ] {
            assert_eq!(of(&settings, local), Severity::Info, "{local}");
        }
        for other in [
            "overlays/prod/a.yaml",
            "dev/a.yaml",
            "compose/local/Dockerfile",
        ] {
            assert_eq!(of(&settings, other), Severity::Error, "{other}");
        }
        let other = Settings::parse("dunnage.toml", "aside = [\"legacy\"]").unwrap();
        assert_eq!(of(&other, "legacy/a.py"), Severity::Warning);
        assert_eq!(of(&other, "tests/a.py"), Severity::Error);
        assert_eq!(of(&other, vendored), Severity::Error);
    }
}
