"""Makes orphans that end by themselves: as many as are asked for, else without end until SIGTERM, and then leaves with 9.

At the end it waits for their zombies to go and says how many are left.
"""

import glob
import os
import signal
import sys
import time

asked = int(sys.argv[1]) if len(sys.argv) > 1 else None
told = False


def stop(number, frame):
    global told
    told = True


def is_zombie(path):
    try:
        with open(path) as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return False


if asked is None:
    signal.signal(signal.SIGTERM, stop)
made = 0
while not told and made != asked:
    if (child := os.fork()) == 0:
        # the stop may find a child that has not ended yet: it must not go on with the storm
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.fork()
        os._exit(0)
    os.waitpid(child, 0)
    made += 1
    if asked is None and made == 200:
        print("storm", flush=True)
if told:
    print("told", flush=True)
end = time.monotonic() + 60
while (zombies := sum(map(is_zombie, glob.glob("/proc/[0-9]*/stat")))) and time.monotonic() < end:
    time.sleep(0.05)
print("zombies", zombies, flush=True)
sys.exit(9 if told else 0)
