use super::*;
use proptest::prelude::*;

fn source(text: &str) -> Source {
    Source {
        path: "Dockerfile".to_owned(),
        text: text.to_owned(),
    }
}

fn read(text: &str) -> Dockerfile {
    parse(&source(text), FileId(0)).unwrap_or_else(|problem| panic!("{problem:?}"))
}

fn last(text: &str) -> Stage {
    read(text)
        .stages
        .pop()
        .unwrap_or_else(|| panic!("no stage"))
}

fn form(start: Option<&Start>) -> Option<Vec<String>> {
    start.map(|start| match &start.form {
        Form::Exec(words) => words.iter().map(|word| word.text.clone()).collect(),
        Form::Shell(text) => vec![format!("sh: {text}")],
    })
}

#[test]
fn words_of_an_array_have_their_own_places() {
    let text = "FROM python:3.12\nCMD [ \"python\", \\\n# why\n  \"a\\\"b\" ]\n";
    let stage = last(text);
    let Some(Start {
        form: Form::Exec(words),
        arguments,
        ..
    }) = stage.command
    else {
        panic!("no array");
    };
    assert_eq!(words[1].text, "a\"b");
    assert_eq!(&text[words[0].at.span.range()], "\"python\"");
    assert_eq!(&text[words[1].at.span.range()], "\"a\\\"b\"");
    assert!(text[arguments.span.range()].starts_with('['));
    assert!(text[arguments.span.range()].ends_with(']'));
}

#[test]
fn what_is_no_json_is_a_text_for_the_shell() {
    assert_eq!(
        form(last("FROM a\nCMD ['python', 'x']").command.as_ref()).as_deref(),
        Some(["sh: ['python', 'x']".to_owned()].as_slice())
    );
    let text = "FROM a\nCMD run \\\n  # note\n  --fast\nUSER x\n";
    let stage = last(text);
    let Some(Start {
        form: Form::Shell(shell),
        arguments,
        ..
    }) = &stage.command
    else {
        panic!("no text");
    };
    assert_eq!(shell.len(), arguments.span.range().len());
    let script = crate::parse::shell::parse(shell, arguments.span.start, FileId(0));
    assert_eq!(script.commands[0].words[1].text, "--fast");
    assert_eq!(&text[script.commands[0].words[1].at.span.range()], "--fast");
    assert_eq!(stage.user.map(|user| user.value).as_deref(), Some("x"));
}

#[test]
fn a_stage_has_what_the_earlier_one_set() {
    let text = "ARG V=3.12\nFROM python:${V}-slim AS Base\nENV A=1\nUSER app\nCMD [\"a\"]\nFROM base\nENV B=$A-2 \"C=x y\"\nFROM base AS other\nENTRYPOINT [\"tini\", \"--\"]\n";
    let found = read(text);
    let second = &found.stages[1];
    assert_eq!(second.base.value, "python:3.12-slim");
    assert_eq!(second.parent, Some(0));
    assert_eq!(form(second.command.as_ref()), Some(vec!["a".to_owned()]));
    let values: Vec<_> = second
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.value.as_str()))
        .collect();
    assert_eq!(values, [("A", "1"), ("B", "1-2"), ("C", "x y")]);
    let third = &found.stages[2];
    assert_eq!(
        form(third.command.as_ref()),
        None,
        "an ENTRYPOINT drops an inherited CMD"
    );
    assert_eq!(
        third.name.as_ref().map(|name| name.value.as_str()),
        Some("other")
    );
}

#[test]
fn a_cmd_of_the_stage_survives_its_entrypoint() {
    let stage = last("FROM a\nCMD [\"x\"]\nENTRYPOINT [\"y\"]\n");
    assert_eq!(form(stage.command.as_ref()), Some(vec!["x".to_owned()]));
    let stage = last("FROM a\nCMD [\"x\"]\nENTRYPOINT []\nCMD []\n");
    assert_eq!(
        (
            form(stage.entrypoint.as_ref()),
            form(stage.command.as_ref())
        ),
        (None, None)
    );
}

#[test]
fn old_and_new_env_both_count_and_the_last_of_a_name_wins() {
    let stage =
        last("FROM a\nARG P=/opt\nENV OLD some words here\nENV PATH=$P/bin:$PATH X=1\nENV X=2\n");
    let value = |name: &str| {
        let found = stage.environment.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.value.clone())
    };
    assert_eq!(value("OLD").as_deref(), Some("some words here"));
    assert_eq!(value("PATH").as_deref(), Some("/opt/bin:$PATH"));
    assert_eq!(value("X").as_deref(), Some("2"));
    let text = "FROM a\nENV A=1 B=\"x y\" \\\n  C=3\nENV D the rest\n";
    let places: Vec<_> = last(text)
        .environment
        .iter()
        .map(|(_, value)| text[value.at.span.range()].to_owned())
        .collect();
    assert_eq!(places, ["1", "\"x y\"", "3", "the rest"]);
}

