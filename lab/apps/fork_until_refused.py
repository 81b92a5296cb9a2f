"""Forks until the kernel refuses, says so, and on SIGTERM ends its children and leaves with 5."""

import os
import signal
import sys
import time

children = []


def stop(*_):
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    for pid in children:
        os.waitpid(pid, 0)
    # not print: a handler may run in the middle of one, which must not be entered twice
    os.write(1, b"told\n")
    sys.exit(5)


while True:
    try:
        pid = os.fork()
    except OSError:
        os.write(1, b"refused\n")
        break
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    children.append(pid)
signal.signal(signal.SIGTERM, stop)
os.write(1, b"up\n")
while True:
    time.sleep(60)
