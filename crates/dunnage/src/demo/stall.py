"""A service with little to do: a request of 2 ms each 50 ms, and every 4 s one call of 80 ms that holds the GIL.

Requests arrive whether the service is ready or not, and their latency counts from then. SECONDS after it said `ready` it
prints what it measured.
"""

import json
import sys
import threading
import time

try:
    from dunnage import span
except ImportError:  # no marks then, which makes the recording say less, and the service no different
    from contextlib import nullcontext

    def span(name, id, since):
        return nullcontext()


SECONDS = float(sys.argv[1])
EACH, REQUEST, CALL, PAUSE = 0.05, 0.002, 0.08, 4


def count(rounds):
    for _ in range(rounds):
        pass


def rounds_of(seconds, work):
    """How large `work` must be to take so much CPU time."""
    best = 0.0
    for _ in range(5):
        before = time.thread_time()
        work(300_000)
        best = max(best, 300_000 / (time.thread_time() - before))
    return int(best * seconds)


def add_up(numbers):
    return sum(range(numbers))


def serve(began, latencies):
    for number in range(int(SECONDS / EACH)):
        arrival = began + number * EACH
        time.sleep(max(0, arrival - time.monotonic()))
        with span("request", number, since=arrival):
            count(small)
        latencies.append(time.monotonic() - arrival)


small, large = rounds_of(REQUEST, count), rounds_of(CALL, add_up)
# what the calibration took of the quota comes back
time.sleep(1)
print("ready", flush=True)
latencies: list = []
began = time.monotonic()
server = threading.Thread(target=serve, args=[began, latencies], name="requests")
server.start()
at = PAUSE / 2
while at < SECONDS:
    time.sleep(max(0, began + at - time.monotonic()))
    add_up(large)
    at += PAUSE
server.join()
latencies.sort()


def share(of):
    return int(latencies[min(len(latencies) - 1, int(len(latencies) * of))] * 1e6)


measured = {"requests": len(latencies), "p50_usec": share(0.5), "p99_usec": share(0.99), "max_usec": share(1)}
print("end " + json.dumps(measured), flush=True)
