//! From `shop.wsgi:app` to files: which modules of the repository a program is, and which packages they import.
//!
//! A name is looked for below the roots that the caller knows (folders that are on `sys.path` in the image), then below `src`
//! of each. Imports inside functions count, since they run sooner or later. Django names modules by strings: its settings,
//! `INSTALLED_APPS` and `include()` are followed too.

mod names;

use crate::parse::Model;
use crate::parse::python::{Call, Module, Value};
use crate::repository::Repository;
use crate::source::{FileId, Location};
pub(in crate::graph) use names::{distribution, is_standard};
use std::collections::{BTreeMap, BTreeSet};

/// The files that `app` means (`package.module:object`, `package`, `file.py`) and all that they import, the file that is
/// named first. Empty if it is not of this repository.
pub fn resolve(repository: &Repository, app: &str, roots: &[&str]) -> Vec<FileId> {
    let name = app.split([':', '(']).next().unwrap_or_default().trim();
    let finder = Finder::new(repository, roots);
    if let Some(path) = name.strip_suffix(".py") {
        let path = path.trim_start_matches("./");
        let found = finder
            .roots
            .iter()
            .find_map(|root| finder.python_file(&format!("{}.py", join(root, path))));
        return found.map_or_else(Vec::new, |file| closure(repository, file, roots));
    }
    let mut first = finder.module(name);
    first.reverse();
    // `python -m package` runs its `__main__`, celery looks for `package.celery`.
    if !first.is_empty() && !app.contains(':') {
        for inner in ["__main__", "celery"] {
            let modules = finder.exact(&format!("{name}.{inner}"));
            first.extend(modules);
        }
    }
    finder.follow(first)
}

/// A file and all of the repository that it imports, itself first. Its own folder is one of the roots, as it is for
/// `python file.py`.
pub fn closure(repository: &Repository, file: FileId, roots: &[&str]) -> Vec<FileId> {
    let mut finder = Finder::new(repository, roots);
    let folder = repository.file(file).source.folder().to_owned();
    if !finder.roots.contains(&folder) {
        finder.roots.insert(0, folder);
    }
    finder.follow(vec![file])
}

/// The packages that modules import, by the names under which they are installed; not what is of the standard library or
/// of the repository. Each with the first import that says so.
pub fn packages(repository: &Repository, modules: &[FileId]) -> BTreeMap<String, Location> {
    let own: BTreeSet<&str> = modules
        .iter()
        .flat_map(|id| repository.file(*id).source.path.split('/'))
        .map(|part| part.strip_suffix(".py").unwrap_or(part))
        .collect();
    let mut found = BTreeMap::new();
    for import in modules
        .iter()
        .filter_map(|id| repository.module(*id))
        .flat_map(|module| &module.imports)
    {
        let top = import.name.split('.').next().unwrap_or_default();
        let is_relative = top.is_empty();
        if is_relative || names::is_standard(top) {
            continue;
        }
        let known = names::distribution(top);
        // A module may be called as a package that it uses: shop/celery.py.
        if known.is_some() || !own.contains(top) {
            let name =
                known.map_or_else(|| crate::parse::requirements::normalise(top), str::to_owned);
            found.entry(name).or_insert(import.at);
        }
    }
    found
}

struct Finder<'a> {
    repository: &'a Repository,
    /// Folders, as paths below the repository's root, empty for the root.
    roots: Vec<String>,
}

impl<'a> Finder<'a> {
    fn new(repository: &'a Repository, given: &[&str]) -> Self {
        let given = if given.is_empty() { &[""] } else { given };
        let mut roots: Vec<String> = Vec::new();
        for root in given {
            let root = root.trim_matches('/');
            for folder in [root.to_owned(), join(root, "src")] {
                if !roots.contains(&folder) {
                    roots.push(folder);
                }
            }
        }
        Self { repository, roots }
    }

    fn python_file(&self, path: &str) -> Option<FileId> {
        let file = self.repository.at(path)?;
        matches!(self.repository.file(file).model, Model::Python(_)).then_some(file)
    }

    /// The file of a module at a path without its ending: `a/b.py` or `a/b/__init__.py`.
    fn file_of(&self, path: &str) -> Option<FileId> {
        self.python_file(&format!("{path}.py"))
            .or_else(|| self.python_file(&format!("{path}/__init__.py")))
    }

