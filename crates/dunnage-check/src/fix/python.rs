//! Edits of Python: another callee or call, an argument, the import that it needs, an assignment of a configuration.

use super::{Edit, Target};
use crate::parse::python::{Call, Module};
use crate::source::Location;

/// Puts an expression in the place of a whole call, and the import that it needs: `dunnage.cpu_count()` for
/// `os.cpu_count()`.
pub fn replace_call(
    target: Target<'_>,
    module: &Module,
    call: &Call,
    expression: &str,
    import: &str,
) -> Vec<Edit> {
    let edit = target.replace(call.at.span, expression);
    ensure_import(target, module, import)
        .into_iter()
        .chain([edit])
        .collect()
}

/// `import name`, if the module does not have it at its top level.
pub fn ensure_import(target: Target<'_>, module: &Module, name: &str) -> Option<Edit> {
    let is_there = module.imports.iter().any(|import| {
        import.is_module && !import.is_lazy && import.name == name && import.local == name
    });
    if is_there {
        return None;
    }
    let at = module.after_imports as usize;
    let newline = target.newline();
    let (at, text) = match target.text.get(..at) {
        Some(before) if before.is_empty() || before.ends_with('\n') => {
            (at, format!("import {name}{newline}"))
        }
        _ => (target.line_end(at), format!("{newline}import {name}")),
    };
    Some(target.insert(at, text))
}

/// Sets an argument of a call by its name: replaces its value, or adds it behind the others. `None` where the text is not
/// as expected (a generator without brackets takes no second argument).
pub fn set_argument(target: Target<'_>, call: &Call, keyword: &str, value: &str) -> Option<Edit> {
    let named = call
        .arguments
        .iter()
        .find(|argument| argument.keyword.as_deref() == Some(keyword));
    if let Some(argument) = named {
        return Some(target.replace(argument.at.span, value));
    }
    let close = (call.at.span.end as usize).checked_sub(1)?;
    let Some(last) = call
        .arguments
        .iter()
        .map(|argument| argument.at.span)
        .max_by_key(|span| span.end)
    else {
        let between = target.text.get(call.callee.span.end as usize..close)?;
        let is_empty = between.trim() == "(";
        return is_empty.then(|| target.insert(close, format!("{keyword}={value}")));
    };
    if call.arguments.len() == 1 && target.slice(last).contains(" for ") {
        return None;
    }
    let (end, has_comma) = last_token(target.text, last.end as usize, close)?;
    let new = format!("{keyword}={value}");
    if !has_comma {
        return Some(target.insert(end, format!(", {new}")));
    }
    let is_on_own_line = target.text.get(end..close)?.contains('\n');
    let text = if is_on_own_line {
        format!(
            "{}{}{new},",
            target.newline(),
            target.indentation(last.start as usize)
        )
    } else {
        format!(" {new}")
    };
    let at = if is_on_own_line {
        target.line_end(end)
    } else {
        end
    };
    Some(target.insert(at, text))
}

/// Sets `name = value` of a configuration (gunicorn.conf.py): replaces the value, or adds a line at the end.
/// `old` is the value's place where the module assigns the name.
pub fn set_assignment(target: Target<'_>, old: Option<Location>, name: &str, value: &str) -> Edit {
    if let Some(old) = old {
        return target.replace(old.span, value);
    }
    let newline = target.newline();
    if target.text.is_empty() || target.text.ends_with('\n') {
        target.insert(target.text.len(), format!("{name} = {value}{newline}"))
    } else {
        target.insert(target.text.len(), format!("{newline}{name} = {value}"))
    }
}

