use super::{Node, Value, documents, parse};
use proptest::prelude::*;

/// Every node as its written bytes, keys before their values.
fn written(text: &str) -> Vec<String> {
    fn walk(node: &Node, text: &str, found: &mut Vec<String>) {
        found.push(text[node.span.range()].to_owned());
        for item in node.items() {
            walk(item, text, found);
        }
        for (key, value) in node.entries() {
            walk(key, text, found);
            walk(value, text, found);
        }
    }
    let mut found = Vec::new();
    for node in parse(text).unwrap() {
        walk(&node, text, &mut found);
    }
    found
}

fn message(text: &str) -> String {
    parse(text).unwrap_err().message
}

#[test]
fn a_bracket_may_close_below_its_key() {
    let text = "a:\n  command: [\n    \"é\",\r\n    x,\n  ]\n  more: 1\n";
    let found = written(text);
    assert_eq!(found[found.len() - 4..], ["\"é\"", "x", "more", "1"]);
}

#[test]
fn a_scalar_is_its_own_bytes_without_comments_and_properties() {
    let text = "é: 'it''s' # c\nb: \"a\\\"é\"  # d\nc: &x !!str foo # e\nd: |\n  téxt\n   more\n\n# f\ne: >-\n  z\n\n";
    assert_eq!(
        written(text)[1..],
        [
            "é",
            "'it''s'",
            "b",
            "\"a\\\"é\"",
            "c",
            "foo",
            "d",
            "|\n  téxt\n   more",
            "e",
            ">-\n  z"
        ]
    );
}

#[test]
fn a_collection_reaches_from_its_first_entry_to_its_last() {
    let text = "# top\na:\n  b: 1 # c\n\n  # d\ne:\n- x: 1\n  y: 2\n-\n  - z\nf: { g: [1, 2 ] } # h\ni: [ ]\n";
    assert_eq!(
        written(text),
        [
            "a:\n  b: 1 # c\n\n  # d\ne:\n- x: 1\n  y: 2\n-\n  - z\nf: { g: [1, 2 ] } # h\ni: [ ]",
            "a",
            "b: 1",
            "b",
            "1",
            "e",
            "- x: 1\n  y: 2\n-\n  - z",
            "x: 1\n  y: 2",
            "x",
            "1",
            "y",
            "2",
            "- z",
            "z",
            "f",
            "{ g: [1, 2 ] }",
            "g",
            "[1, 2 ]",
            "1",
            "2",
            "i",
            "[ ]",
        ]
    );
}

#[test]
fn an_alias_is_a_copy_with_the_places_of_its_anchor() {
    let text = "a: &x\n  b: one\nc: *x\n";
    let node = &parse(text).unwrap()[0];
    assert_eq!(node.get("a"), node.get("c"));
    assert_eq!(node.at(&["c", "b"]).and_then(Node::text), Some("one"));
}

#[test]
fn merge_keys_give_what_is_not_written() {
    let text =
        "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 3\nd:\n  \"<<\": *a\n";
    let node = &parse(text).unwrap()[0];
    let value = |key| node.at(&["c", key]).and_then(Node::text);
    assert_eq!(
        (value("x"), value("y"), value("z")),
        (Some("3"), Some("1"), Some("2"))
    );
    assert!(node.at(&["d", "x"]).is_none());
}

#[test]
fn documents_are_cut_at_lines_of_three_dashes_only() {
    let text = "\u{feff}%YAML 1.2\n---\na: 1\n--- # next\nb: |\n  ---\n  x\n---x: no\n...\n---\n# nothing\n---\r\nc: 1\r\n";
    let found: Vec<(&str, usize)> = documents(text).map(|d| (d.text, d.offset)).collect();
    assert_eq!(found.len(), 3, "{found:?}");
    for (document, offset) in found {
        assert_eq!(&text[offset..offset + document.len()], document);
    }
}

#[test]
fn a_document_tells_its_kind_and_name_to_who_only_looks() {
    let text = "apiVersion: v1\nkind: \"Pod\" # c\nmetadata:\n  labels:\n    name: no\n  # c\n  name: 'web'\nspec:\n  name: no\n";
    let document = documents(text).next().unwrap();
    assert_eq!(document.peek("kind"), Some("Pod"));
    assert_eq!(document.peek_below("metadata", "name"), Some("web"));
    assert_eq!(document.peek("name"), None);
}

#[test]
fn depth_and_copies_are_bounded() {
    assert_eq!(message(&"[".repeat(200)), "nested deeper than 128 levels");
    assert_eq!(
        message(&"- ".repeat(5_000)),
        "nested deeper than 128 levels"
    );
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        let items = vec![before; 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{items}]\n");
    }
    assert_eq!(message(&bomb), "aliases copy more than 200000 nodes");
    assert_eq!(
        message("a: &a [*a]"),
        "an alias names a node that it is part of"
    );
}

#[test]
fn a_problem_names_the_byte() {
    let problem = parse("é: 1\n---\nb: [é\nc: 2\n").unwrap_err();
    assert!(problem.span.start >= 10, "{problem:?}");
    assert!(!problem.message.is_empty());
}

/// Spans are of the text, at characters, and inside of their collection where nothing is copied.
fn assert_places(node: &Node, text: &str) {
    assert!(text.get(node.span.range()).is_some(), "{:?}", node.span);
    for child in node
        .items()
        .iter()
        .chain(node.entries().iter().flat_map(|(k, v)| [k, v]))
    {
        assert_places(child, text);
        if !text.contains('*') {
            let (inner, outer) = (child.span.range(), node.span.range());
            let is_inside = outer.start <= inner.start && inner.end <= outer.end;
            let is_nothing = child.value == Value::Null;
            assert!(is_inside || is_nothing, "{text:?} {outer:?} {inner:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_nodes_with_places_or_a_problem(
        text in "(\\PC|\n){0,60}|([ab:'\"\\-?|>&*!#{}\\[\\],é<]|: |- |\n|  |---\n|<<: |&a |\\*a|!t ){0,40}"
    ) {
        match parse(&text) {
            Ok(nodes) => nodes.iter().for_each(|node| assert_places(node, &text)),
            Err(problem) => prop_assert!(text.get(problem.span.range()).is_some()),
        }
    }
}
