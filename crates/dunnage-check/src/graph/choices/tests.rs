use super::*;
use crate::parse::shell::fill::fill;
use crate::parse::shell::parse;
use crate::source::{FileId, Location, Span, Stated};

/// The commands that may run: their first words.
fn left(text: &str, arguments: Option<&str>) -> String {
    let at = Location {
        file: FileId(0),
        span: Span::default(),
    };
    let mode = Stated::new("web".to_owned(), at);
    let empty = Stated::new(String::new(), at);
    let held = [
        ("MODE".to_owned(), Some(mode)),
        ("EMPTY".to_owned(), Some(empty)),
        ("HIDDEN".to_owned(), None),
    ];
    let variables = Variables::of(held.into(), false);
    let mut script = parse(text, 0, FileId(0));
    let variables = fill(&mut script, text, 0, &variables);
    let words = arguments.map(|words| {
        let words = words.split_whitespace();
        words.map(|word| Word::new(word, at)).collect::<Vec<_>>()
    });
    let out = left_out(&script, words.as_deref(), &variables);
    let commands = script.commands.iter().enumerate();
    let left = commands
        .filter(|(index, command)| !command.is_tested && !out.has(*index))
        .map(|(_, command)| command.name());
    left.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_default_without_a_colon_is_not_for_what_is_set_and_empty() {
    let of = |subject: &str| {
        let text = format!("case \"{subject}\" in web) a ;; '') b ;; esac\n");
        left(&text, Some(""))
    };
    assert_eq!(of("${EMPTY:-web}"), "a");
    assert_eq!(of("${EMPTY-web}"), "b");
    assert_eq!(of("${NOBODY-web}"), "a");
    assert_eq!(of("${1-web}"), "a");
    assert_eq!(of("${HIDDEN-web}"), "a b");
}

#[test]
fn the_arm_is_taken_that_the_first_argument_names() {
    let text = "case \"$1\" in\n web | serve) a ;;\n worker) b ;;\n -*) c ;;\n *) d ;;\nesac\n";
    assert_eq!(left(text, Some("web")), "a");
    assert_eq!(left(text, Some("serve x")), "a");
    assert_eq!(left(text, Some("worker")), "b");
    assert_eq!(left(text, Some("--help")), "c");
    assert_eq!(left(text, Some("python x.py")), "d");
    assert_eq!(left(text, Some("")), "d");
    assert_eq!(left(text, None), "a b c d");
    assert_eq!(left(text, Some("$OPTIONS web")), "a b c d");
    let text = "case \"$2\" in web) a ;; *) b ;; esac; if [ $# -eq 2 ]; then c; else d; fi\n";
    assert_eq!(left(text, Some("x web")), "a c");
    assert_eq!(left(text, Some("$OPTIONS web")), "a b c d");
}

#[test]
fn a_variable_that_is_set_once_to_an_argument_is_that_argument() {
    let choice = "case $ROLE in web) a ;; worker) b ;; *) c ;; esac\n";
    let of = |set: &str, arguments| left(&format!("{set}\n{choice}"), arguments);
    assert_eq!(of("ROLE=$1", Some("worker")), "b");
    assert_eq!(of("ROLE=\"${1}\"", Some("web x")), "a");
    assert_eq!(of("ROLE=${1:-web}", Some("")), "a");
    assert_eq!(of("ROLE=$1", Some("")), "c");
    assert_eq!(of("ROLE=$2", Some("web worker")), "b");
    assert_eq!(of("ROLE=$1; shift", Some("worker x")), "shift b");
    let inside = format!("ROLE=$1\nrun() {{ {choice} }}\nrun\n");
    assert_eq!(left(&inside, Some("worker")), "b run");
    for (set, arguments) in [
        ("ROLE=$1", None),
        ("ROLE=$1", Some("$OPTIONS")),
        ("ROLE=${1%x}", Some("worker")),
        ("ROLE=x$1", Some("worker")),
        ("ROLE=$1; if test -f x; then ROLE=web; fi", Some("worker")),
        ("if test -f x; then ROLE=$1; fi", Some("worker")),
    ] {
        assert_eq!(of(set, arguments), "a b c", "{set}");
    }
    assert_eq!(of("shift; ROLE=$1", Some("worker x")), "shift a b c");
    assert_eq!(of("ROLE=$1; read ROLE", Some("worker")), "read a b c");
}

#[test]
fn branches_are_told_by_arguments_and_by_variables() {
    let text = "if [ \"$1\" = web ]; then a; elif [ -z \"$1\" ]; then b; else c; fi";
    assert_eq!(left(text, Some("web")), "a");
    assert_eq!(left(text, Some("")), "b");
    assert_eq!(left(text, Some("x")), "c");
    assert_eq!(left("if [ $# -gt 0 ]; then a; else b; fi", Some("")), "b");
    assert_eq!(left("if [[ $MODE == web ]]; then a; else b; fi", None), "a");
    assert_eq!(
        left("case ${1:-web} in web) a;; *) b;; esac", Some("")),
        "a"
    );
    assert_eq!(left("case ${NONE:-x} in web) a;; *) b;; esac", None), "b");
}

#[test]
fn tests_of_one_text_may_be_joined_by_or() {
    let of = |condition: &str, mode: &str| {
        left(&format!("if {condition}; then a; else b; fi"), Some(mode))
    };
    let either = "[ \"$1\" = web ] || [ \"$1\" = all ]";
    assert_eq!(of(either, "web"), "a");
    assert_eq!(of(either, "all"), "a");
    assert_eq!(of(either, "beat"), "b");
    let text = "if [ \"$1\" = web ] ||\n  [ \"$1\" = all ]\nthen\n a\nelse\n b\nfi\n";
    assert_eq!(left(text, Some("all")), "a");
    assert_eq!(of("[ \"$1\" = web ] || [ -z \"$1\" ]", ""), "a");
    assert_eq!(of("[ \"$1\" = web ] || [ -f x ]", "beat"), "a b");
    assert_eq!(of("[ \"$1\" = web ] || [ \"$MODE\" = all ]", "beat"), "b");
    assert_eq!(of("[ \"$1\" = web ] || [ \"$1\" != all ]", "all"), "b");
    assert_eq!(of("[ \"$1\" = web ] || ! [ \"$1\" = all ]", "beat"), "a");
}

#[test]
fn tests_may_be_joined_by_and_turned_around_and_stand_in_others() {
    let of = |condition: &str| left(&format!("if {condition}; then a; else b; fi"), Some("web"));
    for (condition, expected) in [
        ("[ \"$1\" = web ] && [ \"$MODE\" = all ]", "b"),
        ("[ -f x ] && [ \"$MODE\" = all ]", "b"),
        ("[ -f x ] && [ \"$MODE\" = web ]", "a b"),
        ("! [ \"$1\" = web ]", "b"),
        ("[ ! -z \"$MODE\" ]", "a"),
        ("[ -n \"$NOBODY\" ]", "b"),
        ("[ \"$NOBODY\" ]", "b"),
        ("test \"${NOBODY:-web}\" = web", "a"),
        ("[ \"$MODE\" = x -o \"$1\" = web ]", "a"),
        ("[ \"$MODE\" = web -a \"$1\" = x ]", "b"),
        ("[[ $MODE == x || $1 == w* ]]", "a"),
        ("[[ -z $MODE || -z $1 ]]", "b"),
        ("[[ ! ( $MODE == web ) ]]", "a b"),
        ("[[ $MODE =~ ^w ]]", "a b"),
        ("[ \"$MODE\" = \"*\" ]", "a b"),
        ("[ \"$MODE\" = x ]; [ \"$1\" = web ]", "a b"),
        ("[ \"$MODE\" = x ] | [ \"$1\" = web ]", "a b"),
    ] {
        assert_eq!(of(condition), expected, "{condition}");
    }
    let text = "if [ -f x ]; then\n if [ $MODE = x ]; then a; else b; fi\nelse c; fi";
    assert_eq!(left(text, None), "b c");
}

#[test]
fn a_function_and_a_loop_have_arguments_of_their_own_and_a_later_value_is_none_now() {
    let text = "f() { case $1 in web) a;; *) b;; esac; }; for x in y; do if [ $1 = web ]; then a; else b; fi; done";
    assert_eq!(left(text, Some("web")), "a b a b");
    let text = "f() { if [ $MODE = x ]; then a; else b; fi; }";
    assert_eq!(left(text, None), "b");
    let text = "if [ $MODE = x ]; then a; else b; fi; MODE=x";
    assert_eq!(left(text, None), "a b");
}

#[test]
fn what_is_not_known_leaves_every_arm_that_may_be_taken() {
    assert_eq!(
        left("if [ \"$HIDDEN\" = web ]; then a; else b; fi", Some("")),
        "a b"
    );
    assert_eq!(left("if [ -f x ]; then a; else b; fi", Some("")), "a b");
    assert_eq!(
        left("set -e; case $1 in web) a;; *) b;; esac", Some("web")),
        "set a"
    );
    assert_eq!(
        left("shift; case $1 in web) a;; *) b;; esac", Some("web")),
        "shift a b"
    );
    assert_eq!(
        left("set -- x; case $1 in web) a;; *) b;; esac", Some("web")),
        "set a b"
    );
    assert_eq!(
        left("case $1 in w?b) a;; web) b;; *) c;; esac", Some("web")),
        "a b"
    );
    assert_eq!(
        left("case ${1#-} in web) a;; *) b;; esac", Some("web")),
        "a b"
    );
}

/// What may run of `if condition; then a; else b; fi`.
fn of(condition: &str, arguments: &str) -> String {
    let text = format!("if {condition}; then a; else b; fi");
    left(&text, Some(arguments))
}

#[test]
fn brackets_in_a_test_hold_together_what_is_not_looked_at() {
    let grouped = "[[ ( $MODE == x || $1 == web || $MODE == y ) && $MODE == z ]]";
    assert_eq!(of(grouped, "web"), "a b");
    let escaped = r"[ \( $MODE = x -o $1 = web -o $MODE = y \) -a $MODE = z ]";
    assert_eq!(of(escaped, "web"), "a b");
    // of four words the first turns around all others
    assert_eq!(of("[ ! \"$MODE\" -a \"$NOBODY\" ]", "web"), "a b");
}

#[test]
fn what_is_quoted_stands_for_itself() {
    for condition in [
        "[ '$1' = web ]",
        "[ \"\\$1\" = web ]",
        "[[ $1 == \"w*\" ]]",
        "[[ $1 == w\\* ]]",
    ] {
        assert_eq!(of(condition, "web"), "a b", "{condition}");
    }
    assert_eq!(of("[[ \"$1\" == \"w\"* ]]", "web"), "a");
    let case = |subject: &str, pattern: &str| {
        let text = format!("case {subject} in {pattern}) a ;; web) b ;; *) c ;; esac");
        left(&text, Some("web"))
    };
    assert_eq!(case("$1", "\"*\""), "a b");
    assert_eq!(case("$1", "'--'*"), "b");
    assert_eq!(case("'$1'", "web"), "a b c");
    assert_eq!(case("\"web in x\"", "web*"), "a");
}

#[test]
fn a_variable_is_known_only_where_it_is_all_of_a_word() {
    assert_eq!(of("[ \"$1x\" = x ]", ""), "a b");
    assert_eq!(of("[ \"$10\" = \"\" ]", "web"), "a b");
    assert_eq!(of("[ \"${MODE:-x}-${MODE}\" = web ]", ""), "a b");
    assert_eq!(of("[ \"${NOBODY:-\"web\"}\" = web ]", ""), "a b");
    assert_eq!(of("[ \"${1:-${MODE}}\" = web ]", "web"), "a");
    assert_eq!(of("[ \"${2}\" = web ]", "x web"), "a");
    assert_eq!(of("[ \"$\" = \"\" ]", ""), "a b");
}

#[test]
fn an_unquoted_variable_that_is_empty_is_no_word_of_a_test() {
    // `[ -n ]` holds, and `[ != web ]` fails
    for condition in [
        "[ -n $1 ]",
        "[ $1 != web ]",
        "[ ! $1 = web ]",
        "[ $1 = '' ]",
    ] {
        assert_eq!(of(condition, ""), "a b", "{condition}");
    }
    assert_eq!(of("[ $1 = x -o $MODE = web ]", ""), "a b");
    for (condition, expected) in [
        ("[ -z $1 ]", "a"),
        ("[ $1 ]", "b"),
        ("[ $1 = web ]", "b"),
        ("[ -n \"$1\" ]", "b"),
        ("[[ -n $1 ]]", "b"),
    ] {
        assert_eq!(of(condition, ""), expected, "{condition}");
    }
    assert_eq!(of("[ -n $1 ]", "x"), "a");
    assert_eq!(of("[ $1 != web ]", "web"), "b");
}

#[test]
fn nothing_is_no_number_in_one_form_and_0_in_the_other() {
    assert_eq!(of("[ \"$EMPTY\" -ne 0 ]", ""), "a b");
    assert_eq!(of("[[ $EMPTY -eq 0 ]]", ""), "a b");
    assert_eq!(of("[ \"$EMPTY\" -eq 0 ]", ""), "b");
    assert_eq!(of("[ $# -ne 0 ]", ""), "b");
}

#[test]
fn options_of_a_shell_move_no_arguments() {
    let of = |set: &str| {
        left(
            &format!("{set}; case $1 in web) a;; *) b;; esac"),
            Some("web"),
        )
    };
    for set in ["set -euo pipefail", "set +x", "set -o errexit -u"] {
        assert_eq!(of(set), "set a", "{set}");
    }
    for set in ["set -o pipefail x", "set -e -- x", "set x"] {
        assert_eq!(of(set), "set a b", "{set}");
    }
}

#[test]
fn an_arm_that_falls_through_leaves_the_next_one_in() {
    let text = "case $1 in web) a ;& worker) b ;; *) c ;; esac";
    assert_eq!(left(text, Some("web")), "a b c");
}

#[test]
fn what_is_exported_later_is_no_value_now() {
    let text = "if [ $MODE = web ]; then a; else b; fi; export MODE=web";
    assert_eq!(left(text, None), "a b export");
    let text = "export MODE=web; if [ $MODE = web ]; then a; else b; fi";
    assert_eq!(left(text, None), "export a");
}

#[test]
fn a_subject_that_is_too_long_is_not_kept_for_each_arm() {
    let text = format!("case {} in x*) a;; *) b;; esac", "x".repeat(300));
    assert_eq!(left(&text, None), "a b");
}
