//! Stopping: everything below finishes, or is killed by name at the deadline.

use super::support::*;
use std::time::Instant;

#[test]
fn an_application_behind_a_shell_finishes_its_cleanup() {
    for place in places("an_application_behind_a_shell_finishes_its_cleanup") {
        let script = graceful(0.3);
        let run = start(
            place,
            &[],
            &["sh", "-c", "cd . && python3 -c \"$0\"", &script],
        );
        run.wait_for("up");
        run.signal("TERM");
        let finished = run.finish();
        assert_eq!(finished.stdout, "up\ntold\ndone\n");
        assert_eq!(finished.all("forwarded_through_shell").len(), 1);
        let ended = finished.one("ended");
        assert_eq!(
            (ended["cause"].as_str(), finished.code),
            (Some("stopped"), 143)
        );
        assert!(
            ended["sentence"]
                .as_str()
                .unwrap()
                .contains("behind it, python3 -c"),
            "{ended}"
        );
        assert!(
            ended["sentence"]
                .as_str()
                .unwrap()
                .ends_with("exited with 0"),
            "{ended}"
        );
    }
}

#[test]
fn a_shell_with_a_trap_is_left_to_do_its_work() {
    for place in places("a_shell_with_a_trap_is_left_to_do_its_work") {
        let script = "trap 'echo trapped; kill $!; wait; exit 5' TERM; sh -c 'echo up; exec sleep 60' & wait";
        let run = start(place, &[], &["sh", "-c", script]);
        run.wait_for("up");
        run.signal("TERM");
        let finished = run.finish();
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (5, "up\ntrapped\n")
        );
        assert!(finished.all("forwarded_through_shell").is_empty());
    }
}

#[test]
fn grandchildren_in_other_sessions_finish_after_the_child_has_ended() {
    for place in places("grandchildren_in_other_sessions_finish_after_the_child_has_ended") {
        // each finishes its work when its pipe closes, and has not been told anything else
        let work =
            "import sys,time; sys.stdin.read(); time.sleep(1); open(sys.argv[1],'w').close()";
        let script = format!(
            "import signal,subprocess,sys,time\n\
             work = '''{work}'''\n\
             a = subprocess.Popen([sys.executable,'-c',work,'a'], stdin=subprocess.PIPE)\n\
             b = subprocess.Popen([sys.executable,'-c',work,'b'], stdin=subprocess.PIPE, start_new_session=True)\n\
             signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); print('up', flush=True)\n\
             while True: time.sleep(60)\n"
        );
        let run = start(place, &[], &["python3", "-c", &script]);
        run.wait_for("up");
        run.signal("TERM");
        let (a, b) = (run.path("a"), run.path("b"));
        let finished = {
            let mut run = run;
            let mut status = None;
            wait_until("the end", || {
                status = run.outer.try_wait().unwrap();
                status.is_some()
            });
            assert!(
                a.exists() && b.exists(),
                "a grandchild did not finish in {place:?}"
            );
            run.finish()
        };
        assert_eq!(finished.code, 0);
        assert!(finished.all("killed").is_empty());
    }
}

#[test]
fn what_ignores_term_is_killed_at_the_deadline_and_named() {
    for place in places("what_ignores_term_is_killed_at_the_deadline_and_named") {
        let script = "import signal,time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)";
        let run = start(place, &["--grace", "2s"], &["python3", "-c", script]);
        run.wait_for("up");
        let asked = Instant::now();
        run.signal("TERM");
        let finished = run.finish();
        assert_eq!(finished.code, 137);
        assert!(
            asked.elapsed().as_millis() >= 1600,
            "killed before grace - margin"
        );
        let killed = finished.one("killed");
        assert_eq!(killed["count"], 1);
        assert!(
            killed["processes"][0]
                .as_str()
                .unwrap()
                .starts_with("python3 -c"),
            "{killed}"
        );
        assert_eq!(finished.one("ended")["cause"], "grace_expired");
    }
}

