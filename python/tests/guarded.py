"""A process that grows below a memory limit and says what its hooks are called with.

usage: guarded.py CGROUP; it enters that cgroup by itself.
"""

from __future__ import annotations

import os
import queue
import sys
import threading

import dunnage

SECONDS = 60
STEP = 2 << 20

told: queue.Queue[str] = queue.Queue()
blocks: list[bytearray] = []


def note(pressure: dunnage.MemoryPressure) -> None:
    told.put(f"{pressure.level} {threading.current_thread().name}")


def grow_to(share: float) -> None:
    while True:
        memory = dunnage.memory()
        assert memory.limit is not None
        assert memory.working_set is not None
        if memory.working_set >= share * memory.limit:
            return
        blocks.append(bytearray(STEP))


def say(who: str) -> None:
    print(who, told.get(timeout=SECONDS), flush=True)


def main() -> None:
    with open(os.path.join(sys.argv[1], "cgroup.procs"), "w") as procs:
        procs.write("0")
    dunnage.on_memory_pressure(note)
    with dunnage.guard() as guard:
        assert guard.active, guard
        grow_to(0.72)
        say("alone")
        leave, stay = os.pipe()
        if (pid := os.fork()) == 0:
            os.close(stay)
            grow_to(0.82)
            say("child")
            # what the child has grown to is the container's memory, and so the parent's concern
            os.read(leave, 1)
            os._exit(0)
        say("parent")
        os.close(stay)
        assert os.waitpid(pid, 0)[1] == 0
        grow_to(0.92)
        # memory fell when the child ended: whoever looked just then is told of "high" once more
        while not (last := told.get(timeout=SECONDS)).startswith("critical"):
            pass
        print("alone", last, flush=True)
    assert not guard.active
    assert [thread.name for thread in threading.enumerate()] == ["MainThread"]


if __name__ == "__main__":
    main()
