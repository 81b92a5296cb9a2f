//! The memory watch, in real cgroups: what it tells, what it leaves alone, what it does where that was chosen.

use super::cgroup::MemoryCgroup;
use super::support::*;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

/// 128 MiB.
const LIMIT: &str = "134217728";

/// What every program below begins with: it takes memory until the whole cgroup stands at so many MiB, in small steps.
const TAKE: &str = "import json,os,socket,sys,time\n\
     own = next(l for l in open('/proc/self/cgroup') if ':memory:' in l).strip().split(':')[2]\n\
     held = []\n\
     def used(): return int(open('/sys/fs/cgroup/memory' + own + '/memory.usage_in_bytes').read()) >> 20\n\
     def take(mib, pause=0.02):\n\
     \x20   while used() < mib: held.append(bytearray(1 << 20)); time.sleep(pause)\n\
     def say(*words): print(*words, flush=True)\n";

fn python(script: &str) -> [String; 3] {
    [
        "python3".to_owned(),
        "-c".to_owned(),
        format!("{TAKE}{script}"),
    ]
}

fn start(cgroup: &MemoryCgroup, options: &[&str], script: &str) -> Run {
    let words = python(script);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    start_command(cgroup.within(&command(Place::Below, options, &words)))
}

/// Everything that the watch may say or do, and that a quiet run must not have.
fn memory_events(finished: &Finished) -> Vec<&str> {
    let names = finished
        .events
        .iter()
        .filter_map(|event| event["event"].as_str());
    let names = names.filter(|name| {
        name.starts_with("memory_")
            || [
                "shedding",
                "recycled",
                "recycle_refused",
                "brink",
                "observed",
                "degraded",
            ]
            .contains(name)
    });
    names.collect()
}

#[test]
fn a_subscriber_hears_of_each_level_once() {
    let Some(cgroup) = MemoryCgroup::new("a_subscriber_hears_of_each_level_once", LIMIT) else {
        return;
    };
    let script = "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n\
         s.connect(os.environ['DUNNAGE_SOCKET']); s.settimeout(60)\n\
         s.send(b'{\"op\":\"subscribe\",\"to\":[\"pressure\"]}'); s.send(b'{\"op\":\"anything\"}'); s.recv(65536)\n\
         take(94); say(s.recv(65536).decode())\n\
         time.sleep(0.5); take(106); say(s.recv(65536).decode()); say('both')\n\
         time.sleep(600)\n";
    let run = start(&cgroup, &[], script);
    run.wait_for("both");
    let text = run.stdout();
    let packets: Vec<_> = text.lines().take(2).collect();
    run.signal("TERM");
    run.finish();
    for (packet, level) in packets.into_iter().zip(["warn", "high"]) {
        let packet: serde_json::Value = serde_json::from_str(packet).unwrap();
        assert_eq!(
            (&packet["op"], &packet["level"]),
            (&"pressure".into(), &level.into())
        );
        assert_eq!(packet["limit"], 134_217_728);
        assert!(
            packet["working_set"].as_u64().unwrap() > 89 << 20,
            "{packet}"
        );
    }
}

#[test]
fn a_steady_ninety_percent_is_written_down_once_and_nothing_is_done() {
    let name = "a_steady_ninety_percent_is_written_down_once";
    let Some(cgroup) = MemoryCgroup::new(name, LIMIT) else {
        return;
    };
    let options = [
        "--recycle",
        "on",
        "--on-brink",
        "exit",
        "--log-level",
        "debug",
    ];
    let run = start(&cgroup, &options, "take(117); say('full'); time.sleep(600)");
    run.wait_for("full");
    run.wait_for_event("\"memory_record\"");
    sleep(Duration::from_secs(2));
    run.signal("TERM");
    let finished = run.finish();
    assert_eq!(finished.one("ended")["cause"], "stopped");
    let record = finished.one("memory_record");
    assert_eq!(
        (&record["number"], &record["complete"]),
        (&1.into(), &true.into())
    );
    let headline = record["headline"].as_str().unwrap();
    assert!(headline.contains("python3 -c"), "{headline}");
    // one line that a person sees, and the rest for who looks closely
    assert_eq!(finished.one("memory_pressure")["level"], "info");
    let rungs = finished.all("memory_rung").into_iter();
    let mut told: Vec<_> = rungs.map(|event| event["rung"].as_str().unwrap()).collect();
    told.insert(0, finished.one("memory_pressure")["rung"].as_str().unwrap());
    assert_eq!(
        told,
        ["watch", "release", "shed", "record"],
        "{}",
        finished.stderr
    );
    for name in ["recycled", "recycle_refused", "brink", "shedding"] {
        assert!(finished.all(name).is_empty(), "{}", finished.stderr);
    }
}

