//! Memory is given back when the supervisor asks, in applications that know nothing of it, and nothing else changes.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use dunnage_policy::message::{Released, Request};
use dunnage_sys::{PacketListener, Received};
use tempfile::TempDir;

use super::support::*;

/// The supervisor's side of the socket and the page.
struct Supervisor {
    folder: TempDir,
    listener: PacketListener,
    asked: u8,
}

impl Supervisor {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = PacketListener::bind(&folder.path().join("control")).unwrap();
        fs::write(folder.path().join("memory"), [0; 16]).unwrap();
        Self {
            folder,
            listener,
            asked: 0,
        }
    }

    fn page(&self) -> PathBuf {
        self.folder.path().join("memory")
    }

    fn ask(&mut self) {
        self.asked += 1;
        self.write(&[self.asked]);
    }

    fn write(&self, bytes: &[u8]) {
        let page = fs::File::options().write(true).open(self.page());
        page.unwrap().write_all_at(bytes, 0).unwrap();
    }

    /// The next packet of whoever says something.
    fn hear(&self) -> String {
        let mut peer = None;
        wait_for("a packet", || {
            peer = peer.take().or_else(|| self.listener.accept().unwrap());
            let mut buffer = [0; 4096];
            match peer.as_ref()?.receive(&mut buffer) {
                Ok(Received::Packet(size)) => {
                    Some(String::from_utf8_lossy(&buffer[..size]).into_owned())
                }
                _ => None,
            }
        })
    }

    /// The next answer, as the supervisor understands it.
    fn hear_answer(&self) -> Released {
        match Request::parse(self.hear().as_bytes()) {
            Ok(Request::Released(released)) => released,
            other => panic!("{other:?}"),
        }
    }

    /// How many bytes the next one gave back.
    fn hear_released(&self) -> i64 {
        self.hear_answer().rss
    }

    /// Whether nobody has anything to say.
    fn hears_nothing(&self) -> bool {
        self.listener.accept().unwrap().is_none()
    }
}

/// Names that the scripts use: `busy()` makes objects until there is a line on stdin.
const PRELUDE: &str = "import gc, os, select, signal, sys, threading, time
def busy():
    while not select.select([sys.stdin], [], [], 0)[0]:
        found = [[number] for number in range(3000)]
def size():
    with open('/proc/self/statm') as file: return int(file.read().split()[1]) * 4096
";

/// An application that has said its first line, whatever that is.
struct Application {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    first: String,
}