#[test]
fn here_documents_stand_anywhere_in_a_run_and_hold_no_instructions() {
    let text = "FROM a\nRUN cat <<EOF > /x && echo <<-'B C'\nCMD no\nEOF\n\tCMD neither\n\tB C\n# after\nCOPY <<E /run.sh\n#!/bin/sh\nE\nCMD [\"yes\"]\n";
    let stage = last(text);
    assert_eq!(form(stage.command.as_ref()), Some(vec!["yes".to_owned()]));
    assert!(stage.runs[0].value.contains("CMD no"));
    assert!(stage.copies.is_empty());
    let problem = parse(&source("FROM a\nRUN <<EOF\nx\n"), FileId(0));
    assert!(problem.is_err_and(|problem| problem.message.contains("`EOF`")));
}

#[test]
fn a_line_that_goes_on_behind_a_delimiter_makes_it_longer() {
    let text = "FROM a\nRUN cat <<'PY'\\\nfrom x\nPY\n";
    let problem = parse(&source(text), FileId(0));
    assert!(problem.is_err_and(|problem| problem.message.ends_with("no line is `PYfrom`")));
}

#[test]
fn a_backtick_can_be_the_escape() {
    let stage = last("# syntax=x\n# escape=`\nFROM a\nCMD x `\n y\nENV A=C:\\b\n");
    let text = form(stage.command.as_ref());
    assert_eq!(text, Some(vec!["sh: x \\\n y".to_owned()]));
}

#[test]
fn copies_have_absolute_places_and_are_followed_through_stages() {
    let text = "FROM a AS build\nWORKDIR /src\nCOPY app ./app\nCOPY --chown=1:1 [\"run it.sh\", \"/\"]\nFROM b\nWORKDIR /srv\nCOPY --from=build /src/app app\nCOPY --from=build \"/run it.sh\" /bin/\nCOPY --from=other/image /x /y\nCOPY . .\n";
    let stage = last(text);
    let found: Vec<_> = stage
        .copies
        .iter()
        .map(|(sources, to, _)| format!("{} -> {to}", sources.join(" ")))
        .collect();
    assert_eq!(found[0], "app -> /srv/app/");
    assert_eq!(found.last().map(String::as_str), Some(". -> /srv/"));
}

#[test]
fn the_rest_is_read_where_it_is_asked_for() {
    let stage = last(
        "\u{feff}from a\nWORKDIR /x\nworkdir y\nSTOPSIGNAL SIGINT\nSHELL [\"/bin/bash\", \"-c\"]\nHEALTHCHECK --interval=5s CMD curl x\nEXPOSE 80 443/tcp\nONBUILD RUN x\n",
    );
    assert_eq!(stage.workdir.map(|it| it.value).as_deref(), Some("/x/y"));
    assert_eq!(
        stage.stop_signal.map(|it| it.value).as_deref(),
        Some("SIGINT")
    );
    assert_eq!(
        stage.shell.map(|it| it.value),
        Some(vec!["/bin/bash".to_owned(), "-c".to_owned()])
    );
    assert!(stage.healthcheck.is_some());
    assert_eq!(stage.exposed.len(), 2);
    assert!(
        last("FROM a\nHEALTHCHECK CMD x\nHEALTHCHECK NONE\n")
            .healthcheck
            .is_none()
    );
}

#[test]
fn what_is_no_dockerfile_is_a_problem_with_a_place() {
    for text in ["RUN x\n", "FROM a\nHELLO x\n", "FROM\n"] {
        assert!(parse(&source(text), FileId(0)).is_err(), "{text}");
    }
}

#[test]
fn values_that_double_are_bounded() {
    let text = format!("FROM a\nENV A=xx\n{}", "ENV A=$A$A\n".repeat(60));
    let stage = last(&text);
    assert!(stage.environment[0].1.value.len() < 1 << 18);
}

