//! On a terminal: the program has it in the same way, hears of Ctrl-C as often, and of no hang-up.

use super::support::*;
use std::process::Command;

/// Runs a program on a new pseudo-terminal and prints what it says, line by line; Ctrl-C once it is ready.
const DRIVER: &str = r#"
import os, pty, select, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
attributes = termios.tcgetattr(fd)
attributes[3] &= ~termios.ECHO
# or Ctrl-C would throw away what is on its way to us
attributes[3] |= termios.NOFLSH
termios.tcsetattr(fd, termios.TCSANOW, attributes)
seen, typed = b"", False
while True:
    if not select.select([fd], [], [], 60)[0]: sys.exit("nothing for a minute after %r" % seen)
    try: data = os.read(fd, 4096)
    except OSError: break
    if not data: break
    seen += data
    if b"ready" in seen and not typed:
        typed = True
        os.write(fd, b"\x03")
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
# a child that hears of Ctrl-C twice may hear of both at once
print(code, sorted(set(seen.decode().split("\r\n"))))
"#;

const CHILD: &str = r#"
import os, signal, time
got = []
for number in (1, 2, 18, 28): signal.signal(number, lambda number, frame: got.append(number))
def heard(number):
    end = time.time() + 30
    while number not in got and time.time() < end: time.sleep(0.01)
    print("heard", number, number in got, flush=True)
    got.clear()
try:
    terminal = os.open("/dev/tty", os.O_RDWR)
    print("terminal: in the foreground", os.tcgetpgrp(terminal) == os.getpgrp())
except OSError as error:
    print("no terminal:", error)
print("leads session", os.getsid(0) == os.getpid(), "group", os.getpgrp() == os.getpid())
time.sleep(0.3)
before = [number for number in got if number != 28]
got.clear()
print("heard before", before, "ready", flush=True)
heard(2)
time.sleep(0.1)
got.clear()
for number in (1, 18, 1):
    os.kill(os.getppid(), number)
    heard(number)
"#;

#[test]
fn a_terminal_is_handed_over_in_the_same_way() {
    for (name, choices) in [
        ("tini", [&[] as &[&str], &["-g"], &["-s"]]),
        ("dumb-init", [&[], &["-c"], &["-r", "2:2"]]),
    ] {
        let Some(pair) = Pair::of(name) else { continue };
        for options in choices {
            // as the leader of the terminal's session, as `docker run -t` starts it, and below a shell
            for shell in [false, true] {
                let said = pair.same_at(
                    Place::Below,
                    &format!("{options:?}, below a shell: {shell}"),
                    |program, _| {
                        let mut driver = Command::new("python3");
                        driver.args(["-c", DRIVER]);
                        if shell {
                            driver.args(["sh", "-c", "\"$@\"; exit", "sh"]);
                        }
                        driver
                            .arg(program)
                            .args(options)
                            .args(["--", "python3", "-c", CHILD])
                            .env("TINI_VERBOSITY", "0");
                        let output = driver.output().unwrap();
                        assert!(
                            output.status.success(),
                            "{}",
                            String::from_utf8_lossy(&output.stderr)
                        );
                        String::from_utf8(output.stdout).unwrap()
                    },
                );
                assert!(
                    said.contains("heard 2 True") && said.contains("heard 1 True"),
                    "{said}"
                );
            }
        }
    }
}
