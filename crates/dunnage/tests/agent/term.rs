//! `--term exit`: SIGTERM becomes an exit in the application's main process, and never keeps it from ending.

use std::process::Command;

use super::support::*;

/// The options, and the one that is tested.
fn exits<'a>(options: &[&'a str]) -> Vec<&'a str> {
    [&["--term", "exit"], options].concat()
}

/// Runs a script below every Python at once, and stops each once it has said `ready`.
fn stopped(test: &str, options: &[&str], script: &str, expected: (i32, &str)) {
    let program = Program::new();
    let runs: Vec<_> = pythons_with_agent(test)
        .into_iter()
        .map(|python| {
            (
                Run::start(&program, &python, &exits(options), script),
                python,
            )
        })
        .collect();
    for (run, _) in &runs {
        run.wait_for("ready");
        run.terminate();
    }
    for (run, python) in runs {
        let (code, stdout) = run.finish();
        assert_eq!(
            (code, stdout.as_str()),
            (Some(expected.0), expected.1),
            "{python:?}"
        );
    }
}

/// Swallows the exit, wherever in the loop it is raised, and goes on.
const STUBBORN: &str = "\
try:
    print('ready')
    while True: time.sleep(0.01)
except BaseException: print('caught')
while True: time.sleep(0.01)
";

// short naps throughout: a signal just before a long one would wait for its end

#[test]
fn the_application_cleans_up_and_ends_with_143() {
    let script = "import atexit\n\
        atexit.register(print, 'atexit')\n\
        try:\n\
        \x20   print('ready')\n\
        \x20   while True: time.sleep(0.01)\n\
        finally: print('finally')\n";
    let expected = (143, "ready\nfinally\natexit\n");
    stopped("cleaning up", &["--grace", "600"], script, expected);
}

#[test]
fn a_handler_of_the_applications_own_replaces_ours() {
    let script = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n\
        print('ready')\n\
        while True: time.sleep(0.01)\n";
    stopped(
        "an own handler",
        &["--grace", "600"],
        script,
        (5, "ready\n"),
    );
}

#[test]
fn what_does_not_exit_ends_a_quarter_of_the_grace_later() {
    let expected = (143, "ready\ncaught\n");
    // 5 s, and 13 s more until something is killed
    stopped("no exit", &["--grace", "20"], STUBBORN, expected);
}

#[test]
fn a_second_term_ends_it_at_once() {
    let program = Program::new();
    for python in pythons_with_agent("a second TERM") {
        let run = Run::start(&program, &python, &exits(&["--grace", "600"]), STUBBORN);
        run.wait_for("ready");
        run.terminate();
        run.wait_for("caught");
        run.terminate();
        assert_eq!(run.finish(), (Some(143), "ready\ncaught\n".to_owned()));
    }
}

#[test]
fn children_have_the_default() {
    let script = "import subprocess\n\
        def is_default(): return signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\n\
        print(is_default())\n\
        if os.fork() == 0: print(is_default()); os._exit(0)\n\
        os.wait()\n\
        subprocess.run([sys.executable, '-c', 'import signal; print(signal.getsignal(15) == signal.SIG_DFL)'])\n\
        print('ready')\n\
        while True: time.sleep(0.01)\n";
    let expected = (143, "False\nTrue\nTrue\nready\n");
    stopped("children", &["--grace", "600"], script, expected);
}

#[test]
fn an_ignored_term_stays_ignored_and_without_the_option_nothing_is_handled() {
    let program = Program::new();
    let seen = "import signal; print(signal.getsignal(signal.SIGTERM).name)";
    for python in pythons_with_agent("an ignored TERM") {
        let run = |options: &[&str], ignore: &str| {
            let mut command = Command::new("sh");
            for (name, value) in program.exec(&python).get_envs() {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            command
                .args(["-c", &format!("{ignore} exec \"$@\""), "sh"])
                .arg(&program.path)
                .args(["run", "--log-level", "off"])
                .args(options)
                .arg("--")
                .arg(&python.path)
                .args(["-c", seen]);
            words(&mut command).join(" ")
        };
        assert_eq!(run(&["--term", "exit"], "trap '' TERM;"), "SIG_IGN");
        assert_eq!(run(&[], ""), "SIG_DFL");
    }
}
