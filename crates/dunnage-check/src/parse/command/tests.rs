use super::*;
use crate::source::{FileId, Span};
use proptest::prelude::*;

/// Words as a JSON array has them, each at a place of its own.
fn words(line: &[&str]) -> Vec<Word> {
    let mut at = 0;
    line.iter()
        .map(|text| {
            let start = at;
            at += text.len() + 2;
            let span = Span::new(start..at);
            let file = FileId(0);
            Word::new(*text, Location { file, span })
        })
        .collect()
}

fn steps(line: &str) -> Vec<String> {
    let line: Vec<&str> = line.split(' ').collect();
    read(&words(&line)).iter().map(describe).collect()
}

fn describe(step: &Step) -> String {
    match step {
        Step::Init(init) => {
            let marks = [(init.signals_group, "+g"), (init.is_subreaper, "+s")];
            let marks = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark);
            format!("init {}{}", init.name, marks.collect::<String>())
        }
        Step::Shell {
            name,
            commands_before,
            tail,
            ..
        } => format!("{name} {commands_before} {tail:?}"),
        Step::Script { path, .. } => format!("script {path}"),
        Step::Wrapper { name, execs, .. } => {
            format!("{name}{}", if *execs { "" } else { " stays" })
        }
        Step::Supervisor { name, .. } => format!("supervisor {name}"),
        Step::Server(server) => format!("{:?}", server.kind),
        Step::Other { name, .. } => format!("other {name}"),
    }
}

fn server(line: &str) -> Server {
    let line: Vec<&str> = line.split(' ').collect();
    match read(&words(&line)).pop() {
        Some(Step::Server(server)) => *server,
        other => panic!("no server: {other:?}"),
    }
}

#[test]
fn inits_and_wrappers_are_seen_through() {
    assert_eq!(
        steps("/usr/bin/tini -g -- uv run --frozen gunicorn app:app"),
        ["init tini+g", "uv run stays", "Gunicorn"]
    );
    assert_eq!(
        steps("dumb-init -c python -m shop"),
        ["init dumb-init", "Python"]
    );
    assert_eq!(
        steps("dumb-init --rewrite 15:3 -- x"),
        ["init dumb-init+g", "other x"]
    );
    assert_eq!(
        steps("dunnage run --grace 30 -- ddtrace-run python app.py"),
        ["init dunnage+s", "ddtrace-run", "Python"]
    );
    assert_eq!(
        steps("env A=b -u C gosu app poetry run uvicorn m:a"),
        ["env", "gosu", "poetry run", "Uvicorn"]
    );
    assert_eq!(
        steps("conda run --no-capture-output -n x python a.py"),
        ["conda run stays", "Python"]
    );
    assert_eq!(
        steps("tini -e 143 -p SIGTERM -s -- flask run"),
        ["init tini+s", "Flask"]
    );
    assert_eq!(
        steps("timeout -k 5 30 celery -A x worker"),
        ["timeout stays", "Celery"]
    );
    assert_eq!(steps("supervisord -n"), ["supervisor supervisord"]);
    assert_eq!(steps("node server.js"), ["other node"]);
    assert_eq!(steps("uv pip install x"), ["other uv"]);
}

#[test]
fn a_shell_s_text_is_read_to_the_command_that_matters() {
    let text = |text: &str| {
        let words = words(&["/bin/sh", "-c", text]);
        read(&words).iter().map(describe).collect::<Vec<_>>()
    };
    assert_eq!(text("exec gunicorn app"), ["sh 0 Exec", "Gunicorn"]);
    assert_eq!(text("cd /app && python app.py"), ["sh 1 Plain", "Python"]);
    assert_eq!(
        text("python app.py > log 2>&1"),
        ["sh 0 Redirected", "Python"]
    );
    for end in ["\n", "\n# the end", " \n\n"] {
        let found = text(&format!("cd /app\npython app.py{end}"));
        assert_eq!(found, ["sh 1 BeforeBreak", "Python"], "{end:?}");
    }
    assert_eq!(text("cd /app\npython app.py "), ["sh 1 Plain", "Python"]);
    assert_eq!(text("python app.py > log\n"), ["sh 0 Followed", "Python"]);
    assert_eq!(text("python app.py | cat"), ["sh 0 Followed", "Python"]);
    assert_eq!(text("python app.py; true"), ["sh 0 Followed", "Python"]);
    assert_eq!(text("echo hi"), ["other sh"]);
    let words = words(&[
        "bash",
        "-euo",
        "pipefail",
        "-c",
        "exec \"$@\"",
        "x",
        "uvicorn",
        "a:b",
    ]);
    let found: Vec<String> = read(&words).iter().map(describe).collect();
    assert_eq!(found, ["bash 0 Exec", "Uvicorn"]);
}

