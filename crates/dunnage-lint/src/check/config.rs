//! Where settings are: the nearest folder, from the one that is checked upwards, with a `dunnage.toml` or a `pyproject.toml`
//! that has `[tool.dunnage]`, but not above the repository's root.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use dunnage_check::Settings;

/// Settings and the folder that they are in.
#[derive(Debug, Default)]
pub struct Found {
    pub settings: Settings,
    pub folder: Option<PathBuf>,
}

impl Found {
    /// Dockerfiles are named from the settings' folder on; they are looked for below the one that is checked.
    pub fn rebase(&mut self, base: &Path) {
        let Some(folder) = self
            .folder
            .as_ref()
            .and_then(|folder| fs::canonicalize(folder).ok())
        else {
            return;
        };
        for dockerfile in self.settings.images.values_mut() {
            let path = folder.join(&*dockerfile);
            if let Ok(below) = path.strip_prefix(base) {
                *dockerfile = below.to_string_lossy().into_owned();
            }
        }
    }
}

/// The settings of a named file, or of the nearest one.
pub fn find(named: Option<&Path>, base: &Path) -> anyhow::Result<Found> {
    if let Some(path) = named {
        let settings = read(path)?
            .with_context(|| format!("{} has no settings of dunnage", path.display()))?;
        return Ok(Found {
            settings,
            folder: path.parent().map(Path::to_owned),
        });
    }
    for folder in base.ancestors() {
        for name in ["dunnage.toml", "pyproject.toml"] {
            if let Some(settings) = read_if_there(&folder.join(name))? {
                return Ok(Found {
                    settings,
                    folder: Some(folder.to_owned()),
                });
            }
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    Ok(Found::default())
}

/// The settings that are in a folder itself.
pub fn of_folder(folder: &Path) -> anyhow::Result<Option<Settings>> {
    for name in ["dunnage.toml", "pyproject.toml"] {
        if let Some(settings) = read_if_there(&folder.join(name))? {
            return Ok(Some(settings));
        }
    }
    Ok(None)
}

fn read_if_there(path: &Path) -> anyhow::Result<Option<Settings>> {
    if path.is_file() { read(path) } else { Ok(None) }
}

fn read(path: &Path) -> anyhow::Result<Option<Settings>> {
    let name = path.display().to_string();
    let text = match fs::read_to_string(path) {
        // not ours to complain about: it is checked as a file
        Err(error) if error.kind() == ErrorKind::InvalidData => return Ok(None),
        text => text.with_context(|| name.clone())?,
    };
    if path
        .file_name()
        .is_some_and(|name| name == "pyproject.toml")
    {
        // a broken file without settings of ours is a finding, no failure
        if !text.contains("tool.dunnage") {
            return Ok(None);
        }
        return Ok(Settings::parse_pyproject(&name, &text)?);
    }
    Ok(Some(Settings::parse(&name, &text)?))
}
