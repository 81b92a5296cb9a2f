use super::*;
use crate::source::Span;
use proptest::prelude::*;

fn read(text: &str) -> Script {
    parse(text, 0, FileId(0))
}

/// `exec`, the words, and marks: `&` background, `|` piped, `>` redirection, `?` tested, `!` last.
fn describe(text: &str) -> Vec<String> {
    read(text).commands.iter().map(describe_one).collect()
}

fn describe_one(command: &Command) -> String {
    let words: Vec<&str> = command
        .words
        .iter()
        .map(|word| word.text.as_str())
        .collect();
    let mut text = words.join(" ");
    if command.has_exec {
        text.insert_str(0, "exec ");
    }
    for (is, mark) in [
        (command.is_background, " &"),
        (command.is_piped, " |"),
        (command.has_redirection, " >"),
        (command.is_tested, " ?"),
        (command.is_last, " !"),
    ] {
        text.push_str(if is { mark } else { "" });
    }
    text
}

#[test]
fn what_a_pipe_is_for_is_before_its_filter_unless_that_only_says_something() {
    let main = |text: &str| read(text).main().map(describe_one);
    let program = Some("python app.py |".to_owned());
    assert_eq!(main("python app.py | tee log"), program);
    // found by the fuzzer: a `trap` or an `echo` is no program
    for aside in ["echo started", "trap '' TERM"] {
        let text = format!("{aside} | tee log");
        assert_eq!(main(&text), Some("tee log | !".to_owned()), "{aside}");
    }
}

#[test]
fn the_last_command_is_known_behind_lists_pipes_and_redirections() {
    assert_eq!(
        describe("cd /app && python app.py"),
        ["cd /app", "python app.py !"]
    );
    assert_eq!(describe("python app.py 2>&1"), ["python app.py > !"]);
    assert_eq!(
        describe("python app.py | tee log"),
        ["python app.py |", "tee log | !"]
    );
    assert_eq!(describe("X=1 Y='a b' prog arg"), ["prog arg !"]);
    assert_eq!(describe("a & b; wait"), ["a &", "b", "wait !"]);
    assert_eq!(
        describe("a || exit 1\nexec b"),
        ["a ?", "exit 1", "exec b !"]
    );
    assert_eq!(describe("(cd x; run) > log"), ["cd x |", "run | !"]);
}

#[test]
fn branches_that_end_a_script_are_all_last() {
    let text = "if [ \"$1\" = web ]; then\n  exec gunicorn app\nelse\n  celery worker\nfi\n";
    assert_eq!(
        describe(text),
        ["[ $1 = web ] ?", "exec gunicorn app !", "celery worker !"]
    );
    let text = "case \"$1\" in\n  web|'a b') uvicorn app ;;\n  *) exec \"$@\" ;;\nesac\n";
    assert_eq!(describe(text), ["uvicorn app !", "exec $@ !"]);
    let text = "if x; then y; fi\npython app.py";
    assert_eq!(describe(text), ["x ?", "y", "python app.py !"]);
    assert_eq!(
        describe("while ! nc -z db 5432; do sleep 1; done"),
        ["nc -z db 5432 ?", "sleep 1"]
    );
    assert_eq!(
        describe("for i in a b; do echo $i; done; run"),
        ["echo $i", "run !"]
    );
}

#[test]
fn a_function_that_is_called_last_ends_where_its_body_does() {
    let text = "start() {\n  migrate\n  gunicorn app\n}\nfunction other { x; }\nstart";
    assert_eq!(describe(text), ["migrate", "gunicorn app !", "x", "start"]);
}

#[test]
fn here_documents_comments_and_substitutions_are_no_commands() {
    let text = "cat <<EOF > x # exec no\nrm -rf /\nEOF\nV=$(date; echo \")\")\nexec run `pwd` $((1+2)) # gone\n";
    assert_eq!(describe(text), ["cat >", "exec run `pwd` $((1+2)) !"]);
    assert_eq!(describe("a \\\n  --b \\\n  c"), ["a --b c !"]);
    assert_eq!(describe("cat <<-'E'\n\tx\n\tE\nrun"), ["cat >", "run !"]);
    assert_eq!(
        describe("diff <(a) <(b); ((i++)); A=(x y); run"),
        ["diff >", "run !"]
    );
}