#[test]
fn a_limit_that_is_lowered_is_followed_at_once_and_told_once() {
    let name = "a_limit_that_is_lowered_is_followed_at_once";
    let Some(cgroup) = MemoryCgroup::new(name, "268435456") else {
        return;
    };
    let run = start(&cgroup, &[], "take(100); say('half'); time.sleep(600)");
    run.wait_for("half");
    run.wait_for_event("\"started\"");
    fs::write(cgroup.folder().join("memory.limit_in_bytes"), LIMIT).unwrap();
    run.wait_for_event("\"limits_changed\"");
    run.wait_for_event("\"memory_pressure\"");
    run.signal("TERM");
    let finished = run.finish();
    let changed = finished.one("limits_changed");
    assert_eq!(changed["memory_limit_bytes"], 134_217_728);
    assert_eq!(
        finished.all("memory_pressure")[0]["capacity_bytes"],
        134_217_728
    );
}

#[test]
fn page_cache_is_no_pressure() {
    let Some(cgroup) = MemoryCgroup::new("page_cache_is_no_pressure", LIMIT) else {
        return;
    };
    let script = "name = os.path.join(os.getcwd(), 'cache')\n\
         with open(name, 'wb') as f:\n\
         \x20   for _ in range(300): f.write(bytes(1 << 20))\n\
         \x20   os.fsync(f.fileno())\n\
         for _ in range(3):\n\
         \x20   with open(name, 'rb') as f:\n\
         \x20       while f.read(1 << 20): pass\n\
         say('read', used()); time.sleep(0.5)\n";
    let finished = start(&cgroup, &[], script).finish();
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let used: u64 = finished
        .stdout
        .trim()
        .strip_prefix("read ")
        .unwrap()
        .parse()
        .unwrap();
    assert!(used > 100, "{used} MiB are charged, most of it page cache");
    assert_eq!(memory_events(&finished), [""; 0], "{}", finished.stderr);
}

#[test]
fn switched_off_it_says_and_does_nothing() {
    let Some(cgroup) = MemoryCgroup::new("switched_off_it_says_and_does_nothing", LIMIT) else {
        return;
    };
    let finished = start(&cgroup, &["--watch", "off"], "take(118); time.sleep(0.5)").finish();
    assert_eq!(finished.code, 0);
    assert_eq!(memory_events(&finished), [""; 0], "{}", finished.stderr);
}

#[test]
fn observing_only_says_what_would_have_been_done() {
    let Some(cgroup) = MemoryCgroup::new("observing_only_says", LIMIT) else {
        return;
    };
    let options = ["--mode", "observe", "--on-brink", "exit"];
    let finished = start(&cgroup, &options, "take(105); take(1000, 0.4)").finish();
    // nobody has ended it before the kernel did
    assert_eq!(finished.code, 137, "{}", finished.stderr);
    let would: Vec<_> = finished
        .all("observed")
        .iter()
        .map(|event| event["would"].as_str().unwrap().to_owned())
        .collect();
    for part in [
        "tell Python that memory is warn",
        "give memory back",
        "write down",
        "begin the shutdown",
    ] {
        assert!(
            would.iter().any(|text| text.contains(part)),
            "{part}: {would:?}"
        );
    }
    assert!(finished.all("memory_record").is_empty() && finished.all("stopping").is_empty());
}

