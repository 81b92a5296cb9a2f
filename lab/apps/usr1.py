"""Counts SIGUSR1; on SIGTERM says whether some came, and leaves with 6."""

import os
import signal
import sys
import time

count = 0


def counted(*_):
    global count
    count += 1


def stop(*_):
    # not print: a handler may run in the middle of one, which must not be entered twice
    os.write(1, b"some\n" if count else b"none\n")
    sys.exit(6)


signal.signal(signal.SIGUSR1, counted)
signal.signal(signal.SIGTERM, stop)
os.write(1, b"up\n")
while True:
    time.sleep(60)