/// Where the last token before a call's closing bracket ends, and whether it is a comma. Between an argument and the
/// bracket there can only be white space, comments, brackets around the argument, and one comma.
fn last_token(text: &str, from: usize, close: usize) -> Option<(usize, bool)> {
    let mut found = (from, false);
    let mut is_comment = false;
    for (at, character) in text.get(from..close)?.char_indices() {
        let end = from + at + character.len_utf8();
        match character {
            '\n' => is_comment = false,
            _ if is_comment => {}
            '#' => is_comment = true,
            ')' => found = (end, false),
            ',' => found = (end, true),
            character if character.is_whitespace() || character == '\\' => {}
            _ => return None,
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::{replace_call, set_argument, set_assignment};
    use crate::fix::testing::{place, target};
    use crate::fix::{Edit, apply};
    use crate::parse::python::{Argument, Call, Import, Module, Value};
    use crate::source::{FileId, Location, Span};

    fn call(text: &str, whole: &str, callee: &str, arguments: &[&str]) -> Call {
        let argument = |word: &&str| {
            let (keyword, value) = match word.split_once('=') {
                Some((keyword, value)) => (Some(keyword.into()), value),
                None => (None, *word),
            };
            let start = text.find(word).unwrap() + word.len() - value.len();
            Argument {
                keyword,
                value: Value::Other,
                at: Location {
                    file: FileId(0),
                    span: Span::new(start..start + value.len()),
                },
            }
        };
        Call {
            name: callee.into(),
            callee: place(text, callee),
            arguments: arguments.iter().map(argument).collect(),
            at: place(text, whole),
            function: "".into(),
            is_managed: false,
            assigned: None,
            is_dropped: false,
            is_in_lambda: false,
        }
    }

    fn set(text: &str, whole: &str, arguments: &[&str]) -> Option<String> {
        let call = call(text, whole, "Pool", arguments);
        let edit: Edit = set_argument(target(text), &call, "size", "2")?;
        Some(apply(text, &[edit]).unwrap())
    }

    #[test]
    fn a_call_is_replaced_and_its_import_comes_behind_the_others() {
        let text = "import os\r\n\r\nN = os.cpu_count()\r\n";
        let mut module = Module {
            after_imports: 11,
            ..Module::default()
        };
        let call = call(text, "os.cpu_count()", "os.cpu_count", &[]);
        let mend = |module: &Module| {
            let edits = replace_call(
                target(text),
                module,
                &call,
                "dunnage.cpu_count()",
                "dunnage",
            );
            apply(text, &edits).unwrap()
        };
        assert_eq!(
            mend(&module),
            "import os\r\nimport dunnage\r\n\r\nN = dunnage.cpu_count()\r\n"
        );
        module.after_imports = 9;
        assert_eq!(
            mend(&module),
            "import os\r\nimport dunnage\r\n\r\nN = dunnage.cpu_count()\r\n"
        );
        module.imports.push(Import {
            name: "dunnage".into(),
            local: "dunnage".into(),
            is_module: true,
            is_lazy: false,
            at: place(text, "import os"),
        });
        assert_eq!(
            mend(&module),
            "import os\r\n\r\nN = dunnage.cpu_count()\r\n"
        );
    }

    #[test]
    fn an_argument_is_added_behind_the_last_in_the_way_that_they_are_written() {
        assert_eq!(set("Pool()", "Pool()", &[]).unwrap(), "Pool(size=2)");
        assert_eq!(
            set("Pool(a)", "Pool(a)", &["a"]).unwrap(),
            "Pool(a, size=2)"
        );
        assert_eq!(
            set("Pool((a))", "Pool((a))", &["a"]).unwrap(),
            "Pool((a), size=2)"
        );
        assert_eq!(
            set("Pool(a, )", "Pool(a, )", &["a"]).unwrap(),
            "Pool(a, size=2 )"
        );
        let lines = "Pool(\n    a,  # one, two\n)";
        assert_eq!(
            set(lines, lines, &["a"]).unwrap(),
            "Pool(\n    a,  # one, two\n    size=2,\n)"
        );
        let open = "Pool(\n    a  # (one)\n)";
        assert_eq!(
            set(open, open, &["a"]).unwrap(),
            "Pool(\n    a, size=2  # (one)\n)"
        );
    }

    #[test]
    fn an_argument_that_is_there_is_replaced_and_a_generator_is_left_alone() {
        assert_eq!(
            set("Pool(size=64)", "Pool(size=64)", &["size=64"]).unwrap(),
            "Pool(size=2)"
        );
        let text = "Pool(x for x in y)";
        assert_eq!(set(text, text, &["x for x in y"]), None);
    }

    #[test]
    fn a_configuration_gets_a_line_or_another_value() {
        let text = "workers = 64\n";
        let other = set_assignment(target(text), Some(place(text, "64")), "workers", "2");
        assert_eq!(apply(text, &[other]).unwrap(), "workers = 2\n");
        let more = set_assignment(target("a = 1"), None, "workers", "2");
        assert_eq!(apply("a = 1", &[more]).unwrap(), "a = 1\nworkers = 2");
    }
}
