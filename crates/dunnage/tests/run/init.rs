//! Being an init: reaping, idling, standing aside.

use super::support::*;
use std::time::Duration;

/// Makes `n` orphans that end by themselves, then says how many zombies there are.
fn orphans(n: u32) -> String {
    format!(
        "import os,time,glob\n\
         def state(p):\n    try: return open(p).read().rsplit(')',1)[1].split()[0]\n    except OSError: return ''\n\
         for _ in range({n}):\n    if os.fork() == 0:\n        if os.fork() == 0: os._exit(0)\n        os._exit(0)\n    os.wait()\n\
         end = time.time() + 30\n\
         zombies = lambda: sum(state(p) == 'Z' for p in glob.glob('/proc/[0-9]*/stat'))\n\
         while zombies() and time.time() < end: time.sleep(0.05)\n\
         print('zombies', zombies(), flush=True)\n"
    )
}

#[test]
fn orphans_are_reaped() {
    if needs_init("orphans_are_reaped") {
        let finished = run(Place::Init, &[], &["python3", "-c", &orphans(2000)]);
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (0, "zombies 0\n")
        );
    }
}

#[test]
fn orphans_come_to_us_where_we_are_not_pid_1() {
    let script = "import os,sys,time\n\
         parent = os.getppid()\n\
         r, w = os.pipe()\n\
         if os.fork() == 0:\n    if os.fork() == 0:\n        while os.getppid() == os.getpid(): pass\n        time.sleep(0.3); os.write(w, str(os.getppid()).encode()); os._exit(0)\n    os._exit(0)\n\
         os.wait(); print(int(os.read(r, 20)) == parent)\n";
    let finished = run(Place::Below, &[], &["python3", "-c", script]);
    assert_eq!(finished.stdout, "True\n");
    let finished = run(
        Place::Below,
        &["--subreaper", "off"],
        &["python3", "-c", script],
    );
    assert_eq!(finished.stdout, "False\n");
}

#[test]
fn an_idle_supervisor_never_wakes_up() {
    let run = start(Place::Below, &[], &["sleep", "600"]);
    run.wait_for_event("\"started\"");
    let supervisor = run.supervisor();
    // a second after the start it gives back what only the start needed
    std::thread::sleep(Duration::from_secs(2));
    wait_until("calm", || stat_field(supervisor, 0).as_deref() == Some("S"));
    let switches = || status_line(supervisor, "voluntary_ctxt_switches");
    let before = switches();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(switches(), before);
    assert_eq!(status_line(supervisor, "Threads"), "1");
    run.signal("TERM");
    assert_eq!(run.finish().code, 143);
}

#[test]
fn switched_off_it_becomes_the_command() {
    let script = "echo $PPID; echo $OMP_NUM_THREADS; kill -s KILL $$";
    let mut command = command(Place::Below, &["--no-such-option"], &["sh", "-c", script]);
    command
        .env("DUNNAGE_DISABLE", "1")
        .env_remove("OMP_NUM_THREADS");
    let run = start_command(command);
    let own = std::process::id();
    run.wait_for("\n\n");
    assert_eq!(
        run.stdout(),
        format!("{own}\n\n"),
        "the command is the test's own child"
    );
    assert_eq!(run.finish().stderr, "");
}

#[test]
fn observing_changes_nothing_and_says_what_would_be_done() {
    for place in places("observing_changes_nothing") {
        let mut command = command(
            place,
            &["--mode", "observe", "--cpu-limit", "1"],
            &["sh", "-c", "env; sleep 30 & exit 2"],
        );
        command.env_remove("OMP_NUM_THREADS");
        let finished = start_command(command).finish();
        assert_eq!(finished.code, 2);
        assert!(
            !finished.stdout.contains("OMP_NUM_THREADS")
                && !finished.stdout.contains("DUNNAGE_PLANNED"),
            "{}",
            finished.stdout
        );
        let observed: Vec<_> = finished
            .all("observed")
            .iter()
            .map(|event| event["would"].to_string())
            .collect();
        assert!(
            observed
                .iter()
                .any(|would| would.contains("OMP_NUM_THREADS=1")),
            "{observed:?}"
        );
        assert!(
            finished.one("ended")["ran_ms"].as_u64().unwrap() < 20_000,
            "left with the child"
        );
        assert!(finished.all("killed").is_empty() && finished.all("strays_told").is_empty());
    }
}

#[test]
fn the_plan_reaches_the_child_and_the_users_value_wins() {
    let show = ["sh", "-c", "echo \"$OMP_NUM_THREADS\""];
    let child = |user: Option<&str>, options: &[&str]| {
        let mut command = command(Place::Below, options, &show);
        command.env_remove("OMP_NUM_THREADS");
        if let Some(value) = user {
            command.env("OMP_NUM_THREADS", value);
        }
        start_command(command).finish()
    };
    assert_eq!(child(None, &["--cpu-limit", "1"]).stdout, "1\n");
    assert_eq!(child(Some("3"), &["--cpu-limit", "1"]).stdout, "3\n");
    assert_eq!(
        child(None, &["--cpu-limit", "1", "--plan", "off"]).stdout,
        "\n"
    );
    let started = child(None, &["--cpu-limit", "1"]);
    assert!(
        started.one("started")["set"]
            .to_string()
            .contains("OMP_NUM_THREADS=1")
    );
}

#[test]
fn a_run_inside_a_run_does_not_plan_again() {
    let inner = [
        DUNNAGE,
        "run",
        "--cpu-limit",
        "2",
        "--",
        "sh",
        "-c",
        "echo $OMP_NUM_THREADS",
    ];
    let mut command = command(Place::Below, &["--cpu-limit", "1"], &inner);
    command.env_remove("OMP_NUM_THREADS");
    let finished = start_command(command).finish();
    assert_eq!((finished.code, finished.stdout.as_str()), (0, "1\n"));
}
