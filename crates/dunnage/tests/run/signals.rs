//! Signals: all that can be are passed on, once; the child starts with what we were given.

use super::support::*;
use std::process::Command;

/// Prints the number of every signal it gets; ends on SIGALRM after having said so.
const RECORDER: &str = "import signal,sys\n\
     every = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, 32, 33}\n\
     signal.pthread_sigmask(signal.SIG_BLOCK, every); print('up', flush=True)\n\
     while True:\n    n = int(signal.sigwait(every)); print(n, flush=True)\n    if n == 14: sys.exit(0)\n";

#[test]
fn every_signal_that_can_be_passed_on_is_passed_on_once() {
    for place in places("every_signal_that_can_be_passed_on") {
        let run = start(
            place,
            &["--stop-signal", "PWR"],
            &["python3", "-c", RECORDER],
        );
        run.wait_for("up");
        let numbers = (1..=31)
            .chain(34..=64)
            .filter(|n| ![9, 14, 17, 19].contains(n));
        let mut expected = "up\n".to_owned();
        for number in numbers {
            run.signal(&number.to_string());
            expected.push_str(&format!("{number}\n"));
            run.wait_for(&format!("\n{number}\n"));
        }
        run.signal("ALRM");
        expected.push_str("14\n");
        let finished = run.finish();
        assert_eq!(finished.stdout, expected);
        assert_eq!(expected.lines().count(), 60, "59 signals and `up`");
    }
}

#[test]
fn signals_are_rewritten_by_name_and_dropped() {
    for place in places("signals_are_rewritten_by_name_and_dropped") {
        let run = start(
            place,
            &["--rewrite", "HUP=USR1,USR2=none", "--rewrite", "TERM=INT"],
            &["python3", "-c", RECORDER],
        );
        run.wait_for("up");
        for name in ["USR2", "HUP", "TERM", "ALRM"] {
            run.signal(name);
            // one after the other: signals that wait together have no order
            let number = [("HUP", "\n10\n"), ("TERM", "\n2\n")]
                .into_iter()
                .find(|(known, _)| *known == name);
            if let Some((_, line)) = number {
                run.wait_for(line);
            }
        }
        let finished = run.finish();
        assert_eq!(finished.stdout, "up\n10\n2\n14\n");
        assert_eq!(finished.one("stopping")["signal"], "SIGINT");
    }
}

#[test]
fn a_stop_signal_that_is_rewritten_still_stops_in_time() {
    for place in places("a_stop_signal_that_is_rewritten") {
        let options = ["--rewrite", "TERM=QUIT", "--grace", "1s"];
        let script = "trap '' QUIT TERM; echo up; while :; do sleep 0.1; done";
        let run = start(place, &options, &["sh", "-c", script]);
        run.wait_for("up");
        run.signal("TERM");
        let finished = run.finish();
        assert_eq!(finished.code, 137);
        assert_eq!(finished.one("stopping")["signal"], "SIGQUIT");
    }
}

#[test]
fn a_group_gets_a_signal_when_asked_and_all_descendants_when_asked() {
    for place in places("a_group_gets_a_signal_when_asked") {
        for (who, sessions) in [
            ("group", ["told-a"].as_slice()),
            ("all", ["told-a", "told-b"].as_slice()),
        ] {
            let child = "import signal,sys,os,time\n\
                 def told(*_):\n    open(sys.argv[1],'w').close(); os._exit(0)\n\
                 signal.signal(signal.SIGTERM, told); open(sys.argv[1] + '-up','w').close(); time.sleep(600)\n";
            let script = format!(
                "import signal,subprocess,sys,os,time\n\
                 child = '''{child}'''\n\
                 a = subprocess.Popen([sys.executable,'-c',child,'told-a'])\n\
                 b = subprocess.Popen([sys.executable,'-c',child,'told-b'], start_new_session=True)\n\
                 while not (os.path.exists('told-a-up') and os.path.exists('told-b-up')): time.sleep(0.01)\n\
                 signal.signal(signal.SIGTERM, lambda *_: None); print('up', flush=True)\n\
                 a.wait()\n\
                 time.sleep(0.5)\n\
                 print('told', os.path.exists('told-b'), flush=True)\n\
                 b.kill(); b.wait()\n"
            );
            let run = start(place, &["--signal-to", who], &["python3", "-c", &script]);
            run.wait_for("up");
            run.signal("TERM");
            let finished = run.finish();
            assert_eq!(
                finished.stdout,
                format!(
                    "up\ntold {}\n",
                    if sessions.len() == 2 { "True" } else { "False" }
                ),
                "{who} {place:?}"
            );
            assert_eq!(finished.code, 0);
        }
    }
}

#[test]
fn the_child_starts_with_the_mask_and_the_ignored_signals_that_we_were_given() {
    let look = ["grep", "-E", "SigBlk|SigIgn", "/proc/self/status"];
    let prepare = |block: &str, ignore: &str, command: &[&str]| {
        let script = format!(
            "import os,signal,sys\n\
             for n in (signal.SIGPIPE, signal.SIGXFSZ): signal.signal(n, signal.SIG_DFL)\n\
             signal.pthread_sigmask(signal.SIG_BLOCK, [{block}])\n\
             for n in [{ignore}]: signal.signal(n, signal.SIG_IGN)\n\
             os.execvp(sys.argv[1], sys.argv[1:])\n"
        );
        let output = Command::new("python3")
            .args(["-c", &script])
            .args(command)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for (block, ignore) in [
        ("", ""),
        ("10, 40", "1, 13"),
        ("15, 20, 21, 22", "17, 2, 3"),
        ("", "13"),
    ] {
        let bare = prepare(block, ignore, &look);
        assert!(bare.contains("SigBlk") && bare.contains("SigIgn"), "{bare}");
        let under = [
            &[DUNNAGE, "run", "--log-level", "off", "--"],
            look.as_slice(),
        ]
        .concat();
        // but for 32 and 33, which the C library's posix_spawn leaves ignored and nobody can have meant
        let expected = bare.replace("00000001800", "00000000000");
        assert_eq!(
            prepare(block, ignore, &under),
            expected,
            "blocked [{block}], ignored [{ignore}]"
        );
    }
}

#[test]
fn a_storm_of_signals_and_children_ends_and_loses_no_exit_code() {
    for place in places("a_storm_of_signals_and_children") {
        let script = "import os,signal,sys\n\
             signal.signal(signal.SIGUSR1, signal.SIG_IGN)\n\
             init = os.getppid()\n\
             for _ in range(10000): os.kill(init, signal.SIGUSR1)\n\
             for _ in range(1000):\n    if os.fork() == 0:\n        if os.fork() == 0: os._exit(0)\n        os._exit(0)\n    os.wait()\n\
             sys.exit(11)\n";
        let finished = run(place, &[], &["python3", "-c", script]);
        assert_eq!(finished.code, 11);
    }
}
