"""A session that somebody opened in the container: notes what it was sent, works on for a long time."""

import signal
import sys
import time

out = sys.argv[1]


def told(*_):
    open(f"{out}/session-was-told", "w").close()


signal.signal(signal.SIGTERM, told)
open(f"{out}/session-is-up", "w").close()
while True:
    time.sleep(60)
