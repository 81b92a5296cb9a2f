//! The thread with a loop that the test plays, and clients over real sockets.

use super::*;
use std::net::TcpStream;
use std::thread::{JoinHandle, spawn};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

fn ready() -> Snapshot {
    Snapshot {
        started: true,
        ..Snapshot::default()
    }
}

/// Starts on a free port.
fn start(textfile: Option<PathBuf>) -> (Health, SocketAddr) {
    let wanted = config::Health {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        textfile,
    };
    let (health, said) = Health::start(&wanted, &Overrides::default());
    let [Event::Listening { address }] = said.as_slice() else {
        panic!("{said:?}");
    };
    (health.unwrap(), address.parse().unwrap())
}

/// A loop that sleeps until it is asked, until the last client is done; returns it and how often it was woken.
fn play_loop(mut health: Health, snapshot: Snapshot, until: JoinHandle<()>) -> (Health, usize) {
    let mut woken = 0;
    let end = Instant::now() + PATIENCE;
    while !until.is_finished() {
        assert!(Instant::now() < end, "the clients hang");
        let wanted = [Some((health.as_fd(), Interest::Read))];
        let ready = poll(&wanted, Some(Duration::from_millis(20))).unwrap();
        woken += usize::from(ready.has(0));
        assert_eq!(health.turn(&snapshot), Pulse::Alive);
    }
    until.join().unwrap();
    (health, woken)
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// All that is answered to `text`, until the connection ends.
fn exchange(address: SocketAddr, text: &str) -> String {
    let mut socket = connect(address);
    socket.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn get(address: SocketAddr, path: &str) -> String {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[test]
fn probes_and_scrapes_are_answered_with_what_the_loop_says() {
    let (health, address) = start(None);
    let clients = spawn(move || {
        assert_eq!(status(&get(address, "/livez")), "200");
        assert_eq!(status(&get(address, "/readyz")), "200");
        let page = get(address, "/metrics");
        assert!(
            page.contains("Content-Type: text/plain; version=0.0.4"),
            "{page}"
        );
        assert!(page.contains("\ndunnage_ready 1\n"), "{page}");
        assert!(
            page.contains("\ndunnage_orphans_reaped_total 5\n"),
            "{page}"
        );
        assert_eq!(status(&get(address, "/")), "404");
    });
    let snapshot = Snapshot {
        orphans_reaped: 5,
        ..ready()
    };
    play_loop(health, snapshot, clients);
}

#[test]
fn a_change_of_readiness_is_known_at_once_and_not_when_the_last_word_is_stale() {
    let (mut health, address) = start(None);
    health.turn(&ready());
    let clients = spawn(move || assert_eq!(status(&get(address, "/readyz")), "200"));
    let (mut health, _) = play_loop(health, ready(), clients);
    let draining = Snapshot {
        draining: true,
        ..ready()
    };
    health.turn(&draining);
    // it was said unasked: a loop that is not there any more is not missed
    let answer = get(address, "/readyz");
    assert_eq!(status(&answer), "503");
    assert!(
        answer.ends_with("draining: the application is stopping\n"),
        "{answer}"
    );
    assert_eq!(status(&get(address, "/livez")), "200");
}

#[test]
fn a_loop_that_does_not_turn_is_not_alive_and_its_last_word_on_readiness_holds() {
    let (mut health, address) = start(None);
    health.turn(&ready());
    // until the word is stale, whoever asks is answered by it; then the loop is asked, which nobody plays
    let end = Instant::now() + PATIENCE;
    while status(&get(address, "/livez")) != "503" {
        assert!(
            Instant::now() < end,
            "a loop that stands still is said to be alive"
        );
    }
    assert_eq!(status(&get(address, "/readyz")), "200");
    assert!(get(address, "/metrics").contains("\ndunnage_supervisor_responsive 0\n"));
    // and one that turns again is
    let clients = spawn(move || assert_eq!(status(&get(address, "/livez")), "200"));
    health.turn(&ready());
    play_loop(health, ready(), clients);
}

#[test]
fn many_requests_in_a_row_wake_the_loop_once_a_second_at_most() {
    let (health, address) = start(None);
    let began = Instant::now();
    let clients = spawn(move || {
        for _ in 0..500 {
            assert_eq!(status(&get(address, "/livez")), "200");
        }
    });
    let (_, woken) = play_loop(health, ready(), clients);
    let seconds = began.elapsed().as_secs() as usize;
    assert!(woken <= seconds + 1, "{woken} times in {seconds} s");
}

#[test]
fn hostile_clients_keep_nobody_out() {
    let (health, address) = start(None);
    let clients = spawn(move || {
        // kept open, silent or half-way; more than there are places
        let mut kept: Vec<_> = (0..100).map(|_| connect(address)).collect();
        for (number, socket) in kept.iter_mut().enumerate() {
            // one that was let go already cannot be written to
            let _ = match number % 3 {
                0 => Ok(()),
                1 => socket.write_all(b"GET /met"),
                _ => socket.write_all(b"GET /metrics HTTP/1.1\r\n\r\n"),
            };
        }
        for path in ["/livez", "/metrics"] {
            assert_eq!(status(&get(address, path)), "200");
        }
        assert_eq!(status(&exchange(address, "\0\0\0\0\r\n\r\n")), "400");
        let long = format!("GET /livez HTTP/1.1\r\nA: {}", "b".repeat(5000));
        assert_eq!(status(&exchange(address, &long)), "431");
        // a body is not taken, and does not cost the client its answer
        let body = format!("POST /metrics HTTP/1.1\r\n\r\n{}", "c".repeat(10_000));
        assert_eq!(status(&exchange(address, &body)), "405");
        let head = exchange(address, "HEAD /livez HTTP/1.1\r\n\r\n");
        assert!(
            head.ends_with("\r\n\r\n") && status(&head) == "200",
            "{head}"
        );
        drop(kept);
    });
    play_loop(health, ready(), clients);
}

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let (health, address) = start(None);
    let clients = spawn(move || {
        let mut silent = connect(address);
        silent.write_all(b"GET /livez HTTP/1.1\r\n").unwrap();
        // closed or reset, but ended
        assert!(matches!(silent.read(&mut [0; 16]), Ok(0) | Err(_)));
    });
    play_loop(health, ready(), clients);
}

#[test]
fn an_address_in_use_is_said_once_and_nothing_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = config::Health {
        listen: taken.local_addr().ok(),
        textfile: None,
    };
    let (health, said) = Health::start(&wanted, &Overrides::default());
    assert!(health.is_none());
    assert!(
        matches!(said.as_slice(), [Event::Degraded { reason, .. }] if reason.contains("in use")),
        "{said:?}"
    );
    let nothing = Health::start(&config::Health::default(), &Overrides::default());
    assert!(nothing.0.is_none() && nothing.1.is_empty());
}

#[test]
fn the_file_is_there_from_the_start_and_has_the_last_word() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(textfile::NAME);
    let (health, _) = start(Some(folder.path().to_owned()));
    let path = file.clone();
    let waiting = spawn(move || {
        while !path.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let (health, _) = play_loop(health, ready(), waiting);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("\ndunnage_signals_forwarded_total 0\n"),
        "{text}"
    );
    let last = Snapshot {
        draining: true,
        signals_forwarded: 9,
        ..ready()
    };
    health.finish(&last);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("\ndunnage_signals_forwarded_total 9\n"),
        "{text}"
    );
    assert!(text.contains("\ndunnage_ready 0\n"), "{text}");
}

