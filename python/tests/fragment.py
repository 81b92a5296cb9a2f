"""A process that fills memory, drops nearly all of it, and gives back what it can: by dunnage, or by the C call alone.

usage: fragment.py WORKLOAD dunnage|trim; prints one JSON object.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from collections.abc import Callable
from typing import Any

# a survivor in 100 pins every arena; 1 MiB holds thousands of objects of either kind
EVERY = 100


def keep_some(make: Callable[[int], Any], count: int, every: int | None) -> list[Any]:
    made = [make(number) for number in range(count)]
    if every is None:
        return []
    # the list that remains is one block, whatever it holds
    kept: list[Any] = made[::every]
    return kept


class Ring:
    """Refers to itself: only the collector finds it."""

    def __init__(self) -> None:
        self.me = self
        self.load = bytearray(2000)


WORKLOADS: dict[str, Callable[[], list[Any]]] = {
    "small dicts, 1 % survive": lambda: keep_some(lambda n: {"a": n + 10**6}, 500_000, EVERY),
    "strings of 100, 1 % survive": lambda: keep_some(lambda n: f"{n:0100d}", 1_000_000, EVERY),
    "strings of 700, all freed": lambda: keep_some(lambda n: f"{n:0700d}", 200_000, None),
    "strings of 700, 1 % survive": lambda: keep_some(lambda n: f"{n:0700d}", 200_000, EVERY),
    "blocks of 2 KB, 1 % survive": lambda: keep_some(lambda n: bytearray(2000), 80_000, EVERY),
}


def resident() -> int:
    with open("/proc/self/smaps_rollup") as rollup:
        for line in rollup:
            if line.startswith("Rss:"):
                return int(line.split()[1]) << 10
    raise AssertionError("no Rss in smaps_rollup")


def size_of(kept: list[Any]) -> int:
    inner = sum(sys.getsizeof(v) for one in kept[:1] if isinstance(one, dict) for v in one.values())
    return sum(map(sys.getsizeof, kept)) + sys.getsizeof(kept) + len(kept) * inner


def main() -> None:
    workload, way = sys.argv[1:]
    import dunnage

    gc.disable()  # cycles play no part here, and collections on the way would only blur the sizes
    empty = resident()
    kept = WORKLOADS[workload]()
    dropped = resident()
    report: dict[str, Any] = {}
    if way == "dunnage":
        released = dunnage.release_memory()
        small = released.small_objects
        report = {
            "rss": released.rss,
            "cgroup": released.cgroup,
            "pinned_share": small and small.pinned_share,
            "notes": released.notes,
            "steps": released.steps,
        }
    else:
        ctypes.CDLL(None).malloc_trim(0)
    left = resident()
    report |= {"grown": dropped - empty, "given": dropped - left, "left": left - empty, "alive": size_of(kept)}
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
