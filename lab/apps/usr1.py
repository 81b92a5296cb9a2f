"""Counts SIGUSR1; on SIGTERM says whether some came, and leaves with 6."""

import signal
import sys
import time

count = 0


def counted(*_):
    global count
    count += 1


def stop(*_):
    print("some" if count else "none", flush=True)
    sys.exit(6)


signal.signal(signal.SIGUSR1, counted)
signal.signal(signal.SIGTERM, stop)
print("up", flush=True)
while True:
    time.sleep(60)
