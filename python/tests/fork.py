"""A process with a hook that forks in every way that applications do; its stderr is the test's matter.

Warnings are shown as Python shows them by default: those of `__main__`.
"""

from __future__ import annotations

import logging  # its own hooks of a fork run Python code after ours
import multiprocessing
import os
import subprocess
import sys
import threading

import dunnage

WHO = "parent"
FORKS = 20


def say(pressure: dunnage.MemoryPressure) -> None:
    os.write(1, f"{WHO} {pressure.level}\n".encode())


def fork_and_leave() -> None:
    for _ in range(FORKS):
        if (pid := os.fork()) == 0:
            os._exit(0)
        os.waitpid(pid, 0)


def identity(number: int) -> int:
    return number


def main() -> None:
    global WHO
    way = sys.argv[1]
    dunnage.on_memory_pressure(say)
    if way == "main":
        fork_and_leave()
    elif way == "logging":
        fork_and_leave()
        logging.getLogger("dunnage").debug("nothing")
        subprocess.run(["true"], preexec_fn=lambda: None, check=True)
    elif way == "thread" and sys.version_info < (3, 12):
        # from 3.12 on a fork in a thread is warned about, with us or without
        thread = threading.Thread(target=fork_and_leave)
        thread.start()
        thread.join()
    elif way == "pool":
        for _ in range(3):
            processes = [multiprocessing.get_context("fork").Process(target=identity, args=(1,)) for _ in range(3)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
    if (pid := os.fork()) == 0:
        WHO = "child"
        os.write(1, b"forked\n")
        sys.stdin.readline()
        os._exit(0)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