#[test]
fn strays_of_a_child_that_ended_by_itself_are_told_then_killed_and_its_code_survives() {
    for place in places("strays_of_a_child_that_ended_by_itself") {
        let script = "(trap '' TERM; echo > deaf; setsid sleep 600) & sleep 600 & \
                      while [ ! -e deaf ]; do sleep 0.01; done; exit 7";
        let finished = run(place, &["--stray-grace", "300ms"], &["sh", "-c", script]);
        assert_eq!(finished.code, 7);
        let told = finished.one("strays_told");
        assert!(told["count"].as_u64().unwrap() >= 2, "{told}");
        assert!(
            finished.one("killed")["processes"]
                .to_string()
                .contains("sleep")
        );
        assert_eq!(finished.one("ended")["cause"], "exited");
    }
}

#[test]
fn a_crash_without_strays_ends_at_once() {
    for place in places("a_crash_without_strays_ends_at_once") {
        let finished = run(place, &[], &["sh", "-c", "exit 3"]);
        assert_eq!(finished.code, 3);
        let ended = finished.one("ended");
        assert!(
            ended["ran_ms"].as_u64().unwrap() < 2000,
            "waited for nobody: {ended}"
        );
        assert!(finished.all("strays_told").is_empty());
    }
}

#[test]
fn the_drain_delay_holds_the_signal_back_and_a_second_one_skips_it() {
    for place in places("the_drain_delay_holds_the_signal_back") {
        let run = start(
            place,
            &["--grace", "120s", "--drain-delay", "50s"],
            &["python3", "-c", &graceful(0.0)],
        );
        run.wait_for("up");
        run.signal("TERM");
        run.wait_for_event("\"stopping\"");
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(run.stdout(), "up\n", "told before the delay was over");
        run.signal("TERM");
        let finished = run.finish();
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (0, "up\ntold\ndone\n")
        );
        assert!(finished.one("ended")["ran_ms"].as_u64().unwrap() < 45_000);
    }
}

#[test]
fn nobody_gets_the_same_stop_signal_twice() {
    for place in places("nobody_gets_the_same_stop_signal_twice") {
        // the shell dies at once, its Python takes longer than the stray grace: a second TERM would show
        let script = "import signal,sys,time\n\
             n = 0\n\
             def stop(*_):\n    global n; n += 1\n\
             signal.signal(signal.SIGTERM, stop); print('up', flush=True)\n\
             while not n: time.sleep(0.01)\n\
             time.sleep(1); print('got', n, flush=True)\n";
        let run = start(
            place,
            &["--stray-grace", "200ms"],
            &["sh", "-c", "cd . && python3 -c \"$0\"", script],
        );
        run.wait_for("up");
        run.signal("TERM");
        assert_eq!(run.finish().stdout, "up\ngot 1\n");
    }
}

#[test]
fn a_session_as_kubectl_exec_makes_it_is_neither_waited_for_nor_signalled() {
    if !needs_init("a_session_as_kubectl_exec_makes_it") {
        return;
    }
    let run = start(Place::Init, &[], &["python3", "-c", &graceful(0.5)]);
    run.wait_for("up");
    let supervisor = run.supervisor();
    let told = run.path("session-was-told");
    let script = format!(
        "trap 'echo > {}' TERM HUP; echo ready > {}; while :; do sleep 0.05; done",
        told.display(),
        run.path("ready").display()
    );
    let mut session = std::process::Command::new("nsenter")
        .args([
            "--target",
            &supervisor.to_string(),
            "--pid",
            "--mount",
            "sh",
            "-c",
            &script,
        ])
        .spawn()
        .unwrap();
    wait_until("the session", || run.path("ready").exists());
    run.signal("TERM");
    run.wait_for("done");
    let mut run = run;
    wait_until("the end", || run.outer.try_wait().unwrap().is_some());
    assert!(!told.exists(), "the session got a signal");
    let _ = session.wait();
    let finished = run.finish();
    assert_eq!(finished.code, 0);
    assert!(finished.all("strays_told").is_empty() && finished.all("killed").is_empty());
}

#[test]
fn without_stray_grace_we_leave_with_the_child() {
    for place in places("without_stray_grace_we_leave_with_the_child") {
        let finished = run(
            place,
            &["--stray-grace", "off"],
            &["sh", "-c", "sleep 5 & exit 4"],
        );
        assert_eq!(finished.code, 4);
        assert!(finished.one("ended")["ran_ms"].as_u64().unwrap() < 4000);
    }
}
