use super::*;
use crate::control::news::MAX_SUBSCRIBERS;
use crate::log::LogFormat;
use crate::procfs::read_process;
use dunnage_policy::pressure::Level;
use dunnage_policy::signal::Signal;

const NOW: Duration = Duration::from_secs(5);

fn control() -> (tempfile::TempDir, Control, Log) {
    let place = tempfile::tempdir().unwrap();
    let control = Control::open(Some(place.path())).unwrap();
    (place, control, Log::new(LogFormat::Text, None))
}

fn connect(control: &Control) -> PacketConnection {
    PacketConnection::connect(&control.socket()).unwrap()
}

fn next(connection: &PacketConnection) -> Option<String> {
    let mut buffer = [0; 1024];
    match connection.receive(&mut buffer).unwrap() {
        Received::Packet(size) => Some(String::from_utf8_lossy(&buffer[..size]).into_owned()),
        Received::Nothing => None,
        other => panic!("{other:?}"),
    }
}

const SUBSCRIBE: &[u8] = br#"{"op":"subscribe","to":["drain"]}"#;

#[test]
fn a_subscriber_hears_of_the_first_stop_only_and_a_late_one_what_is_left() {
    let (_place, mut control, mut log) = control();
    let early = connect(&control);
    early.send(SUBSCRIBE).unwrap();
    let silent = connect(&control);
    control.turn(NOW, &mut log);
    control.turn(NOW, &mut log);
    control.announce_stop(Signal::TERM, NOW, Some(Duration::from_secs(8)));
    control.announce_stop(Signal::INT, NOW, Some(Duration::from_secs(8)));
    let told = |left: u64| format!(r#"{{"op":"drain","signal":"TERM","deadline_ms":{left}}}"#);
    assert_eq!(next(&early), Some(told(8000)));
    assert_eq!(next(&early), None);
    silent.send(SUBSCRIBE).unwrap();
    silent.send(SUBSCRIBE).unwrap();
    control.turn(NOW + Duration::from_secs(3), &mut log);
    assert_eq!(next(&silent), Some(told(5000)));
    assert_eq!(next(&silent), None);
}

#[test]
fn a_subscriber_of_pressure_hears_each_level_once_and_a_late_one_what_holds() {
    let (_place, mut control, mut log) = control();
    let subscribe = br#"{"op":"subscribe","to":["pressure"]}"#;
    let (early, drained) = (connect(&control), connect(&control));
    early.send(subscribe).unwrap();
    drained.send(SUBSCRIBE).unwrap();
    control.turn(NOW, &mut log);
    control.turn(NOW, &mut log);
    let high = news::Pressure {
        level: Level::High,
        working_set: 81,
        limit: 100,
    };
    let told = r#"{"op":"pressure","level":"high","working_set":81,"limit":100}"#;
    control.announce_pressure(high, &mut log);
    assert_eq!(next(&early).as_deref(), Some(told));
    assert_eq!((next(&early), next(&drained)), (None, None));
    drained.send(subscribe).unwrap();
    control.turn(NOW, &mut log);
    assert_eq!(next(&drained).as_deref(), Some(told));
    control.settle_pressure(None);
    let late = connect(&control);
    late.send(subscribe).unwrap();
    control.turn(NOW, &mut log);
    control.turn(NOW, &mut log);
    assert_eq!((next(&late), next(&early)), (None, None));
}

#[test]
fn only_root_our_user_and_descendants_of_our_pid_namespace_come_in() {
    let peer = |pid, uid| Peer { pid, uid };
    let never = |_| -> bool { panic!("not asked") };
    assert!(!is_admitted(peer(0, 0), 1000, never), "another namespace");
    assert!(is_admitted(peer(7, 0), 1000, never));
    assert!(is_admitted(peer(7, 1000), 1000, never));
    assert!(is_admitted(peer(7, 1001), 1000, |_| true));
    assert!(!is_admitted(peer(7, 1001), 1000, |_| false));
}

#[test]
fn of_a_thousand_the_silent_go_and_a_subscriber_stays() {
    let (_place, mut control, mut log) = control();
    let faithful = connect(&control);
    faithful.send(SUBSCRIBE).unwrap();
    control.turn(NOW, &mut log);
    control.turn(NOW, &mut log);
    let mut crowd = Vec::new();
    for _ in 0..1000 {
        crowd.push(connect(&control));
        control.turn(NOW, &mut log);
        assert!(control.connections.len() <= MAX_CONNECTIONS);
    }
    assert_eq!(control.connections.len(), MAX_CONNECTIONS);
    control.announce_stop(Signal::TERM, NOW, None);
    assert!(next(&faithful).unwrap().contains("null"));
}

#[test]
fn there_is_always_room_beside_the_subscribers_and_one_too_many_is_told_so() {
    let (_place, mut control, mut log) = control();
    let subscribe = |control: &mut Control, log: &mut Log| {
        let peer = connect(control);
        peer.send(SUBSCRIBE).unwrap();
        control.turn(NOW, log);
        control.turn(NOW, log);
        peer
    };
    let mut peers = Vec::new();
    for _ in 0..MAX_SUBSCRIBERS {
        peers.push(subscribe(&mut control, &mut log));
    }
    let refused = subscribe(&mut control, &mut log);
    assert!(next(&refused).unwrap().contains("56 subscribers already"));
    for _ in 0..MAX_CONNECTIONS {
        let visitor = connect(&control);
        visitor.send(b"nonsense").unwrap();
        control.turn(NOW, &mut log);
        control.turn(NOW, &mut log);
        assert!(next(&visitor).unwrap().contains("error"));
        std::mem::forget(visitor);
    }
    control.announce_stop(Signal::TERM, NOW, None);
    assert!(peers.iter().all(|peer| next(peer).is_some()));
    // a subscriber that leaves makes room
    peers.pop();
    let late = subscribe(&mut control, &mut log);
    control.turn(NOW, &mut log);
    assert!(next(&late).unwrap().contains("drain"));
}

#[test]
fn a_peer_that_never_reads_is_not_read_either_and_costs_a_bounded_queue() {
    let (_place, mut control, mut log) = control();
    let deaf = connect(&control);
    control.turn(NOW, &mut log);
    // each is answered with a sentence, until there is no room for one and nothing is read any more
    let mut refused = 0;
    for _ in 0..100_000 {
        if !deaf.send(b"nonsense").unwrap() {
            refused += 1;
        }
        control.turn(NOW, &mut log);
        if refused > 10 {
            break;
        }
    }
    assert!(refused > 10, "the sender is held back");
    let connection = control.connections.values().next().unwrap();
    assert!((1..=connection::MAX_QUEUE).contains(&connection.waiting()));
    let other = connect(&control);
    other.send(b"nonsense").unwrap();
    control.turn(NOW, &mut log);
    control.turn(NOW, &mut log);
    assert!(next(&other).unwrap().contains("error"));
    // once it reads, all goes on
    while next(&deaf).is_some() {}
    control.turn(NOW, &mut log);
    assert!(next(&deaf).is_some());
}

#[test]
fn who_does_not_read_how_short_memory_is_is_passed_over_and_still_told_of_the_shutdown() {
    let (_place, mut control, mut log) = control();
    let (deaf, other) = (connect(&control), connect(&control));
    let subscribe = br#"{"op":"subscribe","to":["drain","pressure"]}"#;
    deaf.send(subscribe).unwrap();
    other.send(subscribe).unwrap();
    control.turn(NOW, &mut log);
    control.turn(NOW, &mut log);
    let pressure = news::Pressure {
        level: Level::High,
        working_set: 81,
        limit: 100,
    };
    let mut sent = 0_u64;
    while control.notices_dropped() < 9 {
        control.announce_pressure(pressure, &mut log);
        sent += 1;
        assert!(next(&other).unwrap().contains("pressure"));
        assert!(sent < 100_000, "it is sent more and more");
    }
    assert_eq!(control.connections.len(), 2);
    control.announce_stop(Signal::TERM, NOW, None);
    assert!(next(&other).unwrap().contains("drain"));
    // once it reads, it finds what was not dropped, and the last word
    let mut heard = Vec::new();
    loop {
        control.turn(NOW, &mut log);
        let before = heard.len();
        heard.extend(std::iter::from_fn(|| next(&deaf)));
        if heard.len() == before {
            break;
        }
    }
    assert_eq!(heard.len() as u64, sent - 9 + 1);
    assert!(heard.last().unwrap().contains("drain"), "{heard:?}");
}

#[test]
fn a_process_is_remembered_once_however_often_it_says_hello() {
    let (_place, mut control, mut log) = control();
    let peer = connect(&control);
    for _ in 0..3 {
        peer.send(br#"{"op":"hello","python":"3.11.2","door":"path"}"#)
            .unwrap();
    }
    control.turn(NOW, &mut log);
    control.turn(NOW, &mut log);
    assert!(!control.agents.remember(dunnage_sys::current_pid()));
    assert_eq!(next(&peer), None, "a hello has no answer");
    drop(peer);
    control.turn(NOW, &mut log);
    assert!(control.connections.is_empty());
}

#[test]
fn a_packet_that_is_too_long_is_answered_and_the_next_one_is_heard() {
    let (_place, mut control, mut log) = control();
    let peer = connect(&control);
    assert!(peer.send(&vec![b' '; MAX_PACKET + 1]).unwrap());
    assert!(peer.send(SUBSCRIBE).unwrap());
    control.turn(NOW, &mut log);
    control.turn(NOW, &mut log);
    assert!(next(&peer).unwrap().contains("too long"));
    control.announce_stop(Signal::TERM, NOW, None);
    assert!(next(&peer).unwrap().contains("drain"));
}

#[test]
fn a_python_that_may_still_be_starting_gets_a_third_look() {
    let mut python = std::process::Command::new("python3")
        .args(["-c", "while True: pass"])
        .spawn()
        .unwrap();
    let child = python.id() as i32;
    // between fork and execve it is a copy of this test
    while read_process(child).is_none_or(|process| !crate::procfs::is_python(&process)) {
        std::thread::sleep(Duration::from_millis(1));
    }
    // stopped, it is neither asleep nor done, for sure
    let _ = dunnage_sys::kill(child, Signal::STOP.number());
    while read_process(child).is_none_or(|process| process.state != 'T') {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (_place, mut control, _) = control();
    control.expect_agents(child);
    let mut looks = Vec::new();
    while let Some(at) = control.wake_at() {
        looks.push(at.as_secs());
        control.agents.look(at);
    }
    assert_eq!(looks, [3, 5, 60]);
    python.kill().unwrap();
    python.wait().unwrap();
}

#[test]
fn a_python_that_says_nothing_is_named_once_and_only_after_two_looks() {
    let mut python = waiting_python();
    let child = python.id() as i32;
    while read_process(child).is_none_or(|process| process.state != 'S') {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (_place, mut control, _) = control();
    assert_eq!(control.wake_at(), None);
    control.expect_agents(child);
    let mut said = Vec::new();
    let mut looks = Vec::new();
    while let Some(at) = control.wake_at().filter(|at| at.as_secs() < 1000) {
        looks.push(at.as_secs());
        said.extend(control.agents.look(at));
    }
    assert_eq!(looks, [3, 5]);
    assert!(
        matches!(said.as_slice(), [Event::AgentAbsent { pid, .. }] if *pid == child),
        "{said:?}"
    );
    // one that said hello is not named, however often is looked
    control.agents.remember(child);
    control.expect_agents(child);
    let mut looks = 0;
    while let Some(at) = control.wake_at().filter(|at| at.as_secs() < 1000) {
        looks += 1;
        assert_eq!(control.agents.look(at), None);
    }
    assert_eq!(looks, 2 + 16);
    control.announce_stop(Signal::TERM, NOW, None);
    assert_eq!(control.wake_at(), None);
    drop(python.stdin.take());
    python.wait().unwrap();
}

/// A Python that is in the function `waiting_room`, deep down.
fn waiting_python() -> std::process::Child {
    use std::io::BufRead;
    let script = "import sys\n\
         def waiting_room(left):\n\
         \x20   if left: waiting_room(left - 1)\n\
         \x20   else: print('in', flush=True); sys.stdin.read()\n\
         waiting_room(300)";
    let mut python = std::process::Command::new("python3")
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = std::io::BufReader::new(python.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    python
}

/// Asks, while the loop turns.
fn ask(control: &mut Control, pids: Vec<i32>) -> Result<Vec<dunnage_python::ProcessDump>, String> {
    let (client, mut log) = (connect(control), Log::new(LogFormat::Text, None));
    let asking = std::thread::spawn(move || crate::ask(&client, &pids));
    while !asking.is_finished() {
        control.turn(NOW, &mut log);
        std::thread::sleep(Duration::from_millis(1));
    }
    asking.join().unwrap().map_err(|error| error.to_string())
}

#[test]
fn tracebacks_of_all_or_of_those_named_are_given_out_and_only_of_what_is_below() {
    let mut python = waiting_python();
    let pid = python.id() as i32;
    let (_place, mut control, _) = control();
    for pids in [Vec::new(), vec![pid]] {
        let processes = ask(&mut control, pids).unwrap();
        let process = processes.iter().find(|process| process.pid == pid).unwrap();
        assert_eq!(process.error, None);
        let frames = &process.threads[0].frames;
        assert!(
            frames.iter().any(|frame| frame.function == "waiting_room"),
            "{frames:?}"
        );
    }
    let above = std::os::unix::process::parent_id() as i32;
    for pid in [above, 1, 0, -1, i32::MAX] {
        let processes = ask(&mut control, vec![pid]).unwrap();
        let [process] = processes.as_slice() else {
            panic!("{processes:?}")
        };
        assert!(
            process
                .error
                .as_deref()
                .unwrap()
                .contains("below the supervisor")
        );
    }
    drop(python.stdin.take());
    python.wait().unwrap();
}

#[test]
fn tracebacks_are_for_root_and_our_own_user_only() {
    let peer = |uid| Peer { pid: 7, uid };
    assert!(may_dump(peer(0), 1000) && may_dump(peer(1000), 1000));
    assert!(!may_dump(peer(1001), 1000) && !may_dump(peer(1001), 0));
}

#[test]
fn a_client_that_leaves_its_answers_lying_costs_a_place_and_holds_nobody_up() {
    let mut python = waiting_python();
    let (_place, mut control, mut log) = control();
    // enough requests to fill what the kernel holds for one who does not read
    let request = serde_json::json!({"op": "dump", "pids": vec![python.id(); 250]}).to_string();
    let deaf: Vec<_> = (0..MAX_DUMPS)
        .map(|_| {
            let deaf = connect(&control);
            deaf.send(request.as_bytes()).unwrap();
            control.turn(NOW, &mut log);
            control.turn(NOW, &mut log);
            deaf
        })
        .collect();
    assert_eq!(
        (control.dumps.len(), control.connections.len()),
        (MAX_DUMPS, 0)
    );
    let error = ask(&mut control, Vec::new()).unwrap_err();
    assert!(error.contains("try again"), "{error}");
    let heard = connect(&control);
    heard.send(SUBSCRIBE).unwrap();
    control.turn(NOW, &mut log);
    control.turn(NOW, &mut log);
    control.announce_stop(Signal::TERM, NOW, None);
    assert!(next(&heard).unwrap().contains("drain"));
    drop(deaf);
    for thread in std::mem::take(&mut control.dumps) {
        thread.join().unwrap();
    }
    drop(python.stdin.take());
    python.wait().unwrap();
}

const RELEASED: &[u8] = br#"{"op":"released","rss":4096,"pinned":null,"seconds":0.1,"notes":[]}"#;

#[test]
fn an_answer_counts_once_a_release_was_asked_for_and_a_flood_of_them_once() {
    let (place, mut control, mut log) = control();
    let page = control.socket().with_file_name("memory");
    assert!(page.starts_with(place.path()));
    assert_eq!(control.no_release(), None);
    let peer = connect(&control);
    let mut flood = |control: &mut Control| {
        for _ in 0..100 {
            peer.send(RELEASED).unwrap();
            control.turn(NOW, &mut log);
        }
        control.take_released().len()
    };
    assert_eq!(flood(&mut control), 0, "nobody has asked");
    assert_eq!(control.ask_release(), 1);
    assert_eq!(flood(&mut control), 1);
    assert_eq!(flood(&mut control), 0);
    assert_eq!(control.ask_release(), 2);
    assert_eq!(flood(&mut control), 1);
    drop(control);
    assert!(!page.exists());
}

#[test]
fn where_the_page_cannot_be_the_socket_still_is() {
    let (place, control, _) = control();
    let socket = control.socket();
    let folder = socket.parent().unwrap();
    assert!(folder.starts_with(place.path()));
    // as if somebody had been faster
    let error = Page::create(&folder.join("memory")).unwrap_err();
    let mut control = Control {
        page: Err(error.to_string()),
        ..control
    };
    assert!(control.no_release().unwrap().contains("exists"));
    assert_eq!(control.ask_release(), 0);
    control.set_level(Some(Level::High));
    connect(&control);
}