#[test]
fn at_the_brink_the_shutdown_begins_where_that_was_chosen() {
    let Some(cgroup) = MemoryCgroup::new("at_the_brink_the_shutdown_begins", LIMIT) else {
        return;
    };
    let finished = start(
        &cgroup,
        &["--on-brink", "exit"],
        "take(105); take(1000, 0.4)",
    )
    .finish();
    assert_eq!(finished.code, 143, "{}", finished.stderr);
    assert_eq!(finished.one("brink")["action"], "exit");
    assert_eq!(finished.one("stopping")["signal"], "SIGTERM");
    assert_eq!(finished.one("ended")["cause"], "stopped");
    assert!(finished.all("oom_kill").is_empty());
}

/// A server that looks like gunicorn's: a master that forks two workers and a new one for each that ends. The first one
/// grows until it is told to go.
const SERVER: &str = "import signal\n\
     def work(grows):\n\
     \x20   signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n\
     \x20   if grows: take(95); take(1000, 0.5)\n\
     \x20   while True: time.sleep(60)\n\
     def fork(grows):\n\
     \x20   pid = os.fork()\n\
     \x20   if pid == 0: work(grows)\n\
     \x20   return pid\n\
     def end(*_):\n\
     \x20   for pid in workers: os.kill(pid, signal.SIGTERM)\n\
     \x20   os._exit(0)\n\
     workers = [fork(False), fork(True)]; signal.signal(signal.SIGTERM, end)\n\
     say('fat', workers[1])\n\
     while True:\n\
     \x20   pid, _ = os.wait(); workers.remove(pid); workers.append(fork(False)); say('replaced', pid)\n";

#[test]
fn the_worker_that_grows_is_replaced_and_the_server_lives_on() {
    let name = "the_worker_that_grows_is_replaced";
    let Some(cgroup) = MemoryCgroup::new(name, LIMIT) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("gunicorn");
    fs::write(&script, format!("{TAKE}{SERVER}")).unwrap();
    let words = ["python3", script.to_str().unwrap()];
    let command = command(Place::Below, &["--recycle", "on"], &words);
    let run = start_command(cgroup.within(&command));
    run.wait_for("replaced");
    run.signal("TERM");
    let finished = run.finish();
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let recycled = finished.one("recycled");
    let fat = finished
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("fat "))
        .unwrap();
    assert_eq!(recycled["pid"].to_string(), fat);
    assert!(finished.stdout.contains(&format!("replaced {fat}")));
    assert!(
        recycled["parent"]
            .as_str()
            .unwrap()
            .starts_with("python3 gunicorn (")
    );
    assert!(finished.all("oom_kill").is_empty(), "{}", finished.stderr);
}

#[test]
fn a_process_alone_is_not_recycled_and_that_is_said() {
    let Some(cgroup) = MemoryCgroup::new("a_process_alone_is_not_recycled", LIMIT) else {
        return;
    };
    let finished = start(&cgroup, &["--recycle", "on"], "take(95); take(1000, 0.5)").finish();
    assert_eq!(finished.code, 137);
    let refused = finished.all("recycle_refused");
    let reason = refused.first().map(|event| event["reason"].to_string());
    assert!(
        reason.is_some_and(|reason| reason.contains("gunicorn")),
        "{}",
        finished.stderr
    );
}

#[test]
fn without_a_limit_nobody_wakes_up() {
    let Some(cgroup) = MemoryCgroup::new("without_a_limit_nobody_wakes_up", "-1") else {
        return;
    };
    let run = start(&cgroup, &["--agent", "off"], "say('up'); time.sleep(600)");
    run.wait_for("up");
    run.wait_for_event("\"started\"");
    let supervisor = run.supervisor();
    let switches = || status_line(supervisor, "voluntary_ctxt_switches");
    // a second after the start it gives back what only the start needed
    sleep(Duration::from_secs(2));
    let before = switches();
    sleep(Duration::from_secs(2));
    assert_eq!(switches(), before);
    run.signal("TERM");
    let finished = run.finish();
    assert!(finished.one("started")["memory_limit_bytes"].is_null());
}

#[test]
fn thresholds_out_of_order_are_refused_by_name() {
    let options = ["--memory-shed", "95", "--memory-record", "92"];
    let finished = run(Place::Below, &options, &["true"]);
    assert_eq!(finished.code, 125);
    assert!(
        finished.stderr.contains("--memory-watch"),
        "{}",
        finished.stderr
    );
}
