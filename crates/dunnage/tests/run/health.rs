//! Health and metrics: what is answered over a run's life, and that nobody who asks can hold the supervisor up.

use super::cgroup::MemoryCgroup;
use super::support::*;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

/// A run that listens on a free port, and where.
fn listening(place: Place, options: &[&str], words: &[&str]) -> (Run, SocketAddr) {
    let options = [&["--listen", "127.0.0.1:0"], options].concat();
    listens(start(place, &options, words))
}

/// A run with where it says that it listens.
fn listens(run: Run) -> (Run, SocketAddr) {
    run.wait_for_event("\"listening\"");
    run.wait_for_event("\"started\"");
    let said = std::fs::read_to_string(run.path("stderr")).unwrap();
    let address = said.lines().find_map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).ok()?;
        event["address"].as_str()?.parse().ok()
    });
    (run, address.unwrap())
}

/// The answer to a request: status line, head and body.
fn ask(address: SocketAddr, path: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn threads(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .count()
}

fn is_ok(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200 ")
}

#[test]
fn probes_are_answered_and_readiness_goes_when_the_drain_begins() {
    for place in places("probes_are_answered") {
        let options = ["--grace", "120", "--drain-delay", "50"];
        let script = graceful(0.0);
        let (run, address) = listening(place, &options, &["python3", "-c", &script]);
        run.wait_for("up");
        assert!(is_ok(&ask(address, "/livez")) && is_ok(&ask(address, "/readyz")));
        let page = ask(address, "/metrics");
        assert!(page.contains("\ndunnage_ready 1\n"), "{page}");
        run.signal("TERM");
        run.wait_for_event("\"stopping\"");
        // the application still works: TERM is 50 s away. The thread that answers hears of it a moment after the log
        wait_until("readiness to go", || {
            ask(address, "/readyz").starts_with("HTTP/1.1 503 ")
        });
        let answer = ask(address, "/readyz");
        assert!(
            answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("stopping\n"),
            "{answer}"
        );
        assert!(is_ok(&ask(address, "/livez")));
        run.signal("TERM");
        let finished = run.finish();
        assert_eq!(finished.code, 0);
        assert_eq!(finished.all("degraded").len(), 0, "{}", finished.stderr);
    }
}

#[test]
fn signals_and_orphans_are_counted() {
    for place in places("signals_and_orphans_are_counted") {
        // the shell leaves two behind, which then end
        let script = "trap 'echo got' USR1; (sleep 0.01 & sleep 0.02 &); echo up; while :; do sleep 0.05; done";
        let (run, address) = listening(place, &[], &["sh", "-c", script]);
        run.wait_for("up");
        run.signal("USR1");
        run.wait_for("got");
        wait_until("the counts", || {
            let page = ask(address, "/metrics");
            page.contains("\ndunnage_signals_forwarded_total 1\n")
                && page.contains("\ndunnage_orphans_reaped_total 2\n")
        });
        run.signal("TERM");
        run.finish();
    }
}

#[test]
fn without_the_options_nobody_listens_and_there_is_no_thread() {
    for place in places("without_the_options") {
        let run = start(place, &[], &["sleep", "600"]);
        run.wait_for_event("\"started\"");
        let without = threads(run.supervisor());
        run.signal("TERM");
        run.finish();
        let (run, _) = listening(place, &[], &["sleep", "600"]);
        assert_eq!(threads(run.supervisor()), without + 1);
        run.signal("TERM");
        run.finish();
    }
}

/// Resident memory in KiB.
fn resident(pid: i32) -> u64 {
    let line = status_line(pid, "VmRSS");
    line.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_thousand_hostile_clients_cost_little_and_hold_nothing_up() {
    for place in places("a_thousand_hostile_clients") {
        let (run, address) = listening(place, &[], &["python3", "-c", &graceful(0.0)]);
        run.wait_for("up");
        let supervisor = run.supervisor();
        assert!(is_ok(&ask(address, "/metrics")));
        let before = resident(supervisor);
        let long = format!("GET /metrics HTTP/1.1\r\nA: {}", "b".repeat(100_000));
        let words = [
            "",
            "GET /met",
            "GET /metrics HTTP/1.1\r\n\r\n",
            "\0\u{1}garbage\r\n\r\n",
            &long,
        ];
        let mut kept = Vec::new();
        for number in 0..1000_usize {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.set_nonblocking(true).unwrap();
            // none of them reads; one that was let go already cannot be written to
            let _ = socket.write(words[number % words.len()].as_bytes());
            if number % 4 == 0 {
                kept.push(socket);
            }
            if number % 100 == 0 {
                assert!(is_ok(&ask(address, "/livez")));
            }
        }
        assert!(is_ok(&ask(address, "/readyz")));
        let more = resident(supervisor).saturating_sub(before);
        assert!(more <= 2048, "{more} KiB more");
        run.signal("TERM");
        let finished = run.finish();
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        assert!(finished.stdout.contains("done"));
    }
}

#[test]
fn an_address_in_use_costs_one_line_and_the_application_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for place in places("an_address_in_use") {
        let finished = run(place, &["--listen", &address], &["sh", "-c", "exit 7"]);
        assert_eq!(finished.code, 7);
        let reason = finished.one("degraded")["reason"].as_str().unwrap();
        assert!(reason.contains("in use"), "{reason}");
    }
}

#[test]
fn the_metrics_file_has_the_last_word() {
    for place in places("the_metrics_file") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let finished = run(place, &["--textfile", path], &["sh", "-c", "exit 3"]);
        assert_eq!(finished.code, 3);
        let text = std::fs::read_to_string(folder.path().join("dunnage.prom")).unwrap();
        assert!(text.contains("\ndunnage_draining 1\n"), "{text}");
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 1, "nothing is left beside it");
    }
}

