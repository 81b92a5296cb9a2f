"""What the workloads of `cargo xtask lab record-truth` share: start together, serve requests at fixed times, note them.

A workload is started as `python WORKLOAD.py LOG SECONDS`. It prints `ready PID` (the process to record) when all it needs is there, begins
when a line comes in, prints `done` after SECONDS, and ends when its standard input does. Each request stands in LOG as
`PID TID BEGIN END` in nanoseconds of CLOCK_MONOTONIC. A request begins when it was due, not when its thread had time for it. Where the
module is there it is marked with `dunnage.span` too.
"""

import contextlib
import os
import sys
import threading
import time

try:
    from dunnage import span
except ImportError:

    def span(name, id=0, since=None):
        return contextlib.nullcontext()


class Log:
    """The requests of one process, written when it ends: nothing of it is done while others measure."""

    def __init__(self, path):
        self.path = path
        self.lines = []

    def note(self, begin, end):
        self.lines.append((threading.get_native_id(), begin, end))

    @contextlib.contextmanager
    def request(self, due=None):
        begin = due or time.monotonic_ns()
        with span("request", len(self.lines), begin / 1e9):
            yield
        self.note(begin, time.monotonic_ns())

    def write(self):
        pid = os.getpid()
        text = "".join(f"{pid} {tid} {begin} {end}\n" for tid, begin, end in self.lines)
        # in one write, since other processes append too
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(file, text.encode())
        os.close(file)


class Play:
    def __init__(self):
        self.log = Log(sys.argv[1])
        self.seconds = float(sys.argv[2])
        self.threads = []
        self.going = threading.Event()
        self.served = threading.Semaphore(0)
        self.over = threading.Event()
        self.started = self.end = 0.0

    def serve(self, work, every, offset=0.0):
        """A thread that does `work` each `every` seconds; one that comes late does not make the next ones later."""

        def loop():
            start = self.started + offset
            for number in range(1 << 30):
                due = start + number * every
                if due >= self.end:
                    return
                time.sleep(max(0.0, due - time.monotonic()))
                with self.log.request(int(due * 1e9)):
                    work()

        self._thread(loop, "requests")

    def disturb(self, work, every):
        """A thread that does `work`, then sleeps until `every` seconds after it began, or for a tenth of that."""

        def loop():
            due = self.started + every / 2
            while due < self.end:
                time.sleep(max(0.0, due - time.monotonic()))
                work()
                due = max(due + every, time.monotonic() + every / 10)

        self._thread(loop, "background")

    def _thread(self, loop, name):
        def wait():
            self.going.wait()
            loop()
            self.served.release()
            # a thread that has ended has no counters any more
            self.over.wait()

        self.threads.append(threading.Thread(target=wait, name=name))

    def wait_for_start(self, pid=None):
        print(f"ready {pid or os.getpid()}", flush=True)
        sys.stdin.readline()
        self.started = time.monotonic() + 0.2
        self.end = self.started + self.seconds

    def wait_for_end(self):
        print("done", flush=True)
        sys.stdin.read()

    def start(self):
        for thread in self.threads:
            thread.start()

    def finish(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.log.write()

    def wait_until_served(self):
        for _ in self.threads:
            self.served.acquire()

    def run(self):
        self.start()
        self.wait_for_start()
        self.going.set()
        self.wait_until_served()
        self.wait_for_end()
        self.finish()


def spin(steps):
    """Pure Python."""
    value = 0
    for step in range(steps):
        value = (value * 31 + step) & 0xFFFF
    return value


def calibrated(work, seconds, probe):
    """`work` with an amount that takes `seconds` of CPU, measured now: the quota is set only later."""
    costs = []
    for _ in range(5):
        began = time.thread_time()
        work(probe)
        costs.append(time.thread_time() - began)
    amount = int(probe * seconds / min(costs))
    return lambda: work(amount)


def hold_gil(seconds):
    """A single long call into C that keeps the GIL."""
    return calibrated(lambda count: sum(range(count)), seconds, 200_000)


def compute(seconds):
    return calibrated(spin, seconds, 20_000)
