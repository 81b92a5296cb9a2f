"""What recording costs: the recorder's own CPU, what it takes from the target, beside py-spy; as one JSON object.

usage: record_costs.py DUNNAGE PY_SPY|- FOLDER PART...    (parts: own, slow, py_spy, minute)
"""

import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time

DUNNAGE, PY_SPY, FOLDER, *PARTS = sys.argv[1:]
RECORDINGS = 5
PAIRS = 100

# Some threads work a little and sleep a while, as those of a server do, and one computes all the time and counts what it did.
TARGET = """
import sys, threading, time
def serve():
    while True:
        end = time.thread_time() + 0.0002
        while time.thread_time() < end: pass
        time.sleep(float(sys.argv[2]))
for _ in range(int(sys.argv[1]) - 2):
    threading.Thread(target=serve, daemon=True).start()
done = 0
def compute():
    global done
    while True:
        sum(range(2000))
        done += 1
threading.Thread(target=compute, daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    print(done, time.process_time(), time.monotonic(), flush=True)
"""


class Target:
    """A process with so many threads."""

    def __init__(self, threads, sleep=0.02):
        self.process = subprocess.Popen(
            [sys.executable, "-c", TARGET, str(threads), str(sleep)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        assert self.process.stdout.readline() == "ready\n"

    def __enter__(self):
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    @property
    def pid(self):
        return str(self.process.pid)

    def count(self):
        """Work done, CPU seconds, and the time."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return [float(word) for word in self.process.stdout.readline().split()]


def run(words):
    """Runs a command; its CPU seconds, its largest resident size in MiB, and its seconds."""
    begin = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, words
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, time.monotonic() - begin


def record(target, rate, seconds, *words):
    """Records; the recording's own account, and what `run` says."""
    path = os.path.join(FOLDER, "costs.json")
    spent = run([DUNNAGE, "record", "--pid", target.pid, "--rate", str(rate), "--duration", f"{seconds}s", "-o", path, *words])
    with open(path) as file:
        recording = json.load(file)
    quality = recording["quality"]
    share = quality["own_cpu"] / recording["about"]["duration"]
    return share, quality, spent


def own_costs():
    costs = {}
    for name, threads, rate, sleep in [("calm", 20, 200, 0.02), ("idle", 20, 200, 1.0), ("fast", 10, 1000, 0.02)]:
        with Target(threads, sleep) as target:
            runs = sorted((record(target, rate, 3) for _ in range(RECORDINGS)), key=lambda run: run[0])
        share, quality, spent = runs[len(runs) // 2]
        costs[name] = {
            "recordings": RECORDINGS,
            "percent": share * 100,
            "percent_range": [runs[0][0] * 100, runs[-1][0] * 100],
            "with_files_percent": spent[0] / spent[2] * 100,
            "interval_median_ms": quality["interval_median"] / 1e6,
            "interval_p99_ms": quality["interval_p99"] / 1e6,
            "notes": quality["notes"],
        }
    return costs


def interval(values):
    """Between which values the median lies with 95 % or more, by the binomial distribution of signs."""
    values = sorted(values)
    count = len(values)
    below = [math.comb(count, k) / 2**count for k in range(count)]
    place = max((k for k in range(count // 2) if sum(below[:k]) <= 0.025), default=0)
    place = max(place, 1)
    return [values[place - 1], values[count - place]]


def slow_down():
    """Work of the target with a recorder that looks over that with one that is stopped, in pairs of neighbouring half seconds.

    Its other threads work five times a second: more often, and who gets the GIL when changes the work from second to second by far
    more than any recorder does.
    """
    by_wall, by_cpu = [], []
    with Target(10, 0.2) as target:
        path = os.path.join(FOLDER, "slow.json")
        words = [DUNNAGE, "record", "--pid", target.pid, "--rate", "1000", "-o", path]
        recorder = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)

        def work(recorded):
            recorder.send_signal(signal.SIGCONT if recorded else signal.SIGSTOP)
            time.sleep(0.05)
            before = target.count()
            time.sleep(0.45)
            after = target.count()
            done, cpu, wall = (b - a for a, b in zip(before, after))
            return done / wall, done / cpu

        for pair in range(PAIRS):
            order = [True, False] if pair % 2 else [False, True]
            measured = {recorded: work(recorded) for recorded in order}
            by_wall.append((1 - measured[True][0] / measured[False][0]) * 100)
            by_cpu.append((1 - measured[True][1] / measured[False][1]) * 100)
        recorder.send_signal(signal.SIGCONT)
        recorder.send_signal(signal.SIGINT)
        assert recorder.wait() == 0
    return {
        "pairs": PAIRS,
        "wall_percent": statistics.median(by_wall),
        "cpu_percent": statistics.median(by_cpu),
        "wall_interval": interval(by_wall),
        "cpu_interval": interval(by_cpu),
        "wall_range": [min(by_wall), max(by_wall)],
    }


def beside_py_spy():
    """CPU of both at the same rate on the same process, in turns."""
    if PY_SPY == "-":
        return None
    ours, theirs = [], []
    with Target(10) as target:
        for _ in range(3):
            path = os.path.join(FOLDER, "spy.json")
            cpu, _, wall = run([DUNNAGE, "record", "--pid", target.pid, "--rate", "1000", "--duration", "2s", "-o", path])
            ours.append(cpu / wall * 100)
            path = os.path.join(FOLDER, "spy.txt")
            words = [PY_SPY, "record", "--gil", "-r", "1000", "-d", "2", "-f", "raw", "-o", path, "-p", target.pid]
            cpu, _, wall = run(words)
            theirs.append(cpu / wall * 100)
    version = subprocess.run([PY_SPY, "--version"], capture_output=True, text=True).stdout.strip()
    return {
        "version": version,
        "ours_percent": statistics.median(ours),
        "theirs_percent": statistics.median(theirs),
    }


def minute():
    """A minute of 50 threads: the largest size of the recorder, and how long it takes to make the page."""
    with Target(50) as target:
        path = os.path.join(FOLDER, "minute.json")
        _, size, _ = run([DUNNAGE, "record", "--pid", target.pid, "--duration", "60s", "-o", path])
    page = os.path.join(FOLDER, "minute.html")
    _, _, seconds = run([DUNNAGE, "record", "--from", path, "-o", page])
    with open(path) as file:
        recording = json.load(file)
    ticks = sum(len(thread["ticks"]) for process in recording["processes"] for thread in process["threads"])
    return {
        "rss_mib": size,
        "render_s": seconds,
        "looks": len(recording["looks"]),
        "ticks": ticks,
        "json_mib": os.path.getsize(path) / 2**20,
    }


MEASURES = {"own": own_costs, "slow": slow_down, "py_spy": beside_py_spy, "minute": minute}
print(json.dumps({part: MEASURES[part]() for part in PARTS}))
