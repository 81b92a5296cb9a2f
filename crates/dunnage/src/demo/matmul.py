"""ROUNDS matrix products, beside a thread that sleeps for 1 ms again and again and notes how long that took.

After each product it waits for a twentieth of the CPU time that this cost, as a service waits for its clients: so one
thread of work needs a little less than 1 CPU, the probe included.
"""

import json
import os
import sys
import threading
import time

import numpy

ROUNDS = int(sys.argv[1])
matrix = numpy.random.default_rng(1).random((1000, 1000))
matrix @ matrix
latencies = []
done = threading.Event()


def probe():
    while not done.is_set():
        before = time.perf_counter_ns()
        time.sleep(0.001)
        latencies.append(time.perf_counter_ns() - before)


thread = threading.Thread(target=probe)
print("begin", flush=True)
began = time.perf_counter_ns()
thread.start()
for _ in range(ROUNDS):
    used = time.process_time()
    matrix @ matrix
    time.sleep((time.process_time() - used) / 20)
wall = time.perf_counter_ns() - began
threads = len(os.listdir("/proc/self/task"))
done.set()
thread.join()
latencies.sort()


def share(of):
    return latencies[min(len(latencies) - 1, int(len(latencies) * of))] // 1000


measured = {
    "wall_usec": wall // 1000,
    "probes": len(latencies),
    "probe_p50_usec": share(0.5),
    "probe_p99_usec": share(0.99),
    "probe_max_usec": latencies[-1] // 1000,
    "threads": threads,
}
print("end " + json.dumps(measured), flush=True)
