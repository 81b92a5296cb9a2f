"""Counts the SIGTERMs that it gets: says `up`, and a second after the first one `got N`."""

import signal
import time

count = 0


def told(*_):
    global count
    count += 1


signal.signal(signal.SIGTERM, told)
print("up", flush=True)
while count == 0:
    time.sleep(0.01)
end = time.monotonic() + 1
while time.monotonic() < end:
    time.sleep(0.01)
print("got", count, flush=True)