impl Application {
    fn start(mut command: Command, script: &str) -> Self {
        let mut child = command
            .args(["-u", "-c", &format!("{PRELUDE}{script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        output.read_line(&mut first).unwrap();
        Self {
            child,
            output,
            first,
        }
    }

    /// Lets `busy` end; what was printed since.
    fn finish(mut self) -> Printed {
        // one that has ended needs no telling
        let _ = self.child.stdin.take().unwrap().write_all(b"\n");
        let mut stdout = String::new();
        while self.output.read_line(&mut stdout).unwrap() > 0 {}
        let mut printed: Printed = self.child.wait_with_output().unwrap().into();
        printed.stdout = stdout;
        printed
    }
}

fn below(program: &Program, python: &Python, supervisor: &Supervisor) -> Command {
    let mut command = program.exec(python);
    command.env("DUNNAGE_SOCKET", supervisor.folder.path().join("control"));
    command
}

fn quietly(stdout: &str) -> Printed {
    Printed {
        code: Some(0),
        stdout: stdout.to_owned(),
        stderr: String::new(),
    }
}

/// Plays a script below every Python, asking once `first` was said.
fn each(test: &str, script: &str, mut play: impl FnMut(&mut Supervisor, Application)) {
    let program = Program::new();
    for python in pythons_with_agent(test) {
        let mut supervisor = Supervisor::new();
        let application = Application::start(below(&program, &python, &supervisor), script);
        assert!(supervisor.hear().contains("hello"), "{python:?}");
        play(&mut supervisor, application);
    }
}

#[test]
fn a_program_that_fragments_its_heap_gives_back_nine_tenths_of_it() {
    let script = "empty = size()\n\
        kept = [f'{number:0700d}' for number in range(200_000)][::100]\n\
        full = size()\n\
        print(full - empty)\n\
        busy()\n\
        print(full - size() > 0.9 * (full - empty))\n";
    each("fragments", script, |supervisor, application| {
        let grown: i64 = application.first.trim().parse().unwrap();
        supervisor.ask();
        let given = supervisor.hear_released();
        assert!(given * 10 > grown * 9, "{given} of {grown}");
        assert_eq!(application.finish(), quietly("True\n"));
    });
}

#[test]
fn what_only_the_collector_finds_goes_and_ends_in_the_main_thread() {
    let script = "ended = set()\n\
        class Ring:\n\
        \x20   def __init__(self): self.me = self; self.load = bytearray(2000)\n\
        \x20   def __del__(self): ended.add(threading.get_ident())\n\
        rings = [Ring() for _ in range(20_000)]; gc.collect()\n\
        gc.set_threshold(700, 10, 10**6)  # none of the old ones by itself\n\
        held = [[] for _ in range(5000)]  # or a collection would seem to be for nothing\n\
        del rings\n\
        print('ready'); busy()\n\
        print(ended == {threading.main_thread().ident})\n";
    each("rings", script, |supervisor, application| {
        supervisor.ask();
        let answer = supervisor.hear_answer();
        assert!(answer.rss > 20 << 20, "{answer:?}");
        assert_eq!(application.finish(), quietly("True\n"));
    });
}

#[test]
fn what_survivors_pin_is_told_with_the_two_cures() {
    let script = "kept = [{'a': number + 10**6} for number in range(200_000)][::100]\n\
        print('ready'); busy()\n";
    each("pinned", script, |supervisor, application| {
        supervisor.ask();
        let answer = supervisor.hear_answer();
        assert!(answer.pinned.unwrap() > 30 << 20, "{answer:?}");
        let note = answer.notes.last().unwrap();
        assert!(
            note.contains("--max-requests") && note.contains("PYTHONMALLOC=malloc"),
            "{note}"
        );
        assert_eq!(application.finish(), quietly(""));
    });
    let program = Program::new();
    for python in pythons_with_agent("nothing pinned") {
        let mut supervisor = Supervisor::new();
        let mut command = below(&program, &python, &supervisor);
        command.env("PYTHONMALLOC", "malloc");
        let application = Application::start(command, script);
        supervisor.hear();
        supervisor.ask();
        assert_eq!(supervisor.hear_answer().pinned, None);
        assert_eq!(application.finish(), quietly(""));
    }
}

#[test]
fn a_program_that_forks_all_the_time_prints_nothing_more() {
    let script = "kept = [f'{number:0700d}' for number in range(50_000)][::100]\n\
        print('ready')\n\
        while not select.select([sys.stdin], [], [], 0)[0]:\n\
        \x20   found = [[number] for number in range(3000)]\n\
        \x20   child = os.fork()\n\
        \x20   if child == 0: os._exit(0)\n\
        \x20   os.waitpid(child, 0)\n";
    each("forks", script, |supervisor, application| {
        supervisor.ask();
        supervisor.hear_released();
        assert_eq!(application.finish(), quietly(""));
    });
}

#[test]
fn workers_that_were_forked_from_a_parent_answer_each() {
    let script = "children = []\n\
        for _ in range(3):\n\
        \x20   child = os.fork()\n\
        \x20   if child == 0:\n\
        \x20       print('working'); busy(); os._exit(0)\n\
        \x20   children.append(child)\n\
        for child in children: os.waitpid(child, 0)\n\
        print('parent')\n";
    each("workers", script, |supervisor, application| {
        supervisor.ask();
        for _ in 0..3 {
            supervisor.hear_released();
        }
        let printed = application.finish();
        assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
        // whatever is written to the one pipe that they share
        assert!(printed.stdout.ends_with("parent\n"));
    });
}

#[test]
fn no_signal_is_lost_in_a_collection_and_nothing_is_kept_open() {
    // each handler's exception comes out where the application is, not where the collector calls
    let script = "count = [0, 0]\n\
        class Told(Exception): pass\n\
        def tell(number, frame): count[0] += 1; raise Told\n\
        print(sorted(os.listdir('/proc/self/fd')), len(os.listdir('/proc/self/task')))\n\
        signal.signal(signal.SIGALRM, tell)\n\
        kept = [[number] for number in range(20_000)]\n\
        while count[0] < 300:\n\
        \x20   try:\n\
        \x20       signal.setitimer(signal.ITIMER_REAL, 0.001)\n\
        \x20       while True: gc.collect(0); gc.collect(1)\n\
        \x20   except Told: count[1] += 1\n\
        print(count)\n";
    let plain = |python: &Python| Application::start(python.plainly(), script);
    let open = pythons_with_agent("signals").first().map(plain).unwrap();
    each("signals", script, |supervisor, application| {
        assert_eq!(application.first, open.first);
        assert_eq!(application.finish(), quietly("[300, 300]\n"));
        assert!(supervisor.hears_nothing());
    });
    open.finish();
}

#[test]
fn no_signal_is_lost_while_a_release_is_asked_for_all_the_time() {
    // what a handler raises must not end in the collector, which prints and drops it
    let script = "count = [0, 0]\n\
        class Told(Exception): pass\n\
        def tell(number, frame): count[0] += 1; raise Told\n\
        signal.signal(signal.SIGALRM, tell)\n\
        def collect(before):\n\
        \x20   while count[0] == before: gc.collect(0); gc.collect(1)\n\
        kept = [[number] for number in range(20_000)]\n\
        print('ready')\n\
        while count[0] < 300:\n\
        \x20   try:\n\
        \x20       signal.setitimer(signal.ITIMER_REAL, 0.001)\n\
        \x20       collect(count[0])\n\
        \x20   except Told: count[1] += 1\n\
        print(count)\n";
    each("asked and told", script, |supervisor, application| {
        // far more often than a supervisor asks
        for number in 0..2000_u16 {
            supervisor.write(&number.to_le_bytes()[..1]);
            std::thread::sleep(std::time::Duration::from_micros(500));
        }
        assert_eq!(application.finish(), quietly("[300, 300]\n"));
    });
}

#[test]
fn asked_twice_within_its_cool_down_a_process_answers_once() {
    each(
        "twice",
        "print('ready'); busy()",
        |supervisor, application| {
            for _ in 0..2 {
                supervisor.ask();
            }
            supervisor.hear_released();
            supervisor.ask();
            assert_eq!(application.finish(), quietly(""));
            assert!(supervisor.hears_nothing());
        },
    );
}

#[test]
fn a_process_that_collects_nothing_or_is_switched_off_does_not_answer() {
    let program = Program::new();
    for python in pythons_with_agent("silence") {
        for (script, variable) in [
            ("gc.disable(); print('ready'); busy()", "DUNNAGE_OTHER"),
            // as gevent does it
            (
                "import _thread; _thread.start_new_thread = lambda *args: print(args); print('ready'); busy()",
                "DUNNAGE_OTHER",
            ),
            (
                "print('ready'); busy(); print(gc.callbacks)",
                "DUNNAGE_RELEASE",
            ),
        ] {
            let mut supervisor = Supervisor::new();
            let mut command = below(&program, &python, &supervisor);
            command.env(variable, "off");
            let application = Application::start(command, script);
            supervisor.hear();
            supervisor.ask();
            let printed = application.finish();
            assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
            assert!(
                matches!(printed.stdout.as_str(), "" | "[]\n"),
                "{printed:?}"
            );
            assert!(supervisor.hears_nothing());
        }
    }
}

#[test]
fn a_page_or_a_supervisor_that_is_broken_is_not_noticed() {
    type Break = fn(&mut Supervisor);
    let faults: [(&str, Break); 5] = [
        ("the page is gone", |supervisor| {
            fs::remove_file(supervisor.page()).unwrap();
        }),
        ("garbage", |supervisor| supervisor.write(&[0xff; 16])),
        ("another page in its place", |supervisor| {
            fs::remove_file(supervisor.page()).unwrap();
            fs::write(supervisor.page(), "no page").unwrap();
        }),
        ("nobody listens", |supervisor| {
            fs::remove_file(supervisor.folder.path().join("control")).unwrap();
            supervisor.ask();
        }),
        ("the folder is gone", |supervisor| {
            supervisor.ask();
            fs::remove_dir_all(supervisor.folder.path()).unwrap();
        }),
    ];
    let script = "print('ready'); busy(); print('so far'); sys.stdout.flush(); sys.exit(3)";
    for (name, fault) in faults {
        each(name, script, |supervisor, application| {
            fault(supervisor);
            let printed = application.finish();
            let expected = Printed {
                code: Some(3),
                ..quietly("so far\n")
            };
            assert_eq!(printed, expected, "{name}");
        });
    }
}

#[test]
fn without_a_page_or_with_one_that_is_too_short_all_is_as_before() {
    let program = Program::new();
    for python in pythons_with_agent("no page") {
        for bytes in [None, Some(&b""[..]), Some(b"x")] {
            let supervisor = Supervisor::new();
            fs::remove_file(supervisor.page()).unwrap();
            if let Some(bytes) = bytes {
                fs::write(supervisor.page(), bytes).unwrap();
            }
            let command = below(&program, &python, &supervisor);
            let application = Application::start(command, "print(gc.callbacks); busy()");
            assert_eq!(application.first, "[]\n");
            assert_eq!(application.finish(), quietly(""));
        }
    }
}

#[test]
fn an_error_in_a_release_is_said_where_that_is_asked_for_and_changes_nothing() {
    let broken = Program::with_file("_release_rules.py", "{}['no']");
    let worse = Program::with_file("_dunnage_release.py", "def (");
    let worst = Program::with_file("_dunnage_thread.py", "def (");
    // where there is a thread, CPython 3.12 and later warn of this fork
    let script = "print('ready'); busy(); gone(); busy = os.fork() or os._exit(0)";
    // the thread may stand for long where `busy` lets go of the GIL and takes it again, and who waits for it is broken here
    let script = format!(
        "def gone():\n\
         \x20   while WAITS and len(os.listdir('/proc/self/task')) > 1: time.sleep(0.001)\n{script}"
    );
    for python in pythons_with_agent("an error") {
        for (program, debug, line) in [
            (&broken, "", ""),
            (&worse, "", ""),
            (&worst, "", ""),
            (&worse, "1", "dunnage: agent: SyntaxError("),
            (&worst, "1", "dunnage: agent: SyntaxError("),
            (&broken, "1", "dunnage: agent: KeyError('no')\n"),
        ] {
            let mut supervisor = Supervisor::new();
            let mut command = below(program, &python, &supervisor);
            command.env("DUNNAGE_DEBUG", debug);
            let waits = ["0", "1"][usize::from(std::ptr::eq(program, &raw const worst))];
            let application = Application::start(command, &script.replace("WAITS", waits));
            supervisor.hear();
            supervisor.ask();
            // long enough for some collections, whatever the machine does
            std::thread::sleep(std::time::Duration::from_millis(300));
            let printed = application.finish();
            assert_eq!(printed.code, Some(0), "{printed:?}");
            // what a SyntaxError says differs between the versions
            let said = printed.stderr.lines().count() == line.lines().count();
            assert!(said && printed.stderr.starts_with(line), "{printed:?}");
        }
    }
}

#[test]
fn a_subinterpreter_does_not_watch() {
    let script = "try: import _xxsubinterpreters as interpreters\n\
        except ImportError: import _interpreters as interpreters\n\
        watches = \"import sys; print('mmap' in sys.modules, flush=True)\"\n\
        exec(watches)\n\
        one = interpreters.create()\n\
        interpreters.run_string(one, watches)\n\
        interpreters.destroy(one); busy()\n";
    each("subinterpreters", script, |_, application| {
        assert_eq!(application.first, "True\n");
        assert_eq!(application.finish(), quietly("False\n"));
    });
}
