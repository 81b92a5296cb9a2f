use super::*;
use proptest::prelude::*;

#[test]
fn the_kernel_s_words_are_understood() {
    let counters = parse_schedstat(b"244100000 786200000 77\n").unwrap();
    assert_eq!(
        (counters.run, counters.wait, counters.count),
        (244_100_000, 786_200_000, 77)
    );
    assert_eq!(parse_schedstat(b"1 2\n"), None);
    assert_eq!(parse_syscall(b"running\n"), Some(Call::Running));
    assert_eq!(
        parse_syscall(b"202 0x7f00 0x80 0x0 0x0 0x0 0x0 0x7ffe 0x7f\n"),
        Some(Call::In(202, 0x7f00))
    );
    assert_eq!(
        parse_syscall(b"-1 0x7ffe 0x7f\n"),
        Some(Call::In(-1, 0x7ffe))
    );
    let stat = b"7 (a) b) S 1 7 7 0 -1 0 1 2 3 4 12 3 0 0 20 0 1 0 5 6 7";
    assert_eq!(parse_cpu_time(stat), Some(150_000_000));
}

/// A thread that does this, and its id.
fn spawn(work: impl FnOnce() + Send + 'static) -> (std::thread::JoinHandle<()>, i32) {
    let (tell_tid, tid) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let own = std::fs::read_link("/proc/thread-self").unwrap();
        let name = own.file_name().unwrap().to_str().unwrap();
        tell_tid.send(name.parse().unwrap()).unwrap();
        work();
    });
    (thread, tid.recv().unwrap())
}

#[test]
fn a_thread_that_does_nothing_is_new_once_and_one_that_worked_is_new_again() {
    let (say, heard) = std::sync::mpsc::channel::<()>();
    let (thread, tid) = spawn(move || while heard.recv().is_ok() {});
    let pid = std::process::id() as i32;
    let (mut room, mut buffer) = (1, [0; size_of::<Buffer>()]);
    let mut task = Task::open(pid, tid, 0, &mut room);
    assert_eq!(room, 0, "the second file is opened at each read");
    let settle = |task: &mut Task, buffer: &mut Buffer| {
        while task.look(&Gil::default(), buffer) != Found::Same || task.seen() == Seen::Runnable {
            std::thread::yield_now();
        }
    };
    settle(&mut task, &mut buffer);
    assert_eq!(task.seen(), Seen::Sleeps);
    say.send(()).unwrap();
    let mut gained = 0;
    while gained == 0 {
        if let Found::New(counters, _) = task.look(&Gil::default(), &mut buffer) {
            gained += counters.run;
        }
    }
    settle(&mut task, &mut buffer);
    drop(say);
    thread.join().unwrap();
    assert_eq!(task.look(&Gil::default(), &mut buffer), Found::Gone);
    task.close(&mut room);
    assert_eq!(room, 1);
}

#[test]
fn that_a_thread_waits_for_the_gil_still_is_granted_while_nobody_else_can_have_had_it_and_asked_after_that()
 {
    let (say, heard) = std::sync::mpsc::channel::<()>();
    let (thread, tid) = spawn(move || {
        // a futex, and then a sleep that is none
        while heard.recv().is_ok() {}
        std::thread::sleep(std::time::Duration::from_mins(1));
    });
    let pid = std::process::id() as i32;
    let (mut room, mut buffer) = (2, [0; size_of::<Buffer>()]);
    let mut task = Task::open(pid, tid, 7, &mut room);
    let gil = |had| Gil {
        span: Some(0..u64::MAX),
        had,
    };
    while task.look(&gil(None), &mut buffer) != Found::Same || task.seen() != Seen::WaitsForGil {
        std::thread::yield_now();
    }
    drop(say);
    let others = gil(Some([1, 2]));
    loop {
        match task.look(&others, &mut buffer) {
            Found::New(_, seen) => {
                assert_eq!(seen, Seen::WaitsForGil);
                break;
            }
            found => assert_eq!(found, Found::Same),
        }
    }
    while read_call(pid, tid) == Some(calls::FUTEX) {
        std::thread::yield_now();
    }
    // whatever it did since is new, and no news without counters is asked for
    while !matches!(task.look(&others, &mut buffer), Found::Same) {}
    assert_eq!(task.seen(), Seen::WaitsForGil);
    for had in [Some([7, 2]), Some([1, 7]), None] {
        task.seen = Seen::WaitsForGil;
        task.granted = 1;
        while !matches!(
            task.look(&gil(had), &mut buffer),
            Found::New(_, Seen::Sleeps)
        ) {
            std::thread::yield_now();
        }
        assert_eq!(task.granted, 0, "{had:?}");
    }
    drop(thread);
}

fn read_call(pid: i32, tid: i32) -> Option<i64> {
    let bytes = std::fs::read(format!("/proc/{pid}/task/{tid}/syscall")).unwrap();
    match parse_syscall(&bytes) {
        Some(Call::In(number, _)) => Some(number),
        _ => None,
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (parse_schedstat(&bytes), parse_syscall(&bytes), parse_cpu_time(&bytes));
    }
}
