"""When the given file comes, makes 100 orphans that end at once; says when all of them are zombies, and how many stay so."""

import glob
import os
import sys
import time

ORPHANS = 100


def zombies():
    found = 0
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as file:
                found += file.read().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            pass
    return found


def wait_for(is_so, seconds):
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)


print("up", flush=True)
wait_for(lambda: os.path.exists(sys.argv[1]), 300)
for _ in range(ORPHANS):
    if (child := os.fork()) == 0:
        os.fork()
        os._exit(0)
    os.waitpid(child, 0)
wait_for(lambda: zombies() >= ORPHANS, 60)
print("made" if zombies() >= ORPHANS else "not made", flush=True)
wait_for(lambda: zombies() == 0, 30)
print("left", zombies(), flush=True)
