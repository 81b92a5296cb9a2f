//! The control socket: who comes in, who is told, and that nobody there can hold the supervisor up.

use super::support::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What every client below begins with.
const CLIENT: &str = "import json,os,socket,sys,time\n\
     def connect():\n\
     \x20   s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n\
     \x20   s.connect(os.environ['DUNNAGE_SOCKET']); s.settimeout(60); return s\n\
     def send(s, **m): s.send(json.dumps(m).encode())\n\
     def hello(s): send(s, op='hello', python='3.11.2', door='path')\n\
     def say(*words): print(*words, flush=True)\n";

/// A run of a Python program that begins as a client.
fn client(place: Place, options: &[&str], script: &str) -> Command {
    let script = format!("{CLIENT}{script}");
    let options = [&["--log-level", "debug"], options].concat();
    command(place, &options, &["python3", "-c", &script])
}

fn drain_script(before: &str) -> String {
    format!(
        "{before}\ns = connect(); hello(s); send(s, op='subscribe', to=['drain', 'pressure'])\n\
         send(s, op='anything'); say(json.loads(s.recv(65536))['op'])\n\
         say(s.recv(65536).decode()); say('told')\ntime.sleep(600)\n"
    )
}

#[test]
fn a_descendant_says_hello_and_is_told_of_the_shutdown() {
    for place in places("a_descendant_says_hello") {
        let run = start_command(client(place, &["--grace", "10"], &drain_script("")));
        // the answer to the last word says that those before it were heard
        run.wait_for("error");
        run.signal("TERM");
        let finished = run.finish();
        assert_eq!(finished.code, 143);
        let agent = finished.one("agent_present");
        assert_eq!(agent["python"], "3.11.2");
        assert_eq!(agent["pid"], finished.one("started")["pid"]);
    }
}

#[test]
fn the_notice_comes_in_the_drain_delay_with_the_deadline() {
    for place in places("the_notice_comes_in_the_drain_delay") {
        let options = ["--grace", "120", "--drain-delay", "50"];
        let run = start_command(client(place, &options, &drain_script("")));
        run.wait_for("error");
        run.signal("TERM");
        // the application still runs: TERM is 50 s away
        run.wait_for("told");
        assert!(
            run.stdout()
                .contains("\"op\":\"drain\",\"signal\":\"TERM\"")
        );
        assert!(run.stdout().contains("\"deadline_ms\":118000"));
        // a second one skips the delay
        run.signal("TERM");
        assert_eq!(run.finish().code, 143);
    }
}

