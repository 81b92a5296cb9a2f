//! Pages lead where they say: a reader at night who follows a link finds the page and the heading. Parsed by
//! pulldown-cmark (CommonMark), so that a link in a code block is none; anchors as GitHub makes them from headings.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

struct Page {
    links: Vec<String>,
    anchors: BTreeSet<String>,
}

/// Letters, digits, `_` and `-` in lower case, blanks as `-`; a heading that is there already gets a number.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || "-_".contains(c) => Some(c),
        _ => None,
    });
    kept.collect::<String>().to_lowercase()
}

fn page(text: &str) -> Page {
    let (mut links, mut anchors) = (Vec::new(), BTreeSet::new());
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let name = anchor(&heading.take().unwrap_or_default());
                let again = (1..).map(|number| format!("{name}-{number}"));
                let mut names = std::iter::once(name.clone()).chain(again);
                anchors.extend(names.find(|name| !anchors.contains(name)));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                links.push(dest_url.into_string());
            }
            _ => {}
        }
    }
    Page { links, anchors }
}

/// Pages that are read where they lie; those below `crates` are texts that the programs print into `docs`.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_elsewhere =
            name.starts_with('.') || ["target", "crates", "node_modules"].contains(&name.as_str());
        if path.is_dir() && !is_elsewhere {
            pages(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
}

#[test]
fn every_link_of_a_page_leads_to_a_file_and_a_heading_that_are_there() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let (mut found, mut broken, mut followed) = (Vec::new(), Vec::new(), 0);
    pages(&root, &mut found);
    for from in &found {
        let here = page(&std::fs::read_to_string(from).unwrap());
        for link in here.links.iter().filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let to = if file.is_empty() {
                from.clone()
            } else {
                from.parent().unwrap().join(file)
            };
            let is_there = to.exists()
                && (heading.is_empty()
                    || page(&std::fs::read_to_string(&to).unwrap())
                        .anchors
                        .contains(heading));
            followed += 1;
            if !is_there {
                broken.push(format!(
                    "{}: {link}",
                    from.strip_prefix(&root).unwrap().display()
                ));
            }
        }
    }
    assert!(
        followed > 300,
        "only {followed} links in {} pages",
        found.len()
    );
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_page_of_docs_is_found_from_the_index() {
    let docs = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"));
    let index = page(&std::fs::read_to_string(docs.join("README.md")).unwrap()).links;
    for entry in docs.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.extension().is_some_and(|ending| ending == "md") && name != "README.md" {
            assert!(index.contains(&name), "docs/README.md does not name {name}");
        }
    }
}

#[test]
fn an_anchor_is_made_as_github_makes_it() {
    let text = "# `dunnage.guard()`\n# What you see, and what to do\n# A\n# A\n```\n[no](link)\n```\n[yes](a.md#b)\n";
    let page = page(text);
    assert_eq!(page.links, ["a.md#b"]);
    let expected = ["dunnageguard", "what-you-see-and-what-to-do", "a", "a-1"];
    assert_eq!(page.anchors, expected.map(str::to_owned).into());
}