#[test]
fn a_place_within_a_quoted_text_is_where_it_is_written() {
    let words = words(&["sh", "-c", "cd x && python y"]);
    let Step::Shell { last, .. } = &read(&words)[0] else {
        panic!("no shell");
    };
    // `"sh""-c""` before the text
    assert_eq!(last.span, Span::new(9 + 8..9 + 16));
}

#[test]
fn scripts_are_named_and_hand_over_to_what_is_known() {
    assert_eq!(
        steps("./docker-entrypoint.sh"),
        ["script ./docker-entrypoint.sh"]
    );
    assert_eq!(
        steps("/entrypoint.sh gunicorn app"),
        ["script /entrypoint.sh", "Gunicorn"]
    );
    assert_eq!(steps("/entrypoint.sh web"), ["script /entrypoint.sh"]);
    assert_eq!(steps("bash -x /start.sh"), ["script /start.sh"]);
    assert_eq!(steps("sh run.sh a"), ["script run.sh"]);
}

#[test]
fn gunicorn_s_options_are_read_with_their_places() {
    let server = server(
        "python3.12 -u -m gunicorn -w4 --threads=8 -k gthread --bind 0.0.0.0:80 -t 60 --graceful-timeout $GRACE --preload shop.wsgi:app",
    );
    assert_eq!(server.kind, ServerKind::Gunicorn);
    assert_eq!(server.workers.map(|it| it.value), Some(4));
    assert_eq!(server.threads.map(|it| it.value), Some(8));
    assert_eq!(
        server.worker_class.map(|it| it.value).as_deref(),
        Some("gthread")
    );
    assert_eq!(server.timeout.map(|it| it.value), Some(60));
    assert_eq!(server.graceful_timeout, None);
    assert_eq!(server.unknown, ["--graceful-timeout"]);
    assert_eq!(
        server.app.map(|it| it.value).as_deref(),
        Some("shop.wsgi:app")
    );
    assert!(server.preload && server.is_unbuffered);
    assert_eq!(server.development, None);
}

#[test]
fn an_application_before_the_options_is_found_too() {
    let server = server("uvicorn shop:app --host 0.0.0.0 --workers 2 --proxy-headers --reload");
    assert_eq!(server.app.map(|it| it.value).as_deref(), Some("shop:app"));
    assert_eq!(server.workers.map(|it| it.value), Some(2));
    assert!(server.development.is_some());
}

#[test]
fn celery_flask_and_django_have_subcommands() {
    let celery = server("celery -A shop worker -c 4 -P gevent --loglevel=info");
    assert_eq!(celery.app.map(|it| it.value).as_deref(), Some("shop"));
    assert_eq!(
        celery.subcommand.map(|it| it.value).as_deref(),
        Some("worker")
    );
    assert_eq!(celery.workers.map(|it| it.value), Some(4));
    assert!(
        server("flask --app shop run --host 0.0.0.0")
            .development
            .is_some()
    );
    assert_eq!(server("flask db upgrade").kind, ServerKind::Python);
    let django = server("python manage.py runserver 0.0.0.0:8000");
    assert_eq!(django.kind, ServerKind::Django);
    assert!(django.development.is_some());
    assert_eq!(server("python manage.py migrate").kind, ServerKind::Python);
    assert!(server("fastapi dev app.py").development.is_some());
    assert!(server("fastapi run app.py").development.is_none());
}

#[test]
fn python_is_told_by_file_module_or_text() {
    let app = |line: &str| server(line).app.map(|it| it.value);
    assert_eq!(
        app("python -X dev -W error app.py --debug").as_deref(),
        Some("app.py")
    );
    assert_eq!(app("python -m shop.main").as_deref(), Some("shop.main"));
    assert_eq!(app("/srv/app.py").as_deref(), Some("/srv/app.py"));
    assert_eq!(app("python -c x"), None);
    assert_eq!(
        server("python /venv/bin/gunicorn a:b").kind,
        ServerKind::Gunicorn
    );
}

proptest! {
    #[test]
    fn no_words_panic(line in proptest::collection::vec(word(), 0..12)) {
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        let _ = read(&words(&line));
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(KNOWN).prop_map(str::to_owned),
        "[ -~é]{0,12}",
    ]
}

const KNOWN: &[&str] = &[
    "tini",
    "dumb-init",
    "dunnage",
    "run",
    "--",
    "-g",
    "-p",
    "sh",
    "bash",
    "-c",
    "-ec",
    "-o",
    "uv",
    "env",
    "A=b",
    "python",
    "-m",
    "-u",
    "-X",
    "gunicorn",
    "-w",
    "-w4",
    "--threads=é",
    "celery",
    "worker",
    "flask",
    "exec \"$@\"",
    "cd x && y",
    "poetry",
    "gosu",
    "timeout",
    "-",
    "/entrypoint.sh",
    "manage.py",
    "é",
];
