//! Any YAML: nodes with places in the text, or a problem with one.
#![no_main]

use dunnage_check::parse::yaml::{Node, parse};

fn assert_places(node: &Node, text: &str) {
    assert!(text.get(node.span.range()).is_some());
    node.items()
        .iter()
        .for_each(|item| assert_places(item, text));
    for (key, value) in node.entries() {
        assert_places(key, text);
        assert_places(value, text);
    }
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    match parse(text) {
        Ok(nodes) => nodes.iter().for_each(|node| assert_places(node, text)),
        Err(problem) => assert!(text.get(problem.span.range()).is_some()),
    }
});
