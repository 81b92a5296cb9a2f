"""Makes orphans without end until it is told to stop; then waits for their zombies to go, says how many are left, and exits with 9."""

import glob
import os
import signal
import sys
import time

told = False


def stop(number, frame):
    global told
    told = True


def zombies():
    count = 0
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as file:
                count += file.read().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            pass
    return count


signal.signal(signal.SIGTERM, stop)
made = 0
while not told:
    if (child := os.fork()) == 0:
        # the signal may find a child that has not ended yet: it must not go on with the storm
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.fork()
        os._exit(0)
    os.waitpid(child, 0)
    made += 1
    if made == 200:
        print("storm", flush=True)
print("told", flush=True)
end = time.monotonic() + 60
while (left := zombies()) and time.monotonic() < end:
    time.sleep(0.05)
print("zombies", left, flush=True)
sys.exit(9)