#[test]
fn a_folder_that_cannot_be_written_is_said_once_and_clients_are_served_all_the_same() {
    let (mut health, address) = start(Some(PathBuf::from("/proc/none")));
    let end = Instant::now() + PATIENCE;
    let event = loop {
        assert!(Instant::now() < end, "nothing was said");
        let wanted = [Some((health.as_fd(), Interest::Read))];
        poll(&wanted, Some(Duration::from_secs(1))).unwrap();
        health.turn(&ready());
        if let Some(event) = health.take_event() {
            break event;
        }
    };
    assert!(
        event.text().contains("/proc/none/dunnage.prom"),
        "{}",
        event.text()
    );
    let clients = spawn(move || assert_eq!(status(&get(address, "/livez")), "200"));
    let (mut health, _) = play_loop(health, ready(), clients);
    assert_eq!(health.take_event(), None);
}

#[test]
fn a_thread_that_has_ended_is_noticed() {
    let (mut health, _) = start(None);
    // what ends it here is that the loop's side is shut; a panic closes the other side in the same way
    health.wake.shutdown(std::net::Shutdown::Write).unwrap();
    let end = Instant::now() + PATIENCE;
    loop {
        let mut byte = [0];
        match health.wake.read(&mut byte) {
            Ok(0) => break,
            _ => assert!(Instant::now() < end, "it lives on"),
        }
    }
    assert_eq!(health.turn(&ready()), Pulse::Gone);
}