#[test]
fn images_are_known_by_their_names() {
    let of = |name: &str| {
        let base = Base::of(name);
        (base.shell, base.libc, base.python, base.is_python)
    };
    let debian = |python| (Shell::Dash, Libc::Glibc, python, true);
    assert_eq!(of("python:3.12-slim"), debian(Some((3, 12))));
    assert_eq!(
        of("docker.io/library/python:3.11.4@sha256:abc"),
        debian(Some((3, 11)))
    );
    assert_eq!(of("python:3"), debian(None));
    assert_eq!(
        of("python:3.13-alpine3.20"),
        (Shell::Busybox, Libc::Musl, Some((3, 13)), true)
    );
    assert_eq!(
        of("ghcr.io/astral-sh/uv:python3.12-bookworm-slim"),
        debian(Some((3, 12)))
    );
    assert_eq!(
        of("tiangolo/uvicorn-gunicorn-fastapi:python3.9"),
        debian(Some((3, 9)))
    );
    assert_eq!(of("rayproject/ray:2.9.0-py310"), debian(Some((3, 10))));
    assert_eq!(
        of("registry.access.redhat.com/ubi9/python-311"),
        (Shell::Bash, Libc::Glibc, Some((3, 11)), true)
    );
    assert_eq!(
        of("gcr.io/distroless/python3-debian12"),
        (Shell::None, Libc::Glibc, Some((3, 11)), true)
    );
    assert_eq!(
        of("nvidia/cuda:12.2.0-runtime-ubuntu22.04"),
        (Shell::Dash, Libc::Glibc, None, false)
    );
    assert_eq!(
        of("nvidia/cuda:12.2.0-runtime-ubi8"),
        (Shell::Bash, Libc::Glibc, None, false)
    );
    assert_eq!(of("alpine"), (Shell::Busybox, Libc::Musl, None, false));
    assert_eq!(of("continuumio/miniconda3"), debian(None));
    assert_eq!(
        of("golang:1.22-alpine"),
        (Shell::Busybox, Libc::Musl, None, false)
    );
    assert_eq!(
        of("registry.example:5000/team/base:7"),
        (Shell::Unknown, Libc::Unknown, None, false)
    );
    assert_eq!(
        Base::of("quay.io/jupyter/scipy-notebook").init,
        Some("tini")
    );
}

#[test]
fn which_shell_becomes_its_last_command() {
    use crate::parse::command::Tail::{BeforeBreak, Exec, Followed, Plain, Redirected};
    assert_eq!(becomes("sh", Shell::Dash, Plain), Some(false));
    assert_eq!(becomes("sh", Shell::Dash, Exec), Some(true));
    assert_eq!(becomes("bash", Shell::Dash, Plain), Some(true));
    assert_eq!(becomes("bash", Shell::Dash, Redirected), Some(false));
    assert_eq!(becomes("sh", Shell::Busybox, Redirected), Some(true));
    assert_eq!(becomes("sh", Shell::Busybox, Followed), Some(false));
    assert_eq!(becomes("sh", Shell::Busybox, BeforeBreak), Some(false));
    assert_eq!(becomes("bash", Shell::Dash, BeforeBreak), Some(true));
    assert_eq!(becomes("sh", Shell::Unknown, Plain), None);
}

proptest! {
    #[test]
    fn no_text_panics_and_places_are_in_the_text(lines in proptest::collection::vec(line(), 0..12)) {
        let text = lines.join("\n");
        check(&text)?;
        check(&text.replace('\n', "\r\n"))?;
    }
}

fn line() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(LINES).prop_map(str::to_owned);
    prop_oneof![3 => known, 1 => "[ -~é\t]{0,40}"]
}

const LINES: &[&str] = &[
    "FROM python:3 AS é",
    "FROM é",
    "FROM",
    "# escape=`",
    "ARG A=1",
    "ENV A=$A$A B=\"x",
    "ENV A b \\",
    "  # é",
    "  \"é\" ]",
    "CMD [\"a\", \\",
    "CMD [\"\\u00e9\"]",
    "CMD é \\",
    "ENTRYPOINT [\"a\"",
    "RUN <<E",
    "E",
    "COPY <<'é'",
    "é",
    "COPY --from=é . /x",
    "COPY . .",
    "USER $A",
    "WORKDIR é",
    "SHELL [\"b\"]",
    "HEALTHCHECK",
    "EXPOSE $A é",
    "\u{feff}",
    "STOPSIGNAL ${A:-é}",
    "ONBUILD",
    "onbuild run <<E",
    "\\",
    "`",
];

fn check(text: &str) -> Result<(), TestCaseError> {
    let Ok(found) = parse(&source(text), FileId(0)) else {
        return Ok(());
    };
    let is_of_text = |at: Location| text.get(at.span.range()).is_some();
    for stage in &found.stages {
        prop_assert!(text.get(stage.span.range()).is_some());
        prop_assert!(is_of_text(stage.base.at) && is_of_text(stage.from));
        for start in [&stage.entrypoint, &stage.command].into_iter().flatten() {
            prop_assert!(is_of_text(start.at) && is_of_text(start.arguments));
            match &start.form {
                Form::Exec(words) => prop_assert!(words.iter().all(|word| is_of_text(word.at))),
                Form::Shell(shell) => {
                    prop_assert_eq!(shell.len(), start.arguments.span.range().len());
                }
            }
        }
        let stated = stage.environment.iter().map(|(_, value)| value.at);
        let stated = stated.chain(stage.runs.iter().map(|run| run.at));
        let stated = stated.chain(stage.exposed.iter().map(|port| port.at));
        for at in stated.chain(stage.copies.iter().map(|(_, _, at)| *at)) {
            prop_assert!(is_of_text(at));
        }
    }
    Ok(())
}
