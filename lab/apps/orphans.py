"""Makes orphans that end by themselves, waits for their zombies to go, says how many are left."""

import glob
import os
import sys
import time


def is_zombie(path):
    try:
        with open(path) as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return False


for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()
end = time.monotonic() + 30
while zombies := sum(map(is_zombie, glob.glob("/proc/[0-9]*/stat"))):
    if time.monotonic() > end:
        break
    time.sleep(0.05)
print("zombies", zombies, flush=True)
