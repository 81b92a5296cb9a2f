"""What the module's calls cost, in cgroups of v1 as a container has them.

Called without arguments it prints one JSON object. For each depth it starts itself again in a cgroup namespace of its own,
whose root is the highest level that can be seen; there it makes the levels, limits each, enters the deepest, and measures.
What is compared is called in turn in every round, so that a busy machine slows all alike.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
import timeit
from pathlib import Path

ROUNDS = 101
CALLS = 200
STARTS = 41
MOUNT = Path("/sys/fs/cgroup")


def measure(calls):
    """The median over the rounds of the time of one call, in microseconds."""
    rounds = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            count = 4 if name == "limits" else CALLS
            start = time.perf_counter_ns()
            for _ in range(count):
                call()
            rounds[name].append((time.perf_counter_ns() - start) / count / 1000)
    return {name: statistics.median(times) for name, times in rounds.items()}


def preads(paths):
    """One `pread` of each file, which is kept open: the least that reading them from Python can cost."""
    files = [os.open(path, os.O_RDONLY) for path in paths]

    def read():
        for file in files:
            os.pread(file, 8192, 0)

    return read


def level(controller, depth, file, value):
    """Enters a cgroup so many levels deep, each with a limit, and returns its folder."""
    folder = MOUNT / controller
    for below in range(depth):
        if below:
            folder = folder / "level"
            folder.mkdir()
        (folder / file).write_text(str(value))
    (folder / "cgroup.procs").write_text("0")
    return folder


def inside(depth):
    import dunnage

    cpu = level("cpu", depth, "cpu.cfs_quota_us", 150_000)
    assert dunnage.cpu_limit() == 1.5, dunnage.limits()
    levels = [MOUNT / "cpu", *[MOUNT / "cpu" / "/".join(["level"] * below) for below in range(1, depth)]]
    files = [folder / name for folder in levels for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")]
    calls = {"cpu_limit": dunnage.cpu_limit, "cpu_limit's preads": preads(files)}
    if depth == 1:
        import loky
        import psutil

        memory = level("memory", 1, "memory.limit_in_bytes", 512 << 20)
        assert dunnage.memory().limit == 512 << 20, dunnage.limits()
        names = ("memory.stat", "memory.kmem.usage_in_bytes", "memory.usage_in_bytes")
        calls |= {
            "memory": dunnage.memory,
            "memory's preads": preads([memory / name for name in names]),
            "cpu_count": dunnage.cpu_count,
            "throttling": dunnage.throttling,
            "pressure": dunnage.pressure,
            "limits": dunnage.limits,
            "os.cpu_count": os.cpu_count,
            "psutil.virtual_memory": psutil.virtual_memory,
            "loky.cpu_count": loky.cpu_count,
        }
    print(json.dumps(measure(calls)))


def in_a_namespace(depth):
    """Runs `inside` below a fresh cgroup for each controller, removed afterwards."""
    made = [MOUNT / controller / f"dunnage-bench-{os.getpid()}" for controller in ("cpu", "memory")]
    script = """
for folder in "$1" "$2"; do echo $$ > "$folder/cgroup.procs"; done
shift 2
exec unshare --cgroup --mount sh -c '
for controller in cpu memory; do
    umount "/sys/fs/cgroup/$controller" && mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"
done && exec "$@"' sh "$@"
"""
    try:
        for folder in made:
            folder.mkdir()
        # neighbours on a busy machine take little of its time
        (made[0] / "cpu.shares").write_text("20480")
        command = ["sh", "-c", script, "sh", *map(str, made), sys.executable, __file__, str(depth)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)
    finally:
        for folder in made:
            for below in sorted(folder.rglob("*/"), key=lambda path: -len(path.parts)):
                remove(below)
            remove(folder)


def remove(folder):
    # the processes that have just ended hold it for a moment
    for _ in range(500):
        try:
            return folder.rmdir()
        except FileNotFoundError:
            return None
        except OSError:
            time.sleep(0.01)
    return None


def imports():
    """Milliseconds of CPU time that imports add to a whole interpreter, in turn with a bare one."""
    codes = {"nothing": "", "typing": "import typing", "dunnage": "import dunnage", "both": "import typing, dunnage"}
    rounds = {name: [] for name in codes}
    for _ in range(STARTS):
        for name, code in codes.items():
            before = children_ms()
            subprocess.run([sys.executable, "-c", code], check=True)
            rounds[name].append(children_ms() - before)
    median = {name: statistics.median(times) for name, times in rounds.items()}
    return {
        "import dunnage": median["dunnage"] - median["nothing"],
        "import dunnage where typing is imported": median["both"] - median["typing"],
    }


def marks():
    """Nanoseconds of what an application would put around each of its requests, in turn."""
    import dunnage

    codes = {
        "dunnage.mark(name, id)": "mark('request', 4711)",
        "with dunnage.span(name, id)": "with span('request', 4711): pass",
        "with dunnage.span(name, id, since)": "with span('request', 4711, arrived): pass",
        "time.monotonic_ns()": "now()",
    }
    names = {"mark": dunnage.mark, "span": dunnage.span, "arrived": time.monotonic(), "now": time.monotonic_ns}
    timers = {name: timeit.Timer(code, globals=names) for name, code in codes.items()}
    rounds = {name: [] for name in codes}
    for _ in range(ROUNDS):
        for name, timer in timers.items():
            rounds[name].append(timer.timeit(10 * CALLS) / (10 * CALLS) * 1e9)
    return {name: statistics.median(times) for name, times in rounds.items()}


def children_ms():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def main():
    if sys.argv[1:]:
        return inside(int(sys.argv[1]))
    levels = [in_a_namespace(depth) for depth in (1, 2, 3)]
    answer = {"rounds": ROUNDS, "calls": CALLS, "starts": STARTS, "levels": levels}
    print(json.dumps(answer | {"imports_ms": imports(), "marks_ns": marks()}))


if __name__ == "__main__":
    main()
