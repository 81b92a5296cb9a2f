//! On a terminal: the child has the foreground, and a shell sees one job.

use super::support::*;
use std::process::Command;

/// Runs a Python script that drives a pseudo-terminal; the script asserts, and says `ok`.
fn drive(script: &str) {
    let helper = "import os,pty,re,select,sys,time\n\
         def start(*words):\n    pid, fd = pty.fork()\n    if pid == 0:\n        os.environ['PS1'] = 'prompt> '\n        os.execvp(words[0], words)\n    return pid, fd\n\
         seen = b''\n\
         def expect(fd, pattern):\n    global seen\n    end = time.time() + 30\n    while True:\n        found = re.search(pattern, seen)\n        if found:\n            seen = seen[found.end():]; return found\n        ready = select.select([fd], [], [], max(0, end - time.time()))[0]\n        if not ready: sys.exit(f'no {pattern!r} in {seen!r}')\n        try: seen += os.read(fd, 4096)\n        except OSError: sys.exit(f'closed before {pattern!r}: {seen!r}')\n";
    let text = format!("{helper}DUNNAGE = {DUNNAGE:?}\n{script}\nprint('ok')\n");
    let output = Command::new("python3")
        .args(["-c", &text])
        .output()
        .unwrap();
    let shown = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success() && shown.ends_with("ok\n"),
        "{shown}"
    );
}

#[test]
fn ctrl_c_reaches_the_child_and_is_its_business() {
    drive(
        "child = \"import signal,time\\ndef f(*a): print('got int', flush=True)\\nsignal.signal(2, f); print('ready', flush=True)\\n\
         while True: time.sleep(0.05)\"\n\
         pid, fd = start(DUNNAGE, 'run', '--', 'python3', '-c', child)\n\
         expect(fd, b'ready')\n\
         os.write(fd, b'\\x03'); expect(fd, b'got int')\n\
         os.write(fd, b'\\x03'); expect(fd, b'got int')\n\
         os.kill(pid, 15); expect(fd, b'exit code 143')\n",
    );
}

#[test]
fn a_shell_stops_and_continues_us_as_one_job() {
    drive(
        "pid, fd = start('bash', '--norc', '--noprofile', '-i')\n\
         expect(fd, b'prompt> ')\n\
         os.write(fd, f'{DUNNAGE} run -- cat\\n'.encode()); expect(fd, b'started cat')\n\
         os.write(fd, b'one\\n'); expect(fd, b'one\\r\\none')\n\
         os.write(fd, b'\\x1a'); expect(fd, b'Stopped'); expect(fd, b'prompt> ')\n\
         os.write(fd, b'fg\\n'); expect(fd, b'run -- cat')\n\
         time.sleep(0.3); os.write(fd, b'two\\n'); expect(fd, b'two\\r\\ntwo')\n\
         os.write(fd, b'\\x04'); expect(fd, b'cat exited with 0'); expect(fd, b'prompt> ')\n\
         os.write(fd, b'exit\\n')\n",
    );
}

#[test]
fn a_run_in_the_background_does_not_steal_the_terminal() {
    drive(
        "pid, fd = start('bash', '--norc', '--noprofile', '-i')\n\
         expect(fd, b'prompt> ')\n\
         os.write(fd, f'{DUNNAGE} run -- sleep 30 &\\n'.encode()); expect(fd, b'started sleep')\n\
         os.write(fd, b'echo still $((40 + 2)) here\\n'); expect(fd, b'still 42 here')\n\
         os.write(fd, b'kill -TERM %1; wait\\n'); expect(fd, b'exit code 143')\n\
         os.write(fd, b'exit\\n')\n",
    );
}

#[test]
fn nobody_can_continue_an_init_so_its_child_is_not_left_stopped() {
    if !needs_init("nobody_can_continue_an_init") {
        return;
    }
    drive(
        "child = \"import time\\nprint('ready', flush=True)\\nn = 0\\nwhile True:\\n    time.sleep(0.1); n += 1; print('tick', n, flush=True)\"\n\
         pid, fd = start('unshare', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', 'exec setsid --ctty ' + DUNNAGE + ' run --log-level debug -- python3 -c \"$0\"', child)\n\
         expect(fd, b'ready')\n\
         os.write(fd, b'\\x1a'); expect(fd, b'continued it'); expect(fd, b'tick'); expect(fd, b'tick')\n\
         os.write(fd, b'\\x03'); expect(fd, b'KeyboardInterrupt')\n",
    );
}