#[test]
fn a_folder_that_is_not_there_costs_one_line() {
    let run = start(
        Place::Below,
        &["--textfile", "/nowhere/at/all"],
        &["sleep", "600"],
    );
    run.wait_for_event("/nowhere/at/all/dunnage.prom");
    run.signal("TERM");
    let finished = run.finish();
    assert_eq!(finished.code, 143);
    assert_eq!(finished.all("degraded").len(), 1, "{}", finished.stderr);
    assert!(!Path::new("/nowhere").exists());
}

#[test]
fn the_address_is_not_handed_on_to_a_run_inside() {
    let mut outer = command(
        Place::Below,
        &[],
        &["sh", "-c", "echo listen=$DUNNAGE_LISTEN"],
    );
    outer.env("DUNNAGE_LISTEN", "127.0.0.1:0");
    let finished = start_command(outer).finish();
    assert_eq!(finished.all("listening").len(), 1, "{}", finished.stderr);
    assert_eq!(finished.stdout, "listen=\n");
}

#[test]
fn memory_that_grows_near_the_limit_makes_the_container_unready_until_it_is_given_back() {
    let name = "memory_that_grows_near_the_limit";
    let Some(cgroup) = MemoryCgroup::new(name, "134217728") else {
        return;
    };
    // of 128 MiB quickly to 74 %, then less than 2 MiB a second: growth counts when it has lasted
    let script = "import os,time\n\
         own = next(l for l in open('/proc/self/cgroup') if ':memory:' in l).strip().split(':')[2]\n\
         held = []\n\
         def take(mib, pause):\n\
         \x20   path = '/sys/fs/cgroup/memory' + own + '/memory.usage_in_bytes'\n\
         \x20   while int(open(path).read()) >> 20 < mib: held.append(bytearray(1 << 20)); time.sleep(pause)\n\
         take(95, 0.01); take(124, 0.6)\n\
         while not os.path.exists('give'): time.sleep(0.01)\n\
         held.clear(); print('given', flush=True); time.sleep(600)\n";
    let options = ["--listen", "127.0.0.1:0"];
    let (run, address) = listens(start_command(cgroup.within(&command(
        Place::Below,
        &options,
        &["python3", "-c", script],
    ))));
    assert!(is_ok(&ask(address, "/readyz")));
    let mut unready = String::new();
    wait_until("the container to be unready", || {
        unready = ask(address, "/readyz");
        !is_ok(&unready)
    });
    assert!(unready.contains("\r\n\r\nshedding: "), "{unready}");
    assert!(is_ok(&ask(address, "/livez")));
    wait_until("a record on the page", || {
        let page = ask(address, "/metrics");
        page.contains("\ndunnage_pressure_rung 4\n") && page.contains("\ndunnage_records_total 1\n")
    });
    std::fs::write(run.path("give"), "").unwrap();
    wait_until("readiness", || is_ok(&ask(address, "/readyz")));
    run.signal("TERM");
    let finished = run.finish();
    let shed: Vec<_> = finished
        .all("shedding")
        .iter()
        .map(|event| event["on"].as_bool())
        .collect();
    assert_eq!(shed, [Some(true), Some(false)], "{}", finished.stderr);
}
