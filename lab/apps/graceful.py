"""Says `up`; on SIGTERM says `told`, works for the given seconds, says `done` and leaves with the given code."""

import os
import signal
import sys
import time

seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.3
code = int(sys.argv[2]) if len(sys.argv) > 2 else 0


def say(line):
    # not print: a handler may run in the middle of one, which must not be entered twice
    os.write(1, f"{line}\n".encode())


def stop(*_):
    say("told")
    time.sleep(seconds)
    say("done")
    sys.exit(code)


signal.signal(signal.SIGTERM, stop)
say("up")
while True:
    time.sleep(60)