#[test]
fn a_descendant_that_changed_its_user_is_let_in() {
    if !is_root() {
        println!("skipped: a_descendant_that_changed_its_user: needs root");
        return;
    }
    for place in places("a_descendant_that_changed_its_user") {
        let script = drain_script("os.setgid(12345); os.setuid(12345)");
        let run = start_command(client(place, &[], &script));
        run.wait_for("error");
        run.signal("TERM");
        let finished = run.finish();
        assert_eq!(
            finished.all("agent_present").len(),
            1,
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn a_stranger_is_refused() {
    if !needs_init("a_stranger_is_refused") || !is_root() {
        return;
    }
    let attempt = "s = connect()\n\
         try:\n    send(s, op='anything'); say(s.recv(65536) or 'refused')\n\
         except OSError: say('refused')\n";
    let try_from = |run: &Run, before: &str| {
        let output = Command::new("python3")
            .args(["-c", &format!("{CLIENT}{before}\n{attempt}")])
            .env("DUNNAGE_SOCKET", socket_of(run))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    // root, but of a PID namespace that the supervisor cannot see into
    let run = start(Place::Init, &[], &["sleep", "600"]);
    run.wait_for_event("\"started\"");
    assert_eq!(try_from(&run, ""), "refused");
    // in the same namespace: root may, another user that is no descendant may not
    let run = start(Place::Below, &[], &["sleep", "600"]);
    run.wait_for_event("\"started\"");
    assert!(try_from(&run, "").contains("error"));
    let other = "os.setgid(12345); os.setuid(12345)";
    assert_eq!(try_from(&run, other), "refused");
}

#[test]
fn clients_that_flood_and_never_read_hold_nothing_up() {
    for place in places("clients_that_flood") {
        let script = "import resource, threading\n\
             hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n\
             resource.setrlimit(resource.RLIMIT_NOFILE, (min(2048, hard), hard))\n\
             def flood():\n\
             \x20   s = connect(); s.setblocking(False)\n\
             \x20   while True:\n\
             \x20       try: s.send(b'nonsense')\n\
             \x20       except BlockingIOError: time.sleep(0.01)\n\
             \x20       except OSError: s = connect(); s.setblocking(False)\n\
             for _ in range(4): threading.Thread(target=flood, daemon=True).start()\n\
             kept = [connect() for _ in range(1000)]\n\
             s = connect(); send(s, op='anything'); s.recv(65536); say('heard')\n\
             time.sleep(600)\n";
        let run = start_command(client(place, &[], script));
        run.wait_for("heard");
        run.signal("TERM");
        assert_eq!(run.finish().code, 143);
    }
}

#[test]
fn the_folder_is_gone_at_the_end_and_the_child_knows_the_way_before() {
    for place in places("the_folder_is_gone_at_the_end") {
        let home = folder(0o700);
        let mut prepared = command(
            place,
            &[],
            &[
                "sh",
                "-c",
                "test -S \"$DUNNAGE_SOCKET\" && echo $DUNNAGE_SOCKET; exit 3",
            ],
        );
        prepared.env("DUNNAGE_RUNTIME_DIR", home.path());
        let finished = start_command(prepared).finish();
        assert_eq!(finished.code, 3);
        assert!(Path::new(finished.stdout.trim()).starts_with(home.path()));
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
        assert!(finished.all("degraded").is_empty(), "{}", finished.stderr);
    }
}

#[test]
fn a_chosen_folder_that_cannot_be_trusted_is_named_and_left_alone() {
    let (home, target) = (folder(0o777), folder(0o700));
    let link = home.path().join("link");
    symlink(target.path(), &link).unwrap();
    for chosen in [home.path(), &link, Path::new("here"), Path::new("/no/such")] {
        let mut prepared = command(
            Place::Below,
            &[],
            &["sh", "-c", "test -S \"$DUNNAGE_SOCKET\""],
        );
        prepared.env("DUNNAGE_RUNTIME_DIR", chosen);
        let finished = start_command(prepared).finish();
        assert_eq!(finished.code, 0);
        let reason = finished.one("degraded")["reason"].as_str().unwrap();
        assert!(reason.starts_with(chosen.to_str().unwrap()), "{reason}");
    }
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn a_planted_folder_of_another_user_is_left_alone() {
    if !needs_init("a_planted_folder_of_another_user") || !is_root() {
        return;
    }
    let home = folder(0o1777);
    // who shares the folder knows the name: PID 1 and an inode; here the run itself is asked for it
    let plant = "d=$DUNNAGE_RUNTIME_DIR/dunnage-$(stat -Lc %i /proc/self/ns/pid)-$$\n\
         mkdir -m 777 \"$d\" && chown 12345 \"$d\" && exec \"$@\"";
    let look = [
        "sh",
        "-c",
        "test -S \"$DUNNAGE_SOCKET\" && echo $DUNNAGE_SOCKET",
    ];
    let prepared = command(Place::Below, &[], &look);
    let mut planted = Command::new("sh");
    planted.args(["-c", plant, "sh"]);
    planted
        .arg(prepared.get_program())
        .args(prepared.get_args());
    planted.env("DUNNAGE_RUNTIME_DIR", home.path());
    let finished = start_command(planted).finish();
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(!Path::new(finished.stdout.trim()).starts_with(home.path()));
    let left: Vec<PathBuf> = std::fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let [left] = left.as_slice() else {
        panic!("{left:?}")
    };
    let metadata = std::fs::metadata(left).unwrap();
    assert_eq!((metadata.uid(), metadata.mode() & 0o777), (12345, 0o777));
    assert_eq!(std::fs::read_dir(left).unwrap().count(), 0);
}

#[test]
fn switched_off_or_observing_there_is_no_socket() {
    for options in [&["--control", "off"], &["--mode", "observe"]] {
        let home = folder(0o700);
        let script = "echo \"[$DUNNAGE_SOCKET]\"; ls -A \"$DUNNAGE_RUNTIME_DIR\"";
        let mut prepared = command(Place::Below, options, &["sh", "-c", script]);
        prepared.env("DUNNAGE_RUNTIME_DIR", home.path());
        let finished = start_command(prepared).finish();
        assert_eq!(finished.stdout, "[]\n");
    }
}

#[test]
fn without_any_folder_one_line_says_so_and_the_application_runs() {
    if !needs_init("without_any_folder") {
        return;
    }
    // every place is read-only, for this run alone
    let script = "for d in /tmp /dev/shm; do mount -t tmpfs -o ro none $d; done\n\
         mkdir -p /run/dunnage 2>/dev/null && mount -t tmpfs -o ro none /run/dunnage\n\
         exec \"$@\"";
    let prepared = command(
        Place::Below,
        &[],
        &["sh", "-c", "echo \"[$DUNNAGE_SOCKET]\"; exit 4"],
    );
    let program = std::env::temp_dir();
    if Path::new(DUNNAGE).starts_with(&program) || Path::new(DUNNAGE).starts_with("/dev/shm") {
        println!(
            "skipped: without_any_folder: the program itself lies in {}",
            program.display()
        );
        return;
    }
    let mut hidden = Command::new("unshare");
    hidden.args(["--mount", "sh", "-c", script, "sh"]);
    hidden.arg(prepared.get_program()).args(prepared.get_args());
    hidden.env_remove("DUNNAGE_RUNTIME_DIR");
    let finished = start_command(hidden).finish();
    assert_eq!((finished.code, finished.stdout.as_str()), (4, "[]\n"));
    let reason = finished.one("degraded")["reason"].as_str().unwrap();
    assert!(
        reason.contains("/dev/shm") && reason.contains("/tmp"),
        "{reason}"
    );
}

fn folder(mode: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    folder
}

fn is_root() -> bool {
    let folder = folder(0o700);
    let is_root = chown(folder.path(), Some(12345), None).is_ok();
    if !is_root {
        println!("skipped: another user's part: needs root");
    }
    is_root
}

/// The socket's path as the supervisor told its child.
fn socket_of(run: &Run) -> String {
    let mut found = None;
    wait_until("the child's environment", || {
        let child = children(run.supervisor()).into_iter().next();
        let environment = child
            .and_then(|pid| std::fs::read(format!("/proc/{pid}/environ")).ok())
            .unwrap_or_default();
        found = environment
            .split(|byte| *byte == 0)
            .find_map(|entry| entry.strip_prefix(b"DUNNAGE_SOCKET="))
            .map(|path| String::from_utf8_lossy(path).into_owned());
        found.is_some()
    });
    found.unwrap()
}