    /// The files of a dotted name that are there: `__init__` of its packages and the module; of `a.b.name` also where only
    /// `a.b` is a module, since `from a.b import name` is written so. The innermost last.
    fn module(&self, name: &str) -> Vec<FileId> {
        let mut name = name;
        loop {
            let found = self.exact(name);
            if !found.is_empty() {
                return found;
            }
            match name.rsplit_once('.') {
                Some((outer, _)) => name = outer,
                None => return Vec::new(),
            }
        }
    }

    /// As [`Self::module`], but nothing unless the whole name is a module.
    fn exact(&self, name: &str) -> Vec<FileId> {
        if name.is_empty() {
            return Vec::new();
        }
        let path = name.replace('.', "/");
        let found = self.roots.iter().find_map(|root| {
            let last = self.file_of(&join(root, &path))?;
            Some((root, last))
        });
        let Some((root, last)) = found else {
            return Vec::new();
        };
        let mut files: Vec<FileId> = path
            .match_indices('/')
            .filter_map(|(end, _)| {
                self.python_file(&format!("{}/__init__.py", join(root, &path[..end])))
            })
            .collect();
        files.push(last);
        files
    }

    /// A relative import: one dot is the folder of the file.
    fn relative(&self, from: FileId, name: &str) -> Vec<FileId> {
        let dots = name.len() - name.trim_start_matches('.').len();
        let mut folder = self.repository.file(from).source.folder();
        for _ in 1..dots {
            folder = folder.rsplit_once('/').map_or("", |(outer, _)| outer);
        }
        let rest = name[dots..].replace('.', "/");
        let mut path = rest.as_str();
        loop {
            let here = join(folder, path);
            let found = if path.is_empty() {
                self.python_file(&join(folder, "__init__.py"))
            } else {
                self.file_of(&here)
            };
            if let Some(file) = found {
                let packages = path.match_indices('/').filter_map(|(end, _)| {
                    self.python_file(&format!("{}/__init__.py", join(folder, &path[..end])))
                });
                return packages.chain([file]).collect();
            }
            match path.rsplit_once('/') {
                Some((outer, _)) => path = outer,
                None if path.is_empty() => return Vec::new(),
                None => path = "",
            }
        }
    }

    /// Everything that is reached, the first ones first.
    fn follow(&self, first: Vec<FileId>) -> Vec<FileId> {
        let mut seen: BTreeSet<FileId> = BTreeSet::new();
        let mut found: Vec<FileId> = first
            .into_iter()
            .filter(|file| seen.insert(*file))
            .collect();
        let mut next = 0;
        while let Some(file) = found.get(next).copied() {
            next += 1;
            let Some(module) = self.repository.module(file) else {
                continue;
            };
            let imported = module.imports.iter().flat_map(|import| {
                if import.name.starts_with('.') {
                    self.relative(file, &import.name)
                } else {
                    self.module(&import.name)
                }
            });
            let named = named_by_text(module)
                .into_iter()
                .flat_map(|name| self.exact(&name));
            for file in imported.chain(named) {
                if seen.insert(file) {
                    found.push(file);
                }
            }
        }
        found
    }
}

/// Modules that a module names by strings, as Django does.
fn named_by_text(module: &Module) -> Vec<String> {
    let mut names = Vec::new();
    let is_include = |call: &&Call| {
        let last = call.name.rsplit('.').next().unwrap_or_default();
        matches!(last, "include" | "import_module" | "setdefault")
    };
    for call in module.calls.iter().filter(is_include) {
        let texts = call
            .arguments
            .iter()
            .filter_map(|argument| match &argument.value {
                Value::Text(text) => Some(text.to_string()),
                _ => None,
            });
        names.extend(texts);
    }
    for (name, value, _) in &module.assignments {
        match (name.as_str(), value) {
            ("ROOT_URLCONF", Value::Text(text)) => names.push(text.to_string()),
            (name, Value::List(items)) if name.ends_with("_APPS") => {
                let apps = items.iter().filter_map(|item| match item {
                    Value::Text(text) => Some(text),
                    _ => None,
                });
                for app in apps {
                    // `shop.apps.ShopConfig` is the application `shop`.
                    let app = app.split(".apps.").next().unwrap_or(app);
                    names.push(app.to_owned());
                    names.extend(APP_MODULES.map(|inner| format!("{app}.{inner}")));
                }
            }
            _ => {}
        }
    }
    names
}

/// What Django imports of an application, and what its own code is split into by custom.
const APP_MODULES: [&str; 6] = ["apps", "models", "urls", "views", "tasks", "signals"];

fn join(folder: &str, path: &str) -> String {
    match (folder, path) {
        ("", path) => path.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, path) => format!("{folder}/{path}"),
    }
}

#[cfg(test)]
mod tests;
