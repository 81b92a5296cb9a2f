"""A thread that keeps the GIL beyond its quota, and one that wants it: recorded from outside, and the recording looked over.

Order and counters only, no lengths of time, so that it holds in an emulated machine too. Prints `as it must be`, or what is not.
"""

import sys
import threading
import time

from recording import record

SECONDS = 3


def stall():
    end = time.monotonic() + SECONDS

    def hold():
        while time.monotonic() < end:
            sum(range(5_000_000))

    holder = threading.Thread(target=hold)
    holder.start()
    while time.monotonic() < end:
        time.sleep(0.01)
    holder.join()


def in_order(spans):
    return all(first["end"] <= then["start"] for first, then in zip(spans, spans[1:]))


def look_over(recording, timeline):
    """What is not as it must be."""
    quota, process = timeline["quota"], timeline["processes"][0]
    threads = process["threads"]
    seen = {span["what"] for thread in threads for span in thread["spans"]}
    looks = recording["quota"]["looks"]
    checks = {
        "the recording names its form": recording["schema"] == "dunnage.recording/1",
        "the process is seen with its GIL": process["has_gil"],
        "both threads are seen": len(threads) == 2,
        "spans of a thread are in order": all(in_order(thread["spans"]) for thread in threads),
        "holds of the GIL are in order": in_order(process["gil"]),
        "throttled windows are in order": in_order(quota["windows"]),
        "throttled periods are counted": 1 <= quota["counted_throttled"] <= quota["counted_periods"],
        "the sums are those of the looks": quota["throttled_time"] == sum(look[4] for look in looks) > 0,
        "the holder is throttled": "throttled" in seen,
        "the other waits for a throttled holder": "gil_throttled" in seen,
    }
    return [what for what, holds in checks.items() if not holds]


if sys.argv[1] == "stall":
    stall()
else:
    record(__file__, "stall", sys.argv[1], look_over)
