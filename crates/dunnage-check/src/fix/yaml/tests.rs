use super::{
    New, append_item, insert_key, prepend_items, remove_key, replace_scalar, set,
    set_container_env, set_service_env,
};
use crate::fix::testing::target;
use crate::fix::{Edit, Target, apply};
use crate::parse::yaml::{self, Node};

fn root(text: &str) -> Node {
    yaml::parse(text).unwrap().remove(0)
}

fn mend(text: &str, edit: impl Fn(Target<'_>, &Node) -> Option<Edit>) -> Option<String> {
    let edit = edit(target(text), &root(text))?;
    let mended = apply(text, &[edit]).unwrap();
    yaml::parse(&mended).unwrap_or_else(|error| panic!("{error} in:\n{mended}"));
    Some(mended)
}

fn insert(text: &str, path: &[&str], key: &str, value: &New) -> Option<String> {
    mend(text, |target, root| {
        insert_key(target, root.at(path).unwrap(), key, value)
    })
}

fn set_at(text: &str, path: &[&str], value: &New) -> Option<String> {
    mend(text, |target, root| set(target, root, path, value))
}

#[test]
fn a_key_comes_behind_the_last_entry_and_its_comment() {
    let text = "a:\n  b: 1 # one\n\n# of c\nc: 2\n";
    assert_eq!(
        insert(text, &["a"], "d", &New::plain(3)).unwrap(),
        "a:\n  b: 1 # one\n  d: 3\n\n# of c\nc: 2\n"
    );
    assert_eq!(
        insert(text, &[], "d", &New::plain(3)).unwrap(),
        format!("{text}d: 3\n")
    );
    assert_eq!(
        insert("a: 1", &[], "d", &New::plain(3)).unwrap(),
        "a: 1\nd: 3"
    );
    assert_eq!(
        insert("a: 1\r\nb:\r\n", &[], "d", &New::plain(3)).unwrap(),
        "a: 1\r\nb:\r\nd: 3\r\n"
    );
}

#[test]
fn a_key_of_a_list_item_is_indented_as_its_neighbours() {
    let text = "containers:\n    - name: web\n      args: [a,\n        b]\n    - name: log\n";
    let edit = mend(text, |target, root| {
        let web = &root.get("containers").unwrap().items()[0];
        insert_key(
            target,
            web,
            "resources",
            &New::map([("limits", New::map([("cpu", New::plain("1"))]))]),
        )
    });
    assert_eq!(
        edit.unwrap(),
        "containers:\n    - name: web\n      args: [a,\n        b]\n      resources:\n        limits:\n          cpu: 1\n    - name: log\n"
    );
}

#[test]
fn a_key_comes_into_flow_style_and_json_as_they_are_written() {
    assert_eq!(
        insert("a: {b: 1}\n", &["a"], "c", &New::text("x")).unwrap(),
        "a: {b: 1, c: x}\n"
    );
    assert_eq!(
        insert("a: {b: 1,}\n", &["a"], "c", &New::text("x")).unwrap(),
        "a: {b: 1, c: x}\n"
    );
    assert_eq!(
        insert("a: {b: {x: 1,}, }\n", &["a"], "c", &New::text("x")).unwrap(),
        "a: {b: {x: 1,}, c: x }\n"
    );
    assert_eq!(
        insert("a: {b: 1}\nc: {d: }\n", &["c"], "c", &New::text("x")),
        None
    );
    assert_eq!(
        insert("a: {}\n", &["a"], "c", &New::text("x")).unwrap(),
        "a: {c: x}\n"
    );
    assert_eq!(
        insert(
            "{\n  \"a\": {\n    \"b\": 1\n  }\n}\n",
            &["a"],
            "c",
            &New::text("x")
        )
        .unwrap(),
        "{\n  \"a\": {\n    \"b\": 1,\n    \"c\": \"x\"\n  }\n}\n"
    );
    assert_eq!(
        insert(
            "{\n  \"a\": {\n    \"b\": 1\n  }\n}\n",
            &[],
            "c",
            &New::plain(2)
        )
        .unwrap(),
        "{\n  \"a\": {\n    \"b\": 1\n  },\n  \"c\": 2\n}\n"
    );
}

#[test]
fn what_others_share_by_anchors_is_left_alone() {
    let text = "x: &base\n  a: 1\ny:\n  <<: *base\nz: *base\nw:\n  <<: *base\n  b: 2\n";
    assert_eq!(
        insert(text, &["y"], "c", &New::plain(3)).unwrap(),
        text.replace("y:\n", "y:\n  c: 3\n")
    );
    assert_eq!(
        insert(text, &["w"], "c", &New::plain(3)).unwrap(),
        format!("{text}  c: 3\n")
    );
    assert_eq!(set_at(text, &["z", "a"], &New::plain(3)), None);
    assert_eq!(
        set_at(text, &["w", "a"], &New::plain(3)).unwrap(),
        format!("{text}  a: 3\n")
    );
}

#[test]
fn empty_lines_that_a_block_scalar_keeps_stay_in_it() {
    let text = "a: |+\n  x\n\n";
    let mended = insert(text, &[], "b", &New::plain(1)).unwrap();
    assert_eq!(root(&mended).get("a").unwrap().text(), Some("x\n\n"));
    let clipped = "a: |\n  x # no comment\n\n";
    assert_eq!(
        insert(clipped, &[], "b", &New::plain(1)).unwrap(),
        "a: |\n  x # no comment\nb: 1\n\n"
    );
}

#[test]
fn a_path_is_made_where_it_is_missing() {
    let value = New::plain("1Gi");
    let path = ["resources", "limits", "memory"];
    assert_eq!(
        set_at("name: web\n", &path, &value).unwrap(),
        "name: web\nresources:\n  limits:\n    memory: 1Gi\n"
    );
    let nested = "name: web\nresources:\n  limits:\n    memory: 1Gi\n";
    for empty in [
        "resources:\n",
        "resources: {}\n",
        "resources: ~\n",
        "resources:\n  limits: {}\n",
    ] {
        assert_eq!(
            set_at(&format!("name: web\n{empty}"), &path, &value).unwrap(),
            nested
        );
    }
    assert_eq!(
        set_at("resources: # todo\nb: 1\n", &path, &value).unwrap(),
        "resources: # todo\n  limits:\n    memory: 1Gi\nb: 1\n"
    );
    assert_eq!(
        set_at("resources: {limits: {cpu: 1}}\n", &path, &value).unwrap(),
        "resources: {limits: {cpu: 1, memory: 1Gi}}\n"
    );
}

#[test]
fn a_scalar_is_replaced_in_its_quotes() {
    let to = |text: &str, value: New| {
        mend(text, |target, root| {
            replace_scalar(target, root.get("a").unwrap(), &value)
        })
    };
    assert_eq!(
        to("a: \"x\" # c\n", New::text("2")).unwrap(),
        "a: \"2\" # c\n"
    );
    assert_eq!(to("a: 'x'\n", New::text("it's")).unwrap(), "a: 'it''s'\n");
    assert_eq!(to("a: x\n", New::text("2")).unwrap(), "a: \"2\"\n");
    assert_eq!(to("a: x\n", New::plain(2)).unwrap(), "a: 2\n");
    assert_eq!(to("a: |\n  x\n", New::text("y")), None);
    assert_eq!(to("a: >-2 # c\n    'x'\n", New::text("y")), None);
}

#[test]
fn items_come_before_and_behind_those_of_a_list() {
    let both = |text: &str| {
        let text = mend(text, |target, root| {
            append_item(target, root.get("a").unwrap(), &New::text("z"))
        })
        .unwrap();
        mend(&text, |target, root| {
            prepend_items(target, root.get("a").unwrap(), &["run", "--"])
        })
        .unwrap()
    };
    assert_eq!(both("a: [x, y]\n"), "a: [run, \"--\", x, y, z]\n");
    assert_eq!(both("a: [\"x\"]\n"), "a: [\"run\", \"--\", \"x\", \"z\"]\n");
    assert_eq!(
        both("a:\n- x # c\nb: 1\n"),
        "a:\n- run\n- \"--\"\n- x # c\n- z\nb: 1\n"
    );
    assert_eq!(
        both("a:\n  - x: 1\n    y: 2"),
        "a:\n  - run\n  - \"--\"\n  - x: 1\n    y: 2\n  - z"
    );
}

#[test]
fn a_key_is_taken_away_with_its_value_and_its_lines() {
    let drop = |text: &str, key: &str| mend(text, |target, root| remove_key(target, root, key));
    assert_eq!(drop("a:\n  x: 1 # c\nb: 2\n", "a").unwrap(), "b: 2\n");
    assert_eq!(drop("b: 2\na:\n- x\n", "a").unwrap(), "b: 2\n");
    assert_eq!(drop("a: 1\n", "a"), None);
    let first = mend("l:\n- a: 1\n  b: 2\n", |target, root| {
        remove_key(target, &root.get("l").unwrap().items()[0], "a")
    });
    assert_eq!(first.unwrap(), "l:\n- b: 2\n");
}

#[test]
fn a_variable_is_set_in_a_container() {
    let to = |text: &str| {
        mend(text, |target, root| {
            set_container_env(target, root, "A", "2")
        })
    };
    assert_eq!(
        to("name: web\n").unwrap(),
        "name: web\nenv:\n- name: A\n  value: \"2\"\n"
    );
    assert_eq!(
        to("env:\n  - name: B\n    value: x\nname: web\n").unwrap(),
        "env:\n  - name: B\n    value: x\n  - name: A\n    value: \"2\"\nname: web\n"
    );
    assert_eq!(
        to("env:\n- {name: A, value: '1'}\n").unwrap(),
        "env:\n- {name: A, value: '2'}\n"
    );
    assert_eq!(to("env:\n- name: A\n  valueFrom: {}\n"), None);
}

#[test]
fn a_variable_is_set_in_a_service() {
    let to = |text: &str| mend(text, |target, root| set_service_env(target, root, "A", "2"));
    assert_eq!(
        to("image: x\n").unwrap(),
        "image: x\nenvironment:\n  A: \"2\"\n"
    );
    assert_eq!(
        to("environment:\n  A: 1\n").unwrap(),
        "environment:\n  A: \"2\"\n"
    );
    assert_eq!(
        to("environment:\n- B=1\n").unwrap(),
        "environment:\n- B=1\n- \"A=2\"\n"
    );
    assert_eq!(
        to("environment:\n- A=1\n").unwrap(),
        "environment:\n- \"A=2\"\n"
    );
}
