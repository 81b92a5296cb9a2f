//! Whatever a file looks like, an edit changes what it is for and nothing else.

use super::{New, append_item, insert_key, prepend_items, remove_key, replace_scalar};
use crate::fix::{Edit, Target, apply};
use crate::parse::yaml::{self, Node, Value};
use crate::source::FileId;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// What a node means, without its places.
fn meaning(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Plain(text) => json!([true, text.as_str()]),
        Value::Quoted(text) => json!([false, text.as_str()]),
        Value::Sequence(items) => items.iter().map(meaning).collect(),
        Value::Mapping(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| (key.text().unwrap_or_default().to_owned(), meaning(value)));
            Json::Object(entries.collect())
        }
    }
}

fn tree() -> impl Strategy<Value = New> {
    let leaf = prop_oneof![
        "[a-z]{1,6}".prop_map(New::Text),
        "[0-9]{1,3}".prop_map(New::Plain),
        "[a-z#:,'\" {}\u{e9}]{0,6}".prop_map(New::Text),
        Just(New::Plain("~".to_owned())),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::btree_map("[a-e]", inner.clone(), 0..4)
                .prop_map(|map| New::Map(map.into_iter().collect())),
            prop::collection::vec(inner, 0..4).prop_map(New::List),
        ]
    })
}

/// How a file is written: indentation, line ends, and for each value what to do there.
#[derive(Debug, Clone)]
struct Hand {
    step: usize,
    dash: usize,
    whims: Vec<u8>,
    next: usize,
}

impl Hand {
    fn whim(&mut self) -> u8 {
        self.next += 1;
        self.whims[self.next % self.whims.len()]
    }

    /// A value behind `key:` or `-`, and all that is below it.
    fn write(&mut self, value: &New, indent: usize, text: &mut String) {
        let whim = self.whim();
        match value {
            New::Map(entries) if !entries.is_empty() && !whim.is_multiple_of(4) => {
                self.comment(text);
                let pad = " ".repeat(indent + self.step);
                for (key, value) in entries {
                    text.push_str(&format!("\n{pad}{key}:"));
                    self.write(value, indent + self.step, text);
                }
            }
            New::List(items) if !items.is_empty() && !whim.is_multiple_of(4) => {
                self.comment(text);
                let column = indent + self.dash;
                let pad = " ".repeat(column);
                for item in items {
                    text.push_str(&format!("\n{pad}-"));
                    self.write(item, column, text);
                }
            }
            New::Text(word)
                if word.bytes().all(|byte| byte.is_ascii_lowercase())
                    && whim % 8 == 1
                    && !word.is_empty() =>
            {
                let pad = " ".repeat(indent + self.step);
                let mark = ["|", "|+", ">-"][usize::from(whim / 8) % 3];
                text.push_str(&format!(" {mark}\n{pad}{word}"));
                text.push_str(if whim % 16 > 8 { "\n" } else { "" });
            }
            New::Text(word) if whim % 8 == 2 => {
                text.push_str(&format!(" '{}'", word.replace('\'', "''")));
            }
            value => {
                let style = super::new::Style {
                    step: 2,
                    dash: 0,
                    newline: "\n",
                    is_json: whim % 8 == 3,
                };
                text.push_str(&format!(" {}", style.flow(value)));
                self.comment(text);
            }
        }
    }

    fn comment(&mut self, text: &mut String) {
        match self.whim() % 8 {
            0 => text.push_str(" # {note: [x]}"),
            1 => text.push_str("  \n\n# - other"),
            _ => {}
        }
    }
}

fn file() -> impl Strategy<Value = String> {
    let root = prop::collection::btree_map("[a-e]", tree(), 1..4);
    let hand = (
        1usize..5,
        prop::bool::ANY,
        prop::collection::vec(any::<u8>(), 1..40),
    );
    (root, hand, prop::bool::ANY, prop::bool::ANY).prop_map(
        |(root, (step, is_deep, whims), is_dos, has_end)| {
            let mut hand = Hand {
                step,
                dash: if is_deep { step } else { 0 },
                whims,
                next: 0,
            };
            let mut text = String::from("# head");
            for (key, value) in &root {
                text.push_str(&format!("\n{key}:"));
                hand.write(value, 0, &mut text);
            }
            if has_end {
                text.push('\n');
            }
            if is_dos {
                text.replace('\n', "\r\n")
            } else {
                text
            }
        },
    )
}

/// Every collection and scalar with the way to it, as a JSON pointer.
fn walk<'a>(node: &'a Node, way: &str, found: &mut Vec<(String, &'a Node)>) {
    found.push((way.to_owned(), node));
    for (key, value) in node.entries() {
        walk(
            value,
            &format!("{way}/{}", key.text().unwrap_or_default()),
            found,
        );
    }
    for (index, item) in node.items().iter().enumerate() {
        walk(item, &format!("{way}/{index}"), found);
    }
}

fn document(text: &str) -> Option<Node> {
    let mut documents = yaml::parse(text).ok()?;
    (documents.len() == 1).then(|| documents.remove(0))
}

/// The file after the edit means what the change of its meaning says.
fn holds(
    text: &str,
    way: &str,
    edit: Option<Edit>,
    change: impl Fn(&mut Json),
) -> Result<(), TestCaseError> {
    let Some(edit) = edit else {
        return Ok(());
    };
    let root = document(text).unwrap();
    let mut expected = meaning(&root);
    change(expected.pointer_mut(way).unwrap());
    let mended = apply(text, &[edit]).unwrap();
    let after = yaml::parse(&mended)
        .map_err(|error| TestCaseError::fail(format!("{error}:\n{text}\n---\n{mended}")))?;
    prop_assert_eq!(after.len(), 1, "{}\n---\n{}", text, mended);
    prop_assert_eq!(
        meaning(&after[0]),
        expected,
        "at {}:\n{}\n---\n{}",
        way,
        text,
        mended
    );
    Ok(())
}

proptest! {
    #[test]
    fn an_edit_changes_what_it_is_for_and_nothing_else(text in file()) {
        let Some(root) = document(&text) else {
            return Err(TestCaseError::reject("not a file"));
        };
        let target = Target { file: FileId(0), text: &text };
        let mut nodes = Vec::new();
        walk(&root, "", &mut nodes);
        let new = New::map([("x", New::texts(&["1", "--y"])), ("z", New::plain(2))]);
        let meant = json!({"x": [[false, "1"], [false, "--y"]], "z": [true, "2"]});
        for (way, node) in nodes {
            match &node.value {
                Value::Mapping(entries) => {
                    holds(&text, &way, insert_key(target, node, "new", &new), |map| map["new"] = meant.clone())?;
                    for (key, _) in entries {
                        let key = key.text().unwrap_or_default();
                        holds(&text, &way, remove_key(target, node, key), |map| {
                            map.as_object_mut().unwrap().remove(key);
                        })?;
                    }
                }
                Value::Sequence(_) => {
                    holds(&text, &way, append_item(target, node, &new), |list| list.as_array_mut().unwrap().push(meant.clone()))?;
                    holds(&text, &way, prepend_items(target, node, &["1"]), |list| {
                        list.as_array_mut().unwrap().insert(0, json!([false, "1"]));
                    })?;
                }
                Value::Plain(_) | Value::Quoted(_) => {
                    holds(&text, &way, replace_scalar(target, node, &New::text("a: 'b' \"")), |old| {
                        *old = json!([false, "a: 'b' \""]);
                    })?;
                }
                Value::Null => {}
            }
        }
    }
}
