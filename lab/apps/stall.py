"""Requests that wait for a GIL: a thread computes in C calls that hold it, another answers a request each 20 ms.

usage: stall.py SECONDS
"""

import sys
import threading
import time

end = time.monotonic() + float(sys.argv[1])


def compute():
    numbers = range(1_500_000)
    while time.monotonic() < end:
        sum(numbers)


def answer():
    while time.monotonic() < end:
        sum(range(100))
        time.sleep(0.02)


threads = [threading.Thread(target=work, name=work.__name__) for work in (compute, answer)]
for thread in threads:
    thread.start()
print("up", flush=True)
for thread in threads:
    thread.join()
print("done", flush=True)