#[test]
fn set_e_counts_before_the_first_work_and_traps_are_named() {
    assert!(read("#!/bin/sh\nset -e\nrun").exits_on_error);
    assert!(read("#!/bin/bash -eu\nrun").exits_on_error);
    assert!(read("echo hi\nset -o errexit\nrun").exits_on_error);
    assert!(!read("run\nset -e\n").exits_on_error);
    let script = read("trap 'kill $pid' SIGTERM 2\ntrap - TERM\nrun & pid=$!\nwait $pid");
    assert_eq!(script.traps.len(), 1);
    assert_eq!(script.traps[0].0, ["TERM", "INT"]);
}

#[test]
fn what_fails_unseen_is_told_from_what_the_script_fails_for() {
    let script = read("set -o pipefail\na; b | c\nd && e");
    assert!(script.has_pipefail);
    let seen: Vec<_> = script.commands[script.last_list..]
        .iter()
        .map(Command::name)
        .collect();
    assert_eq!(seen, ["d", "e"]);
    let on: Vec<_> = script.commands.iter().map(|it| it.is_piped_on).collect();
    assert_eq!(on, [false, false, true, false, false, false]);
}

#[test]
fn places_are_those_of_the_file() {
    let script = parse("cd x && exec env A=1 \"my prog\" é", 10, FileId(3));
    let command = &script.commands[1];
    assert_eq!(command.at.file, FileId(3));
    assert_eq!(command.at.span, Span { start: 23, end: 43 });
    assert_eq!(command.words[2].text, "my prog");
}

#[test]
fn the_main_command_is_what_the_script_is_for() {
    let main = |text: &str| read(text).main().map(describe_one);
    assert_eq!(
        main("set -e\nmigrate\npython app.py\n").as_deref(),
        Some("python app.py !")
    );
    assert_eq!(
        main("python app.py || exit 1").as_deref(),
        Some("python app.py ?")
    );
    assert_eq!(
        main("python app.py; echo done").as_deref(),
        Some("python app.py")
    );
    assert_eq!(main("worker & exec web").as_deref(), Some("exec web !"));
    assert_eq!(main("echo only"), None);
}

proptest! {
    #[test]
    fn no_text_panics_and_places_are_in_the_text(text in "[ -~\n\té]{0,120}") {
        check(&text)?;
    }

    #[test]
    fn no_mix_of_its_words_panics(words in proptest::collection::vec(proptest::sample::select(TOKENS), 0..60)) {
        check(&words.concat())?;
    }
}

const TOKENS: &[&str] = &[
    "if ",
    "then ",
    "elif ",
    "else ",
    "fi ",
    "while ",
    "do ",
    "done ",
    "for i in ",
    "case ",
    "in ",
    "esac",
    ";;",
    ";",
    "\n",
    "&&",
    "||",
    "|",
    "&",
    "(",
    ")",
    "{ ",
    "} ",
    "((",
    "))",
    "$(",
    "${",
    "}",
    "`",
    "'",
    "\"",
    "\\",
    "\\\n",
    "<<E",
    "\nE\n",
    "<<-'E'",
    ">",
    "<(",
    "2>&1",
    "a",
    "x() ",
    "é",
    "exec ",
    "function f ",
    "A=",
    "A=(",
    "[[ ",
    "trap ",
    "set -e",
    "#",
    "#!",
    "! ",
    " ",
];

fn check(text: &str) -> Result<(), TestCaseError> {
    let script = parse(text, 0, FileId(0));
    for command in &script.commands {
        for at in command.words.iter().map(|word| word.at).chain([command.at]) {
            prop_assert!(
                text.get(at.span.range())
                    .is_some_and(|text| !text.is_empty())
            );
        }
    }
    Ok(())
}

#[test]
fn a_variable_that_holds_all_arguments_is_all_arguments_until_they_or_it_change() {
    let is_arguments = |text: &str| {
        let script = parse(text, 0, FileId(0));
        script.commands.last().is_some_and(Command::is_arguments)
    };
    for text in [
        "host=$1\nshift\ncmd=\"$@\"\nexec $cmd\n",
        "cmd=$*; wait_for_it; exec ${cmd}",
        "cmd=(\"$@\")\nexec \"${cmd[@]}\"\n",
    ] {
        assert!(is_arguments(text), "{text}");
    }
    for text in [
        "cmd=\"$@\"\nshift\nexec $cmd\n",
        "cmd=\"$@\"\ncmd=\"$1\"\nexec $cmd\n",
        "if true; then cmd=\"$@\"; fi\nexec $cmd\n",
        "cmd=\"$@\"\nexec x$cmd\n",
    ] {
        assert!(!is_arguments(text), "{text}");
    }
}
