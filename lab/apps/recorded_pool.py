"""Two threads that compute outside of the GIL, as those of a BLAS pool do, in bursts beyond the quota: recorded, and the recording
and its verdict looked over. Whether the verdict offers to cap the pool depends on both having a CPU at a time, which no busy or
emulated machine gives for sure: that is tested with made-up recordings.

Counters, order and the kind of the verdict only, no lengths of time, so that it holds in an emulated machine too. Prints
`as it must be`, or what is not.
"""

import hashlib
import json
import sys
import threading
import time

from recording import record

SECONDS = 8
# of 5 ms in each period: used up by any burst, and half of the limit on the average
BURST, PAUSE = 0.03, 2.4


def derive(rounds):
    """One call into C that gives the GIL up."""
    hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", rounds)


def compute(rounds, end):
    while time.monotonic() < end:
        # both at the same time
        time.sleep(PAUSE - time.monotonic() % PAUSE)
        derive(rounds)


def pool():
    began = time.thread_time()
    derive(2000)
    rounds = int(2000 * BURST / (time.thread_time() - began))
    end = time.monotonic() + SECONDS
    threads = [threading.Thread(target=compute, args=(rounds, end), name=f"pool {number}") for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def look_over(recording, timeline):
    """What is not as it must be."""
    quota, process, verdict = timeline["quota"], timeline["processes"][0], timeline["verdict"]
    looks = recording["quota"]["looks"]
    checks = {
        "all threads are seen": len(process["threads"]) == 3,
        "throttled periods are counted": 1 <= quota["counted_throttled"] <= quota["counted_periods"],
        "the sums are those of the looks": quota["throttled_time"] == sum(look[4] for look in looks) > 0,
        "it is called throttling": verdict["kind"] == "throttled",
        "there is something to do": len(verdict["fixes"]) > 0,
    }
    wrong = [what for what, holds in checks.items() if not holds]
    return wrong and [*wrong, json.dumps(verdict)]


if sys.argv[1] == "pool":
    pool()
else:
    record(__file__, "pool", sys.argv[1], look_over)
