//! Files of tables: pyproject.toml (PEP 621, PEP 735, Poetry, uv, PDM) and Pipfile.

use super::{Need, Reader, Requirements};
use crate::parse::Problem;
use crate::source::{Span, Stated};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

type Value<'a> = Spanned<DeValue<'a>>;

pub(super) fn read_pyproject(mut reader: Reader<'_>) -> Result<Requirements, Problem> {
    let root = read(&reader.source.text)?;
    let root = root.get_ref();
    if let Some(project) = table(root, &["project"]) {
        reader.add_list(project.get("dependencies"), Need::Always);
        reader.add_lists(project.get("optional-dependencies"));
        reader.set_python(project.get("requires-python"));
    }
    reader.add_lists(root.get("dependency-groups"));
    for (tool, key) in [("uv", "dev-dependencies"), ("pdm", "dev-dependencies")] {
        if let Some(tool) = table(root, &["tool", tool]) {
            reader.add_list(tool.get(key), Need::Optional);
            reader.add_lists(tool.get(key));
        }
    }
    if let Some(poetry) = table(root, &["tool", "poetry"]) {
        reader.add_keys(poetry.get("dependencies"), Need::Always);
        reader.add_keys(poetry.get("dev-dependencies"), Need::Optional);
        let groups = poetry.get("group").and_then(as_table);
        for group in groups.into_iter().flat_map(DeTable::values) {
            let dependencies = as_table(group).and_then(|group| group.get("dependencies"));
            reader.add_keys(dependencies, Need::Optional);
        }
    }
    Ok(reader.found)
}

pub(super) fn read_pipfile(mut reader: Reader<'_>) -> Result<Requirements, Problem> {
    let root = read(&reader.source.text)?;
    let root = root.get_ref();
    reader.add_keys(root.get("packages"), Need::Always);
    reader.add_keys(root.get("dev-packages"), Need::Optional);
    if let Some(requires) = table(root, &["requires"]) {
        reader.set_python(requires.get("python_version"));
    }
    Ok(reader.found)
}

fn read(text: &str) -> Result<Spanned<DeTable<'_>>, Problem> {
    DeTable::parse(text).map_err(|error| Problem {
        message: error.message().to_owned(),
        span: error.span().map_or_else(Span::default, Span::new),
    })
}

fn as_table<'a, 'text>(value: &'a Value<'text>) -> Option<&'a DeTable<'text>> {
    match value.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

fn table<'a, 'text>(root: &'a DeTable<'text>, path: &[&str]) -> Option<&'a DeTable<'text>> {
    path.iter()
        .try_fold(root, |table, key| as_table(table.get(*key)?))
}

impl Reader<'_> {
    /// A list of requirements as PEP 508 writes them. What a group includes of another group is a table, passed over.
    fn add_list(&mut self, list: Option<&Value<'_>>, need: Need) {
        let Some(DeValue::Array(items)) = list.map(Spanned::get_ref) else {
            return;
        };
        for item in items {
            if let DeValue::String(text) = item.get_ref() {
                self.add_requirement(text, self.inside(item, text), need);
            }
        }
    }

    /// A table of such lists: extras, groups.
    fn add_lists(&mut self, lists: Option<&Value<'_>>) {
        for list in lists
            .and_then(as_table)
            .into_iter()
            .flat_map(DeTable::values)
        {
            self.add_list(Some(list), Need::Optional);
        }
    }

    /// A table whose keys are names: Poetry, Pipfile.
    fn add_keys(&mut self, dependencies: Option<&Value<'_>>, need: Need) {
        let entries = dependencies.and_then(as_table).into_iter().flatten();
        for (key, value) in entries {
            let name = key.get_ref();
            if name == "python" {
                self.set_python(Some(value));
                continue;
            }
            let is_optional = as_table(value)
                .and_then(|table| table.get("optional"))
                .is_some_and(|flag| matches!(flag.get_ref(), DeValue::Boolean(true)));
            let need = if is_optional { Need::Optional } else { need };
            let span = key.span();
            self.add(name, self.at(span.start, span.len()), need);
        }
    }

    fn set_python(&mut self, value: Option<&Value<'_>>) {
        if let Some(value) = value
            && let DeValue::String(text) = value.get_ref()
        {
            let at = self.at(value.span().start, value.span().len());
            self.found.requires_python = Some(Stated::new(text.to_string(), at));
        }
    }

    /// Where the text of a string begins: after its quotes.
    fn inside(&self, value: &Value<'_>, text: &str) -> usize {
        let span = value.span();
        let written = self.source.text.get(span.clone()).unwrap_or_default();
        span.start + written.find(text).unwrap_or(0)
    }
}
