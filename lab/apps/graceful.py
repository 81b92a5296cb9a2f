"""Says `up`; on SIGTERM says `told`, works for the given seconds, says `done` and leaves with the given code."""

import signal
import sys
import time

seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.3
code = int(sys.argv[2]) if len(sys.argv) > 2 else 0


def stop(*_):
    print("told", flush=True)
    time.sleep(seconds)
    print("done", flush=True)
    sys.exit(code)


signal.signal(signal.SIGTERM, stop)
print("up", flush=True)
while True:
    time.sleep(60)
